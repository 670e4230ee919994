"""What counts as a GPU: whole ones, MIG slices, fractions and memory slices; and what only looks like one."""

import pytest
from support.observed import SETTINGS

from rollcall.domain.accounting import allocated
from rollcall.domain.gpus import is_mig, part_micros, shared_gpu
from rollcall.domain.reading import read_node
from rollcall.domain.records import GpuRequestType, Resources
from rollcall.domain.requests import pod_request

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
        ("nvidia.com/mig-1g.5gb-x", 1, 0),
        ("example.com/mig-1g.5gb", 1, 0),
    ],
)
def test_a_mig_slice_is_its_share_of_seven(name, count, micros):
    assert part_micros(name, count) == micros
    assert is_mig(name) is bool(micros)
    found = request({name: str(count)}).requests
    assert (found.gpu_micros, found.extended) == (micros, ((name, count),))


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
