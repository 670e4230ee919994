"""What counts as a GPU: whole ones, parts, shares and claimed ones of every form; and what only looks like one."""

from dataclasses import replace

import pytest
from support.observed import SETTINGS, condition, node, obj, observe, pod

from rollcall.domain.accounting import allocated, held_by
from rollcall.domain.facts import DomainSettings
from rollcall.domain.gpus import is_mig, is_part, part_memory_bytes, part_micros, shared_gpu
from rollcall.domain.kinds.catalogue import entry_for
from rollcall.domain.node_reading import read_node
from rollcall.domain.quantities import MOST
from rollcall.domain.reading import read_pod
from rollcall.domain.records import GpuRequestType, Remembered, Resources
from rollcall.domain.requests import effective_request, pod_request
from rollcall.domain.roles import ask

ONE_SEVENTH = 142_857


def request(requests=None, annotations=None):
    return pod_request(
        {
            "metadata": {"annotations": annotations or {}},
            "spec": {"containers": [{"name": "main", "resources": {"requests": requests or {}}}]},
        }
    )


def node_with(**labels):
    found = read_node(
        {
            "metadata": {
                "uid": "n",
                "name": "n",
                "labels": {f"nvidia.com/gpu.{key}": value for key, value in labels.items()},
            }
        },
        SETTINGS,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "micros"),
    [
        ("nvidia.com/gpu", 2_000_000),
        ("amd.com/gpu", 2_000_000),
        ("gpu.intel.com/i915", 2_000_000),
        ("gpu.intel.com/xe", 2_000_000),
        ("habana.ai/gaudi", 2_000_000),
        ("nvidia.com/gpumem", 0),
        ("nvidia.com/gpucores", 0),
        ("nvidia.com/gpu.shared", 0),
        ("nvidia.com/hostdev", 0),
        ("gpu.intel.com/i915_monitoring", 0),
        ("google.com/tpu", 0),
        ("example.com/gpu", 0),
    ],
)
def test_names_are_exact(name, micros):
    found = request({name: "2"})
    assert found.requests.gpu_micros == micros
    assert (found.requests.extended == ()) is bool(micros), "what is no GPU is shown by its name"
    assert (found.gpu_request_type is GpuRequestType.PORTION) is bool(micros)


@pytest.mark.parametrize(
    ("name", "count", "micros"),
    [
        ("nvidia.com/mig-1g.5gb", 1, ONE_SEVENTH),
        ("nvidia.com/mig-1g.5gb", 7, 1_000_000),
        ("nvidia.com/mig-7g.40gb", 1, 1_000_000),
        ("nvidia.com/mig-3g.20gb", 2, 857_142),
        ("nvidia.com/mig-1g.10gb.me", 1, ONE_SEVENTH),
        ("nvidia.com/mig-1c.3g.20gb", 1, ONE_SEVENTH),
        ("nvidia.com/mig-9g.80gb", 1, 1_000_000),
        ("nvidia.com/mig-1g", 1, 0),
        ("nvidia.com/mig-1g.5gb.shared", 1, 0),
        ("nvidia.com/mig-1g.5gb-x", 1, 0),
        ("example.com/mig-1g.5gb", 1, 0),
    ],
)
def test_a_mig_slice_is_its_share_of_seven(name, count, micros):
    assert part_micros(name, count) == micros
    assert is_mig(name) is bool(micros)
    asked = request({name: str(count)})
    found = asked.requests
    assert (found.gpu_micros, found.extended) == (micros, ((name, count),))
    assert asked.gpu_request_type is None, "the contract has no unit for it"


def test_an_a30_has_four_slices_once_the_node_is_known():
    asked = request({"nvidia.com/mig-1g.6gb": "2"})
    assert asked.requests.gpu_micros == 2_000_000 // 7
    assert allocated(asked, node_with(product="NVIDIA-A30-MIG-1g.6gb")).gpu_micros == 500_000
    assert allocated(asked, node_with(product="NVIDIA-A300")).gpu_micros == 2_000_000 // 7


def test_whole_gpus_and_slices_add_up():
    found = request({"nvidia.com/gpu": "1", "nvidia.com/mig-1g.5gb": "1"}).requests
    assert found.gpu_micros == 1_000_000 + ONE_SEVENTH


