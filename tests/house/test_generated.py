"""Generated pages and manifests are those that the code would write, and hold what they are for."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from rollcall.domain.kinds.catalogue import all_entries, watched_entries
from rollcall_operator.running import watched_kinds

ROOT = Path(__file__).resolve().parents[2]


def _generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


GENERATE = _generator()
ENTRIES = [entry for entry in all_entries() if not entry.ignored]


@pytest.fixture(scope="module")
def cluster_roles() -> dict[str, Any]:
    """The ClusterRoles of the operator's manifest, by name."""
    documents = yaml.safe_load_all((ROOT / "deploy/manifests/operator-rights.yaml").read_text())
    return {found["metadata"]["name"]: found for found in documents if found["kind"] == "ClusterRole"}


@pytest.fixture(scope="module")
def rights(cluster_roles: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """Verbs by group and plural."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in cluster_roles["rollcall-operator-catalogue"]["rules"]:
        for plural in rule["resources"]:
            (group,) = rule["apiGroups"]
            found.setdefault((group, plural), set()).update(rule["verbs"])
    return found


@pytest.mark.parametrize("path", GENERATE.FILES, ids=lambda path: path.name)
def test_the_committed_file_is_the_generated_one(path: Path) -> None:
    """Run `make docs` where this fails."""
    assert path.read_text() == GENERATE.FILES[path]()


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
    for kind in watched_kinds():
        assert rights[kind.key.group, kind.plural] == {"get", "list", "watch"}, kind.key


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
