"""NIMBuild: an engine built once, by a pod."""

from rollcall.domain.kinds.nim import task

ENTRIES = (task("NIMBuild"),)
