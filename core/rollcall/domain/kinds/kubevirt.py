"""What the spec of a virtual machine asks for: a domain, not a PodSpec; KubeVirt makes a pod of one container of it.

Not counted: what KubeVirt adds for itself (some hundred MiB), and a machine whose size an instance type gives. Their
pods tell.
"""

from collections.abc import Mapping
from typing import Any

from rollcall.domain.fields import at, elements_at, mapping_at, text_at, whole_at
from rollcall.domain.kinds.entry import FoundRole

_CPU_MILLIS = 100
"""What KubeVirt asks for a virtual CPU by default: it lets ten of them share one."""


def machine_roles(spec: Mapping[str, Any]) -> tuple[FoundRole, ...]:
    """The one pod of a VirtualMachineInstance's spec."""
    domain = mapping_at(spec, "domain")
    if not domain:
        return ()
    container = {"name": "compute", "resources": _resources(domain)}
    pod_spec: dict[str, Any] = {"containers": [container]}
    for field in ("nodeSelector", "affinity", "priorityClassName"):
        if at(spec, field) is not None:
            pod_spec[field] = at(spec, field)
    return (FoundRole("", {"spec": pod_spec}, 1),)


def _resources(domain: Mapping[str, Any]) -> Mapping[str, Any]:
    requests = dict(mapping_at(domain, "resources.requests"))
    limits = dict(mapping_at(domain, "resources.limits"))
    cpus = 1
    for part in ("cores", "sockets", "threads"):
        number = whole_at(domain, f"cpu.{part}")
        cpus *= 1 if number is None else min(number, _MOST)
    if at(domain, "cpu.dedicatedCpuPlacement") is True:
        requests.setdefault("cpu", str(cpus))
        limits.setdefault("cpu", str(cpus))
    elif "cpu" not in limits:
        requests.setdefault("cpu", f"{cpus * _CPU_MILLIS}m")
    memory = text_at(domain, "memory.guest")
    if memory is not None and "memory" not in limits:
        requests.setdefault("memory", memory)
    devices = [
        name
        for path in ("devices.gpus", "devices.hostDevices")
        for device in elements_at(domain, path)
        if (name := text_at(device, "deviceName")) is not None
    ]
    for name in devices:
        limits[name] = requests[name] = str(devices.count(name))
    return {"requests": requests, "limits": limits}


_MOST = 1000
"""No machine has more cores, sockets or threads; keeps the product small."""
