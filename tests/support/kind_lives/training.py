"""Lives of the training jobs of Kubeflow, of JobSet, TrainJob and Volcano."""

from typing import Any

from support.kind_lives.life import NOW, Life, Step, condition, conditions, job, made, pods, template

from rollcall.domain.facts import KindKey

_CREATED = condition("Created", reason="JobCreated", message="w is created.")


def _training_job(kind: str, field: str, roles: tuple[str, ...], framework: str | None, *ending: Step) -> Life:
    """A job of the training operator with one pod of one GPU a role."""
    made_pods = tuple(
        found
        for role in roles
        for found in pods(
            f"w-{role.lower()}-0",
            labels={"training.kubeflow.org/job-name": "w", "training.kubeflow.org/replica-type": role.lower()},
        )
    )
    running = conditions(_CREATED, condition("Running"), replicaStatuses={role: {"active": 1} for role in roles})
    return Life(
        key=KindKey(group="kubeflow.org", kind=kind),
        spec={field: {role: {"replicas": 1, "template": template()} for role in roles}},
        framework=framework,
        steps=(
            Step(
                makes=made_pods,
                status=conditions(_CREATED, startTime=NOW),
                phase="Running",
                via=("Initializing", "Running"),
                gpus=len(roles),
                running=len(roles),
                raw="Created",
            ),
            Step(status=running, phase="Running", raw="Running"),
            *ending,
        ),
    )


def _over(verdict: str) -> dict[str, Any]:
    return conditions(
        _CREATED, condition("Running", "False"), condition(verdict, reason=f"Job{verdict}"), completionTime=NOW
    )


_SUCCEEDS = Step(
    ends={"w-": "Succeeded"}, status=_over("Succeeded"), phase="Completed", gpus=0, running=0, raw="Succeeded"
)
_FAILS = Step(ends={"w-": "Failed"}, status=_over("Failed"), phase="Failed", gpus=0, running=0, raw="Failed")


def _suspended(*names: str) -> tuple[Step, ...]:
    """A user stops it: pods live on until the operator has deleted them."""
    suspended = conditions(_CREATED, condition("Running", "False"), condition("Suspended"))
    return (
        Step(patch={"spec": {"runPolicy": {"suspend": True}}}, phase="Stopping"),
        Step(removes=tuple(f"Pod/{name}" for name in names), status=suspended, phase="Stopped", gpus=0, running=0),
        Step(patch={"spec": {"runPolicy": {"suspend": False}}}, phase="Resuming"),
    )


def _mpi_job() -> Life:
    """Its launcher is the pod of a Job."""
    label = "training.kubeflow.org/job-role"
    workers = pods("w-worker-0", "w-worker-1", labels={label: "worker"})
    launcher = job("w-launcher", gpus=0, labels={label: "launcher"})
    running = conditions(
        condition("Created"), condition("Running"), replicaStatuses={"Launcher": {"active": 1}, "Worker": {"active": 2}}
    )
    over = conditions(condition("Created"), condition("Running", "False"), condition("Succeeded"), completionTime=NOW)
    return Life(
        key=KindKey(group="kubeflow.org", kind="MPIJob"),
        spec={
            "mpiReplicaSpecs": {
                "Launcher": {"replicas": 1, "template": template(gpus=0)},
                "Worker": {"replicas": 2, "template": template()},
            }
        },
        framework="MPI",
        steps=(
            Step(makes=workers, status=conditions(condition("Created")), phase="Pending", running=2, gpus=2),
            Step(makes=(launcher,), status=running, phase="Running", gpus=2, running=3, raw="Running"),
            Step(ends={"w-": "Succeeded"}, status=over, phase="Completed", gpus=0),
        ),
    )


def _job_set_spec() -> dict[str, Any]:
    def replicated(name: str, gpus: int, replicas: int) -> dict[str, Any]:
        spec = {"parallelism": 1, "completions": 1, "template": template(gpus=gpus, restartPolicy="Never")}
        return {"name": name, "replicas": replicas, "template": {"spec": spec}}

    return {"replicatedJobs": [replicated("driver", 0, 1), replicated("workers", 2, 2)]}


_ROLE = "jobset.sigs.k8s.io/replicatedjob-name"


