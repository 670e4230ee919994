"""Lives of the kinds that serve: Knative, KServe, Seldon, NVIDIA's, LeaderWorkerSet, Grove, Milvus."""

from typing import Any

from support.kind_lives.life import (
    Life,
    Made,
    Step,
    condition,
    conditions,
    deployment,
    job,
    made,
    pods,
    stateful_set,
    template,
)

from rollcall.domain.facts import KindKey


def knative_chain(service: str = "top") -> tuple[Made, ...]:
    """Five owners stand between a pod of Knative and its Service."""
    group = "serving.knative.dev/v1"
    return (
        made(group, "Configuration", "w", owner=service),
        made(group, "Revision", "w-00001", owner="Configuration/w"),
        deployment("w-00001-deployment", owner="Revision/w-00001", labels={"serving.knative.dev/service": "w"}),
    )


def knative_status(ready: str, reason: str = "") -> dict[str, Any]:
    """The status of a Service of Knative with its first revision."""
    found = [condition(name, ready, reason) for name in ("ConfigurationsReady", "Ready", "RoutesReady")]
    last = {"latestReadyRevisionName": "w-00001"} if ready == "True" else {}
    return conditions(*found, observedGeneration=1, latestCreatedRevisionName="w-00001", **last)


def _knative() -> Life:
    return Life(
        key=KindKey(group="serving.knative.dev", kind="Service"),
        spec={"template": template()},
        steps=(
            Step(status=knative_status("Unknown", "Deploying"), phase="Initializing"),
            Step(makes=knative_chain(), phase="Initializing", gpus=1, running=1),
            Step(status=knative_status("True"), phase="Running", gpus=1, running=1),
            # Scaled to zero: as good as any number.
            Step(removes=("Deployment/w-00001-deployment",), phase="Running", gpus=0, running=0),
        ),
    )


