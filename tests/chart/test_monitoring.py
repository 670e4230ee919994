"""Alerts and dashboards: every metric that they name is exposed, and a real Prometheus evaluates them."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.chart_cases import CASES
from support.helm import CHART, Helm, named
from support.prometheus import PrometheusServer, running_prometheus
from support.rows import eventually
from support.workload_builders import START

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


A, B, C = "rollcall-operator-a", "rollcall-operator-b", "rollcall-api-c"
"""Pods of the release: who writes, who stands by, and who answers."""

Series = dict[tuple[str, ...], Callable[[float], float]]
"""Of a metric's name, a pod and further labels: the value in each minute."""


def always(value: float) -> Callable[[float], float]:
    return lambda _: value


HEALTHY: Series = {
    ("rollcall_is_leader", A): always(1),
    ("rollcall_is_leader", B): always(0),
    ("rollcall_watch_age_seconds", A, "kind=Job"): lambda minute: minute % 30,
    ("rollcall_queue_depth", A): lambda minute: 2000 - minute,
    ("rollcall_gpus_allocated", A, "of=workloads"): always(8),
    ("rollcall_gpus_allocated", A, "of=ignored"): always(1),
    ("rollcall_gpus_allocated", B, "of=workloads"): always(7),
    ("rollcall_gpus_bound", A, "node_pool=a100"): always(9),
    ("rollcall_gpus_bound", B, "node_pool=a100"): always(9),
    ("rollcall_database_up", A): always(1),
    ("rollcall_database_up", B): always(1),
    ("rollcall_writes_dropped_total", A): always(3),
    ("rollcall_api_requests_total", C, "status=200"): lambda minute: 100 * minute,
    ("rollcall_api_requests_total", C, "status=503"): lambda minute: minute,
}
SICK: dict[str, Series] = {
    "RollcallNobodyWrites": {("rollcall_is_leader", A): always(0)},
    "RollcallWatchStale": {("rollcall_watch_age_seconds", A, "kind=Job"): lambda minute: 60 * minute},
    "RollcallQueueGrowing": {("rollcall_queue_depth", A): lambda minute: 2000 + minute},
    "RollcallGpusDiffer": {("rollcall_gpus_bound", A, "node_pool=a100"): always(8)},
    "RollcallDatabaseAway": {("rollcall_database_up", B): always(0)},
    "RollcallWritesDropped": {("rollcall_writes_dropped_total", A): lambda minute: minute // 10},
    "RollcallApiFailing": {("rollcall_api_requests_total", C, "status=503"): lambda minute: 10 * minute},
}
"""What is not as it should be where an alert fires."""


def write(server: PrometheusServer, series: Series, day: int) -> datetime:
    """Half an hour of a day of its own; the instant when it ends."""
    begin = START + timedelta(days=day)
    for (name, pod, *labels), value in series.items():
        samples = [(begin + timedelta(minutes=place / 2), value(place / 2)) for place in range(61)]
        given = {"namespace": "rollcall", "pod": pod, **dict(label.split("=") for label in labels)}
        server.write(name, given, samples)
    return begin + timedelta(minutes=30)


def of_another(series: Series) -> Series:
    """The same of the pods of another release in the namespace."""
    return {(name, f"other-{pod}", *labels): value for (name, pod, *labels), value in series.items()}


def test_alerts_fire_where_something_is_wrong_and_only_there(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    assert {rule["alert"] for rule in rules} == set(SICK)
    with running_prometheus(tmp_path) as server:

        def firing(at: datetime) -> set[str]:
            found = set()
            for rule in rules:
                params: dict[str, str | float] = {"query": rule["expr"], "time": at.timestamp()}
                if httpx.get(f"{server.url}/api/v1/query", params=params).json()["data"]["result"]:
                    found.add(rule["alert"])
            return found

        everything_wrong = {key: value for series in SICK.values() for key, value in series.items()}
        well = write(server, {**HEALTHY, **of_another({**HEALTHY, **everything_wrong})}, 0)
        assert firing(well) == set(), "another release in the namespace is another's"
        for day, alert in enumerate(sorted(SICK), 1):
            another = of_another({("rollcall_is_leader", A): always(1)})
            at = write(server, {**HEALTHY, **SICK[alert], **another}, day)
            assert firing(at) == {alert}
