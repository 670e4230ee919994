"""Lives of workspaces and machines, and of the kinds whose status is read by convention."""

from typing import Any

from support.kind_lives.life import (
    NOW,
    Life,
    Step,
    condition,
    conditions,
    deployment,
    made,
    pods,
    stateful_set,
    template,
)

from rollcall.domain.facts import KindKey


def _notebook() -> Life:
    return Life(
        key=KindKey(group="kubeflow.org", kind="Notebook"),
        spec={"template": template()},
        steps=(
            Step(
                makes=(stateful_set("w", labels={"notebook-name": "w"}),),
                status={"readyReplicas": 0, "containerState": {}, "conditions": []},
                phase="Running",
                gpus=1,
                running=1,
            ),
            Step(
                status={"readyReplicas": 1, "containerState": {"running": {"startedAt": NOW}}, "conditions": []},
                phase="Running",
                raw="Running",
            ),
            Step(
                patch={"metadata": {"annotations": {"kubeflow-resource-stopped": "2026-01-01T00:00:00Z"}}},
                phase="Stopping",
            ),
            Step(
                removes=("StatefulSet/w",),
                status={"readyReplicas": 0, "containerState": {}, "conditions": []},
                phase="Stopped",
                gpus=0,
                running=0,
            ),
        ),
    )


def _sandbox() -> Life:
    suspended = conditions(condition("Ready", "False", "SandboxSuspended"), condition("Suspended"))
    return Life(
        key=KindKey(group="agents.x-k8s.io", kind="Sandbox"),
        spec={"podTemplate": template()},
        steps=(
            Step(
                makes=pods("w", restart="Always"),
                status=conditions(condition("Ready", "False", "DependenciesNotReady")),
                phase="Running",
                gpus=1,
                running=1,
            ),
            Step(status=conditions(condition("Ready", reason="DependenciesReady")), phase="Running", raw="Ready"),
            Step(patch={"spec": {"operatingMode": "Suspended"}}, phase="Stopping"),
            Step(removes=("Pod/w",), status=suspended, phase="Stopped", gpus=0, running=0),
            Step(patch={"spec": {"operatingMode": "Running"}}, phase="Resuming"),
        ),
    )


def _machines() -> tuple[Life, ...]:
    domain = {"devices": {"gpus": [{"name": "gpu", "deviceName": "nvidia.com/gpu"}]}, "memory": {"guest": "2Gi"}}
    machine = {"domain": domain}
    launcher = pods("virt-launcher-w", labels={"kubevirt.io/created-by": "w"})
    return (
        Life(
            key=KindKey(group="kubevirt.io", kind="VirtualMachineInstance"),
            spec=machine,
            steps=(
                Step(status={"phase": "Pending"}, phase="Pending", raw="Pending"),
                Step(makes=launcher, status={"phase": "Scheduled"}, phase="Initializing", gpus=1, running=1),
                Step(status={"phase": "Running"}, phase="Running", gpus=1),
                Step(ends={"virt-launcher": "Succeeded"}, status={"phase": "Succeeded"}, phase="Completed", gpus=0),
            ),
        ),
        Life(
            key=KindKey(group="kubevirt.io", kind="VirtualMachine"),
            spec={"runStrategy": "Always", "template": {"spec": machine}},
            steps=(
                Step(status={"printableStatus": "Starting"}, phase="Creating", raw="Starting"),
                Step(
                    makes=(
                        made("kubevirt.io/v1", "VirtualMachineInstance", "w", machine),
                        *pods("virt-launcher-w", owner="VirtualMachineInstance/w"),
                    ),
                    statuses={"VirtualMachineInstance/w": {"phase": "Running"}},
                    status={"printableStatus": "Running", "created": True, "ready": True},
                    phase="Running",
                    gpus=1,
                    running=1,
                ),
                Step(
                    patch={"spec": {"runStrategy": "Halted"}},
                    status={"printableStatus": "Stopping", "created": True},
                    phase="Stopping",
                    gpus=1,
                ),
                Step(
                    removes=("VirtualMachineInstance/w",),
                    status={"printableStatus": "Stopped"},
                    phase="Stopped",
                    gpus=0,
                ),
            ),
        ),
    )


def _dev_workspace() -> Life:
    container = {"image": "registry.example/ide:1", "memoryLimit": "2Gi", "cpuLimit": "1"}
    return Life(
        key=KindKey(group="workspace.devfile.io", kind="DevWorkspace"),
        spec={"started": True, "template": {"components": [{"name": "ide", "container": container}]}},
        steps=(
            Step(
                makes=(deployment("workspace-w", gpus=0, labels={"controller.devfile.io/devworkspace_id": "w"}),),
                status={"phase": "Starting"},
                phase="Initializing",
                running=1,
                raw="Starting",
            ),
            Step(status={"phase": "Running"}, phase="Running", running=1),
            Step(patch={"spec": {"started": False}}, status={"phase": "Stopping"}, phase="Stopping"),
            Step(removes=("Deployment/workspace-w",), status={"phase": "Stopped"}, phase="Stopped", running=0),
        ),
    )


def _tensorboard() -> Life:
    def status(**more: Any) -> dict[str, Any]:
        return {"conditions": [{"deploymentState": "Available", "lastProbeTime": NOW}], **more}

    return Life(
        key=KindKey(group="tensorboard.kubeflow.org", kind="Tensorboard"),
        spec={"logspath": "pvc://logs/run-1"},
        steps=(
            Step(makes=(deployment("w", gpus=0),), status=status(), phase="Running", running=1, raw="Available"),
            Step(status=status(readyReplicas=1), phase="Running", gpus=0, running=1),
            Step(removes=("Deployment/w",), status=status(), phase="Initializing", running=0),
        ),
    )


def _by_convention(group: str, kind: str, spec: dict[str, Any]) -> Life:
    return Life(
        key=KindKey(group=group, kind=kind),
        spec=spec,
        steps=(
            Step(
                makes=pods("w-0", "w-1"),
                status={"phase": "Running"},
                phase="Running",
                via=("Initializing",),
                gpus=2,
                running=2,
                raw="Running",
            ),
            Step(ends={"w-": "Succeeded"}, status={"phase": "Succeeded"}, phase="Completed", gpus=0, running=0),
        ),
    )


LIVES = (
    _notebook(),
    _sandbox(),
    *_machines(),
    _dev_workspace(),
    _tensorboard(),
    _by_convention("amlarc.azureml.com", "AmlJob", {"job": {"options": {"envs": {"AZUREML_NODE_COUNT": "2"}}}}),
    _by_convention("egx.nvidia.io", "SPOTRequest", {}),
)
