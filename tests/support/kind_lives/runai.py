"""Lives of Run:ai's workloads, each the top of a chain of kinds that have entries of their own."""

from typing import Any

from support.kind_lives.life import Life, Made, Step, condition, conditions, made, pods, stateful_set, template
from support.kind_lives.serving import knative_chain, knative_status

from rollcall.domain.facts import KindKey

_ONE_GPU = {"image": {"value": "registry.example/train:1"}, "gpu": {"value": "1"}}


def _workload(kind: str, spec: dict[str, Any], *steps: Step, framework: str | None = None) -> Life:
    key = KindKey(group="run.ai", kind=kind)
    return Life(key=key, spec={**_ONE_GPU, **spec}, steps=steps, framework=framework)


def _runai_job() -> Made:
    spec = {"parallelism": 1, "completions": 1, "template": template()}
    return made("run.ai/v1", "RunaiJob", "w", spec)


def _by_a_runai_job(kind: str) -> Life:
    return _workload(
        kind,
        {},
        Step(status={"phase": "Pending"}, phase="Pending", raw="Pending"),
        Step(
            makes=(_runai_job(), *pods("w-0-0", owner="RunaiJob/w")),
            statuses={"RunaiJob/w": {"active": 1}},
            status={"phase": "Running"},
            phase="Running",
            gpus=1,
            running=1,
            raw="Running",
        ),
        Step(
            ends={"w-0-0": "Succeeded"},
            statuses={"RunaiJob/w": conditions(condition("Complete"), succeeded=1)},
            status={"phase": "Completed"},
            phase="Completed",
            gpus=0,
        ),
    )


def _runai_job_alone() -> Life:
    return Life(
        key=KindKey(group="run.ai", kind="RunaiJob"),
        spec=dict(_runai_job().manifest["spec"]),
        steps=(
            Step(makes=pods("w-0-0"), status={"active": 1}, phase="Running", gpus=1, running=1),
            Step(
                ends={"w-0-0": "Failed"},
                status=conditions(condition("Failed", reason="BackoffLimitExceeded"), failed=1),
                phase="Failed",
                gpus=0,
            ),
        ),
    )


def _distributed() -> Life:
    replicas = {role: {"replicas": 1, "template": template()} for role in ("Master", "Worker")}
    label = "training.kubeflow.org/replica-type"
    running = conditions(condition("Created"), condition("Running"))
    return _workload(
        "DistributedWorkload",
        {"workers": {"value": "1"}, "distributedFramework": {"value": "PyTorch"}},
        Step(
            makes=(
                made("kubeflow.org/v1", "PyTorchJob", "w", {"pytorchReplicaSpecs": replicas}),
                *pods("w-master-0", owner="PyTorchJob/w", labels={label: "master"}),
                *pods("w-worker-0", owner="PyTorchJob/w", labels={label: "worker"}),
            ),
            statuses={"PyTorchJob/w": running},
            status={"phase": "Running"},
            phase="Running",
            gpus=2,
            running=2,
        ),
        Step(patch={"spec": {"active": {"value": False}}}, phase="Stopping", gpus=2),
        Step(removes=("PyTorchJob/w",), status={"phase": "Stopped"}, phase="Stopped", gpus=0, running=0),
        framework="PyTorch",
    )


def _inference() -> Life:
    """Inference, Service of Knative, Configuration, Revision, Deployment, ReplicaSet, pod: seven owners."""
    service = made("serving.knative.dev/v1", "Service", "w", {"template": template()})
    return _workload(
        "InferenceWorkload",
        {"minScale": {"value": "1"}},
        Step(
            makes=(service, *knative_chain("Service/w")),
            statuses={"Service/w": knative_status("True")},
            status={"phase": "Running"},
            phase="Running",
            gpus=1,
            running=1,
        ),
        Step(status={"phase": "Failed", "phaseMessage": "no route"}, phase="Failed", raw="Failed"),
    )


def _distributed_inference() -> Life:
    name = "leaderworkerset.sigs.k8s.io"
    group = {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template()}}
    return _workload(
        "DistributedInferenceWorkload",
        {"workers": {"value": "1"}},
        Step(
            makes=(
                made("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "w", group),
                stateful_set("w", owner="LeaderWorkerSet/w", labels={f"{name}/worker-index": "0"}),
                stateful_set("w-0", owner="Pod/w-0", labels={f"{name}/worker-index": "1"}),
            ),
            statuses={"LeaderWorkerSet/w": conditions(condition("Available"), replicas=1, readyReplicas=1)},
            status={"phase": "Running"},
            phase="Running",
            gpus=2,
            running=2,
        ),
        Step(removes=("StatefulSet/w-0",), phase="Degraded", gpus=1, running=1),
    )


LIVES = (
    _by_a_runai_job("TrainingWorkload"),
    _by_a_runai_job("InteractiveWorkload"),
    _runai_job_alone(),
    _distributed(),
    _inference(),
    _distributed_inference(),
)
