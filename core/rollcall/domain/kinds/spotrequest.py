"""SPOTRequest of NVIDIA's edge platform: its status is read by convention, its pods decide."""

from dataclasses import replace

from rollcall.domain.facts import KindKey
from rollcall.domain.kinds import generic
from rollcall.domain.kinds.entry import KindEntry, Words

ENTRIES: tuple[KindEntry, ...] = (
    replace(
        generic.entry_of(KindKey(group="egx.nvidia.io", kind="SPOTRequest"), "v1"),
        plural="spotrequests",
        words=Words(
            runs="its conditions or its word say so by convention, pods deciding",
            fails="its conditions or its word say so by convention",
            stops="`spec.suspend`",
            asks="what its pods are",
            notes="nothing is published of its status",
        ),
        roles=(),
        default_priority_class="inference",
        watched=True,
    ),
)
