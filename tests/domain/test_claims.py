"""Claimed devices: what claims of every served version ask for and have, and which pod bears them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.observed import SETTINGS, node, obj, observe, pod

from rollcall.domain.claims import claims_of, read_claim, read_claim_template
from rollcall.domain.facts import DomainSettings, PodClaim
from rollcall.domain.records import GpuRequestType

GPU = {"deviceClassName": "gpu.nvidia.com"}


def exactly(name="gpu", **request):
    """A request as ``resource.k8s.io/v1`` writes it."""
    return {"name": name, "exactly": GPU | request}


def result(request="gpu", device="gpu-0", **more):
    return {"request": request, "driver": "gpu.nvidia.com", "pool": "gpu-1", "device": device, **more}


def claim(*requests, name="c", results=None, users=(), annotations=None):
    """A ResourceClaim as the API server serves it, read."""
    status = {}
    if results is not None:
        status = {
            "allocation": {"devices": {"results": results}},
            "reservedFor": [{"resource": "pods", "name": uid, "uid": uid} for uid in users],
        }
    found = read_claim(
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": {
                "name": name,
                "namespace": "runai-team-a",
                "uid": f"c-{name}",
                "annotations": annotations or {},
            },
            "spec": {"devices": {"requests": list(requests)}},
            "status": status,
        },
        SETTINGS,
    )
    assert found is not None
    return found


ASKED = [
    ("one, by default", 1, [exactly()]),
    ("so many", 4, [exactly(allocationMode="ExactCount", count=4)]),
    ("several requests", 3, [exactly("a", count=2), exactly("b")]),
    ("v1beta1 is flat", 2, [{"name": "gpu", **GPU, "count": 2}]),
    ("all that match are at least one", 1, [exactly(allocationMode="All")]),
    (
        "the first alternative",
        2,
        [{"name": "gpu", "firstAvailable": [{"name": "a", **GPU, "count": 2}, {"name": "b", **GPU}]}],
    ),
    ("an alternative that is no GPU", 0, [{"name": "x", "firstAvailable": [{"name": "a", "deviceClassName": "cpu"}]}]),
    ("another class", 0, [{"name": "nic", "exactly": {"deviceClassName": "rdma.example.com", "count": 8}}]),
    ("any case", 1, [{"name": "gpu", "exactly": {"deviceClassName": "Example-GPU-large"}}]),
    ("to look at it takes none", 0, [exactly(adminAccess=True)]),
    ("an absurd count", 1, [exactly(count=-3)]),
    ("an absurd number", 1024, [exactly(count=2**31 - 1)]),
    ("nothing", 0, []),
]


@pytest.mark.parametrize(("gpus", "requests"), [case[1:] for case in ASKED], ids=[case[0] for case in ASKED])
def test_what_a_claim_asks_for(gpus, requests):
    found = claim(*requests)
    assert (found.gpus, found.allocated_gpus) == (gpus, None)


ALLOCATED = [
    ("by its results", 2, [exactly(allocationMode="All")], [result(), result(device="gpu-1")]),
    (
        "not those of other requests",
        1,
        [exactly(), {"name": "nic", "exactly": {"deviceClassName": "rdma"}}],
        [result(), result("nic")],
    ),
    (
        "an alternative",
        1,
        [{"name": "gpu", "firstAvailable": [{"name": "a", **GPU}, {"name": "b", **GPU}]}],
        [result("gpu/b")],
    ),
    ("a device that is shared out twice is one", 1, [exactly(count=2)], [result(shareID="a"), result(shareID="b")]),
    ("not one that is only looked at", 0, [exactly(adminAccess=True)], [result(adminAccess=True)]),
    ("none", 0, [exactly()], []),
]


@pytest.mark.parametrize(
    ("gpus", "requests", "results"), [case[1:] for case in ALLOCATED], ids=[case[0] for case in ALLOCATED]
)
def test_what_a_claim_has(gpus, requests, results):
    assert claim(*requests, results=results).allocated_gpus == gpus


def test_a_claim_that_stands_for_an_extended_resource_is_counted_by_the_spec():
    found = claim(exactly(), results=[result()], annotations={"resource.kubernetes.io/extended-resource-claim": "true"})
    assert (found.gpus, found.allocated_gpus) == (0, 0)


def test_the_admin_says_which_classes_are_gpus():
    body = {
        "metadata": {"name": "c"},
        "spec": {"devices": {"requests": [{"name": "a", "deviceClassName": "MIG.nvidia.com"}]}},
    }
    plain, chosen = read_claim(body, SETTINGS), read_claim(body, DomainSettings(gpu_device_classes=("mig.", "")))
    assert plain is not None
    assert chosen is not None
    assert (plain.gpus, chosen.gpus) == (0, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["devices", "requests", "exactly", "firstAvailable", "count", "name", "allocation", "results"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(JSON, JSON)
def test_any_claim_is_read(spec, status):
    body = {"metadata": {"name": "c"}, "spec": spec, "status": status}
    assert read_claim(body, SETTINGS) is not None
    assert read_claim_template({"metadata": {"name": "c"}, "spec": {"spec": spec}}, SETTINGS) is not None
    assert read_claim({"metadata": {}}, SETTINGS) is None


def template_of(*requests, name="t"):
    found = read_claim_template(
        {"metadata": {"name": name}, "spec": {"spec": {"devices": {"requests": list(requests)}}}}, SETTINGS
    )
    assert found is not None
    return found


OWN = [{"name": "gpu", "resourceClaimTemplateName": "t"}]
SHARED = [{"name": "gpu", "resourceClaimName": "c"}]


def claiming(name, claim_name, state="ready", template=None):
    """A pod that claims devices and asks for nothing else."""
    bare = pod(name, state, spec={"containers": [{"name": "main", "image": "trainer:1"}]})
    return replace(bare, claims=(PodClaim(claim=claim_name, template=template),))


def deployment(claims, number=2):
    spec = {"containers": [{"name": "main", "image": "trainer:1"}], "resourceClaims": claims}
    return obj("Deployment", {"replicas": number, "template": {"spec": spec}}, {"observedGeneration": 1})


def figures(top, *pods, **view):
    found = observe(top, *pods, nodes=(node(),), **view)
    record = found.workload
    asked = None if record.workload_requested is None else record.workload_requested.requests.gpu_micros
    return asked, record.pods_requested.requests.gpu_micros, record.allocated.gpu_micros


@pytest.mark.parametrize(
    ("listed", "made", "found"),
    [
        (OWN, [], (None, "t")),
        (OWN, [{"name": "gpu", "resourceClaimName": "w-0-gpu-x7"}], ("w-0-gpu-x7", "t")),
        (SHARED, [], ("c", None)),
        ([{"name": "gpu", "source": {"resourceClaimTemplateName": "t"}}], [], (None, "t")),
        ([{"name": "gpu", "source": {"resourceClaimName": "c"}}], [], ("c", None)),
        ([{"name": "gpu"}], [{"name": "other", "resourceClaimName": "x"}], (None, None)),
    ],
)
def test_the_claims_of_a_pod(listed, made, found):
    assert claims_of({"resourceClaims": listed}, {"resourceClaimStatuses": made}) == (
        PodClaim(claim=found[0], template=found[1]),
    )


OF_TEMPLATE = {
    "claims": {"c-a": claim(exactly(), name="c-a", results=[result()])},
    "claim_templates": {"t": template_of(exactly(count=2))},
}


class TestClaimsOfTemplates:
    """Each pod has its own."""

    def test_before_any_pod_the_template_is_asked(self):
        assert figures(deployment(OWN), **OF_TEMPLATE) == (4_000_000, 0, 0)

    def test_a_pod_without_its_claim_asks_as_the_template(self):
        waiting = claiming("b", None, "unscheduled", template="t")
        assert figures(deployment(OWN), waiting, **OF_TEMPLATE) == (4_000_000, 2_000_000, 0)

    def test_with_a_claim_it_has_what_is_allocated(self):
        pods = (claiming("a", "c-a", template="t"), claiming("b", None, "unscheduled", template="t"))
        assert figures(deployment(OWN), *pods, **OF_TEMPLATE) == (4_000_000, 3_000_000, 1_000_000)

    def test_ended_pods_hold_nothing(self):
        assert figures(deployment(OWN), claiming("a", "c-a", "succeeded", template="t"), **OF_TEMPLATE)[1:] == (0, 0)

    def test_unknown_claims_count_for_nothing(self):
        assert figures(deployment(OWN), claiming("a", "c-a", template="t")) == (0, 0, 0)


class TestNamedClaims:
    """Shared: asked for once per workload, held once in the cluster, by the first of its users."""

    def view(self, *users):
        return {"claims": {"c": claim(exactly(count=2), results=[result(), result(device="gpu-1")], users=users)}}

    def test_once_per_workload(self):
        pods = (claiming("a", "c"), claiming("b", "c"))
        assert figures(deployment(SHARED), *pods, **self.view()) == (2_000_000,) * 3

    def test_the_first_user_holds_it(self):
        found = observe(None, claiming("b", "c"), **self.view("pod-b", "pod-a"))
        assert found.workload.allocated.gpu_micros == 2_000_000
        found = observe(None, claiming("a", "c"), **self.view("pod-b", "pod-a"))
        assert (found.workload.allocated.gpu_micros, found.workload.pods_requested.requests.gpu_micros) == (
            0,
            2_000_000,
        )

    def test_an_ended_pod_leaves_it_to_one_that_counts(self):
        pods = (claiming("a", "c", "succeeded"), claiming("b", "c"))
        assert figures(deployment(SHARED), *pods, **self.view("pod-b")) == (2_000_000,) * 3

    def test_before_anything_is_allocated(self):
        waiting = claiming("a", "c", "unscheduled")
        view = {"claims": {"c": claim(exactly(count=2))}}
        assert figures(deployment(SHARED), waiting, **view) == (2_000_000, 2_000_000, 0)

    def test_nothing_is_asked_for_no_replicas(self):
        assert figures(deployment(SHARED, 0), **self.view()) == (0, 0, 0)


def test_claimed_devices_are_a_portion_with_the_memory_of_the_nodes_devices():
    found = observe(None, claiming("a", "c"), claims={"c": claim(exactly(), results=[result()])}).workload
    assert found.workload_requested is not None
    assert found.workload_requested.gpu_request_type is GpuRequestType.PORTION
    assert found.workload_requested.limits.gpu_micros == 1_000_000
