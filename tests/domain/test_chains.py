"""Every chain of owners that the kinds make, through the operator's state in any order and through `rollcall explain`.

The pods of a chain are its first element; the expected top is named by its place.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chains import World, an_object, chain, reference, workloads_of
from support.observed import NOW, SETTINGS, observe, template

from rollcall.domain.derivation import derive
from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import built_in
from rollcall.domain.kinds.generic import entry_of
from rollcall.domain.ownership import Ignored
from rollcall.domain.placing import Missing, place
from rollcall.domain.reading import read_meta
from rollcall.domain.records import Phase, Remembered
from rollcall.explain.gathering import gather

CHAINS = [
    "Pod",
    "Pod ReplicaSet",
    "Pod ReplicaSet Deployment",
    "Pod StatefulSet",
    "Pod Job",
    "Pod Job CronJob",
    "Pod Job JobSet",
    "Pod StatefulSet LeaderWorkerSet",
    "Pod StatefulSet Pod StatefulSet LeaderWorkerSet",
    "Pod PyTorchJob",
    "Pod TFJob",
    "Pod XGBoostJob",
    "Pod JAXJob",
    "Pod PaddleJob",
    "Pod MPIJob",
    "Pod Job MPIJob",
    "Pod Job JobSet TrainJob",
    "Pod StatefulSet Notebook",
    "Pod Job Trial Experiment",
    "Pod TFJob Trial Experiment",
    "Pod RayCluster",
    "Pod RayCluster RayJob",
    "Pod Job RayJob",
    "Pod RayCluster RayService",
    "Pod RayCluster RayJob RayCronJob",
    "Pod Job RayJob RayCronJob",
    "Pod SparkApplication",
    "Pod Pod SparkApplication",
    "Pod Pod SparkApplication ScheduledSparkApplication",
    "Pod Job AppWrapper",
    "Pod PyTorchJob AppWrapper",
    "Pod RayCluster RayJob AppWrapper",
    "Pod AppWrapper",
    "Pod Workflow",
    "Pod Workflow CronWorkflow",
    "Pod Workflow ScheduledWorkflow",
    "Pod PyTorchJob Workflow CronWorkflow",
    "Pod VolcanoJob",
    "Pod ReplicaSet Deployment DaskCluster",
    "Pod ReplicaSet Deployment DaskWorkerGroup DaskCluster",
    "Pod ReplicaSet Deployment DaskWorkerGroup DaskCluster DaskJob",
    "Pod DaskJob",
    "Pod ReplicaSet Deployment Revision Configuration KnativeService",
    "Pod ReplicaSet Deployment Revision Configuration KnativeService InferenceService",
    "Pod ReplicaSet Deployment InferenceService",
    "Pod StatefulSet Pod StatefulSet LeaderWorkerSet LLMInferenceService",
    "Pod ReplicaSet Deployment LLMInferenceService",
    "Pod ReplicaSet Deployment SeldonDeployment",
    "Pod ReplicaSet Deployment NIMService",
    "Pod StatefulSet LeaderWorkerSet NIMService",
    "Pod ReplicaSet Deployment InferenceService NIMService NIMPipeline",
    "Pod Job NIMCache",
    "Pod ReplicaSet Deployment DynamoComponentDeployment DynamoGraphDeployment",
    "Pod StatefulSet LeaderWorkerSet DynamoComponentDeployment DynamoGraphDeployment",
    "Pod PodClique PodCliqueSet",
    "Pod PodClique PodCliqueScalingGroup PodCliqueSet",
    "Pod PodClique PodCliqueScalingGroup PodCliqueSet DynamoGraphDeployment",
    "Pod TaskRun",
    "Pod TaskRun PipelineRun",
    "Pod VirtualMachineInstance",
    "Pod VirtualMachineInstance VirtualMachine",
    "Pod ReplicaSet Deployment DevWorkspace",
    "Pod RunaiJob TrainingWorkload",
    "Pod RunaiJob InteractiveWorkload",
    "Pod PyTorchJob DistributedWorkload",
    "Pod Job MPIJob DistributedWorkload",
    "Pod ReplicaSet Deployment Revision Configuration KnativeService InferenceWorkload",
    "Pod StatefulSet Pod StatefulSet LeaderWorkerSet DistributedInferenceWorkload",
    "Pod Thing",
    "Pod Thing Bigger",
]


@pytest.mark.parametrize("kinds", CHAINS)
def test_the_last_is_the_only_workload(kinds):
    objects = chain(*kinds.split())
    top, pods = objects[-1], {obj["metadata"]["name"] for obj in objects if obj["kind"] == "Pod"}
    assert workloads_of(*objects) == {f"{top['kind']}/{top['metadata']['name']}": pods}


@pytest.mark.parametrize(
    ("kinds", "top"),
    [
        ("Pod ReplicaSet Deployment ServingRuntime", 2),  # ModelMesh: an InferenceService has no pods of its own
        ("Pod ReplicaSet Deployment Platform", 2),
        ("Pod PyTorchJob Platform Tenant", 1),
        ("Pod RayCluster Platform", 1),
    ],
)
def test_an_unknown_kind_above_one_of_the_catalogue_is_no_workload(kinds, top):
    objects = chain(*kinds.split())
    expected = objects[top]
    (found,) = World(*objects).all_seen().workloads()
    assert found == f"{expected['kind']}/{expected['metadata']['name']}"


def test_an_unknown_kind_that_is_taught_is_the_top():
    kinds = built_in().with_entries([entry_of(KindKey(group="example.com", kind="Platform"), "v1")])
    objects = chain("Pod", "ReplicaSet", "Deployment", "Platform")
    assert workloads_of(*objects, kinds=kinds) == {"Platform/platform-4": {"pod-1"}}


def test_one_read_serves_all_pods_and_only_what_is_not_watched_is_read():
    rs, deployment, revision, configuration, service = chain(
        "ReplicaSet", "Deployment", "Revision", "Configuration", "KnativeService"
    )
    pods = [an_object("Pod", f"pod-{number}", rs) for number in range(20)]
    world = World(*pods, rs, deployment, revision, configuration, service).all_seen()
    assert sorted(world.reads) == sorted(obj["metadata"]["uid"] for obj in (revision, configuration))
    more = an_object("Pod", "later", rs)
    world.see(more)
    assert not world.state.unresolved


# Leaders, drivers: chains through pods


def spark(name, role, *owners, selector="spark-1", app=None, **more):
    labels = {"spark-role": role, "spark-app-selector": selector}
    if app is not None:
        labels["sparkoperator.k8s.io/app-name"] = app
    return an_object("Pod", name, *owners, labels=labels, **more)


def asks(gpus):
    return {"containers": [{"name": "main", "resources": {"requests": {"nvidia.com/gpu": str(gpus)}}}]}


def test_a_driver_that_nothing_owns_is_one_workload_with_its_executors():
    driver = spark("driver", "driver")
    owned = [spark(f"exec-{number}", "executor", driver) for number in range(2)]
    assert workloads_of(driver, *owned) == {"Pod/driver": {"driver", "exec-0", "exec-1"}}


def test_what_a_driver_and_its_executors_come_to():
    driver = spark("driver", "driver", status={"phase": "Running"}, spec=asks(0))
    executor = spark("exec-1", "executor", driver, status={"phase": "Pending"}, spec=asks(2))
    (view,) = gather([executor, driver], SETTINGS).views
    found = derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS).workload
    assert (found.kind, found.name, found.additional_fields) == ("Pod", "driver", (("launcher", "Spark"),))
    assert found.workload_requested.requests.gpu_micros == found.pods_requested.requests.gpu_micros == 2_000_000
    assert found.k8s_phase == "Running"


def test_executors_that_nothing_owns_find_the_driver_by_its_selector():
    driver, executor = spark("driver", "driver"), spark("exec-1", "executor")
    other = spark("other", "executor", selector="spark-2")
    assert workloads_of(executor, other, driver) == {
        "Pod/driver": {"driver", "exec-1"},
        "SparkApplication/spark-2": {"other"},
    }


def test_executors_of_a_driver_outside_of_the_cluster_are_one_workload_for_each_namespace():
    executors = [spark(f"exec-{number}", "executor") for number in range(3)]
    elsewhere = spark("elsewhere", "executor", namespace="other")
    world = World(*executors, elsewhere).all_seen()
    tops = world.state.belonging.tops().values()
    assert sorted((top.kind, top.namespace, top.name) for top in tops) == [
        ("SparkApplication", "lab", "spark-1"),
        ("SparkApplication", "other", "spark-1"),
    ]
    assert workloads_of(*executors) == {"SparkApplication/spark-1": {"exec-0", "exec-1", "exec-2"}}
    for one in executors:
        world.lose(one)
    assert [top.namespace for top in world.state.belonging.tops().values()] == ["other"]
    assert len(world.state.ended) == 1


def test_a_driver_that_is_gone_first_leaves_its_executors_with_the_application():
    app = an_object("SparkApplication", "app")
    driver = spark("driver", "driver", app, app="app")
    executors = [spark(f"exec-{number}", "executor", driver, app="app") for number in range(2)]
    world = World(app, driver, *executors).all_seen()
    world.lose(driver)
    late = spark("late", "executor", driver, app="app")
    world.see(late)
    assert world.workloads() == {"SparkApplication/app": {"exec-0", "exec-1", "late"}}
    assert not world.reads, "the driver is remembered"
    # An operator that starts now has never seen the driver: the label names the application.
    assert workloads_of(app, *executors, refused={"driver": Missing.GONE}) == {
        "SparkApplication/app": {"exec-0", "exec-1"}
    }


def test_executors_of_an_application_that_is_gone_are_not_the_next_one_s_of_that_name():
    old = an_object("SparkApplication", "app", uid="old")
    driver = spark("driver", "driver", old, app="app")
    executor = spark("exec-1", "executor", driver, app="app")
    new = an_object("SparkApplication", "app", uid="new")
    world = World(driver, executor, new).all_seen()
    assert world.state.belonging.top_of("exec-1").uid == "old"
    assert world.state.belonging.top_of("new").uid == "new"


def test_a_worker_whose_leader_is_gone_is_found_by_the_set_s_label():
    lws = an_object("LeaderWorkerSet", "lws")
    leader = an_object("Pod", "leader", an_object("StatefulSet", "leaders", lws))
    workers = an_object("StatefulSet", "workers", leader)
    labels = {"leaderworkerset.sigs.k8s.io/name": "lws"}
    workers["metadata"]["labels"] = labels
    worker = an_object("Pod", "worker", workers, labels=labels)
    assert workloads_of(lws, workers, worker, refused={"leader": Missing.GONE}) == {"LeaderWorkerSet/lws": {"worker"}}


# Labels that stand in for owners


def knative(*, labels):
    service = an_object("KnativeService", "hello", uid="service-uid")
    configuration = an_object("Configuration", "hello", service, uid="configuration-uid")
    revision = an_object("Revision", "hello-1", configuration, uid="revision-uid")
    deployment = an_object("Deployment", "hello-1", revision, labels=labels, uid="deployment-uid")
    replica_set = an_object("ReplicaSet", "hello-1-a", deployment, labels=labels)
    return (
        an_object("Pod", "pod", replica_set, labels=labels),
        replica_set,
        deployment,
        revision,
        configuration,
        service,
    )


def test_a_knative_pod_whose_labels_have_the_service_s_uid_needs_no_read():
    labels = {"serving.knative.dev/service": "hello", "serving.knative.dev/serviceUID": "service-uid"}
    objects = knative(labels=labels)
    assert workloads_of(*objects) == {"Service/hello": {"pod"}}
    world = World(*objects).all_seen(list(reversed(objects)))
    assert not world.reads


def test_a_uid_that_is_another_s_is_not_believed():
    labels = {"serving.knative.dev/service": "hello", "serving.knative.dev/serviceUID": "another"}
    another = an_object("Deployment", "another")
    assert workloads_of(*knative(labels=labels), another) == {"Service/hello": {"pod"}, "Deployment/another": set()}
    elsewhere = an_object("KnativeService", "theirs", namespace="other", uid="another")
    found = World(*knative(labels=labels), elsewhere).all_seen().workloads()
    assert found == {"Service/hello": {"pod"}, "Service/theirs": set()}


@pytest.mark.parametrize("answer", list(Missing))
def test_a_knative_service_is_found_by_name_where_what_is_between_cannot_be_read(answer):
    objects = knative(labels={"serving.knative.dev/service": "hello"})
    assert workloads_of(*objects, refused={"revision-uid": answer}) == {"Service/hello": {"pod"}}
    without = knative(labels={})
    found = World(*without, refused={"revision-uid": answer}).all_seen().workloads()
    assert found == {"Deployment/hello-1": {"pod"}, "Service/hello": set()}


def test_the_walk_goes_on_above_what_a_label_names():
    *objects, service = knative(labels={"serving.knative.dev/service": "hello"})
    top = an_object("InferenceService", "model")
    service["metadata"]["ownerReferences"] = [reference(top)]
    assert workloads_of(*objects, service, top, refused={"revision-uid": Missing.FORBIDDEN}) == {
        "InferenceService/model": {"pod"}
    }


def test_a_worker_group_of_dask_that_may_not_be_read():
    cluster = an_object("DaskCluster", "dask")
    group = an_object("DaskWorkerGroup", "group", cluster)
    labels = {"dask.org/cluster-name": "dask"}
    deployment = an_object("Deployment", "worker-1", group, labels=labels)
    replica_set = an_object("ReplicaSet", "worker-1-a", deployment, labels=labels)
    pod = an_object("Pod", "pod", replica_set, labels=labels)
    found = workloads_of(pod, replica_set, deployment, cluster, refused={"group": Missing.FORBIDDEN})
    assert found == {"DaskCluster/dask": {"pod"}}


def test_a_dask_worker_group_that_was_adopted_follows_who_has_the_longest_chain():
    job = an_object("DaskJob", "job")
    cluster = an_object("DaskCluster", "cluster", job)
    lone = an_object("DaskCluster", "alone")
    group = an_object("DaskWorkerGroup", "group")
    group["metadata"]["ownerReferences"] = [reference(owner, controller=False) for owner in (lone, cluster)]
    deployment = an_object("Deployment", "worker", group)
    pod = an_object("Pod", "pod", an_object("ReplicaSet", "rs", deployment))
    objects = (pod, an_object("ReplicaSet", "rs", deployment), deployment, group, lone, cluster, job)
    assert workloads_of(*objects) == {"DaskJob/job": {"pod"}, "DaskCluster/alone": set()}


RUNAI = {"run.ai/top-owner-uid": "top-uid", "workloadKind": "TrainingWorkload", "workloadName": "train"}


def test_a_pod_of_run_ai_whose_label_has_the_workload_s_uid():
    top = an_object("TrainingWorkload", "train", uid="top-uid")
    middle = an_object("Middle", "middle", top)
    pod = an_object("Pod", "pod", middle, labels=RUNAI)
    assert workloads_of(pod, middle, top) == {"TrainingWorkload/train": {"pod"}}
    assert not World(pod, middle, top).all_seen([top, pod]).reads, "what is between need not be read"
    assert workloads_of(pod, top, refused={"middle": Missing.FORBIDDEN}) == {"TrainingWorkload/train": {"pod"}}


def test_a_workload_of_run_ai_that_may_not_be_read_is_known_by_the_label():
    pod = an_object("Pod", "pod", an_object("Middle", "middle"), labels=RUNAI)
    assert workloads_of(pod, refused={"middle": Missing.FORBIDDEN}) == {"TrainingWorkload/train": {"pod"}}


def test_labels_that_were_copied_along_make_no_ghost():
    copied = an_object("Pod", "copied", labels=RUNAI)
    assert workloads_of(copied) == {"Pod/copied": {"copied"}}
    theirs = an_object("TrainingWorkload", "train", uid="top-uid", namespace="other")
    assert World(copied, theirs).all_seen().workloads() == {"Pod/copied": {"copied"}, "TrainingWorkload/train": set()}
    job = an_object("Job", "job")
    owned = an_object("Pod", "owned", job, labels=RUNAI)
    top = an_object("TrainingWorkload", "train", uid="top-uid")
    assert workloads_of(owned, job, top) == {"Job/job": {"owned"}, "TrainingWorkload/train": set()}


# Several owners, none of them the controller


def test_a_resource_that_a_workflow_made_is_hidden_below_it():
    workflow, other = an_object("Workflow", "wf"), an_object("Thing", "thing")
    job = an_object("PyTorchJob", "made")
    job["metadata"]["ownerReferences"] = [reference(owner, controller=False) for owner in (other, workflow)]
    pod = an_object("Pod", "pod", job)
    assert workloads_of(pod, job, workflow) == {"Workflow/wf": {"pod"}}
    job["metadata"]["ownerReferences"] = [reference(workflow)]
    assert workloads_of(pod, job, workflow) == {"Workflow/wf": {"pod"}}


def test_a_controller_wins_over_a_workflow_that_is_an_owner_besides():
    workflow, wrapper = an_object("Workflow", "wf"), an_object("AppWrapper", "wrapper")
    job = an_object("PyTorchJob", "made")
    job["metadata"]["ownerReferences"] = [reference(workflow, controller=False), reference(wrapper)]
    pod = an_object("Pod", "pod", job)
    assert workloads_of(pod, job, workflow, wrapper) == {"AppWrapper/wrapper": {"pod"}, "Workflow/wf": set()}


# Kinds with a rule of their own


def test_a_ray_job_on_a_selected_cluster_has_its_submitter_only():
    cluster, job = an_object("RayCluster", "shared"), an_object("RayJob", "job", spec={"clusterSelector": {"a": "b"}})
    head = an_object("Pod", "head", cluster, labels={"ray.io/cluster": "shared"})
    submitter_job = an_object("Job", "job", job, uid="submitter-job")
    submitter = an_object("Pod", "submitter", submitter_job)
    assert workloads_of(cluster, job, head, submitter_job, submitter) == {
        "RayCluster/shared": {"head"},
        "RayJob/job": {"submitter"},
    }


def test_both_clusters_of_a_ray_service_belong_to_it():
    service = an_object("RayService", "serve")
    clusters = [an_object("RayCluster", name, service) for name in ("active", "pending")]
    pods = [an_object("Pod", f"head-{cluster['metadata']['name']}", cluster) for cluster in clusters]
    assert workloads_of(service, *clusters, *pods) == {"RayService/serve": {"head-active", "head-pending"}}


def test_an_object_that_is_managed_elsewhere_has_no_pods_and_says_its_phase_itself():
    """MultiKueue: the other cluster's controller runs it and mirrors the status."""
    spec = {"managedBy": "kueue.x-k8s.io/multikueue", "template": template(), "parallelism": 1, "completions": 1}
    job = an_object("Job", "job", spec=spec, status={"active": 1, "ready": 1, "startTime": "2026-01-01T00:00:00Z"})
    (view,) = gather([job], SETTINGS).views
    assert observe(view.top).workload.phase is Phase.RUNNING


