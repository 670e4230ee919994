"""InteractiveWorkload of Run:ai: the contract's Workspace."""

from rollcall.domain.facts import ObjectFacts
from rollcall.domain.kinds.entry import FoundRole
from rollcall.domain.kinds.runai import workload
from rollcall.domain.kinds.runai_fields import template_of
from rollcall.domain.records import Category


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return (FoundRole("", template_of(obj.spec), 1),)


ENTRIES = (
    workload(
        "InteractiveWorkload",
        type_name="Workspace",
        category=Category.BUILD,
        default_priority_class="build",
        find_roles=_find_roles,
    ),
)
