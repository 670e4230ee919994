"""How workloads are reached: what their objects say, and what Services and Ingresses expose of their pods."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.observed import SETTINGS, obj, observe, pod, template

from rollcall.domain.attachments import Connection, ConnectionType, Tool
from rollcall.domain.connections import MOST_CONNECTIONS
from rollcall.domain.exposing import INGRESS, SERVICE, read_ingress, read_service
from rollcall.domain.exposure_index import ExposureIndex
from rollcall.domain.node_reading import read_node

SPACE = "runai-team-a"
APP = {"app": "w"}
OUTSIDE = "https://llm.models.example.com"
INSIDE = "http://llm-predictor.models.svc.cluster.local"

SAID = [
    ("Service", "serving.knative.dev/v1", {"url": OUTSIDE, "address": {"url": INSIDE}}, [OUTSIDE], True),
    ("Service", "serving.knative.dev/v1", {"url": INSIDE}, [INSIDE], False),
    ("InferenceService", None, {"url": OUTSIDE}, [OUTSIDE], True),
    (
        "LLMInferenceService",
        None,
        {"url": OUTSIDE, "addresses": [{"url": INSIDE}, {"url": OUTSIDE}, {}, 5]},
        [OUTSIDE, INSIDE],
        True,
    ),
    ("SeldonDeployment", None, {"address": {"url": f"{INSIDE}:8000/v2"}}, [f"{INSIDE}:8000/v2"], False),
    ("DevWorkspace", None, {"mainUrl": f"{OUTSIDE}/ada/ws/3100/"}, [f"{OUTSIDE}/ada/ws/3100/"], True),
    (
        "NIMService",
        None,
        {"model": {"clusterEndpoint": "10.96.0.7:8000", "externalEndpoint": ""}},
        ["http://10.96.0.7:8000"],
        False,
    ),
    (
        "RayJob",
        None,
        {"dashboardURL": "w-head-svc.team.svc.cluster.local:8265"},
        ["http://w-head-svc.team.svc.cluster.local:8265"],
        False,
    ),
    (
        "RayCluster",
        None,
        {"head": {"serviceName": "w-head-svc"}, "endpoints": {"dashboard": "8266"}},
        ["http://w-head-svc.runai-team-a.svc:8266"],
        False,
    ),
    (
        "RayService",
        None,
        {"activeServiceStatus": {"rayClusterStatus": {"head": {"serviceName": "w-head-svc"}}}},
        ["http://w-head-svc.runai-team-a.svc:8265"],
        False,
    ),
    (
        "SparkApplication",
        None,
        {"driverInfo": {"webUIAddress": "10.96.0.9:4040", "webUIIngressAddress": "ui.example.com"}},
        ["http://ui.example.com", "http://10.96.0.9:4040"],
        True,
    ),
    (
        "Service",
        "serving.knative.dev/v1",
        {"url": "https://user:secret@llm.example.com/x"},
        ["https://llm.example.com/x"],
        True,
    ),
    ("Service", "serving.knative.dev/v1", {"url": "javascript://x"}, [], False),
    ("Service", "serving.knative.dev/v1", {"url": "https://a b"}, [], False),
    ("Service", "serving.knative.dev/v1", {"url": "https://" + "x" * 5000}, [], False),
    ("Service", "serving.knative.dev/v1", {"url": ["x"]}, [], False),
    ("Service", "serving.knative.dev/v1", {}, [], False),
    ("RayCluster", None, {"head": "x", "endpoints": ["8265"]}, [], False),
    ("Job", None, {"url": OUTSIDE}, [], False),
]


@pytest.mark.parametrize(("kind", "version", "status", "urls", "reached"), SAID)
def test_an_object_says_where_it_is_reached(kind, version, status, urls, reached):
    found = observe(obj(kind, {"template": template()}, status, api_version=version)).workload
    assert list(found.urls) == urls
    assert [(way.name, way.type, way.url) for way in found.connections] == (
        [("w", ConnectionType.EXTERNAL_URL, urls[0])] if reached else []
    )


def service(*ports, name="w", selector=None, addresses=(), **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": SPACE, "uid": name, "resourceVersion": "7"},
        "spec": {"selector": APP if selector is None else selector, "ports": list(ports), **spec},
        "status": {"loadBalancer": {"ingress": list(addresses)}},
    }


def ingress(*rules, addresses=(), **spec):
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "in", "namespace": SPACE, "uid": "in", "resourceVersion": "7"},
        "spec": {"rules": list(rules), **spec},
        "status": {"loadBalancer": {"ingress": list(addresses)}},
    }


def exposures_of(*objects):
    index = ExposureIndex()
    for one in objects:
        index.saw(SERVICE if one["kind"] == "Service" else INGRESS, one)
    return index.of(SPACE)


def rule(host="w.example.com", path="/", name="w", port=None):
    backend = {"service": {"name": name, "port": port or {"number": 80}}}
    return {**({"host": host} if host else {}), "http": {"paths": [{"path": path, "backend": backend}]}}


HTTP = {"name": "http", "port": 80, "targetPort": 8080}
BALANCED = {"type": "LoadBalancer", "addresses": [{"ip": "203.0.113.7"}]}
NODE = read_node(
    {
        "metadata": {"name": "gpu-1", "uid": "n"},
        "status": {
            "addresses": [
                {"type": "Hostname", "address": "gpu-1"},
                {"type": "InternalIP", "address": "10.0.0.5"},
                {"type": "ExternalIP", "address": "198.51.100.5"},
            ]
        },
    },
    SETTINGS,
)


def way(sort, url, name="w/http", tool=Tool.CUSTOM, container_port=8080):
    return Connection(name=name, type=sort, url=url, tool=tool, container_port=container_port)


BALANCER, PORT, URL = ConnectionType.LOAD_BALANCER, ConnectionType.NODE_PORT, ConnectionType.EXTERNAL_URL

EXPOSED = [
    ("inside only", [service(HTTP)], [], []),
    ("balancer", [service(HTTP, **BALANCED)], [], [way(BALANCER, "http://203.0.113.7")]),
    (
        "balancer by name",
        [service(HTTP, type="LoadBalancer", addresses=[{"hostname": "lb.example.com"}])],
        [],
        [way(BALANCER, "http://lb.example.com")],
    ),
    (
        "balancer over IPv6",
        [service(HTTP, type="LoadBalancer", addresses=[{"ip": "2001:db8::1"}])],
        [],
        [way(BALANCER, "http://[2001:db8::1]")],
    ),
    ("balancer that has no address yet", [service(HTTP, type="LoadBalancer")], [], []),
    (
        "HTTPS",
        [service({"port": 443, "targetPort": "web"}, **BALANCED)],
        [],
        [way(BALANCER, "https://203.0.113.7", name="w", container_port=None)],
    ),
    (
        "no protocol known",
        [service({"name": "ssh", "port": 22}, **BALANCED)],
        [],
        [way(BALANCER, "203.0.113.7:22", name="w/ssh", container_port=22)],
    ),
    (
        "protocol by the field",
        [service({"port": 9000, "appProtocol": "kubernetes.io/h2c"}, **BALANCED)],
        [],
        [way(BALANCER, "http://203.0.113.7:9000", name="w", container_port=9000)],
    ),
    ("UDP", [service({**HTTP, "protocol": "UDP"}, **BALANCED)], [], []),
    (
        "a tool",
        [service({"name": "http-tensorboard", "port": 6006}, **BALANCED)],
        [],
        [
            way(
                BALANCER,
                "http://203.0.113.7:6006",
                name="w/http-tensorboard",
                tool=Tool.TENSORBOARD,
                container_port=6006,
            )
        ],
    ),
    (
        "node port",
        [service({**HTTP, "nodePort": 30080}, type="NodePort")],
        [],
        [way(PORT, "http://198.51.100.5:30080")],
    ),
    (
        "ports of a balancer on nodes",
        [service({**HTTP, "nodePort": 30080}, **BALANCED)],
        [],
        [way(BALANCER, "http://203.0.113.7")],
    ),
    ("ingress", [service(HTTP)], [ingress(rule())], [way(URL, "http://w.example.com", name="in")]),
    (
        "ingress with a path",
        [service(HTTP)],
        [ingress(rule(path="/w", name="w"))],
        [way(URL, "http://w.example.com/w", name="in")],
    ),
    (
        "ingress with an expression",
        [service(HTTP)],
        [ingress(rule(path="/w(/|$)(.*)"))],
        [way(URL, "http://w.example.com/w", name="in")],
    ),
    (
        "ingress with TLS",
        [service(HTTP)],
        [ingress(rule(), tls=[{"hosts": ["w.example.com"]}])],
        [way(URL, "https://w.example.com", name="in")],
    ),
    (
        "ingress with TLS for another host",
        [service(HTTP)],
        [ingress(rule(), tls=[{"hosts": ["x.example.com"]}])],
        [way(URL, "http://w.example.com", name="in")],
    ),
    (
        "ingress by the port's name",
        [service({**HTTP, "name": "jupyter"})],
        [ingress(rule(port={"name": "jupyter"}))],
        [way(URL, "http://w.example.com", name="in", tool=Tool.JUPYTER)],
    ),
    (
        "ingress without a host",
        [service(HTTP)],
        [ingress(rule(host=None), addresses=[{"ip": "203.0.113.9"}])],
        [way(URL, "http://203.0.113.9", name="in")],
    ),
    ("ingress with a wildcard", [service(HTTP)], [ingress(rule(host="*.example.com"))], []),
    (
        "ingress by default",
        [service(HTTP)],
        [
            ingress(
                defaultBackend={"service": {"name": "w", "port": {"number": 80}}},
                addresses=[{"hostname": "lb.example.com"}],
            )
        ],
        [way(URL, "http://lb.example.com", name="in")],
    ),
    ("ingress to another Service", [service(HTTP)], [ingress(rule(name="x"))], []),
    ("a Service of other pods", [service(HTTP, selector={"app": "x"}, **BALANCED)], [], []),
    ("a Service of some pods", [service(HTTP, selector={"app": "w", "role": "x"}, **BALANCED)], [], []),
]


@pytest.mark.parametrize(
    ("services", "ingresses", "ways"), [case[1:] for case in EXPOSED], ids=[case[0] for case in EXPOSED]
)
def test_services_and_ingresses_lead_to_pods(services, ingresses, ways):
    exposures = exposures_of(*ingresses, *services)
    assert exposures == exposures_of(*services, *ingresses), "in any order"
    top = obj("Deployment", {"template": template() | {"metadata": {"labels": APP}}})
    other, ended = pod("x", labels={"app": "other"}), pod("y", "failed", labels=APP)
    found = observe(top, other, pod(labels=APP), nodes=(NODE,), exposures=exposures).workload
    assert list(found.connections) == ways
    assert list(found.urls) == [one.url for one in ways if one.url and "://" in one.url]
    assert observe(top, other, ended, nodes=(NODE,), exposures=exposures).workload.connections == (), "nobody answers"


def test_the_pods_of_a_node_that_is_not_known_have_no_address():
    exposures = exposures_of(service({**HTTP, "nodePort": 30080}, type="NodePort"))
    found = observe(None, pod(labels=APP), exposures=exposures).workload
    assert found.connections == (way(PORT, None),)
    assert found.urls == ()


UNEXPOSED = [
    {"clusterIP": "None", "selector": APP},
    {"selector": {}},
    {"type": "ExternalName", "externalName": "x", "selector": APP},
    {"selector": {"app": 5}},
    {"selector": "app=w"},
    {},
]


@pytest.mark.parametrize("spec", UNEXPOSED)
def test_a_service_that_can_lead_nowhere_is_not_kept(spec):
    assert read_service({"metadata": {"name": "w", "namespace": "n", "uid": "u"}, "spec": spec}) is None
    assert read_service({"metadata": {"name": "w", "namespace": "n"}, "spec": {"selector": APP}}) is None
    assert read_ingress({"metadata": {"name": "w"}}) is None


def test_there_is_a_bound_to_them():
    ports = [{"name": f"p{number}", "port": number + 1} for number in range(1000)]
    found = observe(None, pod(labels=APP), exposures=exposures_of(service(*ports, **BALANCED))).workload
    assert len(found.connections) == MOST_CONNECTIONS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "selector",
                    "ports",
                    "port",
                    "targetPort",
                    "name",
                    "rules",
                    "host",
                    "http",
                    "paths",
                    "path",
                    "backend",
                    "service",
                    "number",
                    "tls",
                    "hosts",
                    "defaultBackend",
                    "ingress",
                    "ip",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(spec=JSON, status=JSON)
def test_no_service_and_no_ingress_is_too_odd(spec, status):
    meta = {"name": "w", "namespace": "n", "uid": "u", "resourceVersion": "x"}
    body = {"metadata": meta, "spec": spec, "status": {"loadBalancer": status}}
    index = ExposureIndex()
    for key in (INGRESS, SERVICE):
        index.saw(key, body)
    index.of("n")
    index.saw(SERVICE, {"metadata": spec, "spec": status})
    index.lost("u")
    assert index.of("n") == ()
