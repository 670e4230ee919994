"""Environment variables: none is kept unless the setting asks for it, and then literal values alone."""

import pytest
from support.observed import NOW, template

from rollcall.domain.derivation import derive
from rollcall.domain.environment import MOST_VARIABLES
from rollcall.domain.facts import DomainSettings, WorkloadView
from rollcall.domain.reading import read_object, read_pod
from rollcall.domain.records import Remembered

SECRET = "hunter2"
OFF, ON = DomainSettings(), DomainSettings(environment_values=True)
LITERAL = {"name": "TOKEN", "value": SECRET}
VARIABLES = [
    LITERAL,
    {"name": "EMPTY", "value": ""},
    {"name": "UNSET"},
    {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    {"name": "BOTH", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    {"name": 5, "value": "x"},
    {"value": "x"},
    "PLAIN=x",
    None,
]


def with_variables(env, kind="Job", api_version="batch/v1"):
    spec = template()
    spec["spec"]["containers"][0]["env"] = env
    spec["spec"]["containers"].append({"name": "sidecar", "image": "x", "env": [{"name": "OTHER", "value": "y"}]})
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"uid": "u", "name": "w", "namespace": "n"},
        "spec": {"template": spec},
    }


def a_pod(env):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"uid": "p", "name": "p", "namespace": "n"},
        "spec": {"containers": [{"name": "main", "image": "x", "env": env}, {"name": "b", "image": "y"}]},
        "status": {"phase": "Running"},
    }


def environment_of(settings, top=None, *pods):
    facts = read_object(top, settings) if top else None
    read = tuple(read_pod(one, settings) for one in pods)
    view = WorkloadView(top=facts, top_is_pod=facts is None, pods=read)
    return derive(view, now=NOW, remembered=Remembered(), remembered_pods={}, settings=settings).workload.environment


@pytest.mark.parametrize("given", [(with_variables(VARIABLES),), (None, a_pod(VARIABLES))], ids=["template", "pod"])
def test_literal_values_of_the_main_container_are_shown_where_the_setting_asks_for_them(given):
    assert environment_of(ON, *given) == (("TOKEN", SECRET), ("EMPTY", ""))
    assert environment_of(OFF, *given) == ()


def test_without_a_template_the_pods_tell():
    unknown = {**with_variables([]), "apiVersion": "example.com/v1", "kind": "Whatever", "spec": {}}
    assert environment_of(ON, unknown, a_pod([LITERAL])) == (("TOKEN", SECRET),)


def test_the_last_of_a_name_is_what_the_container_sees():
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    assert environment_of(ON, with_variables(twice)) == (("A", "2"),)
    hidden = [{"name": "A", "value": "1"}, {"name": "A", "valueFrom": {"fieldRef": {}}}]
    assert environment_of(ON, with_variables(hidden)) == ()


def test_there_is_a_bound_to_them():
    many = [{"name": f"V{number}", "value": "x" * 5000} for number in range(1000)]
    found = environment_of(ON, with_variables(many))
    assert len(found) == MOST_VARIABLES
    assert max(len(value) for _, value in found) <= 1024


FORMS = [
    {"template": {"spec": {"containers": [{"env": [LITERAL]}]}}},
    {"driver": {"envVars": {"TOKEN": SECRET}, "env": [LITERAL]}},
    {"services": {"worker": {"envs": [LITERAL]}}},
    {"environment": {"items": {"TOKEN": {"value": SECRET}}}},
    {"job": {"options": {"envs": {"TOKEN": SECRET}}}},
    {"environmentVariables": [{"name": "TOKEN", "value": SECRET}]},
    {"rayClusterSpec": {}, "runtimeEnvYAML": f"env_vars:\n  TOKEN: {SECRET}"},
    {"runtimeEnv": SECRET},
    {"containers": [{"envFrom": [{"prefix": SECRET, "secretRef": {"name": "x"}}]}]},
]


@pytest.mark.parametrize("spec", FORMS)
def test_no_form_of_them_is_held_in_memory_while_the_setting_is_off(spec):
    body = {"metadata": {"uid": "u", "name": "w"}, "spec": spec, "status": {"storedTemplates": {"a": spec}}}
    assert SECRET not in repr(read_object(body, OFF))
    assert SECRET not in repr(read_object(body))
    assert SECRET not in repr(read_pod({**body, "spec": {"containers": [spec, {"name": "x", "env": [LITERAL]}]}}))


def test_a_mapping_of_variables_keeps_its_texts_where_asked_and_what_pods_are_counted_by_always():
    body = {"metadata": {"uid": "u"}, "spec": {"envs": {"A": "x", "B": 5, "AZUREML_NODE_COUNT": "2"}, "env": "prod"}}
    on, off = read_object(body, ON), read_object(body, OFF)
    assert on is not None
    assert off is not None
    assert on.spec == {"envs": {"A": "x", "B": None, "AZUREML_NODE_COUNT": "2"}, "env": "prod"}
    assert off.spec == {"envs": {"A": None, "B": None, "AZUREML_NODE_COUNT": "2"}, "env": "prod"}