def test_slices_by_annotation_count_once():
    name = "nvidia.com/mig-2g.10gb"
    assert request(annotations={name: "1"}).requests.gpu_micros == 2_000_000 // 7
    assert request({name: "1"}, annotations={name: "1"}).requests.gpu_micros == 2_000_000 // 7


@pytest.mark.parametrize(
    ("annotations", "micros", "memory"),
    [
        ({"gpu-fraction": "0.5"}, 500_000, 0),
        ({"gpu-fraction": "1"}, 1_000_000, 0),
        ({"gpu-fraction": "0.5", "gpu-fraction-num-devices": "3"}, 1_500_000, 0),
        ({"gpu-fraction": "0.5", "gpu-fraction-num-devices": "0"}, 500_000, 0),
        ({"gpu-fraction": "0.5", "gpu-fraction-num-devices": "a few"}, 500_000, 0),
        ({"gpu-memory": "2000"}, 0, 2000 * 2**20),
        ({"gpu-memory": "2000", "gpu-fraction-num-devices": "2"}, 0, 4000 * 2**20),
        ({"gpu-fraction": "0.25", "gpu-memory": "2000"}, 250_000, 0),
    ],
)
def test_a_share_by_annotation_replaces_the_whole_device(annotations, micros, memory):
    found = request({"nvidia.com/gpu": "1", "cpu": "1"}, annotations).requests
    assert found == Resources(gpu_micros=micros, gpu_memory_bytes=memory, cpu_millis=1000)


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {"gpu-fraction": "0"},
        {"gpu-fraction": "1.5"},
        {"gpu-fraction": "half"},
        {"gpu-memory": "0"},
        {"gpu-memory": "x"},
    ],
)
def test_an_absurd_share_asks_for_nothing(annotations):
    assert shared_gpu(annotations) is None
    assert request({"nvidia.com/gpu": "1"}, annotations).requests.gpu_micros == 1_000_000


def test_shares_are_resolved_by_the_memory_of_the_nodes_gpus():
    node = node_with(memory="40000")
    fraction, slice_ = request(annotations={"gpu-fraction": "0.5"}), request(annotations={"gpu-memory": "10000"})
    assert allocated(fraction, node).gpu_memory_bytes == 20_000 * 2**20
    assert allocated(slice_, node).gpu_micros == 250_000
    assert allocated(slice_, None).gpu_micros == 0
    assert allocated(slice_, node_with(memory="plenty")).gpu_micros == 0
    assert slice_.gpu_request_type is GpuRequestType.MEMORY


MIB, GIB = 2**20, 2**30
PORTION, MEMORY = GpuRequestType.PORTION, GpuRequestType.MEMORY


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [
        ("nvidia.com/mig-1g.5gb", 2, 10 * 10**9),
        ("nvidia.com/mig-1c.3g.20gb", 1, 20 * 10**9),
        ("nvidia.com/mig-1g.10gb.me", 1, 10 * 10**9),
        ("amd.com/cpx_nps4", 1, 0),
        ("nvidia.com/gpu", 1, 0),
    ],
)
def test_the_memory_of_a_part_is_nominal_until_the_node_is_known(name, count, size):
    assert part_memory_bytes(name, count) == size
    assert request({name: str(count)}).requests.gpu_memory_bytes == size


def test_a_node_tells_the_exact_memory_of_its_slices():
    found = read_node(
        {"metadata": {"uid": "n", "name": "n", "labels": {"nvidia.com/mig-1g.5gb.memory": "4864"}}}, SETTINGS
    )
    asked = request({"nvidia.com/mig-1g.5gb": "2", "nvidia.com/mig-2g.10gb": "1"})
    assert allocated(asked, found).gpu_memory_bytes == 2 * 4864 * MIB + 10 * 10**9


