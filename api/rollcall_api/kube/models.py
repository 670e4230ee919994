"""The object as a schema: the contract's fields, each with a sentence for ``kubectl explain``."""

from typing import Any

from pydantic import Field, create_model

from rollcall_api.kube.objects import SPEC_KEYS, STATUS_KEYS
from rollcall_api.models import Int32, Model, WorkloadDetailed

DESCRIPTIONS = {
    "name": "The name of the object that was submitted.",
    "type": "What kind of workload it is, such as PyTorchJob or Deployment.",
    "category": "What it is for: Build, Train or Deploy.",
    "source": "How it was submitted.",
    "clusterId": "The cluster it runs in: the uid of that cluster's namespace kube-system, unless set otherwise.",
    "projectId": "The project whose namespace it is in.",
    "projectName": "What that project is called.",
    "departmentId": "The department that the project belongs to.",
    "departmentName": "What that department is called.",
    "submittedBy": "On whose behalf it runs, where that is known.",
    "priority": "The value of its priority class.",
    "priorityClassName": "The priority class of its pods.",
    "preemptible": "Whether it may be stopped in favour of others.",
    "distributedFramework": "What its pods work together by, such as PyTorch or MPI.",
    "requestedPods": "How many pods it asks for.",
    "requestedNodePools": "The node pools that it asks for.",
    "workloadRequestedResources": "What it asks for in all, by its own templates.",
    "images": "The images of its containers.",
    "command": "The command of its main container.",
    "arguments": "The arguments of its main container.",
    "datasources": "The data that it mounts.",
    "environmentVariables": "Literal values of its main container's environment, where the admin has them kept.",
    "topology": "Where its pods are wanted, next to each other.",
    "additionalFields": "What its kind has beside all that.",
    "phase": "Where in its life it is.",
    "phaseMessage": "Why it is in this phase.",
    "phaseReason": "Why its scheduler does not let it run.",
    "phaseUpdatedAt": "Since when it is in this phase.",
    "k8sPhase": "The phase in the words of its own framework.",
    "k8sPhaseUpdatedAt": "Since when that is so.",
    "conditions": "Its own conditions, as its framework writes them.",
    "runningPods": "How many of its pods run.",
    "currentNodePools": "The node pools that its pods are in.",
    "podsRequestedResources": "What the pods that are there ask for.",
    "allocatedResources": "What its pods hold on nodes.",
    "pendingSchedulingMessages": "Why it is not scheduled, by node pool.",
    "completedAt": "When it ended.",
    "updatedAt": "When what is told here last changed.",
    "urls": "Where it is served.",
    "externalConnections": "The ways into it from outside of the cluster.",
}


class WorkloadReference(Model):
    """The object that was submitted."""

    apiVersion: str = Field(description="Its group and version.")  # noqa: N815 - as Kubernetes spells it
    kind: str = Field(description="Its kind.")
    name: str = Field(description="Its name.")
    uid: str = Field(description="Its uid, which the Workload has too.")


def _described(keys: tuple[str, ...]) -> dict[str, Any]:
    fields = WorkloadDetailed.model_fields
    return {key: (fields[key].annotation, Field(default=None, description=DESCRIPTIONS[key])) for key in keys}


WorkloadSpec = create_model(
    "WorkloadSpec",
    __base__=Model,
    __doc__="What was submitted, by whom, and what it asks for.",
    workloadRef=(WorkloadReference, Field(description="The object that was submitted.")),
    **_described(SPEC_KEYS),
)

WorkloadStatus = create_model(
    "WorkloadStatus",
    __base__=Model,
    __doc__="What has become of it.",
    **_described(STATUS_KEYS),
    readyPods=(Int32, Field(default=None, description="How many of its pods are ready.")),
)
