"""DevWorkspace: one word in ``status.phase`` and the wish in ``spec.started``.

The operator stops a workspace that failed, so Failed is told before the wish. A workspace is started again at will:
it takes back its failure.
"""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import at, condition_of, elements_at, mapping_at, sentence_of, text_at
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Words
from rollcall.domain.kinds.lifecycle import NOT_OBSERVED
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict

_FAILED = frozenset({"Failed", "Failing", "Error"})
_KNOWN = _FAILED | frozenset({"Starting", "Running", "Stopping", "Stopped", "Terminating"})


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    phase = text_at(obj.status, "phase")
    stop, resuming = None, None
    if at(obj.spec, "started") is False:
        stop = "stopped by spec.started"
    elif phase in ("Stopped", "Stopping") and at(obj.spec, "started") is True:
        resuming = "started, its operator has yet to follow"
    elif phase in ("Stopped", "Stopping", "Terminating"):
        stop = f"its operator says {phase}"
    return Signals(
        raw_phase=phase,
        failed=Verdict(message=_why(obj)) if phase in _FAILED else None,
        stop=stop,
        resuming=resuming,
        unobserved=NOT_OBSERVED if phase is None else None,
        required=1,
        existing=1 if phase in ("Running", "Stopping", "Terminating") else None,
        says_ready=phase == "Running" if phase in ("Starting", "Running") else None,
        not_ready="its operator prepares it" if phase == "Starting" else None,
        unreadable=f"its phase {phase} is not known" if phase is not None and phase not in _KNOWN else None,
    )


def _why(obj: ObjectFacts) -> str | None:
    failed = condition_of(obj.status, "FailedStart")
    return text_at(obj.status, "message") or (sentence_of(failed) if failed is not None else None)


def _roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """One pod of all container components, whose amounts stand beside the image, not in a list of resources."""
    containers = [
        _container(component)
        for component in elements_at(obj.spec, "template.components")
        if mapping_at(component, "container")
    ]
    return (FoundRole("", {"spec": {"containers": containers}}, 1),) if containers else ()


def _container(component: Mapping[str, Any]) -> Mapping[str, Any]:
    container = mapping_at(component, "container")
    given = mapping_at(mapping_at(component, "attributes"), "container-overrides.resources")
    resources: dict[str, dict[str, Any]] = {}
    for list_name, suffix in (("requests", "Request"), ("limits", "Limit")):
        amounts = {
            name: value for name in ("cpu", "memory") if (value := text_at(container, f"{name}{suffix}")) is not None
        }
        resources[list_name] = {**amounts, **mapping_at(given, list_name)}
    return {**container, "name": text_at(component, "name") or "", "resources": resources}


def _requested_pods(_obj: ObjectFacts, _number: int | None) -> RequestedPods:
    return RequestedPods(number=1)


ENTRIES = (
    KindEntry(
        key=KindKey(group="workspace.devfile.io", kind="DevWorkspace"),
        versions=("v1alpha2",),
        plural="devworkspaces",
        words=Words(
            runs="phase Running and its pod is ready",
            fails="phase Failed, Failing or Error",
            stops="`spec.started: false`",
            asks="one pod of all container components",
            notes="Failed is told before `spec.started`, which its operator takes back on a failure",
        ),
        category=Category.BUILD,
        signals=_signals,
        find_roles=_roles,
        requested_pods=_requested_pods,
        url_paths=("status.mainUrl",),
        recovers=True,
    ),
)
