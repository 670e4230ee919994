"""The microservices of NeMo, which the NIM operator runs like a NIMService."""

from rollcall.domain.kinds.nim import service

ENTRIES = tuple(
    service(kind) for kind in ("NemoCustomizer", "NemoDatastore", "NemoEntitystore", "NemoEvaluator", "NemoGuardrail")
)
