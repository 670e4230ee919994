"""The Job controller: pods up to completions, each counted once, retries with a back-off, suspension."""

from rollcall_demo import kubelet, recorder
from rollcall_demo.conditions import is_true, set_condition
from rollcall_demo.manifests import create_pod
from rollcall_demo.objects import Json, copied
from rollcall_demo.pod_statuses import is_active, is_ready, is_terminal
from rollcall_demo.resources import JOB, POD
from rollcall_demo.world import World, ref_of

TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer that keeps an ended pod until it is counted."""

FIRST_BACK_OFF_SECONDS = 10
LONGEST_BACK_OFF_SECONDS = 40
"""Between a pod's failure and the next try; a real controller's longest is 600."""


def reconcile(world: World, job: Json) -> None:
    """One look at a Job."""
    status = copied(job["status"])
    status.setdefault("conditions", [])
    _count_ended(world, job, status)
    if not is_true(job, "Complete", "Failed"):
        if job["spec"]["suspend"]:
            _suspend(world, job, status)
        else:
            _go_on(world, job, status)
    _count_living(world, job, status)
    world.write_status(ref_of(JOB, job), status)


def _count_ended(world: World, job: Json, status: Json) -> None:
    """Count the pods that have ended and let go of them; one that was deleted is let go of uncounted."""
    for pod in world.owned(job["metadata"]["uid"], POD):
        if not is_terminal(pod) or not pod["metadata"].get("finalizers"):
            continue
        if "deletionTimestamp" not in pod["metadata"]:
            counter = "succeeded" if pod["status"]["phase"] == "Succeeded" else "failed"
            status[counter] = status.get(counter, 0) + 1
            if counter == "failed":
                world.since[job["metadata"]["uid"], "failure"] = world.agenda.seconds
        kubelet.release_finalizers(world, pod)


def _count_living(world: World, job: Json, status: Json) -> None:
    pods = world.owned(job["metadata"]["uid"], POD)
    active = [pod for pod in pods if is_active(pod)]
    status.pop("active", None)
    if active:
        status["active"] = len(active)
    status["ready"] = sum(1 for pod in active if is_ready(pod))
    status["terminating"] = sum(1 for pod in pods if not is_terminal(pod)) - len(active)
    status["uncountedTerminatedPods"] = {}


def _suspend(world: World, job: Json, status: Json) -> None:
    status.pop("startTime", None)
    _set(world, status, "Suspended", "True", "JobSuspended", "Job suspended")
    _delete_active(world, job)


def _go_on(world: World, job: Json, status: Json) -> None:
    if is_true({"status": status}, "Suspended"):
        _set(world, status, "Suspended", "False", "JobResumed", "Job resumed")
    status.setdefault("startTime", world.stamp())
    spec = job["spec"]
    if status.get("succeeded", 0) >= spec["completions"]:
        _end(world, job, status, "SuccessCriteriaMet", "Complete")
    elif status.get("failed", 0) > spec["backoffLimit"]:
        _delete_active(world, job)
        _end(world, job, status, "FailureTarget", "Failed")
    else:
        _create_missing(world, job, status)


def _end(world: World, job: Json, status: Json, announced: str, ended: str) -> None:
    """Announce the end; it is the end once no pod runs any more."""
    if ended == "Complete":
        reason, message = "CompletionsReached", "Reached expected number of succeeded pods"
    else:
        reason, message = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    _set(world, status, announced, "True", reason, message)
    if any(not is_terminal(pod) for pod in world.owned(job["metadata"]["uid"], POD)):
        return
    _set(world, status, ended, "True", reason, message)
    if ended == "Complete":
        status["completionTime"] = world.stamp()
        recorder.normal(world, job, recorder.JOB_CONTROLLER, "Completed", "Job completed")
    else:
        recorder.warning(world, job, recorder.JOB_CONTROLLER, reason, message)


def _create_missing(world: World, job: Json, status: Json) -> None:
    uid, spec = job["metadata"]["uid"], job["spec"]
    active = sum(1 for pod in world.owned(uid, POD) if is_active(pod))
    missing = min(spec["parallelism"], spec["completions"] - status.get("succeeded", 0)) - active
    if missing <= 0:
        return
    failed = status.get("failed", 0)
    if failed:
        pause = min(FIRST_BACK_OFF_SECONDS * 2 ** (failed - 1), LONGEST_BACK_OFF_SECONDS)
        left = world.since[uid, "failure"] + pause - world.agenda.seconds
        if left > 0:
            world.wake(uid, left)
            return
    for _ in range(missing):
        name = f"{job['metadata']['name']}-"
        metadata = {
            "namespace": job["metadata"]["namespace"],
            "generateName": name,
            "name": name + world.suffix(),
            "finalizers": [TRACKING],
        }
        create_pod(world, metadata, spec["template"], job)
        text = f"Created pod: {metadata['name']}"
        recorder.normal(world, job, recorder.JOB_CONTROLLER, "SuccessfulCreate", text)


def _delete_active(world: World, job: Json) -> None:
    for pod in world.owned(job["metadata"]["uid"], POD):
        if is_active(pod):
            kubelet.delete_pod(world, ref_of(POD, pod))


def _set(world: World, status: Json, kind: str, value: str, reason: str, message: str) -> None:
    set_condition(
        status["conditions"], kind, value, at=world.stamp(), reason=reason, message=message, clock="lastProbeTime"
    )
