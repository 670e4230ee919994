"""The aggregated API through the real kube-apiserver and the real kubectl, for users of different rights."""

import asyncio
import base64
import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from kubernetes import client
from support.api_process import ApiProcess
from support.cluster_objects import a_pod, a_project, remove_namespace
from support.kubectl import Kubectl, table
from support.operator_process import OperatorProcess
from support.rows import eventually
from support.workload_builders import a_request, a_workload, uid_of

from rollcall.domain.records import Phase, RequestedPods, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch, DeletionSeen, Gone
from rollcall.store.writes import write_batch
from rollcall_cluster.applying import SAMPLES, apply_objects, read_documents
from rollcall_cluster.binaries import Binaries
from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.programs import Program, free_ports

ONE, OTHER = "kubectl-one", "kubectl-other"
RBAC = "rbac.authorization.k8s.io"
CREATED = datetime.now(UTC) - timedelta(hours=5, minutes=7)

Write = Callable[..., None]


def job(name: str, namespace: str = ONE, **changes: Any) -> WorkloadRecord:
    """A Job's record; its uid is made of both names."""
    given = {"uid": uid_of(f"{namespace}/{name}"), "namespace": namespace, "created_at": CREATED, **changes}
    return a_workload(name, **given)


WORKLOADS = (
    job("train", phase=Phase.RUNNING, phase_message=None, ready_pods=1, running_pods=1, current_node_pools=("big",)),
    job(
        "train",
        uid=uid_of("the ray cluster called train"),
        api_group="ray.io",
        api_version="ray.io/v1",
        kind="RayCluster",
        type="RayCluster",
        requested_pods=RequestedPods(number=3),
        workload_requested=a_request(4),
    ),
    job("waits", phase_message="0/3 nodes are available", project_name="project-one"),
    job("aside", OTHER, submitted_by=None),
    job("bare", OTHER, api_group="", api_version="v1", kind="Pod", type="Pod", phase=Phase.COMPLETED),
)


@pytest.fixture(scope="module")
def write(shared_database: DatabaseSettings, api: client.ApiClient) -> Write:
    """Write a batch as this cluster's operator would."""
    core: Any = client.CoreV1Api(api)
    cluster_id = core.read_namespace("kube-system").metadata.uid

    async def written(batch: Batch, of: str) -> None:
        engine = create_engine(shared_database, application_name="test")
        async with engine.begin() as connection:
            now = datetime.now(UTC)
            await write_batch(connection, of, batch, observed_at=now)
            await touch_cluster(connection, cluster_id=of, name="test", watches_observed_at=now)
        await engine.dispose()

    def write(*workloads: WorkloadRecord, gone: tuple[Gone, ...] = (), of: str = cluster_id) -> None:
        asyncio.run(written(Batch(workloads=workloads, gone_workloads=gone), of))

    return write


@pytest.fixture(scope="module")
def port() -> int:
    """Where the aggregated API listens."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def served(
    port: int,
    cluster: LocalCluster,
    api: client.ApiClient,
    shared_database: DatabaseSettings,
    write: Write,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiProcess]:
    """The API with the documented rights, registered with the API server."""
    for namespace in (ONE, OTHER):
        apply_objects(api, [a_project(namespace)])
    apply_objects(api, read_documents([SAMPLES.parent / "manifests" / "aggregated-api-rights.yaml"]))
    write(*WORKLOADS)
    elsewhere = replace(WORKLOADS[0], uid=uid_of("elsewhere"), name="elsewhere")
    write(elsewhere, of=uid_of("another cluster"))
    certificate, key = cluster.serving_certificate("rollcall-api", "rollcall-api.rollcall.svc")
    with ApiProcess(
        tmp_path_factory.mktemp("aggregated"),
        shared_database,
        kubeconfig=cluster.kubeconfig_of("rollcall", "rollcall-api"),
        api__aggregated__enabled=True,
        api__aggregated__port=port,
        api__aggregated__certificate_file=certificate,
        api__aggregated__key_file=key,
        api__review_cache_seconds=1,
    ) as process:
        apply_objects(api, registration(port, cluster.authority_file))
        eventually(lambda: availability(api), lambda found: found == "True Passed")
        yield process
    registered: Any = client.ApiregistrationV1Api(api)
    registered.delete_api_service("v1.rollcall.dev")
    for namespace in (ONE, OTHER):
        remove_namespace(api, namespace)


def registration(port: int, authority: Path) -> list[dict[str, Any]]:
    """What makes the API server ask this machine: an address of loopback is none that a Service may have."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "rollcall-api", "namespace": "rollcall"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1.rollcall.dev"},
            "spec": {
                "group": "rollcall.dev",
                "version": "v1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(authority.read_bytes()).decode(),
                "service": {"namespace": "rollcall", "name": "rollcall-api", "port": port},
            },
        },
    ]


