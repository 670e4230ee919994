"""Write what the chart holds of the code: the operator's rules, the values' schema, and the table of values.

Run by ``make docs``, after which a test compares. Each is a function from nothing to text, as in ``generate.py``.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from rollcall.domain.kinds.catalogue import all_entries
from rollcall.oidc_settings import ALGORITHMS
from rollcall.settings import EVERY, Settings
from rollcall_operator.rights import Rule, namespace_rules, rules
from rollcall_operator.watched import watched_kinds

CHART = Path(__file__).resolve().parents[1] / "charts" / "rollcall"

OWNED = {
    "ROLLCALL_DATABASE__DSN": "database",
    "ROLLCALL_OPERATOR__KUBE_CONTEXT": "operator.extraEnv",
    "ROLLCALL_OPERATOR__LEASE_NAMESPACE": "the release's namespace",
    "ROLLCALL_OPERATOR__LEASE_NAME": "fullnameOverride",
    "ROLLCALL_OPERATOR__NAMESPACES": "rbac.namespaces",
    "ROLLCALL_API__KUBE_CONTEXT": "api.extraEnv",
    "ROLLCALL_API__REVIEWS": "rbac.scope",
    "ROLLCALL_API__OIDC__CA_FILE": "oidc.caSecret",
    "ROLLCALL_API__APPLICATIONS_FILE": "applications",
    "ROLLCALL_API__AGGREGATED__ENABLED": "aggregatedApi.enabled",
    "ROLLCALL_API__AGGREGATED__HOST": "config.api.host",
    "ROLLCALL_API__AGGREGATED__PORT": "aggregatedApi.port",
    "ROLLCALL_API__AGGREGATED__CERTIFICATE_FILE": "aggregatedApi.certificate",
    "ROLLCALL_API__AGGREGATED__KEY_FILE": "aggregatedApi.certificate",
    "ROLLCALL_PROMETHEUS__TOKEN": "prometheus.tokenSecret",
    "ROLLCALL_PROMETHEUS__CA_FILE": "prometheus.caSecret",
}
"""Settings that are no value of ``config``, and what they follow from."""

_PORT = r"(:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_HOST = r"([-a-zA-Z0-9._]+|\[[0-9a-fA-F:.]+\])"
_IPV4 = r"((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(/(3[0-2]|[12]?[0-9]))?"
_IPV6 = r"[0-9a-fA-F:]*:[0-9a-fA-F:.]*(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"

CHECKED: dict[str, dict[str, Any]] = {
    "operator.kindsNamespace": {"maxLength": 63, "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"},
    "api.oidc.issuer": {"pattern": rf"^https://{_HOST}{_PORT}(/[^?#\s]*)?$"},
    "api.oidc.algorithms": {"minItems": 1, "items": {"enum": list(ALGORITHMS)}},
    "api.oidc.requiredClaims": {"items": {"type": "string", "pattern": r"^[^,=\s][^,=]*=[^,]*$"}},
    "api.clusters": {"if": {"contains": {"const": EVERY}}, "then": {"maxItems": 1}},
    "api.trustedProxies": {"items": {"type": "string", "pattern": f"^({_IPV4}|{_IPV6})$"}},
    # A pod that asks nobody listens on loopback alone, where no one reaches it.
    "api.authentication": {"enum": ["kubernetes", "oidc"]},
    # Where the containers are reached. Below 1024 is root's, and they are not.
    **{f"{component}.port": {"type": "integer", "minimum": 1024} for component in ("operator", "api")},
    **{f"{component}.host": {"type": "string", "minLength": 1} for component in ("operator", "api")},
}
"""What the settings ask for beyond their types, as a schema says it: a pod that refuses them starts again for ever."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_README_MARK = "<!-- The table below is written by `make docs`; do not edit it. -->\n"


def operator_rules() -> str:
    """The rules of the operator's ClusterRole."""
    return _rules_page(rules(watched_kinds(), all_entries()))


def operator_namespace_rules() -> str:
    """The rules of the operator's Role in each named namespace."""
    return _rules_page(namespace_rules(watched_kinds(), all_entries()))


def _rules_page(found: Iterable[Rule]) -> str:
    lines = ["# Written by `make docs` from the catalogue; do not edit."]
    for rule in found:
        lines += [
            f"- apiGroups: [{rule.group or json.dumps('')}]",
            f"  resources: [{', '.join(rule.plurals)}]",
            f"  verbs: [{', '.join(rule.verbs)}]",
        ]
    return "\n".join(lines) + "\n"


