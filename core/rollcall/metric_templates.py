"""PromQL for what is measured of pods, in the names of dcgm-exporter, cAdvisor, kube-state-metrics, NIM and vLLM.

Each yields one series per pod, labelled ``namespace`` and ``pod``; where it is per GPU one for each, labelled ``gpu``
too; of a histogram one for each bucket, labelled ``le``. Where one is empty, its type cannot be told. ``$pods`` and
``$exported_pods`` are the matchers of the workload's own pods, by the labels as exporters write them and as Prometheus
renames them where they are already taken; ``$window`` is the time that a rate is taken over, ``$cluster_id`` the
workload's cluster.

A GPU that several pods share is held by a pod of its own, and is measured under that pod's name. Whose it really is
tells the label ``runai-gpu-group``, which the sharing pods and the holding one have in common (kube-state-metrics
shows it with ``--metric-labels-allowlist=pods=[runai-gpu-group]``). Each of them sees the whole device's utilisation,
and an equal part of the memory that is used and of the bytes that are moved, so that nothing is counted twice.
"""

_GROUP = "label_runai_gpu_group"
_HOLDING = 'namespace=~".*-reservation"'


def _own(metric: str) -> str:
    renamed = f"{metric}{{$exported_pods}}"
    for label in ("namespace", "pod"):
        renamed = f'label_replace({renamed}, "{label}", "$1", "exported_{label}", "(.+)")'
    return f"{metric}{{$pods}} or {renamed}"


def _grouped(matchers: str) -> str:
    return f'max by (namespace, pod, {_GROUP}) (kube_pod_labels{{{matchers},{_GROUP}!=""}})'


def _by_group(metric: str, aggregation: str, by: str = _GROUP) -> str:
    held = f"{metric}{{{_HOLDING}}}"
    renamed = f"{metric}{{exported_{_HOLDING}}}"
    for label in ("namespace", "pod"):
        renamed = f'label_replace({renamed}, "{label}", "$1", "exported_{label}", "(.+)")'
    return (
        f"{aggregation} by ({by})"
        f" (({held} or {renamed}) * on (namespace, pod) group_left ({_GROUP}) {_grouped(_HOLDING)})"
    )


GPU_UTILIZATION = (
    f"avg by (namespace, pod) ({_own('DCGM_FI_DEV_GPU_UTIL')})"
    f" or max by (namespace, pod) ({_grouped('$pods')}"
    f" * on ({_GROUP}) group_left () {_by_group('DCGM_FI_DEV_GPU_UTIL', 'avg')})"
)

_SHARERS = f'count by ({_GROUP}) (kube_pod_labels{{namespace!~".*-reservation",{_GROUP}!=""}})'

GPU_MEMORY_USAGE_BYTES = (
    f"(sum by (namespace, pod) ({_own('DCGM_FI_DEV_FB_USED')})"
    f" or sum by (namespace, pod) ({_grouped('$pods')}"
    f" * on ({_GROUP}) group_left () ({_by_group('DCGM_FI_DEV_FB_USED', 'sum')} / {_SHARERS}))) * 1048576"
)

CPU_USAGE_CORES = (
    'sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{$pods,container!="",container!="POD"}[$window]))'
)

CPU_MEMORY_USAGE_BYTES = (
    'sum by (namespace, pod) (container_memory_working_set_bytes{$pods,container!="",container!="POD"})'
)


def _per_gpu(metric: str, aggregation: str = "avg", *, is_shared_out: bool = False) -> str:
    """By namespace, pod and gpu; of a shared device the whole, or an equal part where parts add up to it."""
    held = _by_group(metric, aggregation, f"{_GROUP}, gpu")
    part = f"({held} / on ({_GROUP}) group_left () {_SHARERS})" if is_shared_out else held
    return (
        f"({aggregation} by (namespace, pod, gpu) ({_own(metric)})"
        f" or sum by (namespace, pod, gpu) ({_grouped('$pods')} * on ({_GROUP}) group_left (gpu) {part}))"
    )