@pytest.mark.parametrize(
    ("name", "count", "micros"),
    [
        ("amd.com/spx_nps1", 1, 1_000_000),
        ("amd.com/dpx_nps1", 1, 500_000),
        ("amd.com/tpx_nps1", 3, 1_000_000),
        ("amd.com/qpx_nps1", 1, 250_000),
        ("amd.com/cpx_nps4", 8, 1_000_000),
        ("amd.com/cpx", 1, 0),
        ("amd.com/xpx_nps1", 1, 0),
    ],
)
def test_an_amd_partition_is_its_share_of_the_device(name, count, micros):
    found = request({name: str(count)})
    assert (found.requests.gpu_micros, found.requests.extended) == (micros, ((name, count),))
    assert found.gpu_request_type is None
    assert is_part(name) is bool(micros)
    assert not is_mig(name)


@pytest.mark.parametrize(
    "name",
    [
        "google.com/tpu",
        "aws.amazon.com/neuroncore",
        "huawei.com/Ascend910",
        "cambricon.com/vmlu",
        "hygon.com/dcunum",
        "iluvatar.ai/vgpu",
        "metax-tech.com/gpu",
        "mthreads.com/vgpu",
        "nvidia.com/GA102GL_A10",
        "gpu.intel.com/millicores",
    ],
)
def test_other_accelerators_are_extended_resources_until_the_admin_says_otherwise(name):
    body = {
        "metadata": {"uid": "p", "name": "p"},
        "spec": {"containers": [{"name": "main", "resources": {"requests": {name: "2"}}}]},
    }
    plain, promoted = read_pod(body), read_pod(body, DomainSettings(gpu_resources=(name,)))
    assert plain is not None
    assert promoted is not None
    assert plain.request.requests == Resources(extended=((name, 2),))
    assert promoted.request.requests == Resources(gpu_micros=2_000_000)
    assert promoted.request.gpu_request_type is PORTION


def test_the_admins_names_hold_for_templates_and_nodes_too():
    settings = DomainSettings(gpu_resources=("google.com/tpu",))
    template = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"google.com/tpu": 4}}}]}}
    found = read_node(
        {"metadata": {"uid": "n", "name": "n"}, "status": {"allocatable": {"google.com/tpu": "4"}}}, settings
    )
    assert effective_request(template, settings.gpu_rules).requests.gpu_micros == 4_000_000
    assert found is not None
    assert found.allocatable.gpu_micros == 4_000_000


@pytest.mark.parametrize(
    ("annotations", "requested", "limited"),
    [
        ({"gpu-fraction": "0.25", "gpu-fraction.limit": "0.8"}, 250_000, 800_000),
        ({"gpu-fraction": "0.25", "gpu-fraction-limit": "0.8"}, 250_000, 800_000),
        ({"gpu-fraction": "0.25", "gpu-fraction.limit": "0.1"}, 250_000, 250_000),
        ({"gpu-fraction": "0.25", "gpu-fraction.limit": "0.5", "gpu-fraction-num-devices": "2"}, 500_000, 1_000_000),
        ({"gpu-fraction": "0.25"}, 250_000, 250_000),
        ({"gpu-fraction": "0.1"}, 100_000, 100_000),
        ({"gpu-fraction": "0.333333333"}, 333_334, 333_334),
    ],
)
def test_a_fraction_may_burst_up_to_its_limit(annotations, requested, limited):
    found = request(annotations=annotations)
    assert (found.requests.gpu_micros, found.limits.gpu_micros) == (requested, limited)


def test_a_memory_slice_may_burst_up_to_its_limit():
    found = request(annotations={"gpu-memory": "1000", "gpu-memory.limit": "4000"})
    assert (found.requests.gpu_memory_bytes, found.limits.gpu_memory_bytes) == (1000 * MIB, 4000 * MIB)


@pytest.mark.parametrize("value", ["2Gi", "1e3", "-5", "9" * 18, "\u0662"])
def test_a_memory_slice_is_a_plain_number(value):
    found = request(annotations={"gpu-memory": value}).requests.gpu_memory_bytes
    assert found == (MOST if value == "9" * 18 else 0)


def test_a_fraction_written_as_a_limit_is_one():
    template = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "0.5"}}}]}}
    found = effective_request(template)
    assert (found.requests.gpu_micros, found.gpu_request_type) == (500_000, PORTION)


def containers(*several):
    return pod_request(
        {"spec": {"containers": [{"name": f"c{n}", "resources": {"requests": one}} for n, one in enumerate(several)]}}
    )


