"""Lives of the kinds of Ray, Spark and Dask, and of an AppWrapper."""

from typing import Any

from support.kind_lives.life import NOW, Life, Made, Step, condition, conditions, deployment, job, made, pods, template

from rollcall.domain.facts import KindKey

_CLUSTER = {
    "headGroupSpec": {"rayStartParams": {}, "template": template(gpus=0)},
    "workerGroupSpecs": [
        {"groupName": "gpus", "replicas": 2, "minReplicas": 0, "maxReplicas": 4, "template": template()}
    ],
}
_RAY_READY = {
    "state": "ready",
    "desiredWorkerReplicas": 2,
    "availableWorkerReplicas": 2,
    "readyWorkerReplicas": 2,
    "conditions": [condition("HeadPodReady", reason="HeadPodRunningAndReady"), condition("RayClusterProvisioned")],
}


def _ray_pods(owner: str) -> tuple[Made, ...]:
    labels = {"ray.io/cluster": "w", "ray.io/is-ray-node": "yes"}
    return (
        *pods("w-head", owner=owner, gpus=0, restart="Always", labels={**labels, "ray.io/node-type": "head"}),
        *pods("w-gpus-0", "w-gpus-1", owner=owner, restart="Always", labels={**labels, "ray.io/node-type": "worker"}),
    )


def _ray_cluster(owner: str = "top", name: str = "w") -> tuple[Made, ...]:
    """A RayCluster that belongs to something, with its pods."""
    return (made("ray.io/v1", "RayCluster", name, _CLUSTER, owner=owner), *_ray_pods(f"RayCluster/{name}"))


def _ray(kind: str, spec: dict[str, Any], *steps: Step, begins: str = "Creating") -> Life:
    return Life(key=KindKey(group="ray.io", kind=kind), spec=spec, steps=steps, begins=begins)


def _ray_lives() -> tuple[Life, ...]:
    suspended = conditions(condition("RayClusterSuspended"), state="suspended")
    job_spec = {"entrypoint": "python train.py", "rayClusterSpec": _CLUSTER}

    def deployed(word: str, job_word: str = "", **more: Any) -> dict[str, Any]:
        return {"jobDeploymentStatus": word, "jobStatus": job_word, "startTime": NOW, **more}

    return (
        _ray(
            "RayCluster",
            _CLUSTER,
            Step(makes=_ray_pods("top"), status={"desiredWorkerReplicas": 2}, phase="Running", gpus=2, running=3),
            Step(status=_RAY_READY, phase="Running", raw="ready"),
            Step(patch={"spec": {"suspend": True}}, phase="Stopping"),
            Step(
                removes=("Pod/w-head", "Pod/w-gpus-0", "Pod/w-gpus-1"),
                status=suspended,
                phase="Stopped",
                gpus=0,
                running=0,
            ),
        ),
        _ray(
            "RayJob",
            job_spec,
            Step(
                makes=_ray_cluster(),
                status=deployed("Initializing"),
                statuses={"RayCluster/w": {"desiredWorkerReplicas": 2}},
                phase="Initializing",
                gpus=2,
                running=3,
            ),
            Step(
                makes=(job("w-submitter", gpus=0),),
                status=deployed("Running", "RUNNING", rayClusterStatus=_RAY_READY),
                statuses={"RayCluster/w": _RAY_READY},
                phase="Running",
                gpus=2,
                running=4,
                raw="Running",
            ),
            Step(
                ends={"w-submitter": "Succeeded"},
                removes=("RayCluster/w",),
                status=deployed("Complete", "SUCCEEDED", endTime=NOW),
                phase="Completed",
                gpus=0,
            ),
        ),
        _ray(
            "RayService",
            {"rayClusterConfig": _CLUSTER},
            Step(
                makes=_ray_cluster(),
                status=conditions(condition("Ready", "False", "Initializing", "Ray Serve is not ready")),
                phase="Initializing",
                gpus=2,
                running=3,
            ),
            Step(
                status=conditions(condition("Ready", reason="NonZeroServeEndpoints"), serviceStatus="Running"),
                phase="Running",
                gpus=2,
            ),
            Step(status=conditions(condition("Ready", "False", "ZeroServeEndpoints")), phase="Degraded"),
        ),
        _ray(
            "RayCronJob",
            {"schedule": "0 3 * * *", "jobTemplate": job_spec},
            Step(
                makes=(
                    made("ray.io/v1", "RayJob", "w-1", job_spec),
                    *_ray_cluster("RayJob/w-1"),
                    job("w-submitter", owner="RayJob/w-1", gpus=0),
                ),
                statuses={"RayJob/w-1": deployed("Running", "RUNNING")},
                status={"lastScheduleTime": NOW},
                phase="Running",
                gpus=2,
                running=4,
            ),
            Step(
                removes=("RayCluster/w",),
                ends={"w-submitter": "Succeeded"},
                statuses={"RayJob/w-1": deployed("Complete", "SUCCEEDED", endTime=NOW)},
                phase="Running",
                gpus=0,
                running=0,
            ),
            Step(patch={"spec": {"suspend": True}}, phase="Stopped"),
            begins="Pending",
        ),
    )


_APPLICATION = {
    "type": "Python",
    "driver": {"cores": 1, "memory": "1g"},
    "executor": {"instances": 2, "cores": 1, "memory": "2g", "gpu": {"name": "nvidia.com/gpu", "quantity": 1}},
}


def _state(word: str, **more: Any) -> dict[str, Any]:
    return {"applicationState": {"state": word}, "lastSubmissionAttemptTime": NOW, **more}