GPU_UTILIZATION_PER_GPU = _per_gpu("DCGM_FI_DEV_GPU_UTIL")
GPU_MEMORY_USAGE_BYTES_PER_GPU = f"{_per_gpu('DCGM_FI_DEV_FB_USED', 'sum', is_shared_out=True)} * 1048576"

# Shares of the time or of what the device can do, from 0 to 1; they are measured where profiling is on.
GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU = _per_gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE")
GPU_SM_ACTIVITY_PER_GPU = _per_gpu("DCGM_FI_PROF_SM_ACTIVE")
GPU_SM_OCCUPANCY_PER_GPU = _per_gpu("DCGM_FI_PROF_SM_OCCUPANCY")
GPU_TENSOR_ACTIVITY_PER_GPU = _per_gpu("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE")
GPU_FP64_ENGINE_ACTIVITY_PER_GPU = _per_gpu("DCGM_FI_PROF_PIPE_FP64_ACTIVE")
GPU_FP32_ENGINE_ACTIVITY_PER_GPU = _per_gpu("DCGM_FI_PROF_PIPE_FP32_ACTIVE")
GPU_FP16_ENGINE_ACTIVITY_PER_GPU = _per_gpu("DCGM_FI_PROF_PIPE_FP16_ACTIVE")
GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU = _per_gpu("DCGM_FI_PROF_DRAM_ACTIVE")

# Bytes in a second: gauges, whatever their names and older descriptions say.
GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU = _per_gpu("DCGM_FI_PROF_NVLINK_TX_BYTES", "sum", is_shared_out=True)
GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU = _per_gpu("DCGM_FI_PROF_NVLINK_RX_BYTES", "sum", is_shared_out=True)
GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU = _per_gpu("DCGM_FI_PROF_PCIE_TX_BYTES", "sum", is_shared_out=True)
GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU = _per_gpu("DCGM_FI_PROF_PCIE_RX_BYTES", "sum", is_shared_out=True)

# DCGM divides KiB in a second by 1000; its exporter calls the gauge a counter.
# https://github.com/NVIDIA/dcgm-exporter/pull/658
NVLINK_BANDWIDTH_TOTAL_PER_GPU = (
    f"{_per_gpu('DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL', 'sum', is_shared_out=True)} * 1024000"
)
NVLINK_BANDWIDTH_TOTAL = f"sum by (namespace, pod) ({NVLINK_BANDWIDTH_TOTAL_PER_GPU})"

GPU_SWAP_MEMORY_BYTES_PER_GPU = ""
"""No exporter that is to be had publishes it."""


def _served(metric: str) -> str:
    """By the name that NIM has for it, or by vLLM's."""
    return f'{{__name__=~"(vllm:)?{metric}",$pods}}'


def _requests(metric: str) -> str:
    return f"sum by (namespace, pod) ({_served(metric)})"


NIM_NUM_REQUESTS_RUNNING = _requests("num_requests_running")
NIM_NUM_REQUESTS_WAITING = _requests("num_requests_waiting")
NIM_NUM_REQUEST_MAX = _requests("num_request_max")
NIM_REQUEST_SUCCESS_TOTAL = _requests("request_success_total")
NIM_REQUEST_FAILURE_TOTAL = _requests("request_failure_total")
NIM_GPU_CACHE_USAGE_PERC = f"avg by (namespace, pod) ({_served('(gpu|kv)_cache_usage_perc')}) * 100"


def _buckets(metric: str) -> str:
    return f"sum by (namespace, pod, le) ({_served(f'{metric}_bucket')})"


def _recent_buckets(metric: str) -> str:
    return f"sum by (namespace, pod, le) (increase({_served(f'{metric}_bucket')}[$window]))"


NIM_TIME_TO_FIRST_TOKEN_SECONDS = _buckets("time_to_first_token_seconds")
NIM_E2E_REQUEST_LATENCY_SECONDS = _buckets("e2e_request_latency_seconds")
NIM_TIME_TO_FIRST_TOKEN_SECONDS_PERCENTILES = _recent_buckets("time_to_first_token_seconds")
NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES = _recent_buckets("e2e_request_latency_seconds")
