"""NIMService."""

from rollcall.domain.kinds.nim import service

ENTRIES = (service("NIMService"),)