def _spark_pods(owner: str) -> tuple[Made, ...]:
    """The driver belongs to the application; the executors belong to the driver."""
    labels = {"sparkoperator.k8s.io/app-name": "w"}
    return (
        *pods("w-driver", owner=owner, gpus=0, labels={**labels, "spark-role": "driver"}),
        *pods("w-exec-1", "w-exec-2", owner="Pod/w-driver", labels={**labels, "spark-role": "executor"}),
    )


def _spark_lives() -> tuple[Life, ...]:
    executors = {"executorState": {"w-exec-1": "RUNNING", "w-exec-2": "RUNNING"}}
    return (
        Life(
            key=KindKey(group="sparkoperator.k8s.io", kind="SparkApplication"),
            spec=_APPLICATION,
            steps=(
                Step(
                    makes=_spark_pods("top"),
                    status=_state("RUNNING", **executors),
                    phase="Running",
                    gpus=2,
                    running=3,
                    raw="RUNNING",
                ),
                Step(
                    # The driver stays; its executors go.
                    ends={"w-driver": "Succeeded"},
                    removes=("Pod/w-exec-1", "Pod/w-exec-2"),
                    status=_state("COMPLETED", terminationTime=NOW),
                    phase="Completed",
                    gpus=0,
                    running=0,
                ),
            ),
        ),
        Life(
            key=KindKey(group="sparkoperator.k8s.io", kind="ScheduledSparkApplication"),
            spec={"schedule": "@every 1h", "template": _APPLICATION},
            begins="Pending",
            steps=(
                Step(
                    makes=(
                        made("sparkoperator.k8s.io/v1beta2", "SparkApplication", "w-1", _APPLICATION),
                        *_spark_pods("SparkApplication/w-1"),
                    ),
                    statuses={"SparkApplication/w-1": _state("RUNNING", **executors)},
                    status={"scheduleState": "Scheduled", "lastRun": NOW, "lastRunName": "w-1"},
                    phase="Running",
                    gpus=2,
                    running=3,
                ),
                Step(
                    ends={"w-driver": "Failed"},
                    removes=("Pod/w-exec-1", "Pod/w-exec-2"),
                    statuses={"SparkApplication/w-1": _state("FAILED", terminationTime=NOW)},
                    phase="Running",
                    gpus=0,
                    running=0,
                ),
            ),
        ),
    )


_DASK = {
    "worker": {"replicas": 2, "spec": template()["spec"]},
    "scheduler": {"spec": template(gpus=0)["spec"]},
}


def _dask_cluster(owner: str) -> tuple[Made, ...]:
    """Its scheduler is a Deployment; each worker is one of a group."""
    worker = {"dask.org/cluster-name": "w", "dask.org/component": "worker"}
    group = "kubernetes.dask.org/v1"
    return (
        deployment("w-scheduler", owner=owner, gpus=0, labels={"dask.org/component": "scheduler"}),
        made(group, "DaskWorkerGroup", "w-default", {"cluster": "w"}, owner=owner),
        deployment("w-default-0", owner="DaskWorkerGroup/w-default", labels=worker),
        deployment("w-default-1", owner="DaskWorkerGroup/w-default", labels=worker),
    )


def _dask_lives() -> tuple[Life, ...]:
    runner = pods("w-runner", gpus=0, labels={"dask.org/component": "job-runner"})
    cluster = made("kubernetes.dask.org/v1", "DaskCluster", "w", _DASK)
    return (
        Life(
            key=KindKey(group="kubernetes.dask.org", kind="DaskCluster"),
            spec=_DASK,
            steps=(
                Step(status={"phase": "Created"}, phase="Creating", raw="Created"),
                Step(makes=_dask_cluster("top"), status={"phase": "Running"}, phase="Running", gpus=2, running=3),
                Step(status={"phase": "Error"}, phase="Failed", raw="Error"),
            ),
        ),
        Life(
            key=KindKey(group="kubernetes.dask.org", kind="DaskJob"),
            spec={"job": {"spec": template(gpus=0)["spec"]}, "cluster": {"spec": _DASK}},
            steps=(
                Step(status={"jobStatus": "JobCreated"}, phase="Creating", raw="JobCreated"),
                Step(
                    makes=(cluster, *_dask_cluster("DaskCluster/w"), *runner),
                    statuses={"DaskCluster/w": {"phase": "Running"}},
                    status={"jobStatus": "Running", "startTime": NOW},
                    phase="Running",
                    gpus=2,
                    running=4,
                ),
                Step(
                    ends={"w-runner": "Succeeded"},
                    removes=("DaskCluster/w",),
                    status={"jobStatus": "Successful", "endTime": NOW},
                    phase="Completed",
                    gpus=0,
                ),
            ),
        ),
    )


def _app_wrapper() -> Life:
    wrapped = job("w", gpus=2)
    running = conditions(
        condition("QuotaReserved"),
        condition("ResourcesDeployed"),
        condition("PodsReady", reason="SufficientPodsReady"),
        phase="Running",
    )
    over = conditions(condition("QuotaReserved", "False"), condition("ResourcesDeployed"), phase="Succeeded")
    return Life(
        key=KindKey(group="workload.codeflare.dev", kind="AppWrapper"),
        spec={"suspend": True, "components": [{"template": dict(wrapped.manifest)}]},
        begins="Stopped",
        steps=(
            Step(status={"phase": "Suspended"}, phase="Stopped", raw="Suspended"),
            Step(patch={"spec": {"suspend": False}}, phase="Resuming"),
            Step(makes=(wrapped,), status=running, phase="Running", gpus=2, running=1, raw="Running"),
            Step(ends={"w-": "Succeeded"}, status=over, phase="Completed", gpus=0, running=0),
        ),
    )


LIVES = (*_ray_lives(), *_spark_lives(), *_dask_lives(), _app_wrapper())
