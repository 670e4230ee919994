"""`rollcall explain`: what is printed, from what, and what it does without."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rollcall.cli import main

JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: train, namespace: runai-team-a, uid: 6a0f0f0a-5f0c-4c1d-9d52-6b0b0c6e2f12, generation: 1}
spec:
  parallelism: 2
  completions: 2
  template: {spec: {containers: [{name: main, image: trainer, resources: {limits: {nvidia.com/gpu: 2}}}]}}
status: {active: 2, ready: 2, startTime: "2026-01-01T00:00:00Z"}
"""
POD = """
apiVersion: v1
kind: Pod
metadata:
  name: train-0
  namespace: runai-team-a
  uid: 0b6f3d1c-0a37-4a8a-9a1e-5b3a3f1e7d01
  ownerReferences:
  - {apiVersion: batch/v1, kind: Job, name: train, uid: 6a0f0f0a-5f0c-4c1d-9d52-6b0b0c6e2f12, controller: true}
spec:
  nodeName: gpu-1
  containers: [{name: main, image: trainer, resources: {requests: {nvidia.com/gpu: 2}}}]
status:
  phase: Pending
  startTime: "2026-01-01T00:00:00Z"
  containerStatuses:
  - {name: main, ready: false, state: {waiting: {reason: ImagePullBackOff, message: no such image}}}
"""
NODE = """
apiVersion: v1
kind: Node
metadata: {name: gpu-1, uid: 1d0d7a2e-64a5-4c41-8f6e-5e1c94c4b601, labels: {kai.scheduler/node-pool: big}}
"""


def explain(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, *flags: str) -> tuple[int, str, str]:
    file = tmp_path / "objects.yaml"
    file.write_text(text)
    code = main(["explain", *flags, str(file)])
    out = capsys.readouterr()
    return code, out.out, out.err


def records(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, *flags: str) -> list[dict[str, object]]:
    code, out, err = explain(capsys, tmp_path, text, "-o", "json", *flags)
    assert code == 0, err
    found: list[dict[str, object]] = json.loads(out)["workloads"]
    return found


def test_an_object_alone_is_judged_by_its_own_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (record,) = records(capsys, tmp_path, JOB)
    assert (record["name"], record["type"], record["phase"], record["projectName"]) == (
        "train",
        "Job",
        "Running",
        "team-a",
    )


def test_pods_and_nodes_given_along_are_joined(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (record,) = records(capsys, tmp_path, f"{POD}---{NODE}---{JOB}", "--now", "2026-01-01T00:01:00Z")
    assert record["phase"] == "Pending"  # one of two pods is missing
    assert record["currentNodePools"] == ["big"]
    assert record["allocatedResources"]["gpu"] == 2  # type: ignore[index]


def test_what_stands_in_queues_is_joined_and_is_no_workload(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    held = JOB.replace("parallelism: 2", "parallelism: 2\n  suspend: true").replace(
        "status: {active: 2, ready: 2, ", "status: {"
    )
    queued = """
apiVersion: kueue.x-k8s.io/v1beta2
kind: Workload
metadata:
  name: job-train-5d2a1
  namespace: runai-team-a
  uid: 6a0f0f0a-5f0c-4c1d-9d52-6b0b0c6e2f19
  ownerReferences:
  - {apiVersion: batch/v1, kind: Job, name: train, uid: 6a0f0f0a-5f0c-4c1d-9d52-6b0b0c6e2f12, controller: true}
spec: {queueName: team-a}
status:
  conditions:
  - {type: QuotaReserved, status: "False", reason: Pending, message: insufficient unused quota for nvidia.com/gpu}
"""
    (alone,) = records(capsys, tmp_path, held)
    assert (alone["phase"], alone["pendingSchedulingMessages"]) == ("Stopped", None)
    (record,) = records(capsys, tmp_path, f"{queued}---{held}")
    assert (record["phase"], record["phaseReason"]) == ("Pending", "OverLimit")
    (message,) = record["pendingSchedulingMessages"]  # type: ignore[misc]
    assert message["userMessage"] == "insufficient unused quota for nvidia.com/gpu"  # type: ignore[index]


def test_the_clock_decides_when_a_grace_period_ends(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    alone = POD[: POD.index("  ownerReferences")] + POD[POD.index("spec:") :]
    (before,) = records(capsys, tmp_path, alone, "--now", "2026-01-01T00:01:00Z")
    (after,) = records(capsys, tmp_path, alone, "--now", "2026-01-01T00:03:00Z")
    assert (before["phase"], after["phase"]) == ("Initializing", "Failed")
    assert "ImagePullBackOff" in str(after["phaseMessage"])


def test_seen_running_closes_the_latch(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    half = JOB.replace("ready: 2", "ready: 1")
    (fresh,) = records(capsys, tmp_path, half)
    (latched,) = records(capsys, tmp_path, half, "--seen-running")
    assert (fresh["phase"], latched["phase"]) == ("Initializing", "Degraded")


@pytest.mark.parametrize("form", ["documents", "list", "json"])
def test_every_form_of_input_reads_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
    objects = [yaml.safe_load(text) for text in (JOB, POD, NODE)]
    text = {
        "documents": f"{JOB}---{POD}---{NODE}",
        "list": yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": objects}),
        "json": json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
    }[form]
    (record,) = records(capsys, tmp_path, text, "--now", "2026-01-01T00:01:00Z")
    assert (record["name"], record["phase"]) == ("train", "Pending")


def test_a_manifest_that_never_met_a_server_has_a_record(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bare = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: []}}}\n"
    first, second = (records(capsys, tmp_path, bare)[0] for _ in range(2))
    assert first["id"] == second["id"]
    assert first["phase"] == "Creating"


def test_a_template_is_named_and_has_no_record(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    template = """
apiVersion: run.ai/v2alpha1
kind: TrainingWorkload
metadata: {name: base, namespace: runai-team-a, uid: 3a4c7a8e-20a2-4c39-8f3c-94d8b6f7a001}
spec: {usage: Template, gpu: {value: "1"}}
"""
    code, out, err = explain(capsys, tmp_path, f"{JOB}---{template}")
    assert code == 0
    assert "train" in out
    assert "base is a template" in out + err


def test_why_names_the_rule(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = explain(capsys, tmp_path, JOB, "--why")
    assert code == 0
    assert "rule 15" in out


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(JOB.encode())))
    assert main(["explain", "-"]) == 0
    assert "train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no Kubernetes object"),
        ("just words", "holds no Kubernetes object"),
        ("{", "neither YAML nor JSON"),
        ("a: [", "neither YAML nor JSON"),
        ("kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}", "no workload in what was given"),
    ],
)
def test_nothing_to_read_is_a_sentence_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, said: str
) -> None:
    code, out, err = explain(capsys, tmp_path, text)
    assert (code, out) == (1, "")
    assert said in err


def test_a_missing_file_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "/nowhere.yaml"]) == 1
    assert "/nowhere.yaml: No such file" in capsys.readouterr().err


def test_it_imports_no_server_and_no_database() -> None:
    """The promise behind its speed; the time itself is in the benchmarks."""
    code = "import sys; from rollcall.cli import main; main(['explain', '-']); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], input=JOB, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"kopf", "fastapi", "sqlalchemy", "psycopg", "pydantic", "kubernetes", "structlog"} == set()
