"""RayJob: two words, KubeRay's and Ray's. A dead job may still show the second as if it were alive."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import elements_at, instant_at, mapping_at, text_at, whole_at
from rollcall.domain.kinds import ray
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED, suspension
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import NEXT_INCARNATION, Signals, Verdict

_FAILED = ("Failed", "ValidationFailed")
_KNOWN = frozenset({"Initializing", "Running", "Complete", "Suspending", "Suspended", "Retrying", "Waiting", *_FAILED})

Spec = Mapping[str, Any]


def signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    """What a RayJob says; a RayCronJob asks it about its runs."""
    status = obj.status
    deployment, job = text_at(status, "jobDeploymentStatus"), text_at(status, "jobStatus")
    failed, completed, stopped = _ends(obj, deployment, job)
    stop = suspension(obj, "suspend")
    sentence, resuming = stop.sentence, None
    if deployment == "Suspending":
        sentence = sentence or "being suspended"
    elif deployment == "Suspended" and sentence is None:
        resuming = "resumed, its controller has yet to follow"
    own, beside = _own_pods(obj.spec), _submitters(obj.spec)
    required = None if own is None else own + beside
    counted = ray.counted(mapping_at(status, "rayClusterStatus"))
    runs = deployment == "Waiting" or (deployment == "Running" and job == "RUNNING")
    not_ready = _not_ready(obj, deployment, job)
    again = deployment == "Retrying" or (not_ready is not None and job == "FAILED")
    return Signals(
        raw_phase=deployment or job,
        failed=failed,
        completed=completed,
        stopped=stopped,
        stop=sentence,
        queued=stop.queued and deployment != "Suspending",
        resuming=resuming,
        unobserved=None if deployment is not None else NOT_OBSERVED,
        required=required,
        due=0 if again else own if deployment in (None, "Initializing") else required,
        success_satisfies=True,
        existing=_existing(deployment, counted),
        ready=None if counted.ready is None else counted.ready + beside,
        says_ready=runs if deployment is not None else None,
        not_ready=not_ready,
        message="cluster ready, waiting for a job id" if deployment == "Waiting" else None,
        incarnation_at=_incarnation(status, again=again),
        unreadable=_unreadable(required, deployment),
    )


def _ends(
    obj: ObjectFacts, deployment: str | None, job: str | None
) -> tuple[Verdict | None, Verdict | None, Verdict | None]:
    """(failed, completed, stopped); a deployment that failed is dead whatever the job's word still is."""
    said, at = _said(obj), _ended_at(obj.status)
    if deployment in _FAILED:
        return Verdict(message=said or deployment, at=at), None, None
    if deployment == "Complete":
        if job == "FAILED":
            return Verdict(message=said or "the job failed", at=at), None, None
        if job == "STOPPED":
            return None, None, Verdict(message=said or "the job was stopped", at=at)
        return None, Verdict(at=at), None
    if deployment == "Running":
        # What is left is to wait for the submitter, which has nothing to add.
        if job == "SUCCEEDED":
            return None, Verdict(at=at), None
        if job == "STOPPED":
            return None, None, Verdict(message=said or "the job was stopped", at=at)
        if job == "FAILED" and not _may_retry(obj):
            return Verdict(message=said or "the job failed", at=at), None, None
    return None, None, None


def _may_retry(obj: ObjectFacts) -> bool:
    return (whole_at(obj.status, "failed") or 0) < (whole_at(obj.spec, "backoffLimit") or 0)


def _said(obj: ObjectFacts) -> str | None:
    parts = (text_at(obj.status, "reason"), text_at(obj.status, "message"))
    return ": ".join(part for part in parts if part) or None


def _ended_at(status: Mapping[str, Any]) -> datetime | None:
    return instant_at(status, "endTime") or instant_at(status, "rayJobInfo.endTime")


def _not_ready(obj: ObjectFacts, deployment: str | None, job: str | None) -> str | None:
    """Why ready pods are not the job running."""
    if deployment == "Retrying":
        return f"the job failed, a new attempt is made; {_attempts(obj)}"
    if deployment == "Running" and job == "FAILED":
        return f"the job failed, a new attempt is due; {_attempts(obj)}"
    if deployment == "Initializing":
        return "the job is yet to be submitted"
    if deployment == "Running" and job != "RUNNING":
        return f"the job is {job}" if job else "the job is submitted"
    return None