def test_what_only_labels_objects_owns_nothing():
    """Argo CD, Helm and Flux label; a gang of Kubernetes or Kueue describes or holds."""
    labels = {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "app"}
    deployment = an_object("Deployment", "web", labels=labels)
    replica_set = an_object("ReplicaSet", "web-1", deployment)
    pod = an_object("Pod", "pod", replica_set, labels=labels, spec={"workloadRef": {"name": "gang"}})
    gang = an_object("Workload", "gang")
    gang["apiVersion"] = "scheduling.k8s.io/v1alpha1"
    held = an_object("Workload", "held", deployment)
    held["apiVersion"] = "kueue.x-k8s.io/v1beta1"
    history = an_object("ControllerRevision", "history", deployment)
    assert workloads_of(pod, replica_set, deployment, gang, held, history) == {"Deployment/web": {"pod"}}


def test_the_leftovers_of_rollouts_are_below_their_deployment():
    deployment = an_object("Deployment", "web")
    old = [an_object("ReplicaSet", f"web-{number}", deployment, spec={"replicas": 0}) for number in range(3)]
    assert workloads_of(deployment, *old) == {"Deployment/web": set()}


def test_launchers_whose_pods_nothing_owns():
    pods = [
        an_object("Pod", "airflow", labels={"airflow_version": "2.9.0"}),
        an_object("Pod", "prefect", labels={"prefect.io/flow-run-id": "1"}),
        an_object("Pod", "jupyter", labels={"component": "singleuser-server"}),
    ]
    assert workloads_of(*pods) == {f"Pod/{pod['metadata']['name']}": {pod["metadata"]["name"]} for pod in pods}


