"""Service of Knative: it serves with any number of pods, none included; the core Service is another kind."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import condition_of, mapping_at, text_at
from rollcall.domain.kinds.entry import Intermediate, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import unobserved
from rollcall.domain.kinds.serving import all_wait, any_lives, is_false, said_by, says_ready
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_MIN = ("autoscaling.knative.dev/min-scale", "autoscaling.knative.dev/minScale")
_MAX = ("autoscaling.knative.dev/max-scale", "autoscaling.knative.dev/maxScale")
_MOST_DIGITS = 9


def scale_bounds(annotations: Mapping[str, Any]) -> tuple[int, int | None]:
    """(least, most) pods by the annotations of a revision's template; no least is 0, no most or 0 is no bound."""
    return _count(annotations, _MIN) or 0, _count(annotations, _MAX) or None


def _count(annotations: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = annotations.get(key)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
            return int(value)
    return None


def _bounds(obj: ObjectFacts) -> tuple[int, int | None]:
    return scale_bounds(mapping_at(obj.spec, "template.metadata.annotations"))


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    least, _ = _bounds(obj)
    ready = says_ready(status)
    condition = condition_of(status, "Ready")
    # Traffic still goes to a revision that was ready once.
    serves = text_at(status, "latestReadyRevisionName") is not None and bool(says_ready(status, "RoutesReady"))
    rolling = ready is False and not is_false(condition) and text_at(status, "latestReadyRevisionName") is not None
    failed = degraded = None
    if is_false(condition) and not all_wait(pods):
        said = said_by(condition, "Ready is False")
        if serves and is_false(condition_of(status, "ConfigurationsReady")):
            degraded = said
        else:
            failed = Verdict(message=said, holds=False)
    # A revision must come up with one pod at least before it is ready and may be scaled to zero.
    required = least if ready or rolling else max(1, least)
    return Signals(
        raw_phase=_raw_phase(condition),
        failed=failed,
        unobserved=unobserved(obj, writes_generation=True),
        required=required,
        # With no pod known its word has to do: the revision before serves.
        ready=max(1, least) if degraded or rolling else None,
        says_ready=None if rolling else ready,
        not_ready=said_by(condition, "not ready yet") if ready is False and not rolling and not degraded else None,
        degraded=degraded,
        behind=said_by(condition, "a new revision is being rolled out") if rolling else None,
        idle="scaled to zero" if ready and not any_lives(pods) and least == 0 else None,
    )


def _raw_phase(condition: Mapping[str, Any] | None) -> str | None:
    """Ready, or the reason why not."""
    if condition is None:
        return None
    if condition.get("status") == "True":
        return "Ready"
    return text_at(condition, "reason") or ("NotReady" if is_false(condition) else "Deploying")


def _replicas(obj: ObjectFacts) -> int | None:
    """What one template stands for: the least that runs, and one pod where it may be scaled to zero."""
    return max(1, _bounds(obj)[0])


def _requested_pods(obj: ObjectFacts, _number: int | None) -> RequestedPods:
    least, most = _bounds(obj)
    return RequestedPods(number=least, min=least, max=most)


ENTRIES = (
    KindEntry(
        key=KindKey(group="serving.knative.dev", kind="Service"),
        versions=("v1",),
        plural="services",
        words=Words(
            runs='condition Ready is True, with any number of pods ("scaled to zero")',
            fails=(
                "Ready is False, unless all its pods wait for the scheduler; Degraded where the revision before serves"
            ),
            stops="nothing but its deletion; scaled to zero is no stop",
            asks="the least scale of the template's annotations, and one pod where that is 0",
        ),
        between=(
            Intermediate(key=KindKey(group="serving.knative.dev", kind="Revision"), plural="revisions"),
            Intermediate(key=KindKey(group="serving.knative.dev", kind="Configuration"), plural="configurations"),
        ),
        category=Category.DEPLOY,
        signals=_signals,
        roles=(Role(template="spec.template", count=_replicas),),
        name_label="serving.knative.dev/service",
        uid_label="serving.knative.dev/serviceUID",
        requested_pods=_requested_pods,
        priority_paths=("spec.template.spec.priorityClassName",),
        url_paths=("status.url",),
        default_priority_class="inference",
        recovers=True,
    ),
)
