"""TrainingWorkload of Run:ai: the contract's Training."""

from dataclasses import replace

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.kinds.entry import FoundRole
from rollcall.domain.kinds.runai import workload
from rollcall.domain.kinds.runai_fields import count_of, template_of
from rollcall.domain.records import Category, RequestedPods


def _parallel(obj: ObjectFacts) -> int | None:
    """As of a Job: never more at once than are still to succeed."""
    parallelism, completions = count_of(obj.spec, "parallelism", 1), count_of(obj.spec, "completions", None)
    return parallelism if parallelism is None or completions is None else min(parallelism, completions)


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return (FoundRole("", template_of(obj.spec), _parallel(obj)),)


def _requested_pods(obj: ObjectFacts, number: int | None) -> RequestedPods:
    return RequestedPods(
        number=number,
        parallelism=count_of(obj.spec, "parallelism", 1),
        completions=count_of(obj.spec, "completions", None),
    )


ENTRIES = (
    replace(
        workload(
            "TrainingWorkload",
            type_name="Training",
            category=Category.TRAIN,
            default_priority_class="train",
            find_roles=_find_roles,
        ),
        requested_pods=_requested_pods,
    ),
)
