"""Generated pages and manifests are those that the code would write, and hold what they are for."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from rollcall.domain.kinds.catalogue import all_entries, watched_entries
from rollcall_operator.surroundings import NAMESPACE
from rollcall_operator.watched import watched_kinds

ROOT = Path(__file__).resolve().parents[2]


def _generator(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


FILES = {
    path: text
    for name in ("generate", "generate_rights", "generate_rights_page")
    for path, text in _generator(name).FILES.items()
}
ENTRIES = [entry for entry in all_entries() if not entry.ignored]


def _documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((ROOT / "deploy/manifests" / name).read_text()))


def _verbs(role: Any) -> dict[tuple[str, str], set[str]]:
    """Verbs by group and plural."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        for plural in rule["resources"]:
            (group,) = rule["apiGroups"]
            found.setdefault((group, plural), set()).update(rule["verbs"])
    return found


@pytest.fixture(scope="module")
def cluster_roles() -> dict[str, Any]:
    """The ClusterRoles of the operator's manifest, by name."""
    documents = _documents("operator-rights.yaml")
    return {found["metadata"]["name"]: found for found in documents if found["kind"] == "ClusterRole"}


@pytest.fixture(scope="module")
def rights(cluster_roles: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """What the operator may do cluster-wide."""
    return _verbs(cluster_roles["rollcall-operator-catalogue"])


@pytest.fixture(scope="module")
def namespace_rights() -> dict[tuple[str, str], set[str]]:
    """What the operator may do in a named namespace."""
    (role,) = [found for found in _documents("operator-namespace-rights.yaml") if found["kind"] == "Role"]
    return _verbs(role)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_committed_file_is_the_generated_one(path: Path) -> None:
    """Run `make docs` where this fails."""
    assert path.read_text() == FILES[path]()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.key.kind}.{entry.key.group}")
def test_every_kind_has_words(entry: Any) -> None:
    assert entry.words is not None
    for name in ("runs", "fails", "stops", "asks", "notes"):
        said = getattr(entry.words, name)
        assert "|" not in said, "it would end a cell of the table"
        assert not said.endswith(".")


def test_the_page_names_every_kind_its_group_and_its_versions() -> None:
    page = (ROOT / "docs/kinds.md").read_text()
    for entry in ENTRIES:
        assert f"| {entry.key.kind} | {entry.key.group or 'core'} | {', '.join(entry.versions)} |" in page
    assert f"knows {len(ENTRIES)} kinds" in page


def test_what_is_watched_may_be_watched(rights: dict[tuple[str, str], set[str]]) -> None:
    assert {entry.key for entry in watched_entries()} <= {kind.key for kind in watched_kinds()}
    owners = {NAMESPACE, *(entry.key for entry in all_entries())}
    for kind in watched_kinds():
        looked_up = {"get"} if kind.key in owners else set()
        assert rights[kind.key.group, kind.plural] == {"list", "watch"} | looked_up, kind.key


def test_what_stands_between_is_looked_up_and_no_more(rights: dict[tuple[str, str], set[str]]) -> None:
    for entry in all_entries():
        for between in entry.between:
            assert rights[between.key.group, between.plural] == {"get"}, between.key


def test_the_rights_are_reading_alone_and_name_no_wildcard(rights: dict[tuple[str, str], set[str]]) -> None:
    assert {verb for verbs in rights.values() for verb in verbs} == {"get", "list", "watch"}
    for group, plural in rights:
        assert "*" not in group + plural
    assert not {"secrets", "configmaps"} & {plural for _, plural in rights}


def test_the_role_that_is_bound_gathers_the_others(cluster_roles: dict[str, Any]) -> None:
    """An admin adds rights with a ClusterRole of their own, not by editing ours."""
    (selector,) = cluster_roles["rollcall-operator"]["aggregationRule"]["clusterRoleSelectors"]
    assert selector["matchLabels"].items() <= cluster_roles["rollcall-operator-catalogue"]["metadata"]["labels"].items()
    # Without rules of its own: to apply the manifest again takes nothing away for a moment.
    assert "rules" not in cluster_roles["rollcall-operator"]


def test_a_named_namespace_needs_the_same_but_for_what_lies_in_none(
    rights: dict[tuple[str, str], set[str]], namespace_rights: dict[tuple[str, str], set[str]]
) -> None:
    lies_in_none = {
        ("", "nodes"),
        ("scheduling.k8s.io", "priorityclasses"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("run.ai", "kartas"),
        ("optimization.nvidia.com", "resourceinterfaces"),
    }
    assert lies_in_none <= rights.keys()
    assert namespace_rights == {
        **{place: verbs for place, verbs in rights.items() if place not in lies_in_none},
        ("", "namespaces"): {"get"},
    }


def test_nothing_cluster_wide_is_given_for_named_namespaces() -> None:
    documents = [*_documents("operator-own-rights.yaml"), *_documents("operator-namespace-rights.yaml")]
    assert {found["kind"] for found in documents} == {"ServiceAccount", "Role", "RoleBinding"}
    whole = _documents("operator-rights.yaml")
    assert all(found in whole for found in _documents("operator-own-rights.yaml")), "it is a part of the whole"
    # Without a namespace, so that `kubectl apply -n` puts them where they are to be.
    assert all("namespace" not in found["metadata"] for found in _documents("operator-namespace-rights.yaml"))