def _jobs_of_a_set(owner: str = "top") -> tuple[Any, ...]:
    return (
        job("w-driver-0", owner=owner, gpus=0, labels={_ROLE: "driver", "jobset.sigs.k8s.io/jobset-name": "w"}),
        job("w-workers-0", owner=owner, gpus=2, labels={_ROLE: "workers", "jobset.sigs.k8s.io/jobset-name": "w"}),
        job("w-workers-1", owner=owner, gpus=2, labels={_ROLE: "workers", "jobset.sigs.k8s.io/jobset-name": "w"}),
    )


def _counts(**numbers: int) -> list[dict[str, Any]]:
    zero = {"ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 0}
    return [
        {"name": "driver", **zero, **numbers},
        {"name": "workers", **zero, **{k: 2 * n for k, n in numbers.items()}},
    ]


def _job_set() -> Life:
    return Life(
        key=KindKey(group="jobset.x-k8s.io", kind="JobSet"),
        spec=_job_set_spec(),
        steps=(
            Step(
                makes=_jobs_of_a_set(),
                status={"restarts": 0, "replicatedJobsStatus": _counts(active=1)},
                phase="Running",
                via=("Running",),
                gpus=4,
                running=3,
            ),
            Step(
                ends={"w-": "Succeeded"},
                status=conditions(
                    condition("Completed", reason="AllJobsCompleted"),
                    terminalState="Completed",
                    replicatedJobsStatus=_counts(succeeded=1),
                ),
                phase="Completed",
                gpus=0,
                running=0,
                raw="Completed",
            ),
        ),
    )


def _train_job() -> Life:
    """TrainJob, JobSet, Job, pod: the top of four."""
    runtime = {"name": "torch-distributed", "apiGroup": "trainer.kubeflow.org", "kind": "ClusterTrainingRuntime"}
    return Life(
        key=KindKey(group="trainer.kubeflow.org", kind="TrainJob"),
        spec={"runtimeRef": runtime, "trainer": {"numNodes": 2}},
        framework="PyTorch",
        steps=(
            Step(
                makes=(made("jobset.x-k8s.io/v1alpha2", "JobSet", "w", _job_set_spec()), *_jobs_of_a_set("JobSet/w")),
                statuses={"JobSet/w": {"replicatedJobsStatus": _counts(active=1, ready=1)}},
                status={"jobsStatus": _counts(active=1, ready=1)},
                phase="Running",
                gpus=4,
                running=3,
            ),
            Step(
                ends={"w-": "Succeeded"},
                statuses={"JobSet/w": conditions(condition("Completed"), terminalState="Completed")},
                status=conditions(condition("Complete", reason="AllJobsCompleted"), jobsStatus=_counts(succeeded=1)),
                phase="Completed",
                gpus=0,
                raw="Complete",
            ),
        ),
    )


def _volcano_job() -> Life:
    def state(phase: str, **counts: int) -> dict[str, Any]:
        return {"state": {"phase": phase, "lastTransitionTime": NOW}, "minAvailable": 2, **counts}

    labels = {"volcano.sh/job-name": "w", "volcano.sh/task-spec": "trainer"}
    task = {"name": "trainer", "replicas": 2, "template": template()}
    return Life(
        key=KindKey(group="batch.volcano.sh", kind="Job"),
        spec={"minAvailable": 2, "tasks": [task], "plugins": {"pytorch": []}},
        framework="PyTorch",
        steps=(
            Step(status=state("Pending"), phase="Pending", raw="Pending"),
            Step(
                makes=pods("w-trainer-0", "w-trainer-1", labels=labels),
                status=state("Running", running=2),
                phase="Running",
                gpus=2,
                running=2,
                raw="Running",
            ),
            Step(removes=("Pod/w-trainer-0", "Pod/w-trainer-1"), status=state("Aborted"), phase="Stopped", gpus=0),
        ),
    )


LIVES = (
    _training_job("PyTorchJob", "pytorchReplicaSpecs", ("Master", "Worker"), "PyTorch", _SUCCEEDS),
    _training_job("TFJob", "tfReplicaSpecs", ("Chief", "PS", "Worker"), "TF", _FAILS),
    _training_job("XGBoostJob", "xgbReplicaSpecs", ("Master", "Worker"), "XGBoost", _SUCCEEDS),
    _training_job("JAXJob", "jaxReplicaSpecs", ("Worker",), "JAX", *_suspended("w-worker-0")),
    _training_job("PaddleJob", "paddleReplicaSpecs", ("Worker",), None, _FAILS),
    _mpi_job(),
    _job_set(),
    _train_job(),
    _volcano_job(),
)
