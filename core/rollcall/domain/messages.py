"""The sentences of a phase message: stable in order, each said once, capped."""

from collections.abc import Iterable

from rollcall.domain.pod_table import Severity
from rollcall.domain.pods import JudgedPod

MESSAGE_BYTES = 1024
"""The longest message that is published."""

_ELLIPSIS = "…"


def cap(text: str, limit: int = MESSAGE_BYTES) -> str:
    """``text`` in at most ``limit`` bytes of UTF-8, cut between characters, and sayable in UTF-8 at all."""
    if len(text) * 4 <= limit and text.isascii():
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode("utf-8")
    kept = encoded[: limit - len(_ELLIPSIS.encode())]
    return kept.decode("utf-8", "ignore") + _ELLIPSIS


def join(*parts: str | None) -> str | None:
    """The parts that say something, each once, joined and capped; ``None`` where none does."""
    said = tuple(dict.fromkeys(part for part in parts if part))
    return cap("; ".join(said)) if said else None


def of_pods(pods: Iterable[JudgedPod], *, at_most: Severity = Severity.NOT_READY) -> str | None:
    """What the pods say, the worst first; equal sentences are said once, with their number.

    Ties go by the role's place in the entry, then by name, so that the message does not depend on the order in which
    pods were seen.
    """
    texts: dict[str, list[str]] = {}
    speaking = [pod for pod in pods if pod.message and pod.severity <= at_most]
    if not speaking:
        return None
    speaking.sort(key=lambda pod: (pod.severity, pod.role_rank, pod.facts.meta.name, pod.facts.meta.uid))
    for pod in speaking:
        texts.setdefault(pod.message or "", []).append(pod.facts.meta.name)
    return cap(
        "; ".join(
            f"pod {names[0]}: {text}" if len(names) == 1 else f"{len(names)} pods: {text}"
            for text, names in texts.items()
        )
    )
