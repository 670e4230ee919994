"""What the chart gives the processes are their settings, and every setting can be given."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from support.chart_cases import CASES
from support.helm import CHART, Helm, HelmError, Objects, containers, pod_templates

from rollcall.settings import load_settings, setting_names

LIBPQ = {"PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"}
POSTGRES = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS", "PGDATA"}
EXTRA = {"HTTPS_PROXY"}
"""What the cases themselves give."""


def _generator() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "docs" / "generate_chart.py"
    specification = importlib.util.spec_from_file_location("generate_chart", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


GENERATE = _generator()


@pytest.mark.parametrize("path", GENERATE.FILES, ids=lambda path: path.name)
def test_the_committed_file_is_the_generated_one(path: Path) -> None:
    """Run `make docs` where this fails."""
    assert path.read_text() == GENERATE.FILES[path]()


def variables(objects: Objects) -> set[str]:
    """Every environment variable that a container is given."""
    found = {
        name for one in objects if one["kind"] == "ConfigMap" for name in one["data"] if name.startswith("ROLLCALL_")
    }
    for template in pod_templates(objects).values():
        for container in containers(template):
            found |= {variable["name"] for variable in container.get("env", [])}
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_a_setting(helm: Helm, case: str) -> None:
    found = variables(helm.render(CASES[case]))
    assert {name for name in found if name.startswith("ROLLCALL_")} <= set(setting_names())
    assert {name for name in found if not name.startswith("ROLLCALL_")} <= LIBPQ | POSTGRES | EXTRA


SAMPLES: dict[str, Any] = {
    "url": "http://prometheus.example",
    "authentication": "oidc",
    "issuer": "https://sso.example.com",
    "algorithms": ["RS256", "ES256"],
    "requiredClaims": ["hd=example.com"],
    "trustedProxies": ["10.0.0.0/8", "fd00::1"],
    "kindsNamespace": "kinds",
}
"""Of settings that take no text whatever."""


def sample_of(name: str, node: Mapping[str, Any]) -> Any:
    """A value that the schema takes."""
    if name in SAMPLES:
        return SAMPLES[name]
    if "enum" in node:
        return node["enum"][0]
    kind = node["type"][0] if isinstance(node["type"], list) else node["type"]
    number = max(node.get("minimum", 0), node.get("exclusiveMinimum", 0), 700)
    return {
        "string": 'some text, with $ and: "quotes"',
        "integer": min(number, node.get("maximum", number)),
        "number": min(number + 0.5, node.get("maximum", number + 0.5)),
        "boolean": True,
        "array": ["one", "two"],
    }[kind]


def filled(name: str, node: Mapping[str, Any]) -> Any:
    """A value for everything below."""
    if "properties" in node:
        return {inner: filled(inner, child) for inner, child in node["properties"].items()}
    return sample_of(name, node)


def test_every_setting_can_be_given(helm: Helm) -> None:
    """Those that are no value of `config` follow from others, each of which a case sets."""
    given = {"config": filled("config", GENERATE.config_schema())}
    (config,) = [one for one in helm.render(given) if one["kind"] == "ConfigMap"]
    assert set(config["data"]) == set(setting_names()) - set(GENERATE.OWNED)
    assert config["data"]["ROLLCALL_CLUSTER__PROJECT_LABELS"] == "one,two"
    assert config["data"]["ROLLCALL_CLUSTER__ALL_NAMESPACES"] == "true"
    assert config["data"]["ROLLCALL_CLUSTER__NAME"] == 'some text, with $ and: "quotes"'
    rendered = set().union(*(variables(helm.render(values)) for values in CASES.values()))
    assert set(GENERATE.OWNED) - rendered == {"ROLLCALL_OPERATOR__KUBE_CONTEXT", "ROLLCALL_API__KUBE_CONTEXT"}, (
        "a ServiceAccount has no kubeconfig; extraEnv can still name one"
    )


TEXTS = (
    *("", " ", "some text", "*", "team-*", "Team A", "HS256", "RS256", "=x", " =x", "hd", "hd=example.com"),
    *("10.0.0.0", "10.0.0.0/8", "10.0.0.0/33", "300.1.1.1", "fd00::/8", "fd00::/129"),
    *(
        "http://host.example",
        "https://host.example/path",
        "https://user:password@host.example",
        "https://host.example?x",
    ),
    *("https://host.example:8443", "https://host.example:port", "https://host.example:65536"),
)
GIVEN: dict[str, dict[str, Any]] = {
    **{repr(text): {"string": text, "array": [text]} for text in TEXTS},
    **{str(number): {"integer": number, "number": number} for number in (-1, 0, 1, 9, 301, 8443, 86_401, 10**9)},
    "0.5": {"number": 0.5},
    "nothing in a list": {"array": []},
    "all and one": {"array": ["*", "one"]},
    "true": {"boolean": True},
}
"""What is given to every setting of these types."""


def of_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their paths, as the tree that Helm is given."""
    tree: dict[str, Any] = {}
    for place, value in values.items():
        node = tree
        *sections, name = place.split(".")
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = value
    return tree


