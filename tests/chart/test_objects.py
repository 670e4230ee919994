"""What the chart makes, object by object: who is let through, what is asked, and that each part names the others."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support.chart_cases import CASES, EXTRAS, POD, external
from support.helm import Helm, Objects, named, pod_templates

from rollcall_api.health import router

PROCESSES = ("rollcall-operator", "rollcall-api")


@pytest.fixture(scope="module")
def defaults(helm: Helm) -> Objects:
    """The objects of no values at all."""
    return helm.render({})


def selected(selector: Mapping[str, str], objects: Objects) -> set[str]:
    """The names of what makes the pods that a selector finds."""
    return {
        name
        for name, template in pod_templates(objects).items()
        if selector.items() <= template["metadata"]["labels"].items()
    }


def process(objects: Objects, name: str) -> dict[str, Any]:
    """The one container of a process."""
    (found,) = pod_templates(objects)[name]["spec"]["containers"]
    return dict(found)


def ports(objects: Objects, name: str) -> dict[str, int]:
    """The ports of a container by their names."""
    return {port["name"]: port["containerPort"] for port in process(objects, name)["ports"]}


@pytest.mark.parametrize("name", PROCESSES)
def test_two_pods_are_there_and_stay_while_new_ones_come(defaults: Objects, name: str) -> None:
    """So a release whose migration fails, and whose pods never start, takes none of the old ones away."""
    spec = named(defaults, "Deployment", name)["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    (migrate,) = spec["template"]["spec"]["initContainers"]
    assert (migrate["command"], migrate["args"]) == (["rollcall"], ["migrate"])
    assert migrate["image"] == process(defaults, name)["image"]
    assert {one["name"] for one in migrate["env"]} == {"ROLLCALL_DATABASE__DSN", "PGPASSWORD"}


def test_without_election_the_old_operator_ends_before_the_new_one_begins(helm: Helm) -> None:
    objects = helm.render(CASES["operator: no election"])
    assert named(objects, "Deployment", "rollcall-operator")["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("name", PROCESSES)
def test_evictions_leave_one_and_nodes_are_shared(defaults: Objects, name: str) -> None:
    budget = named(defaults, "PodDisruptionBudget", name)["spec"]
    assert budget["maxUnavailable"] == 1
    assert selected(budget["selector"]["matchLabels"], defaults) == {name}
    (spread,) = pod_templates(defaults)[name]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    assert selected(spread["labelSelector"]["matchLabels"], defaults) == {name}


@pytest.mark.parametrize("name", PROCESSES)
def test_probes_ask_what_is_served(defaults: Objects, name: str) -> None:
    """The operator serves the same paths (`tests/faults/test_operator_page.py`)."""
    container = process(defaults, name)
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    paths = {probe: get["path"] for probe, get in asked.items()}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert set(paths.values()) <= {route.path for route in router.routes}  # type: ignore[attr-defined]
    assert {get["port"] for get in asked.values()} <= set(ports(defaults, name))


def test_ports_are_those_of_the_settings(helm: Helm) -> None:
    objects = helm.render({**CASES["kubectl: a certificate that is there"], **CASES["settings"]})
    assert ports(objects, "rollcall-operator") == {"metrics": 9081}
    assert ports(objects, "rollcall-api") == {"http": 9080, "kubectl": 9443}


@pytest.mark.parametrize("case", ["kubectl", "everything"])
def test_every_service_leads_to_a_port_of_its_pods(helm: Helm, case: str) -> None:
    objects = helm.render(CASES[case])
    services = [one for one in objects if one["kind"] == "Service"]
    assert len(services) == 3
    for service in services:
        (name,) = selected(service["spec"]["selector"], objects)
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports(objects, name))


def test_the_autoscaler_has_the_replicas_to_itself(helm: Helm) -> None:
    objects = helm.render(CASES["api: autoscaled by memory"])
    assert "replicas" not in named(objects, "Deployment", "rollcall-api")["spec"]
    spec = named(objects, "HorizontalPodAutoscaler", "rollcall-api")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "rollcall-api"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    assert [one["resource"]["name"] for one in spec["metrics"]] == ["memory"]


def test_ingress_and_gateway_lead_to_the_api(helm: Helm) -> None:
    ingress = named(helm.render(CASES["ingress: TLS"]), "Ingress", "rollcall-api")["spec"]
    assert ingress["ingressClassName"] == "nginx"
    assert [rule["host"] for rule in ingress["rules"]] == ["rollcall.example.com", "rollcall.example.org"]
    for rule in ingress["rules"]:
        (path,) = rule["http"]["paths"]
        assert path["backend"] == {"service": {"name": "rollcall-api", "port": {"name": "http"}}}
    values = {**CASES["gateway"], "api": {"service": {"port": 8000}}}
    route = named(helm.render(values), "HTTPRoute", "rollcall-api")["spec"]
    assert route["parentRefs"] == [{"name": "public", "namespace": "team-a", "sectionName": "https"}]
    assert route["rules"][0]["backendRefs"] == [{"name": "rollcall-api", "port": 8000}]


@pytest.mark.parametrize(("case", "kind"), [("service monitors", "ServiceMonitor"), ("pod monitors", "PodMonitor")])
def test_prometheus_scrapes_both_where_they_tell(helm: Helm, case: str, kind: str) -> None:
    objects = helm.render(CASES[case])
    for name in PROCESSES:
        spec = named(objects, kind, name)["spec"]
        (endpoint,) = spec["endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"]
        assert endpoint["path"] == "/metrics"
        labels = spec["selector"]["matchLabels"]
        if kind == "PodMonitor":
            assert selected(labels, objects) == {name}
            assert endpoint["port"] in ports(objects, name)
        else:
            found = [
                one
                for one in objects
                if one["kind"] == "Service" and labels.items() <= one["metadata"]["labels"].items()
            ]
            assert [one["metadata"]["name"] for one in found] == [name]
            assert endpoint["port"] in {port["name"] for port in found[0]["spec"]["ports"]}


@pytest.mark.parametrize("component", ["operator", "api"])
def test_what_is_given_beside_comes_to_the_pods(helm: Helm, component: str) -> None:
    objects = helm.render({component: {**POD, **EXTRAS}, "commonLabels": {"cost-centre": "42"}})
    template = pod_templates(objects)[f"rollcall-{component}"]
    container = process(objects, f"rollcall-{component}")
    for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName"):
        assert template["spec"][name] == POD[name]
    assert template["spec"]["topologySpreadConstraints"] == EXTRAS["topologySpreadConstraints"]
    assert template["metadata"]["labels"].items() >= {"team": "platform", "cost-centre": "42"}.items()
    assert template["metadata"]["annotations"]["example.com/note"] == "yes"
    assert container["env"][-1] == EXTRAS["extraEnv"][0], "the last of a name wins"
    assert container["envFrom"][-1] == EXTRAS["extraEnvFrom"][0]
    assert container["volumeMounts"][-1] == EXTRAS["extraVolumeMounts"][0]
    assert template["spec"]["volumes"][-1] == EXTRAS["extraVolumes"][0]
    (other,) = set(PROCESSES) - {f"rollcall-{component}"}
    assert "nodeSelector" not in pod_templates(objects)[other]["spec"]


def test_every_object_and_pod_has_the_common_labels(helm: Helm) -> None:
    objects = helm.render({**CASES["everything"], "commonLabels": {"cost-centre": "42"}})
    lacking = [one["metadata"]["name"] for one in objects if one["metadata"]["labels"].get("cost-centre") != "42"]
    assert lacking == []
    assert all(one["metadata"]["labels"]["cost-centre"] == "42" for one in pod_templates(objects).values())


def test_images_are_pulled_as_the_values_say(helm: Helm) -> None:
    objects = helm.render(CASES["image by tag"])
    for name, template in pod_templates(objects).items():
        assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}, {"name": "other"}], name
    assert process(objects, "rollcall-api")["image"] == "ghcr.io/rollcall-dev/rollcall:main"
    digest = "registry.example/rollcall@sha256:" + "0" * 64
    assert process(helm.render(CASES["image by digest"]), "rollcall-api")["image"] == digest


Opening = tuple[frozenset[int | str], str]
"""Ports, and the peer: the names of pods, a range of addresses, or nothing for anybody."""


def peers(rule: Mapping[str, Any], side: str, objects: Objects) -> Iterator[str]:
    """Whom a rule is about."""
    for peer in rule.get(side, [{}]):
        if "podSelector" in peer and "namespaceSelector" not in peer:
            labels = peer["podSelector"]["matchLabels"]
            yield " ".join(sorted(selected(labels, objects))) or str(labels)
        else:
            yield " ".join(str(value) for inner in peer.values() for value in inner.values())


def openings(objects: Objects, name: str, direction: str) -> set[Opening]:
    """What a policy lets through."""
    spec = named(objects, "NetworkPolicy", name)["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert selected(spec["podSelector"]["matchLabels"], objects) == {name}
    side = {"ingress": "from", "egress": "to"}[direction]
    return {
        (frozenset(port["port"] for port in rule["ports"]), peer)
        for rule in spec[direction]
        for peer in peers(rule, side, objects)
    }


def opening(peer: str, *of: int | str) -> Opening:
    return frozenset(of), peer


NAMES, CLUSTER = opening("", 53), opening("", 443, 6443)


def test_the_network_is_open_where_it_has_to_be_and_nowhere_else(helm: Helm) -> None:
    objects = helm.render({**CASES["network"], "config": {"prometheus": {"url": "http://prometheus:9090"}}})
    database = opening("rollcall-postgresql", 5432)
    assert openings(objects, "rollcall-operator", "ingress") == {opening("", "metrics")}
    assert openings(objects, "rollcall-operator", "egress") == {NAMES, CLUSTER, database}
    assert openings(objects, "rollcall-api", "ingress") == {opening("", "http")}
    assert openings(objects, "rollcall-api", "egress") == {NAMES, CLUSTER, database, opening("", 9090)}
    both = {opening(name, "postgresql") for name in PROCESSES}
    assert openings(objects, "rollcall-postgresql", "ingress") == both
    assert openings(objects, "rollcall-postgresql", "egress") == set()


def test_the_network_is_narrowed_to_the_peers_that_are_named(helm: Helm) -> None:
    objects = helm.render(CASES["network: narrow"])
    ingress, monitoring = (str({"kubernetes.io/metadata.name": namespace}) for namespace in ("ingress", "monitoring"))
    cluster = {opening("10.0.0.1/32", 6443), opening("fd00::1/128", 6443)}
    beside = {NAMES, *cluster, opening("10.1.2.0/24", 6432), opening("10.9.0.0/16", 443)}
    assert openings(objects, "rollcall-operator", "ingress") == {opening(monitoring, "metrics")}
    assert openings(objects, "rollcall-operator", "egress") == beside
    assert openings(objects, "rollcall-api", "ingress") == {opening(ingress, "http"), opening(monitoring, "http")}
    assert openings(objects, "rollcall-api", "egress") == {*beside, opening(monitoring, 9090)}


def test_kubectl_comes_in_from_the_api_server(helm: Helm) -> None:
    objects = helm.render(CASES["kubectl: a certificate of cert-manager"])
    assert openings(objects, "rollcall-api", "ingress") == {opening("", "http"), opening("", "kubectl")}


@pytest.mark.parametrize(("port", "given", "open_port"), [(6432, None, 6432), (6432, 5432, 5432)])
def test_the_way_to_an_external_database_is_open_at_its_port(
    helm: Helm, port: int, given: int | None, open_port: int
) -> None:
    values = {**external(host="db.example", port=port), "networkPolicy": {"enabled": True, "databasePort": given}}
    assert opening("", open_port) in openings(helm.render(values), "rollcall-operator", "egress")
