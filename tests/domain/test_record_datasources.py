"""Datasources: what pods mount, by name, and nothing that every pod is given."""

import pytest
from support.observed import obj, observe, pod, template

from rollcall.domain.attachments import Datasource, DatasourceType
from rollcall.domain.datasources import MOST_DATASOURCES, datasource_at, without_password

TOKEN = {
    "name": "kube-api-access-x",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt"}},
            {"downwardAPI": {"items": []}},
        ]
    },
}


def git_sync(*args: str, **more: object) -> dict[str, object]:
    return {"name": "sync", "image": "registry.k8s.io/git-sync/git-sync:v4.2.1", "args": list(args), **more}


MOUNTED = [
    ("claim", {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}, [("pvc", "data")]),
    ("config map", {"volumes": [{"name": "v", "configMap": {"name": "conf"}}]}, [("config-map", "conf")]),
    ("secret", {"volumes": [{"name": "v", "secret": {"secretName": "key"}}]}, [("secret-volume", "key")]),
    ("nfs", {"volumes": [{"name": "v", "nfs": {"server": "nas", "path": "/export"}}]}, [("nfs", "nas:/export")]),
    ("host path", {"volumes": [{"name": "v", "hostPath": {"path": "/mnt/x"}}]}, [("hostPath", "/mnt/x")]),
    (
        "git volume",
        {"volumes": [{"name": "v", "gitRepo": {"repository": "https://u:p@git.example.com/a.git"}}]},
        [("git", "https://git.example.com/a.git")],
    ),
    (
        "projected",
        {
            "volumes": [
                {"name": "v", "projected": {"sources": [{"secret": {"name": "key"}}, {"configMap": {"name": "conf"}}]}}
            ]
        },
        [("secret-volume", "key"), ("config-map", "conf")],
    ),
    (
        "bucket",
        {"volumes": [{"name": "v", "csi": {"driver": "s3.csi.aws.com", "volumeAttributes": {"bucketName": "models"}}}]},
        [("s3", "models")],
    ),
    (
        "another driver",
        {
            "volumes": [
                {"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"bucketName": "x"}}}
            ]
        },
        [],
    ),
    (
        "scratch",
        {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "e", "ephemeral": {"volumeClaimTemplate": {}}}]},
        [],
    ),
    ("what every pod is given", {"volumes": [TOKEN]}, []),
    (
        "twice",
        {
            "volumes": [
                {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "b", "persistentVolumeClaim": {"claimName": "data"}},
            ]
        },
        [("pvc", "data")],
    ),
    (
        "git-sync",
        {"initContainers": [git_sync("--repo=https://t@git.example.com/a.git", "--one-time")]},
        [("git", "https://git.example.com/a.git")],
    ),
    (
        "git-sync, older",
        {"initContainers": [git_sync("-repo", "git@git.example.com:a.git")]},
        [("git", "git@git.example.com:a.git")],
    ),
    ("git-sync by its environment", {"initContainers": [git_sync(env=[{"name": "GITSYNC_REPO", "value": "x"}])]}, []),
    ("git-sync without a repository", {"initContainers": [git_sync("--repo")]}, []),
    (
        "odd",
        {
            "volumes": [
                None,
                5,
                {},
                {"persistentVolumeClaim": "x"},
                {"nfs": {"server": "nas"}},
                {"configMap": {"name": 5}},
                {"projected": {"sources": "x"}},
                {"csi": []},
                {"hostPath": {"path": ""}},
            ],
            "initContainers": [{"image": "git-sync", "args": "--repo=x"}, {"image": 5}, "x"],
        },
        [],
    ),
    ("odd volumes", {"volumes": {"name": "v"}}, []),
]


@pytest.mark.parametrize(("spec", "wanted"), [case[1:] for case in MOUNTED], ids=[case[0] for case in MOUNTED])
def test_what_is_mounted_is_a_datasource(spec, wanted):
    found = tuple(Datasource(type=DatasourceType(kind), name=name) for kind, name in wanted)
    job = obj("Job", {"template": template(**spec)})
    assert observe(job).workload.datasources == found
    assert observe(None, pod(spec=spec)).workload.datasources == found, "a bare pod"
    assert observe(obj("Whatever", {}), pod(spec=spec)).workload.datasources == found, "no template"


def test_the_templates_of_all_roles_count():
    def replicas(claim: str) -> dict[str, object]:
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
        return {"replicas": 1, "template": template(volumes=volumes)}

    job = obj("PyTorchJob", {"pytorchReplicaSpecs": {"Master": replicas("data"), "Worker": replicas("scratch")}})
    assert [one.name for one in observe(job).workload.datasources] == ["data", "scratch"]


def test_a_template_knows_what_is_mounted_and_pods_only_add_what_they_were_given():
    job = obj("Job", {"template": template(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])})
    given = pod(spec={"volumes": [{"name": "v", "configMap": {"name": "injected"}}]})
    assert [one.name for one in observe(job, given).workload.datasources] == ["data"]


def test_there_is_a_bound_to_them():
    volumes = [{"name": str(n), "persistentVolumeClaim": {"claimName": f"c{n}"}} for n in range(1000)]
    assert len(observe(None, pod(spec={"volumes": volumes})).workload.datasources) == MOST_DATASOURCES


def test_pods_share_what_they_mount():
    spec = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
    one, other = pod("a", spec=spec), pod("b", spec=spec)
    assert one.datasources[0] is other.datasources[0]


STORED = [
    ("InferenceService", {"predictor": {"model": {"storageUri": "s3://models/llama"}}}, [("s3", "models")]),
    ("InferenceService", {"predictor": {"sklearn": {"storageUri": "pvc://claim/path"}}}, [("pvc", "claim")]),
    ("InferenceService", {"predictor": {"model": {"storageUri": "hf://org/model"}}}, []),
    ("LLMInferenceService", {"model": {"uri": "pvc://claim/path"}}, [("pvc", "claim")]),
    (
        "TrainJob",
        {"initializer": {"dataset": {"storageUri": "s3://data/x"}, "model": {"storageUri": "pvc://c"}}},
        [("s3", "data"), ("pvc", "c")],
    ),
    ("InferenceService", {"predictor": {"model": {"storageUri": 5}}}, []),
]


@pytest.mark.parametrize(("kind", "spec", "wanted"), STORED)
def test_a_model_or_data_that_the_spec_names_by_a_uri_is_one_too(kind, spec, wanted):
    found = observe(obj(kind, spec)).workload.datasources
    assert [(one.type.value, one.name) for one in found] == wanted


@pytest.mark.parametrize("uri", ["", "s3", "s3://", "://x", "gs://bucket/x", "https://x/y", None, 5])
def test_other_uris_are_none(uri):
    assert datasource_at(uri) is None


def test_no_password_is_kept():
    assert datasource_at("s3://key:secret@bucket/x") == Datasource(type=DatasourceType.S3, name="bucket")
    assert without_password("https://user:p@ss@host/a@b") == "https://host/a@b"
    assert without_password("git@host:path") == "git@host:path"
