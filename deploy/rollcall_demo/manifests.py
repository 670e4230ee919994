"""The objects of a life as the API server stores them: what the user wrote, and what defaulting adds."""

import hashlib
import json
from typing import Any

from rollcall_demo.cluster_contents import POOL_LABEL, PRIORITIES, RESERVED_POOL, RESERVED_TAINT
from rollcall_demo.life import Life, PodShape
from rollcall_demo.objects import Json, copied
from rollcall_demo.resources import CRONJOB, DEPLOYMENT, JOB, POD, PYTORCHJOB, REPLICASET, STATEFULSET
from rollcall_demo.world import World

_HASH_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_GENERATED = frozenset({JOB, POD, PYTORCHJOB})
"""Kinds that people create anew under a new name; the others keep theirs."""

_TOLERATIONS = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for key in ("not-ready", "unreachable")
]


def create(world: World, life: Life) -> Json:
    """Create the workload of a life."""
    metadata: Json = {"namespace": life.namespace, "labels": {"app": life.name, **life.labels}}
    if life.user is not None:
        metadata["annotations"] = {"user": life.user}
    if life.kind in _GENERATED:
        metadata["generateName"] = f"{life.name}-"
        metadata["name"] = life.name + "-" + world.suffix()
    else:
        metadata["name"] = life.name
    template = pod_template(life)
    match life.kind.kind:
        case "Pod":
            return create_pod(world, metadata, template)
        case "Job":
            return create_job(world, metadata, job_spec(template, life.spec))
        case _:
            return world.create(life.kind, metadata, {"spec": _spec(life, template), "status": {}})


def pod_template(life: Life) -> Json:
    """The template of a life's pods, with the defaults that the API server writes into templates."""
    shape = life.pod
    spec: Json = {
        "containers": [_container(shape)],
        "restartPolicy": shape.restart_policy,
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "priorityClassName": life.priority,
    }
    if shape.has_init:
        fetch = {**_container(shape), "name": "fetch-data", "image": "registry.example/tools/fetch:3"}
        spec["initContainers"] = [{**fetch, "command": ["fetch", "--into", "/data"], "args": [], "resources": {}}]
    if shape.pool is not None:
        spec["nodeSelector"] = {POOL_LABEL: shape.pool}
    if shape.pool == RESERVED_POOL:
        spec["tolerations"] = [{"key": RESERVED_TAINT, "operator": "Exists", "effect": "NoSchedule"}]
    return {"metadata": {"labels": {"app": life.name}}, "spec": spec}


def _container(shape: PodShape) -> Json:
    resources: Json = {"requests": {"cpu": shape.cpu, "memory": shape.memory}, "limits": {"memory": shape.memory}}
    if shape.gpus:
        # As people write it: a limit; the API server makes it the request as well when the pod is created.
        resources["limits"]["nvidia.com/gpu"] = str(shape.gpus)
    container: Json = {"name": "main", "image": shape.image, "resources": resources}
    if shape.command:
        container["command"] = list(shape.command)
    if shape.args:
        container["args"] = list(shape.args)
    container.update(
        terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File", imagePullPolicy="IfNotPresent"
    )
    return container


def create_pod(world: World, metadata: Json, template: Json, owner: Json | None = None) -> Json:
    """Create a pod of a template, with what admission and defaulting add to a pod."""
    spec: Json = copied(template["spec"])
    priority = spec["priorityClassName"]
    spec.update(
        priority=PRIORITIES[priority],
        preemptionPolicy="Never",
        serviceAccountName="default",
        serviceAccount="default",
        enableServiceLinks=True,
        tolerations=[*spec.get("tolerations", ()), *_TOLERATIONS],
    )
    for container in spec["containers"]:
        resources = container["resources"]
        resources["requests"] = {**resources["limits"], **resources["requests"]}
    labels = {**template["metadata"].get("labels", {}), **metadata.get("labels", {})}
    annotations = {**template["metadata"].get("annotations", {}), **metadata.get("annotations", {})}
    whole = {**metadata, "labels": labels, **({"annotations": annotations} if annotations else {})}
    return world.create(POD, whole, {"spec": spec, "status": {"phase": "Pending", "qosClass": "Burstable"}}, owner)


def job_spec(template: Json, said: Any) -> Json:
    """The spec of a Job but for the parts that its uid goes into."""
    spec: Json = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "completionMode": "NonIndexed"}
    spec.update(suspend=False, podReplacementPolicy="TerminatingOrFailed", manualSelector=False)
    return {**spec, **said, "template": template}


def create_job(world: World, metadata: Json, spec: Json, owner: Json | None = None) -> Json:
    """Create a Job; its selector and the labels of its pods name its own uid."""
    uid, name = world.uid(), metadata["name"]
    own = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template: Json = copied(spec["template"])
    template["metadata"]["labels"].update(own)
    selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    whole = {**spec, "selector": selector, "template": template}
    return world.create(JOB, {**metadata, "uid": uid}, {"spec": whole, "status": {}}, owner)


def _spec(life: Life, template: Json) -> Json:
    selector = {"matchLabels": {"app": life.name}}
    if life.kind is DEPLOYMENT:
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
        spec: Json = {"replicas": 1, "selector": selector, "template": template, "strategy": rolling}
        spec.update(revisionHistoryLimit=2, progressDeadlineSeconds=600)
    elif life.kind is REPLICASET:
        spec = {"replicas": 1, "selector": selector, "template": template}
    elif life.kind is STATEFULSET:
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
        spec = {"replicas": 1, "selector": selector, "template": template, "updateStrategy": rolling}
        spec.update(serviceName=life.name, podManagementPolicy="OrderedReady", revisionHistoryLimit=10)
        spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    elif life.kind is CRONJOB:
        job = {"metadata": {"labels": {"app": life.name}}, "spec": {"backoffLimit": 0, "template": template}}
        spec = {"schedule": "* * * * *", "concurrencyPolicy": "Allow", "suspend": False, "jobTemplate": job}
        spec.update(successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1)
    else:
        spec = _training_spec(life, template)
    return {**spec, **life.spec}


def _training_spec(life: Life, template: Json) -> Json:
    # The training operator insists on the container's name.
    template["spec"]["containers"][0]["name"] = "pytorch"
    replicas: Json = {"Master": {"replicas": 1, "restartPolicy": "ExitCode", "template": template}}
    if life.workers:
        replicas["Worker"] = {
            "replicas": life.workers,
            "restartPolicy": "ExitCode",
            "template": template,
        }
    return {"runPolicy": {"cleanPodPolicy": "None", "suspend": False}, "pytorchReplicaSpecs": replicas}


def template_hash(template: Json, length: int = 10) -> str:
    """The short word that names a revision of a template."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_HASH_LETTERS[byte % len(_HASH_LETTERS)] for byte in digest[:length])
