"""GPUs claimed by dynamic resource allocation: what a claim asks for and has, and which pod bears it.

A claim made from a template is its pod's own. A named claim may be shared: it is asked for once per workload and held
once in the cluster, by the first of its users, so that sums over pods and over nodes agree. A claim that stands for an
extended resource of the spec (KEP-5004) is not counted: the spec is.

Devices of unknown size count as whole: a claimed MIG slice is one GPU if its class is a GPU's.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rollcall.domain.facts import ClaimFacts, DomainSettings, PodClaim, PodFacts
from rollcall.domain.fields import elements_at, mapping_at, text_at, whole_at
from rollcall.domain.gpus import MICROS, GpuRules

STANDS_FOR_EXTENDED_RESOURCE = "resource.kubernetes.io/extended-resource-claim"
MOST_CLAIMS = 64
"""Of one pod; the API server allows 32."""
_MOST_DEVICES = 1024
_MOST_USERS = 256


def read_claim(obj: Mapping[str, Any], settings: DomainSettings) -> ClaimFacts | None:
    """A ResourceClaim of any served version; ``None`` without a name."""
    return _read(obj, mapping_at(obj, "spec"), settings)


def read_claim_template(obj: Mapping[str, Any], settings: DomainSettings) -> ClaimFacts | None:
    """A ResourceClaimTemplate of any served version; ``None`` without a name."""
    return _read(obj, mapping_at(obj, "spec.spec"), settings)


def claims_of(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[PodClaim, ...]:
    """The claims of a pod; of a template with an empty status."""
    listed = elements_at(spec, "resourceClaims")
    if not listed:
        return ()
    made = {
        text_at(one, "name"): text_at(one, "resourceClaimName") for one in elements_at(status, "resourceClaimStatuses")
    }
    found: list[PodClaim] = []
    for one in listed[:MOST_CLAIMS]:
        # Until 1.30 both names stood below "source".
        template = text_at(one, "resourceClaimTemplateName") or text_at(one, "source.resourceClaimTemplateName")
        named = text_at(one, "resourceClaimName") or text_at(one, "source.resourceClaimName")
        found.append(PodClaim(claim=named or made.get(text_at(one, "name")), template=None if named else template))
    return tuple(found)


def micros_of_template(
    claims: Iterable[PodClaim],
    times: int,
    templates: Mapping[str, ClaimFacts],
    seen: set[str],
    known: Mapping[str, ClaimFacts],
) -> int:
    """What so many pods of a template claim; a named claim counts once, those in ``seen`` not again."""
    gpus = 0
    for one in claims:
        if one.template is not None:
            gpus += templates[one.template].gpus * times if one.template in templates else 0
        elif one.claim is not None and one.claim not in seen and one.claim in known and times:
            seen.add(one.claim)
            gpus += known[one.claim].gpus
    return gpus * MICROS


def requested_micros(
    pods: Iterable[PodFacts], known: Mapping[str, ClaimFacts], templates: Mapping[str, ClaimFacts]
) -> dict[str, int]:
    """What each pod claims, by uid, in micro-GPUs; a named claim is borne by the first of ``pods``."""
    borne: dict[str, int] = {}
    seen: set[str] = set()
    for pod in pods:
        for one in pod.claims:
            claim = known.get(one.claim) if one.claim is not None else None
            if one.template is None:
                if claim is None or claim.name in seen:
                    continue
                seen.add(claim.name)
            claim = claim or (templates.get(one.template) if one.template is not None else None)
            if claim is not None:
                gpus = claim.gpus if claim.allocated_gpus is None else claim.allocated_gpus
                borne[pod.meta.uid] = borne.get(pod.meta.uid, 0) + gpus * MICROS
    return borne


def allocated_micros(pods: Iterable[PodFacts], known: Mapping[str, ClaimFacts]) -> dict[str, int]:
    """What each of the bound ``pods`` holds by claims, by uid, in micro-GPUs."""
    borne: dict[str, int] = {}
    seen: set[str] = set()
    for pod in pods:
        for one in pod.claims:
            claim = known.get(one.claim) if one.claim is not None else None
            if claim is None or not claim.allocated_gpus or claim.name in seen:
                continue
            if one.template is None and claim.reserved_for and claim.reserved_for[0] != pod.meta.uid:
                continue
            seen.add(claim.name)
            borne[pod.meta.uid] = borne.get(pod.meta.uid, 0) + claim.allocated_gpus * MICROS
    return borne


def _read(obj: Mapping[str, Any], spec: Mapping[str, Any], settings: DomainSettings) -> ClaimFacts | None:
    name = text_at(obj, "metadata.name")
    if name is None:
        return None
    found = settings.gpu_rules
    stands_for_spec = mapping_at(obj, "metadata.annotations").get(STANDS_FOR_EXTENDED_RESOURCE) == "true"
    asked = {} if stands_for_spec else _gpus_by_request(spec, found)
    allocation = mapping_at(obj, "status.allocation")
    users = (text_at(user, "uid") for user in elements_at(obj, "status.reservedFor")[:_MOST_USERS])
    return ClaimFacts(
        name=name,
        namespace=text_at(obj, "metadata.namespace"),
        gpus=sum(gpus for request, gpus in asked.items() if "/" not in request),
        allocated_gpus=_allocated_gpus(allocation, asked) if allocation else None,
        reserved_for=tuple(uid for uid in users if uid),
    )


def _gpus_by_request(spec: Mapping[str, Any], found: GpuRules) -> dict[str, int]:
    """GPUs by request; alternatives stand as ``request/alternative``, the first of them for the request as well."""
    asked: dict[str, int] = {}
    for number, request in enumerate(elements_at(spec, "devices.requests")[:MOST_CLAIMS]):
        name = text_at(request, "name") or f"#{number}"
        alternatives = elements_at(request, "firstAvailable")[:MOST_CLAIMS]
        for place, alternative in enumerate(alternatives):
            gpus = _gpus(alternative, found)
            asked[f"{name}/{text_at(alternative, 'name') or place}"] = gpus
            if place == 0:
                asked[name] = gpus
        if not alternatives:
            # v1 and v1beta2 nest one request, v1beta1 is flat.
            asked[name] = _gpus(mapping_at(request, "exactly") or request, found)
    return asked


def _gpus(request: Mapping[str, Any], found: GpuRules) -> int:
    """Of one request: its count, at least one where all devices are asked for; looking at devices takes none."""
    if request.get("adminAccess") is True or not found.is_gpu_class(text_at(request, "deviceClassName") or ""):
        return 0
    if request.get("allocationMode") == "All":
        return 1
    count = whole_at(request, "count")
    return min(1 if count is None else count, _MOST_DEVICES)


def _allocated_gpus(allocation: Mapping[str, Any], asked: Mapping[str, int]) -> int:
    devices = {
        tuple(text_at(result, key) for key in ("driver", "pool", "device"))
        for result in elements_at(allocation, "devices.results")[:_MOST_DEVICES]
        if asked.get(text_at(result, "request") or "") and result.get("adminAccess") is not True
    }
    return len(devices)
