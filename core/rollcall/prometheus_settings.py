"""Settings of the Prometheus that the API reads: where it is, and the query of each type that is measured."""

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, SecretStr

from rollcall import metric_templates


class PrometheusSettings(BaseModel):
    """Where the API reads what workloads use, and how it asks for it."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\s]+[^?#\s]*$",
        description="Address of Prometheus, or of what speaks its API; without one, what is used cannot be told.",
    )
    token: SecretStr | None = Field(default=None, description="Bearer token for it.")
    ca_file: str | None = Field(default=None, description="Certificates that its own is checked against, in PEM.")
    timeout_seconds: PositiveFloat = Field(default=5, description="Longest wait for an answer of it.")
    rate_window_seconds: PositiveInt = Field(
        default=120,
        description="What CPU usage and percentiles are taken over: at least twice the interval of the scrapes.",
    )
    gpu_utilization_query: str = Field(
        default=metric_templates.GPU_UTILIZATION,
        description="PromQL for GPU_UTILIZATION, percent by namespace and pod. In all queries, $pods and "
        "$exported_pods stand for the matchers of the workload's pods, $window for the window, $cluster_id for its "
        "cluster; the type of an empty one cannot be told.",
    )
    gpu_memory_query: str = Field(
        default=metric_templates.GPU_MEMORY_USAGE_BYTES, description="PromQL for GPU_MEMORY_USAGE_BYTES."
    )
    cpu_query: str = Field(default=metric_templates.CPU_USAGE_CORES, description="PromQL for CPU_USAGE_CORES.")
    memory_query: str = Field(
        default=metric_templates.CPU_MEMORY_USAGE_BYTES, description="PromQL for CPU_MEMORY_USAGE_BYTES."
    )
    gpu_utilization_per_gpu_query: str = Field(
        default=metric_templates.GPU_UTILIZATION_PER_GPU,
        description="PromQL for GPU_UTILIZATION_PER_GPU, percent by namespace, pod and gpu.",
    )
    gpu_memory_usage_bytes_per_gpu_query: str = Field(
        default=metric_templates.GPU_MEMORY_USAGE_BYTES_PER_GPU,
        description="PromQL for GPU_MEMORY_USAGE_BYTES_PER_GPU, by namespace, pod and gpu.",
    )
    gpu_graphics_engine_activity_per_gpu_query: str = Field(
        default=metric_templates.GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU,
        description="PromQL for GPU_GRAPHICS_ENGINE_ACTIVITY_PER_GPU, 0 to 1 by namespace, pod and gpu.",
    )
    gpu_sm_activity_per_gpu_query: str = Field(
        default=metric_templates.GPU_SM_ACTIVITY_PER_GPU,
        description="PromQL for GPU_SM_ACTIVITY_PER_GPU, 0 to 1 by namespace, pod and gpu.",
    )
    gpu_sm_occupancy_per_gpu_query: str = Field(
        default=metric_templates.GPU_SM_OCCUPANCY_PER_GPU,
        description="PromQL for GPU_SM_OCCUPANCY_PER_GPU, 0 to 1 by namespace, pod and gpu.",
    )
    gpu_tensor_activity_per_gpu_query: str = Field(
        default=metric_templates.GPU_TENSOR_ACTIVITY_PER_GPU,
        description="PromQL for GPU_TENSOR_ACTIVITY_PER_GPU, 0 to 1 by namespace, pod and gpu.",
    )
    gpu_fp64_engine_activity_per_gpu_query: str = Field(
        default=metric_templates.GPU_FP64_ENGINE_ACTIVITY_PER_GPU,
        description="PromQL for GPU_FP64_ENGINE_ACTIVITY_PER_GPU, 0 to 1 by namespace, pod and gpu.",
    )
    gpu_fp32_engine_activity_per_gpu_query: str = Field(
        default=metric_templates.GPU_FP32_ENGINE_ACTIVITY_PER_GPU,
        description="PromQL for GPU_FP32_ENGINE_ACTIVITY_PER_GPU, 0 to 1 by namespace, pod and gpu.",
    )
    gpu_fp16_engine_activity_per_gpu_query: str = Field(
        default=metric_templates.GPU_FP16_ENGINE_ACTIVITY_PER_GPU,
        description="PromQL for GPU_FP16_ENGINE_ACTIVITY_PER_GPU, 0 to 1 by namespace, pod and gpu.",
    )
    gpu_memory_bandwidth_utilization_per_gpu_query: str = Field(
        default=metric_templates.GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU,
        description="PromQL for GPU_MEMORY_BANDWIDTH_UTILIZATION_PER_GPU, 0 to 1 by namespace, pod and gpu.",
    )
    gpu_nvlink_transmitted_bandwidth_per_gpu_query: str = Field(
        default=metric_templates.GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU,
        description="PromQL for GPU_NVLINK_TRANSMITTED_BANDWIDTH_PER_GPU, bytes a second by namespace, pod and gpu.",
    )
    gpu_nvlink_received_bandwidth_per_gpu_query: str = Field(
        default=metric_templates.GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU,
        description="PromQL for GPU_NVLINK_RECEIVED_BANDWIDTH_PER_GPU, bytes a second by namespace, pod and gpu.",
    )
    gpu_pcie_transmitted_bandwidth_per_gpu_query: str = Field(
        default=metric_templates.GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU,
        description="PromQL for GPU_PCIE_TRANSMITTED_BANDWIDTH_PER_GPU, bytes a second by namespace, pod and gpu.",
    )
    gpu_pcie_received_bandwidth_per_gpu_query: str = Field(
        default=metric_templates.GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU,
        description="PromQL for GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU, bytes a second by namespace, pod and gpu.",
    )
    nvlink_bandwidth_total_per_gpu_query: str = Field(
        default=metric_templates.NVLINK_BANDWIDTH_TOTAL_PER_GPU,
        description="PromQL for NVLINK_BANDWIDTH_TOTAL_PER_GPU, bytes a second by namespace, pod and gpu.",
    )
    nvlink_bandwidth_total_query: str = Field(
        default=metric_templates.NVLINK_BANDWIDTH_TOTAL,
        description="PromQL for NVLINK_BANDWIDTH_TOTAL, bytes a second by namespace and pod.",
    )
    gpu_swap_memory_bytes_per_gpu_query: str = Field(
        default=metric_templates.GPU_SWAP_MEMORY_BYTES_PER_GPU,
        description="PromQL for GPU_SWAP_MEMORY_BYTES_PER_GPU, by namespace, pod and gpu; no known exporter has it.",
    )
    nim_num_requests_running_query: str = Field(
        default=metric_templates.NIM_NUM_REQUESTS_RUNNING,
        description="PromQL for NIM_NUM_REQUESTS_RUNNING, by namespace and pod.",
    )
    nim_num_requests_waiting_query: str = Field(
        default=metric_templates.NIM_NUM_REQUESTS_WAITING,
        description="PromQL for NIM_NUM_REQUESTS_WAITING, by namespace and pod.",
    )
    nim_num_request_max_query: str = Field(
        default=metric_templates.NIM_NUM_REQUEST_MAX,
        description="PromQL for NIM_NUM_REQUEST_MAX, by namespace and pod.",
    )
    nim_request_success_total_query: str = Field(
        default=metric_templates.NIM_REQUEST_SUCCESS_TOTAL,
        description="PromQL for NIM_REQUEST_SUCCESS_TOTAL, by namespace and pod.",
    )
    nim_request_failure_total_query: str = Field(
        default=metric_templates.NIM_REQUEST_FAILURE_TOTAL,
        description="PromQL for NIM_REQUEST_FAILURE_TOTAL, by namespace and pod.",
    )
    nim_gpu_cache_usage_perc_query: str = Field(
        default=metric_templates.NIM_GPU_CACHE_USAGE_PERC,
        description="PromQL for NIM_GPU_CACHE_USAGE_PERC, percent by namespace and pod.",
    )
    nim_time_to_first_token_seconds_query: str = Field(
        default=metric_templates.NIM_TIME_TO_FIRST_TOKEN_SECONDS,
        description="PromQL for NIM_TIME_TO_FIRST_TOKEN_SECONDS, counts by namespace, pod and le.",
    )
    nim_e2e_request_latency_seconds_query: str = Field(
        default=metric_templates.NIM_E2E_REQUEST_LATENCY_SECONDS,
        description="PromQL for NIM_E2E_REQUEST_LATENCY_SECONDS, counts by namespace, pod and le.",
    )
    nim_time_to_first_token_seconds_percentiles_query: str = Field(
        default=metric_templates.NIM_TIME_TO_FIRST_TOKEN_SECONDS_PERCENTILES,
        description="PromQL for NIM_TIME_TO_FIRST_TOKEN_SECONDS_PERCENTILES, recent counts by namespace, pod and le.",
    )
    nim_e2e_request_latency_seconds_percentiles_query: str = Field(
        default=metric_templates.NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES,
        description="PromQL for NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES, recent counts by namespace, pod and le.",
    )
