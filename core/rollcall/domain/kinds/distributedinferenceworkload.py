"""DistributedInferenceWorkload of Run:ai: the contract's DistributedInference, groups of a leader and workers."""

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.kinds.entry import FoundRole
from rollcall.domain.kinds.runai import workload
from rollcall.domain.kinds.runai_fields import count_of, template_of
from rollcall.domain.kinds.serving import product
from rollcall.domain.records import Category


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    replicas, workers = count_of(obj.spec, "replicas", 1), count_of(obj.spec, "workers", None)
    template = template_of(obj.spec)
    return (
        FoundRole("leader", template, replicas),
        FoundRole("worker", template, product(replicas, workers)),
    )


ENTRIES = (
    workload(
        "DistributedInferenceWorkload",
        type_name="DistributedInference",
        category=Category.DEPLOY,
        default_priority_class="inference",
        find_roles=_find_roles,
        role_names=("leader", "worker"),
        recovers=True,
    ),
)
