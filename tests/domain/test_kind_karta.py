"""Karta objects, new and old: what of a description comes to signals, roles and roles of pods."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.observed import condition, latched, obj, observe, pod, template

from rollcall.domain.kinds.catalogue import built_in
from rollcall.domain.kinds.descriptions import Lesson, Refusal
from rollcall.domain.kinds.karta import is_karta, read_karta
from rollcall.domain.records import Category, Phase
from rollcall.domain.roles import find_roles

GROUP = "flow.example.com"


def description(root, *children, **spec):
    """A Karta of a root and its children."""
    structure = {"rootComponent": root, "childComponents": list(children)}
    return {
        "apiVersion": "run.ai/v1alpha1",
        "kind": "Karta",
        "metadata": {"name": "flow"},
        "spec": {"structureDefinition": structure, **spec},
    }


def kind(name):
    return {"group": GROUP, "version": "v1alpha1", "kind": name}


def by_condition(condition_type, status="True", **more):
    return {"byConditions": [{"type": condition_type, "status": status, **more}]}


def by_expression(expression, result="true"):
    return {"byExpression": {"expression": expression, "expectedResult": result}}


BATCH = description(
    {
        "name": "flow",
        "kind": kind("Flow"),
        "suspendDefinition": {
            "suspendActions": [{"path": ".spec.suspend", "value": "true"}],
            "resumeActions": [{"path": ".spec.suspend", "value": "false"}],
        },
        "statusDefinition": {
            "phaseDefinition": {"path": ".status.state"},
            "conditionsDefinition": {"path": ".status.conditions", "messageFieldName": "text"},
            "statusMappings": {
                "initializing": [by_condition("Created")],
                "running": [by_condition("Running")],
                "completed": [by_condition("Succeeded"), {"byPhase": "Ready", **by_condition("Loaded")}],
                "failed": [by_condition("Failed"), {"byPhase": "Broken"}],
                "suspended": [by_condition("Suspended")],
                "suspending": [
                    {
                        **by_condition("Suspended", "False"),
                        **by_expression(".spec.suspend == true and (.status.ready // 0) > 0"),
                    }
                ],
                "resuming": [{"byPhase": "Resuming"}],
                "degraded": [by_expression("(.status.lost // 0) | tostring", "1")],
            },
        },
    },
    {
        "name": "Master",
        "ownerRef": "flow",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "specDefinition": {"podTemplateSpecPath": ".spec.master.template"},
        "scaleDefinition": {"replicasPath": "1"},
        "podSelector": {
            "componentTypeSelector": {"keyPath": '.metadata.labels["flow.example.com/role"]', "value": "master"}
        },
    },
    {
        "name": "worker",
        "ownerRef": "flow",
        "specDefinition": {"podTemplateSpecPath": ".spec.groups[].template"},
        "scaleDefinition": {
            "replicasPath": ".spec.groups[].replicas",
            "maxReplicasPath": ".spec.groups[].most",
        },
        "instanceIdPath": ".spec.groups[].name",
        "podSelector": {
            "componentTypeSelector": {"keyPath": '.metadata.labels["flow.example.com/role"]', "value": "worker"},
            "componentInstanceSelector": {"idPath": '.metadata.labels["flow.example.com/group"]'},
        },
    },
    {"name": "grouping", "ownerRef": "flow", "scaleDefinition": {"replicasPath": ".spec.replicas // 1"}},
    optimizationInstructions={"gangScheduling": {"podGroups": []}},
)

SERVICE = description(
    {
        "name": "pool",
        "kind": kind("Pool"),
        "scaleDefinition": {"replicasPath": ".spec.replicas"},
        "specDefinition": {
            "fragmentedPodSpecDefinition": {
                "resourcesPath": "(.spec.agent.resources // .spec.template.spec.containers[0].resources)",
                "imagePath": ".spec.agent.image",
                "priorityClassNamePath": ".spec.priorityClassName",
                "nodeAffinityPath": ".spec.affinity.nodeAffinity",
            }
        },
        "statusDefinition": {
            "statusMappings": {
                "initializing": [by_expression("(.status.replicas // 0) > 0 and (.status.readyReplicas // 0) == 0")],
                "running": [by_expression("(.status.readyReplicas // 0) > 0")],
            }
        },
    }
)

OLD = {
    "apiVersion": "optimization.nvidia.com/v1alpha1",
    "kind": "ResourceInterface",
    "spec": {
        "structureDefinition": {
            "rootComponent": {
                "name": "crate",
                "kind": kind("Crate"),
                "specDefinition": {"podSpecPath": ".spec.pod"},
                "podSelector": {"keyPath": ".metadata.labels.role", "value": "crate"},
            }
        }
    },
}


def learnt(body):
    lesson = read_karta(body, "Karta flow")
    assert isinstance(lesson, Lesson), lesson
    return lesson


CATALOGUE = built_in().with_entries(learnt(body).entry for body in (BATCH, SERVICE, OLD))
SPEC = {
    "master": {"template": template(gpus=0)},
    "groups": [
        {"name": "Big", "replicas": 2, "most": 4, "template": template(gpus=8)},
        {"name": "small", "replicas": 1, "most": 2, "template": template(gpus=1)},
    ],
}


def flow(status=None, **more):
    spec = more.pop("spec", SPEC)
    return obj("Flow", spec, status, api_version=f"{GROUP}/v1alpha1", **more)


def pool(status=None, **more):
    spec = {"replicas": 2, "agent": {"image": "agent:1", "resources": {"limits": {"nvidia.com/gpu": "2"}}}}
    return obj("Pool", spec | more, status, api_version=f"{GROUP}/v1alpha1")


def true(*words, **more):
    return {"conditions": [condition(word) for word in words], **more}


CRATE = obj("Crate", {}, {"phase": "Running"}, api_version=f"{GROUP}/v1")
FOUR = ("ready",) * 4
SUSPENDED = {**SPEC, "suspend": True}

CASES = [
    ("no status", Phase.CREATING, flow(), (), False),
    ("created", Phase.INITIALIZING, flow(true("Created")), (), False),
    ("created stays while it runs", Phase.RUNNING, flow(true("Created", "Running")), FOUR, False),
    ("running, alone", Phase.RUNNING, flow(true("Created", "Running")), (), False),
    ("running, one of four is missing", Phase.PENDING, flow(true("Running")), FOUR[:3], False),
    ("running, lost one", Phase.DEGRADED, flow(true("Running")), FOUR[:3], True),
    ("no longer running", Phase.DEGRADED, flow({"conditions": [condition("Running", "False")]}), FOUR, True),
    ("degraded by an expression", Phase.DEGRADED, flow(true("Running", lost=1)), FOUR, False),
    ("not degraded", Phase.RUNNING, flow(true("Running", lost=2)), FOUR, False),
    ("succeeded", Phase.COMPLETED, flow(true("Created", "Succeeded")), (), False),
    ("a phase and a condition", Phase.COMPLETED, flow(true("Loaded", state="Ready")), (), False),
    ("the phase alone is not enough", Phase.UNKNOWN, flow({"state": "Ready"}), (), False),
    ("failed", Phase.FAILED, flow(true("Running", "Failed")), FOUR, False),
    ("broken", Phase.FAILED, flow({"state": "Broken"}), (), False),
    ("suspended", Phase.STOPPED, flow(true("Suspended"), spec=SUSPENDED), (), False),
    ("suspended by the spec alone", Phase.STOPPED, flow(true("Running"), spec=SUSPENDED), (), False),
    ("suspended, pods live", Phase.STOPPING, flow(true("Running"), spec=SUSPENDED), ("ready",), False),
    (
        "suspending",
        Phase.STOPPING,
        flow({"conditions": [condition("Suspended", "False")], "ready": 2}, spec=SUSPENDED),
        (),
        False,
    ),
    ("resuming", Phase.RESUMING, flow(true("Suspended", state="Resuming")), (), False),
    ("deleting", Phase.DELETING, flow(true("Running"), deleting=True), FOUR, False),
    ("nothing matches", Phase.UNKNOWN, flow({"state": "Odd"}), (), False),
    ("nothing matches, pods decide", Phase.RUNNING, flow({"state": "Odd"}), FOUR, False),
    ("a pool that starts", Phase.INITIALIZING, pool({"replicas": 2}), (), False),
    ("a pool that runs", Phase.RUNNING, pool({"replicas": 2, "readyReplicas": 2}), (), False),
    ("a pool, pods decide", Phase.PENDING, pool({"replicas": 2, "readyReplicas": 1}), ("ready",), False),
    ("an old one, by convention", Phase.RUNNING, CRATE, (), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "top", "states", "ran"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_described_kind(wanted, top, states, ran):
    pods = [pod(f"w-{number}", state) for number, state in enumerate(states)]
    record = observe(top, *pods, remembered=latched() if ran else None, catalogue=CATALOGUE).workload
    assert record.phase is wanted, record.phase_message


def test_what_else_a_record_has_of_a_description():
    record = observe(flow(true("Running", state="On")), catalogue=CATALOGUE).workload
    assert (record.type, record.category, record.k8s_phase) == ("Flow", Category.TRAIN, "On")
    assert record.requested_pods is not None
    assert (record.requested_pods.number, record.requested_pods.max) == (4, 6)
    assert record.workload_requested is not None
    assert record.workload_requested.requests.gpu_micros == 17_000_000
    service = observe(pool({"readyReplicas": 2}, priorityClassName="urgent"), catalogue=CATALOGUE).workload
    assert (service.category, service.priority_class_name, service.images) == (Category.DEPLOY, "urgent", ("agent:1",))
    assert service.workload_requested is not None
    assert service.workload_requested.requests.gpu_micros == 4_000_000


def test_the_reason_of_a_failure_is_in_its_own_field():
    failed = {"type": "Failed", "status": "True", "reason": "Oops", "text": "it fell over"}
    record = observe(flow({"conditions": [failed]}), catalogue=CATALOGUE).workload
    assert record.phase_message == "Oops: it fell over"


def test_a_pod_tells_its_component_and_its_instance():
    entry = learnt(BATCH).entry
    roles = find_roles(entry, flow())
    assert [(role.name, role.replicas) for role in roles] == [("master", 1), ("big", 2), ("small", 1)]
    assert entry.role_of is not None
    role_of = [
        entry.role_of(pod(labels={"flow.example.com/role": role, "flow.example.com/group": group}), roles)
        for role, group in (("master", ""), ("worker", "Big"), ("worker", ""), ("other", ""))
    ]
    assert role_of == ["master", "big", "worker", None]
    by_instance = copy.deepcopy(BATCH)
    del by_instance["spec"]["structureDefinition"]["childComponents"][1]["podSelector"]["componentTypeSelector"]
    told = learnt(by_instance).entry.role_of
    assert told is not None
    assert told(pod(labels={"flow.example.com/group": "Big"}), roles) == "big"
    assert told(pod(), roles) is None
    old = learnt(OLD).entry
    assert old.role_of is not None
    assert old.role_of(pod(labels={"role": "crate"}), ()) == "crate"


def test_the_least_of_an_elastic_component_is_enough():
    elastic = copy.deepcopy(BATCH)
    elastic["spec"]["structureDefinition"]["childComponents"][1]["scaleDefinition"]["minReplicasPath"] = "1"
    catalogue = built_in().with_entries([learnt(elastic).entry])
    pods = [pod(f"w-{number}") for number in range(2)]
    assert observe(flow(true("Running")), *pods, catalogue=catalogue).workload.phase is Phase.RUNNING


@pytest.mark.parametrize(
    ("expression", "note"),
    [(". as $x | $x", "left out"), (7, "is no text"), ("(((", "left out"), ("{a: 1}", "left out")],
)
def test_an_expression_that_is_not_read_leaves_out_its_rule_alone(expression, note):
    body = copy.deepcopy(BATCH)
    mappings = body["spec"]["structureDefinition"]["rootComponent"]["statusDefinition"]["statusMappings"]
    mappings["degraded"] = [by_expression(expression)]
    body["spec"]["structureDefinition"]["childComponents"][0]["scaleDefinition"]["replicasPath"] = expression
    lesson = learnt(body)
    assert any(note in one for one in lesson.notes)
    catalogue = built_in().with_entries([lesson.entry])
    assert observe(flow(true("Running")), catalogue=catalogue).workload.phase is Phase.RUNNING


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "names no kind"),
        ({"spec": None}, "names no kind"),
        (description({"name": "x"}), "names no kind"),
        (description({"name": "x", "kind": {"group": "", "kind": "Pod"}}), "names no kind"),
        (description({"name": "x", "kind": {"group": "apps", "kind": "DaemonSet"}}), "only custom resources"),
        (description({"name": "x", "kind": {"group": "a.b", "kind": "x y"}}), "no name of a kind"),
    ],
)
def test_what_describes_no_kind_is_refused(body, why):
    found = read_karta(body, "Karta x")
    assert isinstance(found, Refusal)
    assert why in found.why


def test_which_objects_are_descriptions():
    assert is_karta(BATCH)
    assert is_karta(OLD)
    assert not is_karta({"apiVersion": "v1", "kind": "Karta"})
    assert not is_karta({"apiVersion": 1, "kind": "Karta"})


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([".spec", ".[]?"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def bodies(draw):
    """A description with junk in some places of it."""
    found = copy.deepcopy(draw(st.sampled_from([BATCH, SERVICE, OLD])))
    for _ in range(draw(st.integers(1, 4))):
        inner = found["spec"]["structureDefinition"]
        while isinstance(inner, dict | list) and inner:
            place = draw(st.sampled_from(list(inner) if isinstance(inner, dict) else list(range(len(inner)))))
            if place != "kind" and (not isinstance(inner[place], dict | list) or draw(st.integers(0, 5)) == 0):
                inner[place] = draw(JUNK)
                break
            inner = inner[place]
    return found


@settings(max_examples=300)
@given(bodies(), JUNK, JUNK)
def test_any_description_is_read_or_refused_and_what_it_tells_is_total(body, spec, status):
    lesson = read_karta(body, "Karta x")
    if isinstance(lesson, Refusal):
        assert lesson.why
        return
    catalogue = built_in().with_entries([lesson.entry])
    key = lesson.entry.key
    for one_spec in (SPEC, {"groups": spec, "master": spec, "agent": spec, "suspend": spec, "pod": spec}):
        one = obj(key.kind, one_spec, {"conditions": status, "state": spec}, api_version=f"{key.group}/v1")
        assert observe(one, catalogue=catalogue).workload.phase in Phase
        assert observe(one, pod(labels={"role": "crate"}), catalogue=catalogue).workload.phase in Phase