@pytest.mark.parametrize(
    ("amounts", "micros", "memory", "unit"),
    [
        ({"nvidia.com/gpu": 2, "nvidia.com/gpumem-percentage": 50}, 1_000_000, 0, PORTION),
        ({"nvidia.com/gpu": 2, "nvidia.com/gpumem": 3000}, 0, 6000 * MIB, MEMORY),
        ({"nvidia.com/gpu": 1, "nvidia.com/gpumem": 3000, "nvidia.com/gpumem-percentage": 50}, 0, 3000 * MIB, MEMORY),
        ({"nvidia.com/gpumem": 3000}, 0, 3000 * MIB, MEMORY),
        ({"nvidia.com/gpu": 2, "nvidia.com/gpucores": 30}, 2_000_000, 0, PORTION),
        ({"nvidia.com/gpu": 1, "nvidia.com/gpumem-percentage": 900}, 1_000_000, 0, PORTION),
        ({"volcano.sh/vgpu-number": 2, "volcano.sh/vgpu-memory": 1000}, 0, 2000 * MIB, MEMORY),
        ({"volcano.sh/vgpu-number": 2, "volcano.sh/vgpu-memory-percentage": 25}, 500_000, 0, PORTION),
        ({"volcano.sh/vgpu-number": 2}, 2_000_000, 0, PORTION),
    ],
)
def test_virtual_devices_are_shares_of_devices(amounts, micros, memory, unit):
    found = containers(amounts)
    assert (found.requests.gpu_micros, found.requests.gpu_memory_bytes) == (micros, memory)
    assert found.gpu_request_type is unit
    kept = {name for name, _ in found.requests.extended}
    assert kept == set(amounts) - {"nvidia.com/gpu"}, "what was asked for stands by its name"


def test_memory_of_virtual_devices_is_of_each_device_of_its_own_container():
    found = containers(
        {"nvidia.com/gpu": 2, "nvidia.com/gpumem": 1000}, {"nvidia.com/gpu": 1, "nvidia.com/gpumem": 5000}
    )
    assert found.requests.gpu_memory_bytes == 7000 * MIB
    mixed = containers({"nvidia.com/gpu": 1, "nvidia.com/gpumem": 1000}, {"nvidia.com/gpu": 1})
    assert (mixed.requests.gpu_micros, mixed.requests.gpu_memory_bytes) == (1_000_000, 1000 * MIB)
    assert mixed.gpu_request_type is PORTION
    on_node = allocated(mixed, node_with(memory="10000"))
    assert (on_node.gpu_micros, on_node.gpu_memory_bytes) == (1_100_000, 11_000 * MIB)


@pytest.mark.parametrize(
    ("labels", "size"),
    [
        ({"nvidia.com/gpu.memory": "81559"}, 81559 * MIB),
        ({"amd.com/gpu.vram": "191G"}, 191 * GIB),
        ({"beta.amd.com/gpu.vram": "64G"}, 64 * GIB),
        ({"beta.amd.com/gpu.vram.16G": "1"}, 16 * GIB),
        ({"beta.amd.com/gpu.vram.16384M": "1"}, 16 * GIB),
        ({"nvidia.com/gpu.memory": "0"}, None),
        ({"amd.com/gpu.vram": "lots"}, None),
        ({"amd.com/gpu.vram": ""}, None),
        ({}, None),
    ],
)
def test_the_memory_of_a_device_by_its_nodes_labels(labels, size):
    found = read_node({"metadata": {"uid": "n", "name": "n", "labels": labels}}, SETTINGS)
    assert found is not None
    assert found.gpu_memory_bytes == size


@pytest.mark.parametrize(
    ("replicas", "micros", "extended"),
    [("1", 1_000_000, ()), ("4", 0, (("nvidia.com/gpu", 1),)), ("0", 1_000_000, ()), ("x", 1_000_000, ())],
)
def test_on_a_node_that_time_slices_its_gpus_they_are_shares(replicas, micros, extended):
    held = held_by(pod(), node_with(replicas=replicas, memory="40000"))
    assert (held.gpu_micros, held.extended) == (micros, extended)
    assert held.gpu_memory_bytes == micros * 40_000 * MIB // 10**6


