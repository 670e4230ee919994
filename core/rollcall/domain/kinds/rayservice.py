"""RayService: Ready means that requests are answered; during an upgrade two clusters stand side by side."""

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, mapping_at, sentence_of, text_at, true_condition
from rollcall.domain.kinds import ray
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import NO_STOP, suspension, unobserved
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_FATAL = frozenset({"InitializingTimeout", "ValidationFailed"})
_TROUBLED = frozenset({"DEPLOY_FAILED", "UNHEALTHY"})
_SUSPENDED = ("Suspended", "Suspending")
_UPGRADE = "an upgrade: a new cluster comes up beside the one that serves"


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    required = ray.cluster_pods(mapping_at(obj.spec, "rayClusterConfig"))
    ready = condition_of(status, "Ready")
    reason = text_at(ready, "reason") if ready is not None else None
    serves = ready.get("status") == "True" if ready is not None else text_at(status, "serviceStatus") == "Running"
    trouble = _trouble(obj)
    fatal = not serves and reason in _FATAL
    stop = NO_STOP
    for path in ("suspend", "rayClusterConfig.suspend"):
        # The second is where Kueue suspends a service.
        stop = stop if stop.sentence is not None else suspension(obj, path)
    suspended = true_condition(status, *_SUSPENDED)
    word = None if suspended is None else str(suspended["type"])
    return Signals(
        raw_phase=word or text_at(status, "serviceStatus") or ("Ready" if serves else reason),
        failed=Verdict(message=sentence_of(ready) if ready is not None else None) if fatal else None,
        stop=stop.sentence,
        queued=stop.queued,
        resuming="resumed, its controller has yet to follow" if word is not None and not stop.sentence else None,
        # KubeRay does not write the status where nothing but observedGeneration would change: it may lag for ever.
        unobserved=unobserved(obj, writes_generation=False),
        required=required,
        existing=_existing(word, required, serves=serves),
        ready=required if serves else 0,
        says_ready=serves if status else None,
        not_ready=None if serves or not status else _why_not(obj, trouble),
        degraded=trouble if serves else None,
        surplus=_UPGRADE if serves and true_condition(status, "UpgradeInProgress") is not None else None,
        unreadable="the numbers of a worker group are no counts" if required is None else None,
    )


def _existing(word: str | None, required: int | None, *, serves: bool) -> int | None:
    if word == "Suspending":
        return 1  # it holds that word until all is gone
    return required if serves and word is None else 0


def _why_not(obj: ObjectFacts, trouble: str | None) -> str:
    ready = condition_of(obj.status, "Ready")
    said = sentence_of(ready) if ready is not None else text_at(obj.status, "serviceStatus")
    return "; ".join(part for part in (said, trouble) if part) or "it does not serve yet"


def _trouble(obj: ObjectFacts) -> str | None:
    """The applications of the serving cluster that Ray Serve calls broken."""
    applications = mapping_at(obj.status, "activeServiceStatus.applicationStatuses")
    broken = [
        f"application {name} is {text_at(application, 'status')}"
        for name, application in sorted(applications.items())
        if isinstance(application, dict) and text_at(application, "status") in _TROUBLED
    ]
    return "; ".join(broken) or None


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    return ray.cluster_roles(mapping_at(obj.spec, "rayClusterConfig"))


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    config = mapping_at(obj.spec, "rayClusterConfig")
    return ray.cluster_requested_pods(config, ray.cluster_pods(config))


def _urls(obj: ObjectFacts) -> tuple[str, ...]:
    return ray.dashboard(mapping_at(obj.status, "activeServiceStatus.rayClusterStatus"), obj.meta.namespace)


ENTRIES = (
    KindEntry(
        key=KindKey(group="ray.io", kind="RayService"),
        versions=("v1", "v1alpha1"),
        plural="rayservices",
        words=Words(
            runs="condition Ready is True",
            fails=(
                "Ready is False because the spec is not valid or the start took too long; a broken application is "
                "Degraded while others answer"
            ),
            stops="`spec.suspend`; `spec.rayClusterConfig.suspend`, which Kueue sets",
            asks="as a RayCluster under `spec.rayClusterConfig`",
            notes="an upgrade, with two clusters side by side, is Updating",
        ),
        category=Category.DEPLOY,
        signals=_signals,
        additional_fields=(("framework", "Ray"),),
        roles=(
            Role(name=ray.HEAD, template="spec.rayClusterConfig.headGroupSpec.template"),
            Role(name=ray.WORKER, template="spec.rayClusterConfig.workerGroupSpecs"),
        ),
        find_roles=_roles,
        role_labels=ray.ROLE_LABELS,
        requested_pods=_requested_pods,
        priority_labels=ray.PRIORITY_LABELS,
        find_urls=_urls,
        priority_paths=("spec.rayClusterConfig.headGroupSpec.template.spec.priorityClassName",),
        recovers=True,
    ),
)
