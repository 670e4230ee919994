"""What Services and Ingresses expose is joined to the pods they select, whichever is seen first, and goes with them."""

import itertools

import pytest
from support.observed import NOW, SETTINGS, STATUSES

from rollcall.domain.derivation import derive
from rollcall.domain.exposing import EXPOSING_KINDS, INGRESS, SERVICE
from rollcall.domain.facts import KindKey
from rollcall.domain.records import Remembered
from rollcall.explain.gathering import gather
from rollcall_operator.cluster_state import POD, ClusterState, EventType
from rollcall_operator.listing import Listed, Lists, Standing
from rollcall_operator.sweep import Sweeper
from rollcall_operator.watched import watched_kinds

SPACE = "runai-team-a"
APP = {"app": "w"}
URL = "https://w.example.com"


def thing(api_version, kind, name, spec, **metadata):
    meta = {"name": name, "namespace": SPACE, "uid": f"{kind}-{name}", **metadata}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec, "status": STATUSES["ready"]}


def a_pod(name="w", labels=None):
    spec = {"containers": [{"name": "main"}], "nodeName": "n"}
    return thing("v1", "Pod", name, spec, labels=APP if labels is None else labels)


def a_service(**spec):
    return thing("v1", "Service", "w", {"selector": APP, "ports": [{"port": 80}], **spec})


def an_ingress(service="w"):
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": "w.example.com", "http": {"paths": [{"path": "/", "backend": backend}]}}
    return thing("networking.k8s.io/v1", "Ingress", "in", {"rules": [rule], "tls": [{}]})


def a_node(address="198.51.100.5"):
    node = thing("v1", "Node", "n", {})
    node["metadata"].pop("namespace")
    return node | {"status": {"addresses": [{"type": "ExternalIP", "address": address}]}}


class Seen:
    """The operator's state of a cluster whose first lists are complete."""

    def __init__(self):
        self.state = ClusterState(SETTINGS, all_namespaces=True)
        self.state.seen = None
        self.version = 0
        self.see({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "uid": "space"}})

    def see(self, obj, event=EventType.SEEN):
        self.version += 1
        found = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}
        key = KindKey(group=obj["apiVersion"].rpartition("/")[0], kind=obj["kind"])
        self.state.observe(key, event, found, at=NOW)

    def lose(self, obj):
        self.see(obj, EventType.DELETED)

    def urls(self, name="w"):
        """The URLs on the record that the flusher would write now; ``None`` where nothing has changed."""
        if f"Pod-{name}" not in self.state.dirty:
            return None
        self.state.dirty.clear()
        view = self.state.view(f"Pod-{name}")
        assert view is not None
        found = derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS)
        return found.workload.urls


def test_the_order_in_which_they_are_seen_does_not_matter():
    for order in itertools.permutations([a_pod(), a_service(), an_ingress()]):
        seen = Seen()
        for one in order:
            seen.see(one)
        assert seen.urls() == (URL,)
        seen.see(a_service())
        assert seen.urls() is None, "nothing new"


@pytest.mark.parametrize(
    "change",
    [
        lambda seen: seen.lose(an_ingress()),
        lambda seen: seen.lose(a_service()),
        lambda seen: seen.see(an_ingress(service="x")),
        lambda seen: seen.see(a_service(selector={"app": "x"})),
        lambda seen: seen.see(a_service(type="ExternalName")),
        lambda seen: seen.see(a_pod(labels={})),
    ],
)
def test_what_leads_nowhere_any_more_is_forgotten(change):
    seen = Seen()
    for one in (a_pod(), a_service(), an_ingress()):
        seen.see(one)
    assert seen.urls() == (URL,)
    change(seen)
    assert seen.urls() == ()


def test_only_those_whose_pods_are_selected_are_derived_again():
    seen = Seen()
    for one in (a_pod(), a_pod("other", {"app": "other"}), a_service()):
        seen.see(one)
    seen.state.dirty.clear()
    seen.see(an_ingress())
    assert list(seen.state.dirty) == ["Pod-w"]


def test_an_older_one_loses():
    seen = Seen()
    for one in (a_pod(), an_ingress(), a_service()):
        seen.see(one)
    assert seen.urls() == (URL,)
    old = a_service(selector={"app": "x"})
    seen.state.observe(SERVICE, EventType.SEEN, old | {"metadata": old["metadata"] | {"resourceVersion": "1"}}, at=NOW)
    assert seen.urls() is None


def test_the_address_of_its_node_is_that_of_a_port():
    seen = Seen()
    for one in (a_node(), a_pod(), a_service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])):
        seen.see(one)
    assert seen.urls() == ("http://198.51.100.5:30080",)
    seen.see(a_node("198.51.100.6"))
    assert seen.urls() == ("http://198.51.100.6:30080",)


@pytest.mark.parametrize("standing", [Standing.LISTED, Standing.FORBIDDEN, Standing.FAILED])
def test_a_complete_list_takes_away_what_it_does_not_hold(standing):
    seen = Seen()
    for one in (a_pod(), a_service(), an_ingress()):
        seen.see(one)
    assert seen.urls() == (URL,)
    lists = Lists({SERVICE: Listed(standing=standing, version=99), POD: Listed(standing=Standing.FAILED)})
    Sweeper(seen.state, None, "", watched_kinds(), clock=lambda: NOW).compare(lists, {}, {})
    assert seen.urls() == (() if standing is Standing.LISTED else None)


def test_they_are_watched_and_are_no_workloads():
    assert set(EXPOSING_KINDS) == {SERVICE, INGRESS} <= {kind.key for kind in watched_kinds()}
    seen = Seen()
    seen.see(a_service())
    seen.see(an_ingress())
    assert not seen.state.dirty


def test_explain_joins_them_too():
    found = gather([a_service(), an_ingress(), a_pod(), {"apiVersion": "v1", "kind": "Service"}], SETTINGS)
    (view,) = found.views
    assert [one.connections[0].url for one in view.exposures] == [URL]
    assert found.left_out == ("a Service has no metadata to go by.",)
