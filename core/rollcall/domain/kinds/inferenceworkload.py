"""InferenceWorkload of Run:ai: the contract's Inference, served by Knative and scaled to zero where it may be."""

from dataclasses import replace

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.kinds.entry import FoundRole
from rollcall.domain.kinds.runai import workload
from rollcall.domain.kinds.runai_fields import count_of, template_of
from rollcall.domain.records import Category, RequestedPods


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """What one template stands for: the least that runs, and one pod where it may be scaled to zero."""
    least = count_of(obj.spec, "minScale", 1)
    return (FoundRole("", template_of(obj.spec), None if least is None else max(1, least)),)


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    least = count_of(obj.spec, "minScale", 1)
    return RequestedPods(number=least, min=least, max=count_of(obj.spec, "maxScale", None))


ENTRIES = (
    replace(
        workload(
            "InferenceWorkload",
            type_name="Inference",
            category=Category.DEPLOY,
            default_priority_class="inference",
            find_roles=_find_roles,
            recovers=True,
        ),
        requested_pods=_requested_pods,
    ),
)