# Who may not be read, is gone, or is another


def test_a_kind_of_the_catalogue_that_may_not_be_read_is_known_by_reference():
    pod, job, cron = chain("Pod", "Job", "CronJob")
    assert workloads_of(pod, job, cron, refused={"cronjob-3": Missing.FORBIDDEN}) == {"CronJob/cronjob-3": {"pod-1"}}


def test_an_answer_that_comes_later_moves_what_was_placed_without_it():
    pod, job, thing, top = chain("Pod", "Job", "Thing", "CronJob")
    world = World(pod, job, top, refused={"thing-3": Missing.FORBIDDEN}).all_seen()
    assert world.workloads() == {"Job/job-2": {"pod-1"}, "CronJob/cronjob-4": set()}
    world.refused.clear()
    world.objects["thing-3"] = thing
    world.state.dirty.clear()
    world.state.learn_owner("thing-3", read_meta(thing))
    assert world.workloads() == {"CronJob/cronjob-4": {"pod-1"}}
    assert {"job-2", "cronjob-4"} <= world.state.dirty.keys(), "the record that the Job had is closed"
    assert world.state.is_hidden("job-2")


def test_owners_that_change_move_all_that_is_below():
    pod, replica_set = chain("Pod", "ReplicaSet")
    world = World(pod, replica_set).all_seen()
    assert world.workloads() == {"ReplicaSet/replicaset-2": {"pod-1"}}
    deployment = an_object("Deployment", "web")
    world.see(deployment)
    replica_set["metadata"]["ownerReferences"] = [reference(deployment)]  # adopted
    world.see(replica_set)
    assert world.workloads() == {"Deployment/web": {"pod-1"}}
    del replica_set["metadata"]["ownerReferences"]  # orphaned
    world.see(replica_set)
    assert world.workloads() == {"Deployment/web": set(), "ReplicaSet/replicaset-2": {"pod-1"}}