def _attempts(obj: ObjectFacts) -> str:
    return f"{whole_at(obj.status, 'failed') or 0} of {(whole_at(obj.spec, 'backoffLimit') or 0) + 1} attempts failed"


def _existing(deployment: str | None, counted: ray.Counted) -> int | None:
    if deployment == "Suspending":
        return max(1, counted.existing or 0)  # it holds that word until all is gone
    return 0 if deployment == "Suspended" else counted.existing


def _incarnation(status: Mapping[str, Any], *, again: bool) -> datetime | None:
    return NEXT_INCARNATION if again else instant_at(status, "startTime")


def _unreadable(required: int | None, deployment: str | None) -> str | None:
    if required is None:
        return "its spec names no cluster, or the numbers of a worker group are no counts"
    if deployment is not None and deployment not in _KNOWN:
        return f"its jobDeploymentStatus {deployment} is not known"
    return None


def _own_pods(spec: Spec) -> int | None:
    """The cluster's pods; a cluster found by a selector is a workload of its own."""
    if mapping_at(spec, "clusterSelector"):
        return 0
    cluster = mapping_at(spec, "rayClusterSpec")
    return ray.cluster_pods(cluster) if cluster else None


def _submitters(spec: Spec) -> int:
    return 1 if (text_at(spec, "submissionMode") or "K8sJobMode") == "K8sJobMode" else 0


def _default_submitter(spec: Spec) -> Mapping[str, Any]:
    head = next(iter(elements_at(spec, "rayClusterSpec.headGroupSpec.template.spec.containers")), {})
    return {"name": "ray-job-submitter", "image": text_at(head, "image"), "resources": ray.SUBMITTER_RESOURCES}


def roles_of(spec: Spec) -> tuple[FoundRole, ...]:
    """The roles of a RayJob's spec: its cluster's, then the submitter."""
    sidecar = (_default_submitter(spec),) if text_at(spec, "submissionMode") == "SidecarMode" else ()
    found: tuple[FoundRole, ...] = ()
    if not mapping_at(spec, "clusterSelector"):
        found = ray.cluster_roles(mapping_at(spec, "rayClusterSpec"), beside_head=sidecar)
    if _submitters(spec):
        template = mapping_at(spec, "submitterPodTemplate")
        if not elements_at(template, "spec.containers"):
            template = {"spec": {"containers": [_default_submitter(spec)]}}
        found = (*found, FoundRole(ray.SUBMITTER, template, 1))
    return found


def requested_pods_of(spec: Spec) -> RequestedPods:
    """The pods of a RayJob's spec."""
    own, beside = _own_pods(spec), _submitters(spec)
    number = None if own is None else ray.as_count(own + beside)
    if mapping_at(spec, "clusterSelector"):
        return RequestedPods(number=number)
    return ray.cluster_requested_pods(mapping_at(spec, "rayClusterSpec"), number, beside=beside)


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return roles_of(obj.spec)


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return requested_pods_of(obj.spec)


ENTRIES = (
    KindEntry(
        key=KindKey(group="ray.io", kind="RayJob"),
        versions=("v1", "v1alpha1"),
        plural="rayjobs",
        words=Words(
            runs="the job is RUNNING on ready pods; Waiting, for a job id",
            fails="the deployment failed, whatever the job's word is; the job failed with no attempt left",
            stops="`spec.suspend`; STOPPED in Ray is Stopped for good",
            asks=(
                "its cluster's and one submitter (none in HTTPMode and InteractiveMode); with `spec.clusterSelector` "
                "the submitter only"
            ),
            notes="a retry is a new start; the submitter is due once the cluster is ready",
        ),
        category=Category.TRAIN,
        signals=signals,
        additional_fields=(("framework", "Ray"),),
        roles=(
            Role(name=ray.HEAD, template="spec.rayClusterSpec.headGroupSpec.template"),
            Role(name=ray.WORKER, template="spec.rayClusterSpec.workerGroupSpecs"),
            Role(name=ray.SUBMITTER, template="spec.submitterPodTemplate"),
        ),
        find_roles=_roles,
        role_labels=ray.ROLE_LABELS,
        requested_pods=_requested_pods,
        completed_at="status.endTime",
        url_paths=("status.dashboardURL",),
        priority_labels=ray.PRIORITY_LABELS,
        priority_paths=("spec.rayClusterSpec.headGroupSpec.template.spec.priorityClassName",),
    ),
)
