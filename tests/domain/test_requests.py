"""Effective requests: the scheduler's formula, to the unit, of pods and of templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain.quantities import MOST
from rollcall.domain.records import GpuRequestType, Limits, ResourceRequest, Resources
from rollcall.domain.requests import effective_request, odd_quantities, pod_request
from rollcall.domain.totals import add, scale


def container(requests=None, limits=None, *, name="main", sidecar=False):
    """A container with what is given of its resources."""
    found = {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}}
    return found | ({"restartPolicy": "Always"} if sidecar else {})


def asked(*containers, init=(), status=None, annotations=None, **spec):
    """What a pod of these containers asks for."""
    return pod_request(
        {
            "metadata": {"annotations": annotations or {}},
            "spec": {"containers": list(containers), "initContainers": list(init), **spec},
            "status": status or {},
        }
    )


def cpu(*containers, **more):
    return asked(*containers, **more).requests.cpu_millis


ONE, TWO, FIVE = ({"cpu": str(number)} for number in (1, 2, 5))

FORMULA = [
    ("nothing", 0, [container()], []),
    ("one", 1000, [container(ONE)], []),
    ("containers add up", 3000, [container(ONE), container(TWO)], []),
    ("a large init container is the peak", 5000, [container(ONE)], [container(FIVE)]),
    ("a small one is free", 5000, [container(FIVE)], [container(ONE)]),
    ("init containers do not add up", 2000, [container(ONE)], [container(TWO), container(TWO)]),
    ("a sidecar stays", 3000, [container(ONE)], [container(TWO, sidecar=True)]),
    ("sidecars add up", 5000, [container(ONE)], [container(TWO, sidecar=True)] * 2),
    (
        "an init container runs beside the sidecars before it",
        7000,
        [container(ONE)],
        [container(TWO, sidecar=True), container(FIVE)],
    ),
    (
        "and not beside those after it",
        5000,
        [container(ONE)],
        [container(FIVE), container(TWO, sidecar=True)],
    ),
    (
        "a sidecar after a peak does not raise it",
        6000,
        [container(ONE)],
        [container(ONE, sidecar=True), container(FIVE), container(TWO, sidecar=True)],
    ),
]


@pytest.mark.parametrize(("wanted", "app", "init"), [case[1:] for case in FORMULA], ids=[case[0] for case in FORMULA])
def test_the_formula(wanted, app, init):
    assert cpu(*app, init=init) == wanted


def test_each_resource_has_its_own_peak():
    found = asked(
        container({"cpu": "1", "memory": "8Gi"}),
        init=[container({"cpu": "4", "memory": "1Gi"}), container({"nvidia.com/gpu": "2"})],
    ).requests
    assert (found.cpu_millis, found.memory_bytes, found.gpu_micros) == (4000, 8 * 2**30, 2_000_000)


def test_overhead_comes_on_top_of_requests_and_of_the_limits_that_are_there():
    found = asked(container({"cpu": "1", "memory": "1Gi"}, {"cpu": "2"}), overhead={"cpu": "250m", "memory": "64Mi"})
    assert (found.requests.cpu_millis, found.requests.memory_bytes) == (1250, 2**30 + 2**26)
    assert (found.limits.cpu_millis, found.limits.memory_bytes) == (2250, None)


def test_pod_level_resources_stand_instead_of_the_containers():
    found = asked(
        container({"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}),
        resources={"requests": {"cpu": "4", "nvidia.com/gpu": "9"}, "limits": {"memory": "2Gi"}},
        overhead={"cpu": "100m"},
    )
    assert found.requests.cpu_millis == 4100
    assert found.requests.memory_bytes == 2**30
    assert found.requests.gpu_micros == 1_000_000, "GPUs are no pod-level resource"
    assert found.limits.memory_bytes == 2 * 2**30


def test_a_limit_is_the_pods_only_if_every_container_has_it():
    both = asked(container(limits={"cpu": "1"}), container(limits={"cpu": "2"}))
    one = asked(container(limits={"cpu": "1"}), container())
    assert both.limits.cpu_millis == 3000
    assert one.limits.cpu_millis is None


def test_limits_stand_in_for_requests_in_a_template_and_not_in_a_pod():
    """The API server has done so to pods already; people write GPUs as limits only."""
    spec = {
        "containers": [container({"cpu": "1"}, {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "4"})],
    }
    template, pod = effective_request({"spec": spec}).requests, pod_request({"spec": spec}).requests
    assert (template.cpu_millis, template.memory_bytes, template.gpu_micros) == (1000, 2**30, 4_000_000)
    assert (pod.cpu_millis, pod.memory_bytes, pod.gpu_micros) == (1000, 0, 0)


class TestInPlaceResize:
    """The larger of what is asked and what is held, until the kubelet calls the resize infeasible."""

    def status(self, held, *, reason=None):
        found = {"containerStatuses": [{"name": "main", "allocatedResources": held, "resources": {"requests": held}}]}
        if reason:
            found["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": reason}]
        return found

    def test_growing_counts_what_is_asked(self):
        assert cpu(container(FIVE), status=self.status(TWO)) == 5000

    def test_shrinking_counts_what_is_held(self):
        assert cpu(container(ONE), status=self.status(TWO)) == 2000

    def test_infeasible_counts_what_is_held(self):
        assert cpu(container(FIVE), status=self.status(TWO, reason="Infeasible")) == 2000

    def test_deferred_is_still_asked_for(self):
        assert cpu(container(FIVE), status=self.status(TWO, reason="Deferred")) == 5000

    def test_infeasible_without_a_word_of_what_is_held_counts_what_is_asked(self):
        assert cpu(container(FIVE), status=self.status({}, reason="Infeasible")) == 5000

    def test_another_containers_status_does_not_count(self):
        assert cpu(container(ONE, name="other"), status=self.status(TWO)) == 1000

    def test_what_is_held_of_limits_counts_likewise(self):
        status = {"containerStatuses": [{"name": "main", "resources": {"limits": {"cpu": "4"}}}]}
        assert asked(container(ONE, TWO), status=status).limits.cpu_millis == 4000

    def test_a_sidecar_is_resized_like_a_container(self):
        status = {"initContainerStatuses": [{"name": "proxy", "allocatedResources": TWO, "resources": {}}]}
        assert cpu(container(ONE), init=[container(ONE, name="proxy", sidecar=True)], status=status) == 3000

    def test_an_init_container_that_has_run_is_not(self):
        status = {"initContainerStatuses": [{"name": "setup", "allocatedResources": FIVE, "resources": {}}]}
        assert cpu(container(ONE), init=[container(ONE, name="setup")], status=status) == 1000


@pytest.mark.parametrize(
    ("requests", "pod_level", "millis"),
    [
        ({}, {"limits": {"cpu": "2"}}, 2000),
        ({"cpu": "1"}, {"limits": {"cpu": "2"}}, 1000),
        ({"cpu": "1"}, {"requests": {"cpu": "3"}, "limits": {"cpu": "4"}}, 3000),
        ({}, {}, 0),
    ],
)
def test_a_templates_limit_for_the_pod_stands_in_where_no_container_asks(requests, pod_level, millis):
    """As the API server fills in ``spec.resources.requests``."""
    template = {"spec": {"containers": [container(requests)], "resources": pod_level}}
    assert effective_request(template).requests.cpu_millis == millis


def test_ended_and_ephemeral_containers_change_nothing():
    status = {"containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 0}}}]}
    assert cpu(container(TWO), ephemeralContainers=[container(FIVE)], status=status) == 2000


def test_overhead_that_no_container_asks_for_is_asked_for():
    assert cpu(container(), overhead={"cpu": "250m"}) == 250


def test_amounts_beyond_a_column_are_cut():
    most = {"cpu": str(MOST // 1000), "memory": str(MOST), "nvidia.com/gpu": str(MOST // 10**6), "rdma/hca": str(MOST)}
    found = asked(container(most), container(most))
    assert found.requests.memory_bytes == dict(found.requests.extended)["rdma/hca"] == MOST
    assert max(found.requests.gpu_micros, found.requests.cpu_millis, add(found, found).requests.memory_bytes) == MOST


def test_who_has_no_gpu_limits_nobody_elses():
    with_gpu, without = asked(container({"nvidia.com/gpu": "2"})), asked(container({"cpu": "1"}))
    assert add(with_gpu, without).limits.gpu_micros == 2_000_000
    assert add(without, without).limits.gpu_micros is None


def test_what_does_not_parse_counts_as_nothing_and_is_named():
    pod = {
        "spec": {
            "containers": [container({"cpu": "lots", "memory": "1Gi"}, {"nvidia.com/gpu": -1}, name="trainer")],
            "initContainers": [container({"cpu": None}, name="setup")],
            "overhead": {"cpu": []},
            "resources": {"requests": {"memory": "1gb"}},
        }
    }
    assert pod_request(pod).requests == Resources(memory_bytes=2**30)
    assert odd_quantities(pod) == (
        "cpu of type list in spec.overhead is no quantity",
        "memory 1gb in resources.requests of spec is no quantity",
        "cpu of type NoneType in resources.requests of container setup is no quantity",
        "cpu lots in resources.requests of container trainer is no quantity",
        "nvidia.com/gpu of type int in resources.limits of container trainer is no quantity",
    )


def test_other_resources_are_kept_by_name_and_native_ones_are_not():
    found = asked(container({"rdma/hca": "1", "hugepages-2Mi": "4Mi", "ephemeral-storage": "1Gi", "google.com/tpu": 4}))
    assert found.requests.extended == (("google.com/tpu", 4), ("rdma/hca", 1))
    assert found.gpu_request_type is None


AMOUNTS = st.integers(0, MOST)
REQUESTS = st.builds(
    lambda gpus, cpus, memory, tpus, limit: ResourceRequest(
        requests=Resources(
            gpu_micros=gpus, cpu_millis=cpus, memory_bytes=memory, extended=(("google.com/tpu", tpus),) if tpus else ()
        ),
        limits=Limits(cpu_millis=limit),
        gpu_request_type=GpuRequestType.PORTION if gpus else None,
    ),
    *[st.integers(0, 2**40)] * 4,
    st.none() | st.integers(0, 2**40),
)


@given(REQUESTS, REQUESTS, REQUESTS)
def test_sums_do_not_depend_on_the_order(one, two, three):
    assert add(add(one, two), three) == add(add(three, one), two)


@given(REQUESTS, st.integers(1, 6))
def test_scaling_is_adding_over_and_over(one, times):
    total = one
    for _ in range(times - 1):
        total = add(total, one)
    assert scale(one, times) == total


@given(REQUESTS, st.integers(0, 2**31 - 1))
def test_scaling_stays_within_what_a_column_holds(one, times):
    found = scale(one, times)
    assert max(found.requests.gpu_micros, found.requests.memory_bytes, found.limits.cpu_millis or 0) <= MOST