def test_an_owner_in_another_namespace_is_none():
    """The garbage collector takes such a reference for one to nobody."""
    theirs = an_object("Deployment", "theirs", namespace="other")
    forged = an_object("Pod", "forged", theirs)
    own = an_object("Pod", "own", theirs, namespace="other")
    assert workloads_of(forged, own, theirs) == {"Deployment/theirs": {"own"}, "Pod/forged": {"forged"}}
    world = World(forged, own, theirs).all_seen()
    assert world.state.view("forged").problems == ("its owner Deployment theirs is in another namespace",)


@pytest.mark.parametrize("first", ["forged", "own"])
def test_a_forged_reference_spoils_no_answer_for_whose_owner_it_is(first):
    middle = an_object("Middle", "middle", an_object("Job", "job", namespace="other"), namespace="other")
    job = an_object("Job", "job", namespace="other")
    forged = an_object("Pod", "forged", middle)
    own = an_object("Pod", "own", middle, namespace="other")
    world = World(middle, job, forged, own)
    for pod in (forged, own) if first == "forged" else (own, forged):
        world.see(pod)
        world.read_owners()
    world.see(job)
    world.read_owners()
    assert world.state.belonging.top_of("own").name == "job"
    assert world.state.belonging.top_of("forged").uid != "job"


