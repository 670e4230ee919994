"""Alerts and dashboards: every metric that they name is exposed, and a real Prometheus evaluates them."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.chart_cases import CASES
from support.helm import CHART, Helm, named
from support.prometheus import running_prometheus
from support.rows import eventually

from rollcall_api.health import RequestMeasures
from rollcall_operator.measures import Measures

DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))
_VARIABLES = {'namespace=~"$namespace"': 'namespace=~".*"'}


def exposed() -> set[str]:
    """The names of all series that either process can expose."""
    requests = RequestMeasures()
    requests.requests.labels("/", "200")
    requests.seconds.labels("/")
    measures = Measures()
    found = set()
    for registry in (measures.registry, requests.registry):
        for family in text_string_to_metric_families(generate_latest(registry).decode()):
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
            found |= {family.name + suffix for suffix in suffixes}
    return found


def expressions(path: Path) -> list[str]:
    """The queries of a dashboard, with every namespace chosen."""
    panels = json.loads(path.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    for name, value in _VARIABLES.items():
        found = [text.replace(name, value) for text in found]
    return found


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\brollcall_[a-z_]+\b", text))


@pytest.fixture(scope="module")
def rules(helm: Helm) -> list[dict[str, Any]]:
    """The alerts."""
    values = {"monitoring": {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}}
    (group,) = named(helm.render(values), "PrometheusRule", "rollcall")["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_every_metric_of_the_alerts_is_exposed(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        assert named_in(rule["expr"])
        assert named_in(rule["expr"]) <= exposed(), rule["alert"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_of_a_dashboard_is_exposed(path: Path) -> None:
    assert named_in(path.read_text()) <= exposed()
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in json.loads(path.read_text())["panels"]]
    assert len(set(places)) == len(places)


def test_dashboards_are_rendered_as_they_are(helm: Helm) -> None:
    objects = helm.render(CASES["dashboards"])
    for path in DASHBOARDS:
        found = named(objects, "ConfigMap", f"rollcall-dashboard-{path.stem}")
        assert json.loads(found["data"][path.name]) == json.loads(path.read_text())
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_a_real_prometheus_takes_alerts_and_queries(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "rollcall", "interval": "1s", "rules": rules}]}))
    with running_prometheus(tmp_path, rule_files=[file]) as server:

        def states() -> dict[str, str]:
            groups = httpx.get(f"{server.url}/api/v1/rules").json()["data"]["groups"]
            return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

        wanted = {rule["alert"]: "ok" for rule in rules}
        assert eventually(states, lambda found: "unknown" not in found.values() and bool(found)) == wanted
        for path in DASHBOARDS:
            for query in expressions(path):
                answer = httpx.get(f"{server.url}/api/v1/query", params={"query": query})
                assert answer.is_success, (query, answer.text)
