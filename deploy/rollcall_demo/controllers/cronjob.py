"""The CronJob controller: a Job when the schedule says so, and only so many ended ones kept."""

from datetime import UTC, datetime

from rollcall_demo import collector
from rollcall_demo.conditions import is_true
from rollcall_demo.manifests import create_job, job_spec
from rollcall_demo.objects import Json, copied
from rollcall_demo.resources import CRONJOB, JOB
from rollcall_demo.world import World, ref_of, stamp

_MINUTE = 60


def reconcile(world: World, cron: Json) -> None:
    """One look at a CronJob."""
    uid, spec = cron["metadata"]["uid"], cron["spec"]
    status = copied(cron["status"])
    every = minutes_of(spec["schedule"]) * _MINUTE
    now = world.now.timestamp()
    due = int(now // every) * every
    last = status.get("lastScheduleTime", cron["metadata"]["creationTimestamp"])
    if not spec["suspend"] and due > datetime.fromisoformat(last).timestamp():
        status["lastScheduleTime"] = stamp(datetime.fromtimestamp(due, UTC))
        _create(world, cron, due)
    jobs = world.owned(uid, JOB)
    _trim(world, [job for job in jobs if is_true(job, "Complete")], spec["successfulJobsHistoryLimit"])
    _trim(world, [job for job in jobs if is_true(job, "Failed")], spec["failedJobsHistoryLimit"])
    _write(world, cron, status, jobs)
    world.wake(uid, due + every - now)


def minutes_of(schedule: str) -> int:
    """Every how many minutes a schedule of the form ``* * * * *`` or ``*/5 * * * *`` fires."""
    first = schedule.split(maxsplit=1)[0]
    return int(first.removeprefix("*/")) if "/" in first else 1


def _create(world: World, cron: Json, due: int) -> None:
    job = cron["spec"]["jobTemplate"]
    metadata = {
        "namespace": cron["metadata"]["namespace"],
        "name": f"{cron['metadata']['name']}-{due // _MINUTE}",
        "labels": job["metadata"]["labels"],
        "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": stamp(datetime.fromtimestamp(due, UTC))},
    }
    create_job(world, metadata, job_spec(job["spec"]["template"], job["spec"]), cron)


def _trim(world: World, ended: list[Json], most: int) -> None:
    for job in ended[: max(0, len(ended) - most)]:
        collector.delete(world, ref_of(JOB, job), foreground=False)


def _write(world: World, cron: Json, status: Json, jobs: list[Json]) -> None:
    status.pop("active", None)
    active = [job for job in jobs if not is_true(job, "Complete", "Failed")]
    if active:
        status["active"] = [_reference(job) for job in active]
    succeeded = [job["status"]["completionTime"] for job in jobs if is_true(job, "Complete")]
    if succeeded:
        status["lastSuccessfulTime"] = max(succeeded)
    world.write_status(ref_of(CRONJOB, cron), status)


def _reference(job: Json) -> Json:
    metadata = job["metadata"]
    return {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        **{key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion")},
    }