def test_what_is_known_by_reference_alone_is_one_namespace_s():
    nobody = an_object("Thing", "thing")
    pods = [an_object("Pod", name, nobody, namespace=name) for name in ("one", "two")]
    found = World(*pods).all_seen().workloads()
    assert found == {"Thing/thing": {"one"}, "Pod/two": {"two"}}


def test_a_workload_is_in_a_namespace():
    """An owner that lies in none would take pods out of all namespaces' records."""
    whole = an_object("Fleet", "fleet", namespace=None)
    pod = an_object("Pod", "pod", whole)
    thing = an_object("Thing", "thing", whole)
    below = an_object("Pod", "below", thing)
    assert World(pod, below, thing, whole).all_seen().workloads() == {"Pod/pod": {"pod"}, "Thing/thing": {"below"}}


def test_a_circle_is_one_workload_and_its_record_says_so():
    job, other = an_object("Job", "a"), an_object("PyTorchJob", "b")
    job["metadata"]["ownerReferences"] = [reference(other)]
    other["metadata"]["ownerReferences"] = [reference(job)]
    pod = an_object("Pod", "pod", other)
    assert workloads_of(pod, job, other) == {"Job/a": {"pod"}}
    (view,) = gather([pod, job, other], SETTINGS).views
    found = derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=SETTINGS).workload
    assert any("circle" in problem for problem in found.problems)


