"""SeldonDeployment: predictors, each of one Deployment for every component spec."""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.facts import KindKey, ObjectFacts
from rollcall.domain.fields import elements_at, is_absurd, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import FoundRole, KindEntry, Role, Words
from rollcall.domain.kinds.lifecycle import scaled_to_nothing, unobserved
from rollcall.domain.kinds.serving import pod_template, pods_of
from rollcall.domain.pods import JudgedPod
from rollcall.domain.records import Category, RequestedPods
from rollcall.domain.signals import Signals, Verdict


def _signals(obj: ObjectFacts, _children: tuple[ObjectFacts, ...], _pods: tuple[JudgedPod, ...]) -> Signals:
    status = obj.status
    state = text_at(status, "state")
    roles = _find_roles(obj)
    required = pods_of(roles)
    existing, available = _counted(status)
    failed = None
    if state == "Failed":
        failed = Verdict(message=text_at(status, "description") or "the object says Failed", holds=False)
    return Signals(
        raw_phase=state,
        failed=failed,
        stop=scaled_to_nothing(required).sentence,
        unobserved=unobserved(obj, writes_generation=False),
        required=required,
        existing=existing,
        ready=available,
        # Available is said of all Deployments and Services; before it, the counts are of what there is already.
        says_ready=None if state is None else state == "Available",
        unreadable="replicas is no count" if roles and required is None else None,
    )


def _counted(status: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """(existing, available) over the Deployments; nothing where none is reported."""
    found = [one for one in mapping_at(status, "deploymentStatus").values() if isinstance(one, Mapping)]
    if not found:
        return None, None
    existing = sum(whole_at(one, "replicas") or 0 for one in found)
    return existing, sum(whole_at(one, "availableReplicas") or 0 for one in found)


def _find_roles(obj: ObjectFacts) -> tuple[FoundRole, ...]:
    """A role for each component spec; a predictor without one runs a prepackaged server in a pod of its own."""
    roles: list[FoundRole] = []
    for predictor in elements_at(obj.spec, "predictors"):
        name = text_at(predictor, "name") or "predictor"
        for component in elements_at(predictor, "componentSpecs") or ({},):
            spec = mapping_at(component, "spec")
            roles.append(
                FoundRole(
                    name,
                    pod_template(elements_at(spec, "containers"), spec=spec),
                    _replicas(component, predictor, obj.spec),
                )
            )
    return tuple(roles)


def _replicas(*holders: Mapping[str, Any]) -> int | None:
    """The replicas of the first that names any, from the inside outwards; one where none does."""
    for holder in holders:
        if is_absurd(holder, "replicas"):
            return None
        found = whole_at(holder, "replicas")
        if found is not None:
            return found
    return 1


def _requested_pods(obj: ObjectFacts, number: int | None) -> RequestedPods:
    """One autoscaler of one component bounds the whole; of several no bounds of the whole follow."""
    components = [
        component
        for predictor in elements_at(obj.spec, "predictors")
        for component in elements_at(predictor, "componentSpecs")
    ]
    if len(components) != 1:
        return RequestedPods(number=number)
    scaler = mapping_at(components[0], "hpaSpec")
    return RequestedPods(number=number, min=whole_at(scaler, "minReplicas"), max=whole_at(scaler, "maxReplicas"))


ENTRIES = (
    KindEntry(
        key=KindKey(group="machinelearning.seldon.io", kind="SeldonDeployment"),
        versions=("v1", "v1alpha3", "v1alpha2"),
        plural="seldondeployments",
        words=Words(
            runs="state Available and its pods are ready",
            fails="state Failed",
            stops="all replicas are 0",
            asks="`replicas` of the component, else of the predictor, else of the spec",
        ),
        category=Category.DEPLOY,
        signals=_signals,
        roles=(Role(name="predictor", template="spec.predictors"),),
        find_roles=_find_roles,
        requested_pods=_requested_pods,
        url_paths=("status.address.url",),
        storage_paths=("spec.predictors.*.graph.modelUri",),
        recovers=True,
    ),
)