@pytest.mark.parametrize("given", GIVEN)
def test_what_the_chart_takes_the_settings_take(helm: Helm, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Everything that can be given this value is; what Helm refuses is taken back; with the rest a process starts."""
    document = GENERATE.schema()
    places = dict(GENERATE.described("config", document["properties"]["config"], document["$defs"]))
    working = {
        "config.api.authentication": "oidc",
        "config.api.oidc.issuer": "https://sso.example.com",
        "config.api.oidc.audiences": ["rollcall"],
        "config.operator.leaderElection": True,
    }
    tried = {}
    for place, node in places.items():
        kind = node["type"][0] if isinstance(node["type"], list) else node["type"]
        if kind in GIVEN[given]:
            tried[place] = GIVEN[given][kind]
    assert tried
    while True:
        try:
            objects = helm.render(of_places({**working, **tried}))
        except HelmError as error:
            said = str(error)
            # In the schema's words (config/api/clusters/0) or in ours (config.api.oidc.audiences).
            named = re.findall(r"config[./][\w./]*\w", said)
            refused = {re.sub(r"\.\d+$", "", name.replace("/", ".")) for name in named} & set(tried)
            assert refused, said
            tried = {place: value for place, value in tried.items() if place not in refused}
        else:
            break
    (config,) = [one for one in objects if one["kind"] == "ConfigMap"]
    for name, value in config["data"].items():
        monkeypatch.setenv(name, value)
    load_settings()


def test_numbers_are_written_as_settings_read_them(helm: Helm) -> None:
    objects = helm.render(CASES["settings"])
    (config,) = [one for one in objects if one["kind"] == "ConfigMap"]
    assert config["data"]["ROLLCALL_OPERATOR__RETENTION_DAYS"] == "1000000"
    assert config["data"]["ROLLCALL_OPERATOR__FLUSH_INTERVAL_SECONDS"] == "0.5"
    operator = pod_templates(objects)["rollcall-operator"]["spec"]["containers"][0]
    assert operator["ports"][0]["containerPort"] == 9081


def test_every_value_is_described_and_nothing_else_is() -> None:
    document = GENERATE.schema()
    definitions = document["$defs"]
    places = dict(GENERATE.described("", document, definitions))
    assert {place for place, node in places.items() if not node.get("description")} == set()

    def leaves(values: Any, node: Mapping[str, Any], place: str) -> set[str]:
        if "$ref" in node:
            node = {**definitions[node["$ref"].rpartition("/")[2]], **node}
        if isinstance(values, dict) and "properties" in node:
            unknown = {f"{place}.{name}" for name in values if name not in node["properties"]}
            inner = (
                leaves(child, node["properties"][name], f"{place}.{name}")
                for name, child in values.items()
                if name in node["properties"]
            )
            return unknown.union(*inner)
        return set()

    assert leaves(yaml.safe_load((CHART / "values.yaml").read_text()), document, "") == set()