def test_pods_that_own_each_other_are_one_workload():
    first, second = an_object("Pod", "a"), an_object("Pod", "b")
    first["metadata"]["ownerReferences"] = [reference(second)]
    second["metadata"]["ownerReferences"] = [reference(first)]
    assert workloads_of(first, second) == {"Pod/a": {"a", "b"}}


# Pods that are nobody's

IGNORED = [
    ("a DaemonSet's", an_object("Pod", "p", an_object("DaemonSet", "ds")), Ignored.DAEMON_SET),
    ("a static one", an_object("Pod", "p", an_object("Node", "n", namespace=None)), Ignored.STATIC),
    ("a mirror", an_object("Pod", "p", annotations={"kubernetes.io/config.mirror": "x"}), Ignored.STATIC),
    ("a reservation", an_object("Pod", "p", labels={"app": "runai-reservation"}), Ignored.RESERVATION),
    ("a scale adjustment", an_object("Pod", "p", namespace="kai-scale-adjust"), Ignored.SCALE_ADJUST),
    (
        "an agent of Argo",
        an_object("Pod", "p", an_object("Workflow"), labels={"workflows.argoproj.io/component": "agent"}),
        Ignored.WORKFLOW_AGENT,
    ),
    (
        "an affinity assistant of Tekton",
        an_object("Pod", "p", an_object("StatefulSet"), labels={"app.kubernetes.io/component": "affinity-assistant"}),
        Ignored.AFFINITY_ASSISTANT,
    ),
    (
        "a clean-up of Ray",
        an_object("Pod", "p", an_object("Job"), labels={"ray.io/node-type": "redis-cleanup"}),
        Ignored.REDIS_CLEANUP,
    ),
    ("one in an ignored namespace", an_object("Pod", "p", namespace="kube-system"), Ignored.NAMESPACE),
]


