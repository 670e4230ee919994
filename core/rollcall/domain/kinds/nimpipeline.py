"""NIMPipeline."""

from rollcall.domain.kinds.nim import pipeline

ENTRIES = (pipeline("NIMPipeline"),)
