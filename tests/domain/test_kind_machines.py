"""VirtualMachineInstance, VirtualMachine and DevWorkspace: machines and workspaces of one pod."""

from datetime import timedelta

import pytest
from support.observed import NOW, at, condition, latched, obj, observe, pod

from rollcall.domain.records import Phase, Remembered, RequestedPods

DOMAIN = {
    "cpu": {"cores": 4, "sockets": 2},
    "memory": {"guest": "8Gi"},
    "devices": {"gpus": [{"name": "a", "deviceName": "nvidia.com/gpu"}, {"name": "b", "deviceName": "nvidia.com/gpu"}]},
}
PAUSED = {"conditions": [condition("Paused", "True", "PausedByUser"), condition("Ready", "False")]}
ENDED = {
    "phaseTransitionTimestamps": [{"phase": "Succeeded", "phaseTransitionTimestamp": at(NOW - timedelta(hours=2))}]
}


def vmi(phase=None, **more):
    status = {} if phase is None else {"phase": phase, **more.pop("status", {})}
    return obj("VirtualMachineInstance", {"domain": DOMAIN, "priorityClassName": "high"}, status, **more)


def pods(*states):
    return [pod(f"virt-launcher-{n}", state, restart_policy="Never") for n, state in enumerate(states)]


INSTANCES = [
    ("deleted", Phase.DELETING, vmi("Running", deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, vmi(), (), False),
    ("phase unset", Phase.CREATING, vmi(""), (), False),
    ("pending", Phase.PENDING, vmi("Pending"), (), False),
    ("scheduling, nothing known", Phase.INITIALIZING, vmi("Scheduling"), (), False),
    ("scheduling, pod waits", Phase.PENDING, vmi("Scheduling"), ("unscheduled",), False),
    ("scheduling, pod starts", Phase.INITIALIZING, vmi("Scheduling"), ("creating",), False),
    ("scheduled, pod ready before the machine", Phase.INITIALIZING, vmi("Scheduled"), ("ready",), False),
    ("waits for its source", Phase.INITIALIZING, vmi("WaitingForSync"), ("ready",), False),
    ("running", Phase.RUNNING, vmi("Running"), ("ready",), False),
    ("running, word alone", Phase.RUNNING, vmi("Running"), (), False),
    ("paused", Phase.RUNNING, vmi("Running", status=PAUSED), ("not_ready",), True),
    ("migrating", Phase.RUNNING, vmi("Running"), ("ready", "creating"), True),
    ("its node is lost", Phase.INITIALIZING, vmi("Running"), ("lost",), True),
    ("cannot pull", Phase.FAILED, vmi("Scheduling"), ("image",), False),
    ("succeeded", Phase.COMPLETED, vmi("Succeeded"), ("succeeded",), True),
    ("failed", Phase.FAILED, vmi("Failed", status={"reason": "guest crashed"}), ("failed",), True),
    ("unknown", Phase.UNKNOWN, vmi("Unknown"), (), True),
    ("absurd", Phase.CREATING, vmi(3, status={"phaseTransitionTimestamps": "never"}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in INSTANCES], ids=[case[0] for case in INSTANCES]
)
def test_virtual_machine_instance(wanted, top, states, ran):
    record = observe(top, *pods(*states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_when_an_instance_ended():
    done = observe(vmi("Succeeded", status=ENDED)).workload
    later = observe(vmi(), remembered=Remembered.of(done)).workload
    assert done.completed_at == NOW - timedelta(hours=2)
    assert (later.phase, later.completed_at) == (Phase.COMPLETED, done.completed_at)


@pytest.mark.parametrize(
    ("domain", "gpus", "cpu_millis", "memory"),
    [
        (DOMAIN, 2, 800, 8 * 2**30),
        ({**DOMAIN, "cpu": {"cores": 4, "dedicatedCpuPlacement": True}}, 2, 4000, 8 * 2**30),
        ({"resources": {"requests": {"cpu": "3", "memory": "1Gi"}}}, 0, 3000, 2**30),
        ({"resources": {"limits": {"cpu": "3", "memory": "1Gi"}}, "memory": {"guest": "9Gi"}}, 0, 3000, 2**30),
        ({"devices": {"hostDevices": [{"deviceName": "nvidia.com/gpu"}, {"deviceName": 7}]}}, 1, 100, 0),
        ({"cpu": {"cores": 2**31 - 1, "sockets": 2**31 - 1}}, 0, 100_000_000, 0),
    ],
)
def test_what_a_machine_asks_for(domain, gpus, cpu_millis, memory):
    for top in (
        obj("VirtualMachineInstance", {"domain": domain}, {"phase": "Running"}),
        obj("VirtualMachine", {"template": {"spec": {"domain": domain}}}, {"printableStatus": "Running"}),
    ):
        record = observe(top).workload
        assert record.workload_requested is not None
        asked = record.workload_requested.requests
        assert (asked.gpu_micros, asked.cpu_millis, asked.memory_bytes) == (gpus * 1_000_000, cpu_millis, memory)
        assert (record.category, record.requested_pods) == ("Build", RequestedPods(number=1))


def vm(word=None, *, made=True, status=None, **more):
    spec = {"template": {"spec": {"domain": DOMAIN}}, **more.pop("spec", {"runStrategy": "Always"})}
    found = {} if word is None else {"printableStatus": word, **({"created": True} if made else {}), **(status or {})}
    return obj("VirtualMachine", spec, found, **more)


HALTED, OFF, MANUAL = {"runStrategy": "Halted"}, {"running": False}, {"runStrategy": "Manual"}
NO_ROOM = {"conditions": [condition("PodScheduled", "False", "Unschedulable", "0/4 nodes are available")]}

MACHINES = [
    ("deleted", Phase.DELETING, vm("Terminating", deleting=True), ("ready",), True),
    ("status empty", Phase.CREATING, vm(), (), False),
    ("starting, no instance", Phase.CREATING, vm("Starting", made=False), (), False),
    ("provisioning its disk", Phase.CREATING, vm("Provisioning", made=False), (), False),
    ("waits for its volume", Phase.INITIALIZING, vm("WaitingForVolumeBinding"), (), False),
    ("starting", Phase.INITIALIZING, vm("Starting"), (), False),
    ("starting, pod ready", Phase.INITIALIZING, vm("Starting"), ("ready",), False),
    ("starting, pod waits", Phase.PENDING, vm("Starting"), ("unscheduled",), False),
    ("starting although off", Phase.INITIALIZING, vm("Starting", spec=OFF), ("creating",), False),
    ("no room", Phase.PENDING, vm("ErrorUnschedulable", status=NO_ROOM), (), False),
    ("no room, pod known", Phase.PENDING, vm("ErrorUnschedulable", status=NO_ROOM), ("unscheduled",), False),
    ("running", Phase.RUNNING, vm("Running"), ("ready",), False),
    ("running, word alone", Phase.RUNNING, vm("Running"), (), False),
    ("paused", Phase.RUNNING, vm("Paused"), ("not_ready",), True),
    ("migrating", Phase.RUNNING, vm("Migrating"), ("ready", "creating"), True),
    ("restarts", Phase.INITIALIZING, vm("Running"), ("creating",), True),
    ("turned off, running still", Phase.STOPPING, vm("Running", spec=OFF), ("ready",), True),
    ("turned off, word alone", Phase.STOPPING, vm("Running", spec=OFF), (), True),
    ("stopping", Phase.STOPPING, vm("Stopping", spec=HALTED), ("releasing",), True),
    ("stopping, pod gone", Phase.STOPPING, vm("Stopping", spec=HALTED), (), True),
    ("stopped", Phase.STOPPED, vm("Stopped", made=False, spec=HALTED), (), True),
    ("stopped from within", Phase.STOPPED, vm("Stopped", made=False, spec=MANUAL), ("succeeded",), True),
    ("created off", Phase.STOPPED, vm(spec=OFF), (), False),
    ("crashes", Phase.FAILED, vm("CrashLoopBackOff", made=False), ("failed",), True),
    ("cannot pull", Phase.FAILED, vm("ErrImagePull"), ("creating",), False),
    ("without its disk", Phase.FAILED, vm("ErrorPvcNotFound", made=False), (), False),
    ("unknown", Phase.UNKNOWN, vm("Unknown"), (), True),
    ("absurd", Phase.CREATING, vm(["Running"], status={"conditions": 3}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in MACHINES], ids=[case[0] for case in MACHINES]
)
def test_virtual_machine(wanted, top, states, ran):
    record = observe(top, *pods(*states), remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_a_machine_comes_back():
    failed = observe(vm("CrashLoopBackOff", made=False)).workload
    back = observe(vm("Running"), *pods("ready"), remembered=Remembered.of(failed)).workload
    assert (failed.completed_at, back.phase) == (None, Phase.RUNNING)
    assert "moving" in (observe(vm("Migrating"), *pods("ready")).workload.phase_message or "")


COMPONENTS = [
    {
        "name": "dev",
        "attributes": {"container-overrides": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}},
        "container": {"image": "udi:1", "memoryLimit": "8Gi", "memoryRequest": "2Gi", "cpuLimit": "4"},
    },
    {"name": "home", "volume": {"size": "1Gi"}},
]


def space(phase=None, *, started=True, **status):
    spec = {"started": started, "template": {"components": COMPONENTS}}
    found = {} if phase is None else {"phase": phase, "devworkspaceId": "workspace1", **status}
    return obj("DevWorkspace", spec, found)


START_FAILED = {"message": "Error creating DevWorkspace deployment"}

SPACES = [
    ("status empty", Phase.CREATING, space(), (), False),
    ("starting, nothing known", Phase.INITIALIZING, space("Starting"), (), False),
    ("starting, pod waits", Phase.PENDING, space("Starting"), ("unscheduled",), False),
    ("starting, pod starts", Phase.INITIALIZING, space("Starting"), ("creating",), False),
    ("starting, pod ready", Phase.INITIALIZING, space("Starting"), ("ready",), False),
    ("running", Phase.RUNNING, space("Running"), ("ready",), False),
    ("running, word alone", Phase.RUNNING, space("Running"), (), False),
    ("running, pod crashes", Phase.FAILED, space("Running"), ("crash",), True),
    ("running, pod restarts", Phase.INITIALIZING, space("Running"), ("restarting",), True),
    ("stopping", Phase.STOPPING, space("Stopping", started=False), ("releasing",), True),
    ("stopping, word alone", Phase.STOPPING, space("Stopping", started=False), (), True),
    ("stop asked, running still", Phase.STOPPING, space("Running", started=False), ("ready",), True),
    ("stopped", Phase.STOPPED, space("Stopped", started=False), (), True),
    ("created stopped", Phase.STOPPED, space(started=False), (), False),
    ("stopped, no wish", Phase.STOPPED, space("Stopped", started=None), (), True),
    ("started again", Phase.RESUMING, space("Stopped"), (), False),
    ("started again while stopping", Phase.RESUMING, space("Stopping"), ("releasing",), False),
    ("failing", Phase.FAILED, space("Failing", **START_FAILED), ("creating",), False),
    ("failed, stopped by its operator", Phase.FAILED, space("Failed", started=False, **START_FAILED), (), False),
    ("a word nobody knows", Phase.UNKNOWN, space("Pondering"), (), False),
    ("absurd", Phase.CREATING, space({"phase": 1}), (), False),
]


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in SPACES], ids=[case[0] for case in SPACES]
)
def test_dev_workspace(wanted, top, states, ran):
    known = [pod(f"workspace-{n}", state) for n, state in enumerate(states)]
    record = observe(top, *known, remembered=latched() if ran else None).workload
    assert record.phase is wanted, record.phase_message


def test_what_a_workspace_asks_for():
    record = observe(space("Running")).workload
    assert record.workload_requested is not None
    asked = record.workload_requested.requests
    assert (asked.gpu_micros, asked.cpu_millis, asked.memory_bytes) == (1_000_000, 4000, 2 * 2**30)
    assert (record.category, record.images, record.requested_pods) == ("Build", ("udi:1",), RequestedPods(number=1))
    failed = observe(space("Failed", **START_FAILED)).workload
    again = observe(space("Running"), pod("workspace-0"), remembered=Remembered.of(failed)).workload
    assert (failed.phase_message, failed.completed_at) == ("Error creating DevWorkspace deployment", None)
    assert again.phase is Phase.RUNNING


def test_deleting_a_workspace():
    gone = obj("DevWorkspace", {"started": True}, {"phase": "Terminating"}, deleting=True)
    assert observe(gone).workload.phase is Phase.DELETING