@pytest.mark.parametrize(("pod", "why"), [case[1:] for case in IGNORED], ids=[case[0] for case in IGNORED])
def test_pods_that_are_nobodys_are_counted_by_reason(pod, why):
    world = World(pod).all_seen()
    assert world.workloads() == world.explained() == {}
    assert {reason: number for reason, number in world.state.ignored_pods().items() if number} == {why.value: 1}
    (left_out,) = gather([pod], SETTINGS).left_out
    assert why.sentence in left_out
    world.see(pod)
    assert sum(world.state.ignored_pods().values()) == 1
    world.lose(pod)
    assert not any(world.state.ignored_pods().values())


def test_what_a_pod_of_a_daemon_set_made_is_nobodys_either():
    daemon_set = an_object("DaemonSet", "ds")
    agent = an_object("Pod", "agent", daemon_set)
    helper = an_object("Pod", "helper", agent)
    assert workloads_of(agent, helper, daemon_set) == {}
    world = World(agent, helper, daemon_set).all_seen()
    assert world.state.ignored_pods()["daemon_set"] == 2
    world.lose(helper)
    assert world.state.ignored_pods()["daemon_set"] == 1


def test_an_ignored_pod_that_vanished_unseen_is_counted_no_longer():
    pod = an_object("Pod", "p", an_object("DaemonSet", "ds"))
    world = World(pod).all_seen()
    world.state.keep_ignored(frozenset(), version=1)
    assert world.state.ignored_pods()["daemon_set"] == 1, "it is newer than the list"
    world.state.keep_ignored(frozenset({"p"}), version=100)
    assert world.state.ignored_pods()["daemon_set"] == 1
    world.state.keep_ignored(frozenset(), version=100)
    assert world.state.ignored_pods()["daemon_set"] == 0