def _inference_service() -> Life:
    """In raw mode: no Knative, a Deployment of its own."""
    ready = (condition("IngressReady"), condition("PredictorReady"), condition("Ready"))
    stopped = (condition("PredictorReady", "False", "Stopped"), condition("Ready", "False", "Stopped"))
    model = {"modelFormat": {"name": "huggingface"}, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    return Life(
        key=KindKey(group="serving.kserve.io", kind="InferenceService"),
        spec={"predictor": {"model": model}},
        steps=(
            Step(
                makes=(deployment("w-predictor", labels={"component": "predictor"}),),
                status=conditions(condition("Ready", "False", "PredictorNotReady"), observedGeneration=1),
                phase="Initializing",
                gpus=1,
            ),
            Step(status=conditions(*ready, observedGeneration=1), phase="Running", gpus=1, running=1, raw="Ready"),
            Step(
                patch={"metadata": {"annotations": {"serving.kserve.io/stop": "true"}}},
                phase="Stopping",
            ),
            Step(
                removes=("Deployment/w-predictor",),
                status=conditions(*stopped, condition("Stopped"), observedGeneration=1),
                phase="Stopped",
                gpus=0,
                running=0,
            ),
        ),
    )


def _llm_inference_service() -> Life:
    label = "app.kubernetes.io/component"
    return Life(
        key=KindKey(group="serving.kserve.io", kind="LLMInferenceService"),
        spec={"replicas": 1, "template": template(gpus=2)["spec"], "router": {"scheduler": {}}},
        steps=(
            Step(
                makes=(
                    deployment("w-kserve", gpus=2, labels={label: "llminferenceservice-workload"}),
                    deployment("w-kserve-epp", gpus=0, labels={label: "llminferenceservice-router-scheduler"}),
                ),
                status=conditions(condition("Ready", "False", "MinimumReplicasUnavailable"), observedGeneration=1),
                phase="Initializing",
                gpus=2,
                running=2,
            ),
            Step(status=conditions(condition("Ready"), observedGeneration=1), phase="Running", gpus=2, running=2),
            Step(
                status=conditions(condition("Ready", "False", "WorkloadsNotReady"), observedGeneration=1),
                phase="Degraded",
                gpus=2,
            ),
        ),
    )


def _seldon() -> Life:
    component = {"spec": template()["spec"]}
    counts = {"deploymentStatus": {"w-0-main": {"replicas": 1, "availableReplicas": 1}}}
    return Life(
        key=KindKey(group="machinelearning.seldon.io", kind="SeldonDeployment"),
        spec={"predictors": [{"name": "default", "replicas": 1, "componentSpecs": [component]}]},
        steps=(
            Step(
                makes=(deployment("w-default-0-main", labels={"seldon-deployment-id": "w"}),),
                status={"state": "Creating"},
                phase="Running",
                via=("Initializing",),
                gpus=1,
            ),
            Step(status={"state": "Available", **counts}, phase="Running", gpus=1, running=1, raw="Available"),
            Step(status={"state": "Failed", "description": "no such graph"}, phase="Failed", raw="Failed"),
        ),
    )


def _nim_services() -> tuple[Life, ...]:
    resources = {"limits": {"nvidia.com/gpu": "1"}}
    spec = {"replicas": 1, "image": {"repository": "registry.example/nim", "tag": "1"}, "resources": resources}
    ready = conditions(condition("Ready"), condition("Failed", "False"), state="Ready")
    not_ready = conditions(condition("Ready", "False", "NotReady"), condition("Failed", "False"), state="NotReady")
    kinds = (
        "NIMService",
        "NemoCustomizer",
        "NemoDatastore",
        "NemoEntitystore",
        "NemoEvaluator",
        "NemoGuardrail",
    )
    return tuple(
        Life(
            key=KindKey(group="apps.nvidia.com", kind=kind),
            spec=spec,
            steps=(
                Step(makes=(deployment("w"),), status=not_ready, phase="Initializing", gpus=1, running=1),
                Step(status=ready, phase="Running", gpus=1, running=1, raw="Ready"),
                Step(status=not_ready, phase="Degraded", gpus=1),
            ),
        )
        for kind in kinds
    )


def _nim_others() -> tuple[Life, ...]:
    group = "apps.nvidia.com"
    resources = {"limits": {"nvidia.com/gpu": "1"}}
    service = {"replicas": 1, "image": {"repository": "registry.example/nim", "tag": "1"}, "resources": resources}
    ready = conditions(condition("Ready"), state="Ready")
    return (
        Life(
            key=KindKey(group=group, kind="NIMPipeline"),
            spec={"services": [{"name": "llm", "enabled": True, "spec": service}]},
            steps=(
                Step(
                    makes=(
                        made(f"{group}/v1alpha1", "NIMService", "llm", service),
                        deployment("llm", owner="NIMService/llm"),
                    ),
                    statuses={"NIMService/llm": ready},
                    status=ready,
                    phase="Running",
                    gpus=1,
                    running=1,
                ),
                Step(
                    patch={"spec": {"services": [{"name": "llm", "enabled": False, "spec": service}]}}, phase="Stopping"
                ),
                Step(removes=("NIMService/llm",), phase="Stopped", gpus=0, running=0),
            ),
        ),
        Life(
            key=KindKey(group=group, kind="NIMCache"),
            spec={"source": {"ngc": {}}, "storage": {}},
            steps=(
                Step(status={"state": "Pending"}, phase="Pending"),
                Step(makes=(job("w-job", gpus=0),), status={"state": "InProgress"}, phase="Running", gpus=0, running=1),
                Step(ends={"w-job": "Succeeded"}, status=ready, phase="Completed", running=0),
            ),
        ),
        Life(
            key=KindKey(group=group, kind="NIMBuild"),
            spec={"nimCache": {"name": "w"}},
            steps=(
                Step(makes=pods("w-engine"), status={"state": "InProgress"}, phase="Running", gpus=1, running=1),
                Step(ends={"w-engine": "Failed"}, status={"state": "Failed"}, phase="Failed", gpus=0),
            ),
        ),
    )


def _dynamo() -> Life:
    component = {"name": "Worker", "replicas": 2, "podTemplate": template()}
    return Life(
        key=KindKey(group="nvidia.com", kind="DynamoGraphDeployment"),
        spec={"components": [component]},
        steps=(
            Step(status={"state": "pending"}, phase="Initializing", raw="pending"),
            Step(
                makes=(
                    made("nvidia.com/v1beta1", "DynamoComponentDeployment", "w-worker"),
                    deployment("w-worker", owner="DynamoComponentDeployment/w-worker", replicas=2),
                ),
                status=conditions(condition("Ready"), state="successful"),
                phase="Running",
                gpus=2,
                running=2,
                raw="successful",
            ),
            Step(status=conditions(condition("Ready", "False"), state="failed"), phase="Failed"),
        ),
    )


def _leader_worker_set() -> Life:
    """A worker's StatefulSet belongs to the leader's pod, which belongs to the leaders' StatefulSet."""
    name = "leaderworkerset.sigs.k8s.io"
    leader = stateful_set("w", labels={f"{name}/worker-index": "0"})
    worker = stateful_set("w-0", owner="Pod/w-0", labels={f"{name}/worker-index": "1"})
    return Life(
        key=KindKey(group="leaderworkerset.x-k8s.io", kind="LeaderWorkerSet"),
        spec={"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": template()}},
        steps=(
            Step(
                makes=(leader, worker),
                status=conditions(condition("Progressing"), condition("Available", "False"), replicas=1),
                phase="Running",
                gpus=2,
                running=2,
            ),
            Step(
                status=conditions(
                    condition("Available"),
                    condition("Progressing", "False"),
                    replicas=1,
                    readyReplicas=1,
                    updatedReplicas=1,
                ),
                phase="Running",
                raw="Available",
            ),
            Step(patch={"spec": {"replicas": 0}}, phase="Stopping", gpus=2),
            Step(
                removes=("StatefulSet/w", "StatefulSet/w-0"),
                status=conditions(condition("Available"), replicas=0),
                phase="Stopped",
                gpus=0,
                running=0,
            ),
        ),
    )


