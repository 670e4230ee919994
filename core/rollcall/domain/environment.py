"""Environment variables: taken out of what is kept of an object, or kept where the setting asks for them.

Only literal values ever stay. What comes from a Secret, a ConfigMap or a field of the pod is not looked at.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rollcall.domain.fields import elements_at, text_at

VARIABLES = frozenset({"env", "envs", "envVars", "environment", "environmentVariables"})
"""Keys under which objects keep environment variables, as a list of names and values or as a mapping."""

DROPPED = frozenset({"envFrom", "runtimeEnv", "runtimeEnvYAML"})
"""Keys whose values hold environment variables in a form of their own; no rule reads them."""

ALWAYS_KEPT = frozenset({"AZUREML_NODE_COUNT"})
"""Variables that a kind counts its pods by."""

MOST_VARIABLES = 200

CleanText = Callable[[Any], str | None]


def literal_variables(container: Mapping[str, Any], clean: CleanText) -> tuple[tuple[str, str], ...]:
    """(name, literal value) of a container's variables, each once: the last of a name is what it sees."""
    found: dict[str, str] = {}
    for variable in elements_at(container, "env")[:MOST_VARIABLES]:
        name, value = clean(text_at(variable, "name")), _literal(variable, clean)
        if name and value is not None:
            found[name] = value
        elif name:
            found.pop(name, None)
    return tuple(found.items())


def reduced(value: Any, clean: CleanText, *, keep_values: bool) -> Any:
    """What is kept of the variables under one of :data:`VARIABLES`: their names, and literal values if asked for."""
    if isinstance(value, list | tuple):
        return [_reduced_element(item, clean, keep_values=keep_values) for item in value]
    if isinstance(value, Mapping):
        return {
            clean(name) or "": _kept(name, inner, clean, keep_values=keep_values)
            for name, inner in value.items()
            if isinstance(name, str)
        }
    return None


def _kept(name: str, value: Any, clean: CleanText, *, keep_values: bool) -> Any:
    """A value of a mapping; one that pods are counted by may be a number."""
    if name in ALWAYS_KEPT and isinstance(value, int):
        return value
    return clean(value) if keep_values or name in ALWAYS_KEPT else None


def _reduced_element(variable: Any, clean: CleanText, *, keep_values: bool) -> dict[str, Any]:
    if not isinstance(variable, Mapping):
        return {"name": ""}
    found: dict[str, Any] = {"name": clean(text_at(variable, "name")) or ""}
    value = _literal(variable, clean)
    if value is not None and (keep_values or found["name"] in ALWAYS_KEPT):
        found["value"] = value
    return found


def _literal(variable: Mapping[str, Any], clean: CleanText) -> str | None:
    """The value that stands in the spec itself; an element that has both is none the API server takes."""
    return None if variable.get("valueFrom") is not None else clean(variable.get("value"))
