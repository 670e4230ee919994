"""Conditions as controllers write them: their time moves only with their status."""

from rollcall_demo.objects import Json


def set_condition(
    conditions: list[Json],
    kind: str,
    status: str,
    *,
    at: str,
    reason: str | None = None,
    message: str | None = None,
    clock: str | None = None,
) -> None:
    """Add or change a condition; ``clock`` names a second time that moves with every change.

    ``clock`` is ``lastUpdateTime`` for Deployments and training jobs, ``lastProbeTime`` for Jobs; pods have a
    ``lastProbeTime`` that is always null.
    """
    found = next((condition for condition in conditions if condition["type"] == kind), None)
    said = {key: text for key, text in (("reason", reason), ("message", message)) if text is not None}
    if found is not None and all(found.get(key) == text for key, text in {**said, "status": status}.items()):
        return
    changed = found is None or found["status"] != status
    condition: Json = {"type": kind, "status": status}
    if clock is not None:
        condition[clock] = at
    condition["lastTransitionTime"] = at if changed or found is None else found["lastTransitionTime"]
    condition.update(said)
    if found is None:
        conditions.append(condition)
    else:
        conditions[conditions.index(found)] = condition


def is_true(obj: Json, *kinds: str) -> bool:
    """Whether one of these conditions holds."""
    conditions = obj.get("status", {}).get("conditions", ())
    return any(condition["type"] in kinds and condition["status"] == "True" for condition in conditions)