def test_a_slice_next_to_a_share_is_counted_once():
    asked = request({"nvidia.com/mig-1g.5gb": "1"}, {"gpu-fraction": "0.5"})
    assert asked.requests.gpu_micros == 500_000 + ONE_SEVENTH
    held = allocated(asked, node_with(memory="40000"))
    assert held.gpu_micros == 500_000 + ONE_SEVENTH
    assert held.gpu_memory_bytes == 20_000 * MIB + 5 * 10**9, "a slice is not a fraction of the device's memory"


def test_device_classes_named_as_resources():
    found = request({"deviceclass.resource.kubernetes.io/gpu.nvidia.com": "2"})
    assert found.requests == Resources(gpu_micros=2_000_000)
    other = request({"deviceclass.resource.kubernetes.io/dranet-ib": "1"})
    assert other.requests == Resources(extended=(("deviceclass.resource.kubernetes.io/dranet-ib", 1),))


COMPLETE = {"succeeded": 2, "conditions": [condition("SuccessCriteriaMet"), condition("Complete")]}


class TestSharesThatOnlyPodsShow:
    """Admission may annotate pods and not their template."""

    def top(self, number=4):
        spec = {"replicas": number, "template": {"spec": {"containers": [{"name": "main", "image": "trainer:1"}]}}}
        return obj("Deployment", spec, {"observedGeneration": 1})

    def share(self, fraction, name="w-0", **more):
        return pod(name, annotations={"gpu-fraction": fraction}, **more)

    def asked(self, *pods, number=4, **more):
        record = observe(self.top(number), *pods, **more).workload
        assert record.workload_requested is not None
        return record.workload_requested.requests.gpu_micros

    def test_before_the_first_pod_the_template_speaks(self):
        assert self.asked() == 0

    def test_then_each_replica_counts_as_the_pod(self):
        assert self.asked(self.share("0.5")) == 2_000_000

    def test_the_newest_pod_speaks(self):
        old, new = self.share("0.9", "a"), self.share("0.5", "b", creationTimestamp="2026-03-01T11:30:00Z")
        assert self.asked(old, new) == self.asked(new, old) == 2_000_000

    def test_a_pod_that_is_not_annotated_changes_nothing(self):
        assert self.asked(pod()) == 0

    def test_once_it_is_over_what_its_pods_asked_for_stays(self):
        """Its pods are cleaned up, and with them the annotation."""
        template = {"spec": {"containers": [{"name": "main", "image": "trainer:1"}]}}
        top = obj("Job", {"parallelism": 2, "completions": 2, "template": template}, COMPLETE)
        before = observe(top, self.share("0.5", state="succeeded")).workload
        after = observe(top, remembered=Remembered.of(before)).workload
        for record in (before, after):
            assert record.workload_requested is not None
            assert record.workload_requested.requests.gpu_micros == 1_000_000

    def test_a_template_that_asks_for_more_stands(self):
        spec = {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
        record = observe(obj("Deployment", {"replicas": 2, "template": {"spec": spec}}), self.share("0.5")).workload
        assert record.workload_requested is not None
        assert record.workload_requested.requests.gpu_micros == 2_000_000


def test_shares_of_both_units_are_a_portion():
    pods = (pod("a", annotations={"gpu-fraction": "0.5"}), pod("b", annotations={"gpu-memory": "1000"}))
    record = observe(obj("Deployment", {"replicas": 2}), *pods, nodes=(node(),)).workload
    assert record.pods_requested.gpu_request_type is PORTION
    assert record.pods_requested.requests.gpu_micros == 500_000
    assert record.pods_requested.requests.gpu_memory_bytes == 1000 * MIB


def test_what_an_object_asks_for_is_worked_out_once_for_the_same_rules():
    template = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"google.com/tpu": 4}}}]}}
    top = obj("Deployment", {"replicas": 1, "template": template})
    entry = entry_for(top.meta.key)
    assert entry is not None
    promoted = DomainSettings(gpu_resources=("google.com/tpu",)).gpu_rules
    first = ask(entry, top)
    assert ask(entry, top) is first
    other = ask(entry, top, promoted)
    assert (first.request.requests.gpu_micros, other.request.requests.gpu_micros) == (0, 4_000_000)
    assert ask(entry, replace(top, spec={"replicas": 0, "template": template})) != first