def _grove(kind: str) -> Life:
    group = "grove.io/v1alpha1"
    cliques = [{"name": name, "spec": {"replicas": 1, "podSpec": template()["spec"]}} for name in ("prefill", "decode")]
    scaling = [{"name": "decoders", "cliqueNames": ["decode"], "replicas": 2}]
    done = {"observedGeneration": 1, "replicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
    return Life(
        key=KindKey(group="grove.io", kind=kind),
        spec={"replicas": 1, "template": {"cliques": cliques, "podCliqueScalingGroups": scaling}},
        steps=(
            Step(
                makes=(
                    made(group, "PodClique", "w-0-prefill"),
                    *pods("w-0-prefill-0", owner="PodClique/w-0-prefill", restart="Always"),
                    made(group, "PodCliqueScalingGroup", "w-0-decoders"),
                    made(group, "PodClique", "w-0-decode", owner="PodCliqueScalingGroup/w-0-decoders"),
                    *pods("w-0-decode-0", "w-0-decode-1", owner="PodClique/w-0-decode", restart="Always"),
                ),
                status={"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
                phase="Running",
                gpus=3,
                running=3,
            ),
            Step(status=done, phase="Running"),
            Step(status={**done, "podGangStatuses": [{"name": "w-0", "phase": "Failed"}]}, phase="Degraded"),
        ),
    )


def _milvus() -> Life:
    return Life(
        key=KindKey(group="milvus.io", kind="Milvus"),
        spec={"mode": "standalone", "components": {"standalone": {"replicas": 1}}},
        steps=(
            Step(
                makes=(deployment("w-milvus-standalone", labels={"app.kubernetes.io/component": "standalone"}),),
                status=conditions(condition("MilvusReady", "False", "ReasonMilvusNotHealthy"), status="Unhealthy"),
                phase="Initializing",
                running=1,
            ),
            Step(
                status=conditions(condition("MilvusReady"), status="Healthy", observedGeneration=1),
                phase="Running",
                gpus=1,
                raw="Healthy",
            ),
        ),
    )


LIVES = (
    _knative(),
    _inference_service(),
    _llm_inference_service(),
    _seldon(),
    *_nim_services(),
    *_nim_others(),
    _dynamo(),
    _leader_worker_set(),
    _grove("PodCliqueSet"),
    _grove("PodGangSet"),
    _milvus(),
)