def test_a_pod_that_becomes_a_reservation_leaves_its_record():
    pod = an_object("Pod", "p")
    world = World(pod).all_seen()
    pod["metadata"]["labels"] = {"app": "kai-reservation"}
    world.see(pod)
    assert world.workloads() == {}
    assert world.state.ignored_pods()["reservation"] == 1
    assert world.state.ended.keys() == {"p"}


# What an event costs


def test_an_event_of_a_pod_places_nothing_else(monkeypatch):
    rs, deployment = chain("ReplicaSet", "Deployment")
    pods = [an_object("Pod", f"pod-{number}", rs) for number in range(50)]
    world = World(*pods, rs, deployment).all_seen()
    placed = []
    monkeypatch.setattr(
        "rollcall_operator.belonging.place", lambda meta, *known: (placed.append(meta.name), place(meta, *known))[1]
    )
    world.see(pods[0])
    world.see(deployment)
    assert placed == [], "nothing that a place depends on has changed"
    world.see(an_object("Pod", "new", rs))
    assert placed == ["new"]


# Whatever comes, changes and goes

KINDS = ["Pod", "Job", "ReplicaSet", "SparkApplication", "Workflow", "Thing", "DaemonSet"]
LABELS = st.sampled_from(
    [
        {},
        {"spark-role": "driver", "spark-app-selector": "s"},
        {"spark-role": "executor", "spark-app-selector": "s"},
        {"sparkoperator.k8s.io/app-name": "o3"},
    ]
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=2),
        LABELS,
        st.booleans(),
    ),
    max_size=20,
)


@given(kinds=st.lists(st.sampled_from(KINDS), min_size=8, max_size=8), steps=STEPS)
def test_places_kept_up_step_by_step_are_those_found_anew(kinds, steps):
    bare = [an_object(kind, f"o{number}") for number, kind in enumerate(kinds)]
    objects = {}
    world = World()
    for number, owners, labels, another_namespace in steps:
        # Who refers to what nobody knows from two namespaces is told apart by who came first.
        namespace = "other" if another_namespace and number == 7 and not owners else "lab"
        references = [
            reference(bare[owner], controller=controls and not place) for place, (owner, controls) in enumerate(owners)
        ]
        obj = an_object(kinds[number], f"o{number}", labels=labels, ownerReferences=references, namespace=namespace)
        objects[number] = obj
        world.objects[f"o{number}"] = obj
        if world.is_watched(obj):
            world.see(obj)
        elif world.state.belonging.is_asked_for(f"o{number}") and namespace == "lab":
            world.state.learn_owner(f"o{number}", read_meta(obj))
    world.read_owners()
    anew = World(*objects.values()).all_seen()
    assert world.workloads() == anew.workloads()
    assert world.state.ignored_pods() == anew.state.ignored_pods()