def camel_case(name: str) -> str:
    """``review_cache_seconds`` as a value is called: ``reviewCacheSeconds``."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def config_schema() -> dict[str, Any]:
    """The schema of ``config``: the settings' own."""
    sections: dict[str, Any] = {}
    for section, field in Settings.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            document = model.model_json_schema()
            prefix = f"ROLLCALL_{section.upper()}__"
            sections[camel_case(section)] = _settings_schema(document, document.get("$defs", {}), prefix)
    for place, checked in CHECKED.items():
        section, *names = place.split(".")
        node = sections[section]
        for name in names:
            node = node["properties"][name]
        node |= checked
    description = "Rollcall's own settings, by their names in camelCase."
    return {"type": "object", "additionalProperties": False, "description": description, "properties": sections}


def _settings_schema(document: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, field in document["properties"].items():
        if f"{prefix}{name}".upper() in OWNED:
            continue
        one = {key: value for key, value in field.items() if key not in {"title", "anyOf", "allOf", "$ref"}}
        for choice in field.get("anyOf") or field.get("allOf") or [field]:
            reference = choice.get("$ref")
            if reference is not None:
                one |= _settings_schema(definitions[reference.rpartition("/")[2]], definitions, f"{prefix}{name}__")
                one.pop("default", None)
            elif choice.get("type") != "null":
                one |= {key: value for key, value in choice.items() if key not in {"title", "description", "default"}}
        if one.get("default") is None:
            one.pop("default", None)
        if one.get("type") not in {"object", None}:
            # Null is how a value of a parent chart or of a values file is taken back.
            one["type"] = [one["type"], "null"]
        if one.get("items") is not None:
            # They are written with commas between them.
            one["items"] = {**one["items"], "pattern": "^[^,]*$"}
        if "enum" in one:
            one["type"] = "string"
        properties[camel_case(name)] = one
    described = {key: " ".join(document[key].split()) for key in ("description",) if key in document}
    return {"type": "object", "additionalProperties": False, **described, "properties": properties}


def schema() -> dict[str, Any]:
    """The schema of all values."""
    source = yaml.safe_load((CHART / "values.schema.yaml").read_text())
    head = {"$schema": _DRAFT, "title": "Values of Rollcall", "type": "object", "additionalProperties": False}
    document = {**head, "properties": {**source["properties"], "config": config_schema()}, "$defs": source["$defs"]}
    _require(document, yaml.safe_load((CHART / "values.yaml").read_text()))
    return document


def _require(node: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Say of everything with a default that it is there: taken back by a null, it would be missed by a template."""
    required = []
    for name, default in defaults.items():
        inner = node["properties"][name]
        if "properties" in inner:
            _require(inner, default)
            required.append(name)
        elif "null" not in inner.get("type", ()) and (default is False or (default and not isinstance(default, dict))):
            required.append(name)
    if required:
        node["required"] = required


def schema_page() -> str:
    """``values.schema.json``."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def described(
    place: str, node: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every value that has no values of its own, by its path, in the schema's order."""
    if "$ref" in node:
        node = {**definitions[node["$ref"].rpartition("/")[2]], **node}
    inner = node.get("properties")
    if not inner:
        yield place, node
        if node.get("type") == "array" and "properties" in node.get("items", {}):
            for name, child in node["items"]["properties"].items():
                yield from described(f"{place}[].{name}", child, definitions)
        return
    for name, child in inner.items():
        yield from described(f"{place}.{name}".lstrip("."), child, definitions)


def _default(place: str, values: Any, node: Mapping[str, Any]) -> str:
    found = values
    for name in place.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None:
        found = node.get("default")
    if found in (None, "", [], {}):
        return ""
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return f"`{text}`".replace("|", "\\|")


def readme() -> str:
    """The chart's README: what is written by hand, and the table."""
    kept, mark, _ = (CHART / "README.md").read_text().partition(_README_MARK)
    document = schema()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    lines = ["", "| value | default | what it is |", "| --- | --- | --- |"]
    for place, node in described("", document, document["$defs"]):
        said = str(node.get("description", "")).replace("|", "\\|")
        lines.append(f"| `{place}` | {_default(place, values, node)} | {said} |")
    return kept + mark + "\n".join(lines) + "\n"


FILES: dict[Path, Callable[[], str]] = {
    CHART / "files" / "operator-rules.yaml": operator_rules,
    CHART / "files" / "operator-namespace-rules.yaml": operator_namespace_rules,
    CHART / "values.schema.json": schema_page,
    CHART / "README.md": readme,
}
"""Everything that is written."""


def main() -> None:
    """Write every file."""
    for path, text in FILES.items():
        path.write_text(text())


if __name__ == "__main__":
    main()
