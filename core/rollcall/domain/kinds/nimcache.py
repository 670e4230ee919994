"""NIMCache: a model downloaded once, by a Job."""

from rollcall.domain.kinds.nim import task

ENTRIES = (task("NIMCache"),)