def availability(api: client.ApiClient) -> str:
    registered: Any = client.ApiregistrationV1Api(api)
    conditions = registered.read_api_service("v1.rollcall.dev").status.conditions or []
    return next((f"{one.status} {one.reason}" for one in conditions if one.type == "Available"), "unknown")


@pytest.fixture(scope="module")
def kubectl(
    cluster: LocalCluster,
    binaries: Binaries,
    served: ApiProcess,  # noqa: ARG001 - it is to be there
    api: client.ApiClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Kubectl:
    """An admin's, who may be anybody: ada may view one namespace, bob may edit it, carl sees everything."""
    apply_objects(
        api,
        [
            a_binding("RoleBinding", "ada", "view", namespace=ONE),
            a_binding("RoleBinding", "bob", "edit", namespace=ONE),
            a_binding("ClusterRoleBinding", "carl", "view"),
        ],
    )
    kubectl = Kubectl(binaries, cluster.kubeconfig, tmp_path_factory.mktemp("kubectl"))
    eventually(lambda: kubectl.run("get", "rwl", "-A", user="carl").returncode, lambda code: code == 0)
    return kubectl


def a_binding(kind: str, user: str, role: str, **place: str) -> dict[str, Any]:
    """A user's ClusterRole, everywhere or in one namespace."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": f"kubectl-{user}", **place},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "apiGroup": RBAC, "name": user}],
    }


NAMES = ["train.job.batch", "train.raycluster.ray.io", "waits.job.batch", "aside.job.batch", "bare.pod"]


def names(printed: str) -> list[str]:
    """The names in what ``-o name`` prints."""
    return [line.removeprefix("workload.rollcall.dev/") for line in printed.splitlines()]


def test_a_table_of_all_namespaces(kubectl: Kubectl) -> None:
    header, *rows = table(kubectl("get", "workloads.rollcall.dev", "-A", user="carl"))
    assert header == ["NAMESPACE", "NAME", "TYPE", "PHASE", "PODS", "GPUS", "NODE POOLS", "AGE"]
    assert rows[0][:-1] == [ONE, "train.job.batch", "Job", "Running", "1/1", "0/1", "big"]
    # Some time has passed since this module was read; past eight hours kubectl leaves the minutes out.
    assert re.fullmatch(r"[5-7]h(\d+m)?", rows[0][-1]), rows[0]
    assert sorted(row[1] for row in rows) == sorted(NAMES), "of this cluster alone, and two of one name are distinct"
    ray = next(row for row in rows if row[1] == "train.raycluster.ray.io")
    assert ray[2:6] == ["RayCluster", "Pending", "0/3", "0/4"]


def test_wide_adds_who_and_why(kubectl: Kubectl) -> None:
    header, *rows = table(kubectl("get", "rwl", "-n", ONE, "-o", "wide", user="ada"))
    assert header[-4:] == ["SUBMITTER", "PRIORITY", "IMAGES", "MESSAGE"]
    waits = next(row for row in rows if row[0] == "waits.job.batch")
    assert waits[-4:] == ["ada@example.com", "train", "trainer:1", "0/3 nodes are available"]


def test_an_object_says_what_the_contract_says(kubectl: Kubectl) -> None:
    found = json.loads(kubectl("get", "rwl", "train.job.batch", "-n", ONE, "-o", "json", user="ada"))
    assert (found["apiVersion"], found["kind"]) == ("rollcall.dev/v1", "Workload")
    metadata = found["metadata"]
    assert metadata["uid"] == WORKLOADS[0].uid
    assert datetime.fromisoformat(metadata["creationTimestamp"]) == CREATED.replace(microsecond=0)
    assert metadata["labels"]["rollcall.dev/name"] == "train"
    assert int(metadata["resourceVersion"]) > 1
    assert found["spec"]["workloadRef"] == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": "train",
        "uid": WORKLOADS[0].uid,
    }
    assert found["spec"]["workloadRequestedResources"]["gpu"]["request"] == 1
    assert found["status"]["phase"] == "Running"
    assert found["status"]["readyPods"] == 1
    as_yaml = yaml.safe_load(kubectl("get", "rwl", "train.job.batch", "-n", ONE, "-o", "yaml", user="ada"))
    assert as_yaml == found | {"metadata": as_yaml["metadata"]}


def test_names_columns_and_order_are_the_clients(kubectl: Kubectl) -> None:
    assert sorted(names(kubectl("get", "rwl", "-A", "-o", "name", user="carl"))) == sorted(NAMES)
    columns = "custom-columns=N:.spec.name,P:.status.phase"
    printed = kubectl("get", "rwl", "-n", OTHER, "-o", columns, user="carl")
    assert table(printed) == [["N", "P"], ["aside", "Pending"], ["bare", "Completed"]]
    by_uid = kubectl("get", "rwl", "-A", "--sort-by=.metadata.uid", "-o", "name", user="carl")
    uids = {name: record.uid for name, record in zip(NAMES, WORKLOADS, strict=True)}
    assert names(by_uid) == sorted(NAMES, key=lambda name: uids[name])
    _, *rows = table(kubectl("get", "rwl", "-A", "--sort-by=.status.phase", user="carl"))
    assert [row[3] for row in rows] == ["Completed", "Pending", "Pending", "Pending", "Running"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["-l", "rollcall.dev/name=train"], {"train.job.batch", "train.raycluster.ray.io"}),
        (["-l", "rollcall.dev/kind in (Pod, RayCluster)"], {"bare.pod", "train.raycluster.ray.io"}),
        (["-l", "rollcall.dev/project!=team-a"], {"waits.job.batch"}),
        (["-l", "rollcall.dev/type notin (Job)"], {"bare.pod", "train.raycluster.ray.io"}),
        (["-l", "rollcall.dev/name=train,rollcall.dev/type=Job"], {"train.job.batch"}),
        (["-l", "rollcall.dev/type,!app"], set(NAMES)),
        (["-l", "app"], set()),
        (["-l", "app!=web"], set(NAMES)),
        (["--field-selector", "status.phase=Running"], {"train.job.batch"}),
        (["--field-selector", "spec.type=Job,status.phase!=Running"], {"waits.job.batch", "aside.job.batch"}),
        (["--field-selector", "metadata.name=bare.pod"], {"bare.pod"}),
        (["--field-selector", f"metadata.namespace={OTHER}"], {"aside.job.batch", "bare.pod"}),
        (["--field-selector", "spec.submittedBy="], {"aside.job.batch"}),
        (["--chunk-size=2"], set(NAMES)),
        (["--chunk-size=2", "-l", "rollcall.dev/type=Job"], {"train.job.batch", "waits.job.batch", "aside.job.batch"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_selectors_and_chunks(kubectl: Kubectl, words: list[str], wanted: set[str]) -> None:
    found = names(kubectl("get", "rwl", "-A", "-o", "name", *words, user="carl"))
    assert len(found) == len(wanted)
    assert set(found) == wanted


def test_pages_hold_each_object_once_and_say_what_they_are_as_of(kubectl: Kubectl) -> None:
    path = "/apis/rollcall.dev/v1/workloads?limit=2"
    found: list[str] = []
    versions: set[str] = set()
    token = ""
    while True:
        page = json.loads(kubectl("get", "--raw", path + (f"&continue={token}" if token else ""), user="carl"))
        found += [one["metadata"]["name"] for one in page["items"]]
        versions.add(page["metadata"]["resourceVersion"])
        token = page["metadata"].get("continue", "")
        assert len(page["items"]) == (2 if token else 1)
        if not token:
            break
    assert sorted(found) == sorted(NAMES)
    assert len(versions) == 1


def test_describe_by_the_workloads_own_name(kubectl: Kubectl) -> None:
    printed = kubectl("describe", "rwl", "waits", "-n", ONE, user="ada")
    assert "waits.job.batch" in printed
    assert "0/3 nodes are available" in printed


def test_explain_tells_of_every_field(kubectl: Kubectl) -> None:
    printed = kubectl("explain", "workloads.rollcall.dev", user="ada")
    assert "GROUP:      rollcall.dev" in printed
    assert "KIND:       Workload" in printed
    assert "status\t" in printed
    printed = kubectl("explain", "rwl.status.phase", user="ada")
    assert "Where in its life it is." in printed
    assert "Running" in printed, "the phases are enumerated"
    printed = kubectl("explain", "rwl", "--recursive", user="ada")
    assert "gpuRequestType" in printed


def test_discovery_names_the_resource(kubectl: Kubectl) -> None:
    header, *rows = table(kubectl("api-resources", "--api-group=rollcall.dev", "-o", "wide", user="ada"))
    assert header[:4] == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED"]
    assert rows == [["workloads", "rwl", "rollcall.dev/v1", "true", "Workload", "get,list,watch"]]


def test_rights_are_those_of_rbac(kubectl: Kubectl) -> None:
    assert len(names(kubectl("get", "rwl", "-n", ONE, "-o", "name", user="ada"))) == 3
    cannot = 'User "ada" cannot list resource "workloads" in API group "rollcall.dev"'
    assert f'{cannot} in the namespace "{OTHER}"' in kubectl.refused("get", "rwl", "-n", OTHER, user="ada")
    assert f"{cannot} at the cluster scope" in kubectl.refused("get", "rwl", "-A", user="ada")
    assert "(Forbidden)" in kubectl.refused("get", "rwl", "-n", ONE, user="nobody")
    for user, namespace, may in (("ada", ONE, True), ("ada", OTHER, False), ("carl", OTHER, True)):
        done = kubectl.run("auth", "can-i", "list", "workloads.rollcall.dev", "-n", namespace, user=user)
        assert (done.stdout.strip() == "yes") is may


def test_who_may_see_one_object_may_wait_for_it(kubectl: Kubectl, api: client.ApiClient) -> None:
    """By ``resourceNames``; what kubectl waits with is a list and a watch of that name."""
    one = "train.job.batch"
    rule = {
        "apiGroups": ["rollcall.dev"],
        "resources": ["workloads"],
        "resourceNames": [one],
        "verbs": ["get", "list", "watch"],
    }
    place = {"namespace": ONE}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "one", **place}, "rules": [rule]}
    binding = a_binding("RoleBinding", "dora", "one", **place)
    apply_objects(api, [role, binding | {"roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "one"}}])
    by_name = ("get", "rwl", "-n", ONE, "-o", "name", "--field-selector")
    eventually(lambda: kubectl.run("get", "rwl", one, "-n", ONE, user="dora").returncode, lambda code: code == 0)
    assert names(kubectl(*by_name, f"metadata.name={one}", user="dora")) == [one]
    is_running = "--for=jsonpath={.status.phase}=Running"
    kubectl("wait", f"rwl/{one}", "-n", ONE, is_running, "--timeout=30s", user="dora")
    for words in (
        ("get", "rwl", "-n", ONE),
        (*by_name, f"metadata.name!={one}"),
        (*by_name, "metadata.name=waits.job.batch"),
        (*by_name, f"metadata.name=waits.job.batch,metadata.name={one}"),
    ):
        assert "(Forbidden)" in kubectl.refused(*words, user="dora")


def test_writes_are_refused(kubectl: Kubectl) -> None:
    path = f"/apis/rollcall.dev/v1/namespaces/{ONE}/workloads"
    for verb in ("create", "update", "patch", "delete"):
        assert kubectl.run("auth", "can-i", verb, "rwl", "-n", ONE, user="bob").stdout.strip() == "no"
    assert "Forbidden" in kubectl.refused("delete", "--raw", f"{path}/train.job.batch", user="bob")
    refused = kubectl.refused("delete", "rwl", "train.job.batch", "-n", ONE)
    assert "MethodNotAllowed" in refused
    refused = kubectl.refused("label", "rwl", "train.job.batch", "a=b", "-n", ONE)
    assert "MethodNotAllowed" in refused


def test_what_cannot_be_is_said_in_the_servers_words(kubectl: Kubectl) -> None:
    refused = kubectl.refused("get", "rwl", "nothing.job.batch", "-n", ONE, user="ada")
    assert '(NotFound): workloads.rollcall.dev "nothing.job.batch" not found' in refused
    refused = kubectl.refused("get", "rwl", "-n", ONE, "--field-selector", "spec.colour=red", user="ada")
    assert "(BadRequest)" in refused
    assert "field label not supported: spec.colour" in refused
    path = f"/apis/rollcall.dev/v1/namespaces/{ONE}/workloads"
    for query, message in (
        ("continue=nonsense", "continue key is not valid"),
        ("limit=-1", "limit: Invalid value"),
        ("resourceVersion=99999999", "Too large resource version"),
        ("resourceVersion=2&resourceVersionMatch=Exact", "too old"),
    ):
        assert message in kubectl.refused("get", "--raw", f"{path}?{query}", user="ada")
    assert "could not find the requested resource" in kubectl.refused("get", "--raw", f"{path}/a/b")


def test_counts_and_sums_of_what_may_be_listed(kubectl: Kubectl) -> None:
    base = "/apis/rollcall.dev/v1"

    def asked(path: str, user: str) -> Any:
        return json.loads(kubectl("get", "--raw", base + path, user=user))

    assert asked("/workloads/count", "carl") == {"count": 5}
    assert asked(f"/namespaces/{ONE}/workloads/count", "ada") == {"count": 3}
    assert asked(f"/namespaces/{ONE}/workloads/count?filterBy=phase==Running", "ada") == {"count": 1}
    sums = asked("/workloads/telemetry?telemetryType=WORKLOADS_COUNT&groupBy=Phase", "carl")
    assert {one["groups"][0]["value"]: one["value"] for one in sums["values"]} == {
        "Completed": "1",
        "Pending": "3",
        "Running": "1",
    }
    assert "(Forbidden)" in kubectl.refused("get", "--raw", f"{base}/workloads/count", user="ada")
    assert "telemetryType is missing" in kubectl.refused("get", "--raw", f"{base}/workloads/telemetry", user="carl")


def rows_so_far(watching: Program) -> list[list[str]]:
    """The rows that a kubectl has printed, without one that it is printing just now."""
    whole, _, _ = watching.log.read_text().rpartition("\n")
    return table(whole)[1:]


def test_a_watch_sees_each_change_as_it_comes(kubectl: Kubectl, write: Write) -> None:
    words = ("get", "rwl", "-n", OTHER, "-w", "--output-watch-events", "--field-selector", "spec.name=seen")
    watching = kubectl.beside("watch", *words, user="carl")
    watching.start()

    def events() -> list[list[str]]:
        return [[line[0], *line[2:4]] for line in rows_so_far(watching)]

    try:
        comes = job("seen", OTHER)
        # The watch begins some time after the process: what is there by then is told of as well.
        write(comes)
        eventually(events, lambda found: found == [["ADDED", "Job", "Pending"]])
        write(replace(comes, phase=Phase.RUNNING, observed_version=11))
        eventually(events, lambda found: found[1:] == [["MODIFIED", "Job", "Running"]])
        gone = Gone(uid=comes.uid, observed_version=12, at=datetime.now(UTC), seen=DeletionSeen.EXACT)
        write(gone=(gone,))
        eventually(events, lambda found: [one[0] for one in found] == ["ADDED", "MODIFIED", "DELETED"])
        assert watching.is_running
    finally:
        watching.stop()


def test_what_leaves_a_selection_is_gone_for_its_watch(kubectl: Kubectl, write: Write) -> None:
    begins = job("leaves", OTHER)
    write(begins)
    listed = json.loads(kubectl("get", "--raw", f"/apis/rollcall.dev/v1/namespaces/{OTHER}/workloads", user="carl"))
    version = listed["metadata"]["resourceVersion"]
    write(replace(begins, phase=Phase.RUNNING, observed_version=11))
    write(replace(begins, phase=Phase.COMPLETED, observed_version=12))
    gone = Gone(uid=begins.uid, observed_version=13, at=datetime.now(UTC), seen=DeletionSeen.EXACT)
    write(gone=(gone,))
    query = f"watch=true&resourceVersion={version}&timeoutSeconds=2&allowWatchBookmarks=true"
    path = f"/apis/rollcall.dev/v1/namespaces/{OTHER}/workloads?{query}"

    def seen(selector: str) -> list[tuple[str, str]]:
        printed = kubectl("get", "--raw", f"{path}&fieldSelector={selector}", user="carl")
        events = [json.loads(line) for line in printed.splitlines()]
        assert events[-1]["type"] == "BOOKMARK"
        versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in events]
        assert versions == sorted(versions)
        assert versions[0] > int(version)
        return [(one["type"], one["object"].get("status", {}).get("phase", "")) for one in events[:-1]]

    assert seen("status.phase%3DPending") == [("DELETED", "Running")]
    everything = seen("spec.name%3Dleaves")
    assert everything[-1][0] == "DELETED"


@pytest.mark.parametrize("query", ["watch", "watch=true&limit=1", "watch=TRUE&resourceVersion=0"])
def test_a_watch_tells_of_all_that_is_there(kubectl: Kubectl, query: str) -> None:
    path = f"/apis/rollcall.dev/v1/workloads?{query}&timeoutSeconds=2"
    events = [json.loads(line) for line in kubectl("get", "--raw", path, user="carl").splitlines()]
    assert sorted(one["object"]["metadata"]["name"] for one in events if one["type"] == "ADDED") == sorted(NAMES)


@pytest.mark.parametrize(
    "path", ["", "/workloads", f"/namespaces/{ONE}/workloads", f"/namespaces/{ONE}/workloads/train.job.batch"]
)
def test_a_path_may_end_in_a_slash(kubectl: Kubectl, path: str) -> None:
    found, slashed = (
        json.loads(kubectl("get", "--raw", f"/apis/rollcall.dev/v1{path}{end}", user="carl")) for end in ("", "/")
    )
    assert slashed == found


def test_a_version_that_is_too_old_is_gone(kubectl: Kubectl) -> None:
    path = "/apis/rollcall.dev/v1/workloads?watch=true&timeoutSeconds=2&resourceVersion=1"
    refused = kubectl.refused("get", "--raw", path, user="carl")
    assert "(Expired): too old resource version: 1" in refused


def test_initial_events_end_with_a_bookmark_that_says_so(kubectl: Kubectl) -> None:
    query = (
        "watch=true&timeoutSeconds=2&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    )
    printed = kubectl("get", "--raw", f"/apis/rollcall.dev/v1/workloads?{query}", user="carl")
    events = [json.loads(line) for line in printed.splitlines()]
    added = [one["object"]["metadata"]["name"] for one in events if one["type"] == "ADDED"]
    assert sorted(added) == sorted(NAMES)
    mark = events[len(added)]
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_documents_are_gathered_by_the_api_server(kubectl: Kubectl) -> None:
    path = "/openapi/v3/apis/rollcall.dev/v1"
    assert "apis/rollcall.dev/v1" in json.loads(kubectl("get", "--raw", "/openapi/v3", user="ada"))["paths"]
    v3 = json.loads(kubectl("get", "--raw", path, user="ada"))
    workload = v3["components"]["schemas"]["dev.rollcall.v1.Workload"]
    assert set(workload["properties"]) == {"apiVersion", "kind", "metadata", "spec", "status"}
    # Version 2 is one document of the whole cluster, that the API server puts together now and then.
    v2 = eventually(
        lambda: json.loads(kubectl("get", "--raw", "/openapi/v2", user="ada"))["definitions"],
        lambda found: "dev.rollcall.v1.Workload" in found,
        seconds=180,
    )
    assert set(v2["dev.rollcall.v1.Workload"]["properties"]) == set(workload["properties"])


def test_every_way_of_writing_is_refused_readably(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = tmp_path / "workload.yaml"
    there = json.loads(kubectl("get", "rwl", "train.job.batch", "-n", ONE, "-o", "json"))
    manifest.write_text(json.dumps(there | {"metadata": {"name": "train.job.batch", "namespace": ONE}}))
    new = tmp_path / "new.yaml"
    new.write_text(json.dumps(there | {"metadata": {"name": "new.job.batch", "namespace": ONE}}))
    for words in (
        ("apply", "--server-side", "-f", str(manifest)),
        ("apply", "-f", str(new), "--validate=false"),
        ("create", "-f", str(new), "--validate=false"),
        ("replace", "-f", str(manifest), "--validate=false"),
        ("patch", "rwl", "train.job.batch", "-n", ONE, "--type=merge", "-p", '{"spec":{"priority":1}}'),
        ("annotate", "rwl", "train.job.batch", "a=b", "-n", ONE),
        ("delete", "rwl", "train.job.batch", "-n", ONE),
        ("delete", "--raw", f"/apis/rollcall.dev/v1/namespaces/{ONE}/workloads"),
        ("delete", "rwl", "--all", "-n", ONE),
    ):
        refused = kubectl.refused(*words)
        assert "the server does not allow this method on the requested resource" in refused, (words, refused)


def test_all_and_workloads_of_another_group_stay_what_they_are(kubectl: Kubectl, api: client.ApiClient) -> None:
    """Kueue has ``workloads`` too: its group comes before ours, and the full name tells which is meant."""
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "workloads.kueue.x-k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test's own"},
        },
        "spec": {
            "group": "kueue.x-k8s.io",
            "names": {"kind": "Workload", "plural": "workloads", "singular": "workload", "shortNames": ["wl"]},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    printed = kubectl("get", "all", "-n", ONE, user="ada")
    assert "rollcall" not in printed, "all stays what is kept by itself"
    assert len(names(kubectl("get", "workloads", "-n", ONE, "-o", "name"))) == 3, "nobody else has the word"
    apply_objects(api, [definition])
    try:
        kueues = "workload.kueue.x-k8s.io/queued"
        queued = {
            "apiVersion": "kueue.x-k8s.io/v1beta1",
            "kind": "Workload",
            "metadata": {"name": "queued", "namespace": ONE},
        }
        eventually(lambda: kubectl.run("get", "workloads.kueue.x-k8s.io").returncode, lambda code: code == 0)
        apply_objects(api, [queued])
        # What kubectl has of discovery is kept for minutes, and thrown away where a word is not known.
        eventually(lambda: kueues_kinds(kubectl), lambda found: found == ["workloads"])
        for word in ("workloads", "workload"):
            assert kubectl("get", word, "-n", ONE, "-o", "name").split() == [kueues]
        for word in ("rwl", "workloads.rollcall.dev", "workloads.v1.rollcall.dev"):
            assert len(names(kubectl("get", word, "-n", ONE, "-o", "name"))) == 3
    finally:
        kubectl("delete", "crd", "workloads.kueue.x-k8s.io")
        eventually(lambda: kueues_kinds(kubectl), lambda found: found == [])


def kueues_kinds(kubectl: Kubectl) -> list[str]:
    """What of Kueue's is served, asked anew; a group that comes or goes makes the answer fail for a moment."""
    done = kubectl.run("api-resources", "--cached=false", "--api-group=kueue.x-k8s.io", "--no-headers")
    return [line.split()[0] for line in done.stdout.splitlines()] if done.returncode == 0 else ["unknown"]


def test_a_namespace_goes_while_its_workloads_are_shown(kubectl: Kubectl, api: client.ApiClient, write: Write) -> None:
    """The controller finds nothing of ours that it would have to delete."""
    going = "kubectl-going"
    apply_objects(api, [a_project(going)])
    write(job("stays-in-the-view", going))
    assert names(kubectl("get", "rwl", "-n", going, "-o", "name", user="carl")) == ["stays-in-the-view.job.batch"]
    remove_namespace(api, going)
    gone = Gone(
        uid=uid_of(f"{going}/stays-in-the-view"), observed_version=11, at=datetime.now(UTC), seen=DeletionSeen.EXACT
    )
    write(gone=(gone,))
    assert names(kubectl("get", "rwl", "-n", going, "-o", "name", user="carl")) == []


@pytest.mark.usefixtures("served")
def test_only_the_api_server_may_say_who_is_asking(cluster: LocalCluster, port: int) -> None:
    address = f"https://localhost:{port}/apis/rollcall.dev/v1/namespaces/{ONE}/workloads"
    told = {"X-Remote-User": "carl", "X-Remote-Group": "system:masters"}
    trusting = ssl.create_default_context(cafile=str(cluster.authority_file))
    assert httpx.get(address, headers=told, verify=trusting).status_code == 401
    with_token = {**told, "Authorization": f"Bearer {cluster.token_of('rollcall', 'rollcall-api')}"}
    refused = httpx.get(address, headers=with_token, verify=trusting)
    assert refused.status_code == 403
    assert "system:serviceaccount:rollcall:rollcall-api" in refused.json()["message"]
    # A certificate of the cluster's users, not of the API server's front proxy.
    trusting.load_cert_chain(cluster.folder / "admin.crt", cluster.folder / "admin.key")
    with pytest.raises(httpx.TransportError):
        httpx.get(address, headers=told, verify=trusting)


def test_the_operator_is_the_writer_of_what_a_watch_sees(
    kubectl: Kubectl,
    api: client.ApiClient,
    cluster: LocalCluster,
    shared_database: DatabaseSettings,
    project: str,
    tmp_path: Path,
) -> None:
    """The last test of the module: the operator takes away what the others have made up."""
    kubeconfig = cluster.kubeconfig_of("rollcall", "rollcall-operator")
    words = ("get", "rwl", "-n", project, "-w", "--output-watch-events")
    with OperatorProcess(tmp_path, kubeconfig, shared_database):
        watching = kubectl.beside("watch-operator", *words, user="carl")
        watching.start()

        def events() -> list[list[str]]:
            return [line[:4] for line in rows_so_far(watching)]

        try:
            # It cannot run before it is let through: so it is seen before, however slow this machine is.
            gated = a_pod(project, "lives")
            gated["spec"]["schedulingGates"] = [{"name": "rollcall.dev/until-seen"}]
            apply_objects(api, [gated])
            eventually(events, bool)
            core: Any = client.CoreV1Api(api)
            core.patch_namespaced_pod("lives", project, {"spec": {"schedulingGates": None}})
            running = ["MODIFIED", "lives.pod", "Pod", "Running"]
            found = eventually(events, lambda found: running in found)
            phases = list(dict.fromkeys(line[3] for line in found))
            assert found[0][:3] == ["ADDED", "lives.pod", "Pod"]
            assert phases[0] != "Running", "it was seen before it ran"
            core.delete_namespaced_pod("lives", project, grace_period_seconds=0)
            found = eventually(events, lambda found: found[-1][0] == "DELETED")
            assert [line[0] for line in found].count("DELETED") == 1
            assert [line[0] for line in found].count("ADDED") == 1
        finally:
            watching.stop()
