"""Any field of a training kind, one at a time, holds what it should not: one record, and the same twice."""

import copy

import pytest
from support.observed import CREATED, NOW, at, condition, obj, observe, pod, template

from rollcall.domain.records import Phase, Remembered

JUNK = (None, True, -1, 2**40, 1.5, "x", "", [], ["x"], [{}], {}, {"a": 1}, {"status": "True"})

CONDITIONS = [
    condition(word, value, "Reason", "message")
    for word, value in (
        ("Created", "True"),
        ("Running", "True"),
        ("Failed", "True"),
        ("Succeeded", "False"),
        ("Suspended", "False"),
        ("Restarting", "True"),
    )
]


def kubeflow(specs, *roles, **more):
    replicas = {role: {"replicas": 1, "template": template()} for role in roles}
    spec = {specs: replicas, "runPolicy": {"suspend": False, "schedulingPolicy": {"priorityClass": "high"}}}
    status = {"conditions": CONDITIONS, "replicaStatuses": {role: {"active": 1, "succeeded": 0} for role in roles}}
    return spec | more, status | {"startTime": at(CREATED), "completionTime": at(NOW)}


COUNT = {"ready": 1, "succeeded": 0, "failed": 0, "active": 1, "suspended": 0}
JOB = {"parallelism": 2, "completions": 2, "template": template()}
JOB_SET = {
    "suspend": False,
    "startupPolicy": {"startupPolicyOrder": "InOrder"},
    "replicatedJobs": [
        {"name": "a", "replicas": 1, "template": {"spec": JOB}},
        {"name": "b", "replicas": 2, "template": {"spec": JOB}, "dependsOn": [{"name": "a", "status": "Complete"}]},
    ],
}
TRAINING = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "spec": kubeflow("pytorchReplicaSpecs", "Worker")[0]}
VOLCANO_TASKS = [
    {"name": "a", "replicas": 1, "template": template()},
    {"name": "b", "replicas": 2, "template": template(), "dependsOn": {"name": ["a"], "iteration": "any"}},
]
HISTORY = {"phase": "Failed", "message": "gone", "uid": "r", "name": "w-1"}

OBJECTS = {
    "kubeflow.org/v1 TFJob": kubeflow("tfReplicaSpecs", "Chief", "PS", "Worker"),
    "kubeflow.org/v1 XGBoostJob": kubeflow("xgbReplicaSpecs", "Master", "Worker"),
    "kubeflow.org/v1 JAXJob": kubeflow("jaxReplicaSpecs", "Worker"),
    "kubeflow.org/v1 PaddleJob": kubeflow("paddleReplicaSpecs", "Worker", elasticPolicy={"minReplicas": 1}),
    "kubeflow.org/v2beta1 MPIJob": kubeflow(
        "mpiReplicaSpecs", "Launcher", "Worker", launcherCreationPolicy="WaitForWorkersReady"
    ),
    "kubeflow.org/v1 MPIJob": kubeflow("mpiReplicaSpecs", "Launcher", "Worker"),
    "jobset.x-k8s.io/v1alpha2 JobSet": (
        JOB_SET,
        {
            "conditions": [condition("Failed"), condition("Completed", "False"), condition("Suspended", "False")],
            "restarts": 1,
            "terminalState": "Failed",
            "replicatedJobsStatus": [{"name": "a", **COUNT}, {"name": "b", **COUNT}],
        },
    ),
    "trainer.kubeflow.org/v1alpha1 TrainJob": (
        {
            "runtimeRef": {"name": "torch-distributed"},
            "suspend": False,
            "trainer": {"numNodes": 2},
            "initializer": {"dataset": {"storageUri": "x"}},
        },
        {
            "conditions": [condition("Failed", "True", "TrainingRuntimeNotSupported"), condition("Suspended", "False")],
            "jobsStatus": [{"name": "node", **COUNT}],
            "trainerStatus": {"progressPercentage": 40},
        },
    ),
    "batch.volcano.sh/v1alpha1 Job": (
        {"tasks": VOLCANO_TASKS, "minAvailable": 2, "queue": "q", "plugins": {"mpi": []}, "priorityClassName": "high"},
        {
            "state": {"phase": "Pending", "reason": "r", "message": "m", "lastTransitionTime": at(NOW)},
            "conditions": [{"status": "Restarting", "lastTransitionTime": at(CREATED)}],
            "running": 1,
            "pending": 2,
        },
    ),
    "workload.codeflare.dev/v1beta2 AppWrapper": (
        {
            "suspend": False,
            "components": [
                {"template": TRAINING, "podSets": [{"replicas": 1, "path": "template.spec.x[0].template"}]},
                {"template": {"apiVersion": "x.io/v1", "kind": "X", "spec": {"pods": [template()]}}},
            ],
        },
        {
            "phase": "Running",
            "conditions": [condition("Unhealthy"), condition("PodsReady"), condition("ResourcesDeployed")],
            "componentStatus": [{"podSets": []}, {"podSets": [{"replicas": 1, "path": "template.spec.pods[0]"}]}],
        },
    ),
    "kubeflow.org/v1beta1 Experiment": (
        {"parallelTrialCount": 2, "maxTrialCount": 9, "trialTemplate": {"trialSpec": TRAINING}},
        {"conditions": CONDITIONS, "trialsRunning": 1, "trialsPending": 1, "trialsSucceeded": 1},
    ),
    "kubeflow.org/v1beta1 Trial": ({"runSpec": TRAINING}, {"conditions": [*CONDITIONS, condition("Killed")]}),
    "kubeflow.org/v1beta1 ScheduledWorkflow": (
        {"enabled": True, "trigger": {"cronSchedule": {"cron": "* * * * *"}}},
        {
            "conditions": [condition("Enabled"), condition("Error", "False"), condition("Succeeded")],
            "trigger": {"lastTriggeredTime": at(CREATED), "nextTriggeredTime": at(NOW)},
            "workflowHistory": {"active": [], "completed": [HISTORY]},
        },
    ),
    "amlarc.azureml.com/v1alpha1 AmlJob": (
        {"job": {"options": {"envs": {"AZUREML_NODE_COUNT": "2"}}}},
        {"phase": "Running", "conditions": [condition("Ready")]},
    ),
}


def paths(value, before=()):
    yield before
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*before, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from paths(inner, (*before, place))


def with_junk(value, path, junk):
    changed = copy.deepcopy(value)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = junk
    return changed


@pytest.mark.parametrize("which", OBJECTS)
def test_junk_in_any_one_field(which):
    api_version, kind = which.split(" ")
    spec, status = OBJECTS[which]
    whole = {"spec": spec, "status": status}
    job_set = obj("JobSet", JOB_SET, {"replicatedJobsStatus": [{"name": "a", **COUNT}]}, uid="s", name="s")
    label = {"jobset.sigs.k8s.io/replicatedjob-name": "a", "volcano.sh/task-spec": "a"}
    one = pod(labels=label, ownerReferences=[{"kind": "Job", "name": "j", "uid": "j", "controller": True}])
    for path in paths(whole):
        if len(path) < 2:
            continue  # spec and status themselves are kept mappings by the reader
        for junk in JUNK:
            body = with_junk(whole, path, junk)
            top = obj(kind, body["spec"], body["status"], api_version=api_version)
            for pods, children in (((), ()), ((one,), (job_set,))):
                first = observe(top, *pods, children=children)
                assert first.workload.phase in Phase
                again = observe(top, *pods, children=children, remembered=Remembered.of(first.workload))
                assert again.workload == first.workload, (path, junk)
