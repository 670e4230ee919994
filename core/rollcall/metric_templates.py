"""PromQL for what is measured of a workload's pods, in the names of dcgm-exporter, cAdvisor and kube-state-metrics.

Each yields one series per pod, labelled ``namespace`` and ``pod``. ``$pods`` and ``$exported_pods`` are the matchers of
the workload's own pods, by the labels as exporters write them and as Prometheus renames them where they are already
taken; ``$window`` is the time that a rate is taken over, ``$cluster_id`` the workload's cluster.

A GPU that several pods share is held by a pod of its own, and is measured under that pod's name. Whose it really is
tells the label ``runai-gpu-group``, which the sharing pods and the holding one have in common (kube-state-metrics
shows it with ``--metric-labels-allowlist=pods=[runai-gpu-group]``). Each of them sees the whole device's utilisation,
and an equal part of the memory that is used, so that nothing is counted twice.
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


def _by_group(metric: str, aggregation: str) -> str:
    held = f"{metric}{{{_HOLDING}}}"
    renamed = f"{metric}{{exported_{_HOLDING}}}"
    for label in ("namespace", "pod"):
        renamed = f'label_replace({renamed}, "{label}", "$1", "exported_{label}", "(.+)")'
    return (
        f"{aggregation} by ({_GROUP})"
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
