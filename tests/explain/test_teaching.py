"""Kinds taught by files, ConfigMaps and Kartas: which count, which are refused, and `rollcall explain --kinds`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.cli import main
from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.told import Word
from rollcall.teaching import Teaching, learn, learn_from_files, nothing_taught

RUN = """
group: train.example.com
kind: TrainingRun
category: Train
roles: [{template: spec.template, replicas: spec.workers}]
status:
  word: status.jobState
  ready: [Running]
  completed: [Done]
"""
OTHER = "{group: serve.example.com, kind: Endpoint, category: Deploy}"
BAD = "{group: bad.example.com, kind: Bad, catgory: Train}"
OBJECT = """
apiVersion: train.example.com/v1
kind: TrainingRun
metadata: {name: night, namespace: runai-team-a, uid: 0d0d7a2e-64a5-4c41-8f6e-5e1c94c4b601}
spec:
  workers: 2
  template: {spec: {containers: [{name: main, image: "trainer:1", resources: {limits: {nvidia.com/gpu: "4"}}}]}}
status: {jobState: Running}
"""


def config_map(name: str = "kinds", *, labels: Any = None, **data: str) -> dict[str, Any]:
    labels = {"rollcall.dev/kinds": "true"} if labels is None else labels
    metadata = {"name": name, "namespace": "rollcall", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def karta(group: str = "train.example.com", kind: str = "TrainingRun", name: str = "run") -> dict[str, Any]:
    root = {"name": "run", "kind": {"group": group, "version": "v1", "kind": kind}}
    return {
        "apiVersion": "run.ai/v1alpha1",
        "kind": "Karta",
        "metadata": {"name": name},
        "spec": {"structureDefinition": {"rootComponent": root}},
    }


def kinds_of(teaching: Teaching) -> list[str]:
    return sorted(lesson.entry.key.kind for lesson in teaching.lessons)


def test_nothing_taught_is_what_is_built_in() -> None:
    assert learn([]).catalogue.all_entries() == nothing_taught().catalogue.all_entries()
    assert learn([]).fingerprint == nothing_taught().fingerprint


@pytest.mark.parametrize(
    "text",
    [
        f"{RUN}---\n{OTHER}",
        f"kinds:\n- {OTHER}\n- {json.dumps(yaml.safe_load(RUN))}",
        json.dumps([yaml.safe_load(RUN), yaml.safe_load(OTHER)]),
        json.dumps({"kinds": [yaml.safe_load(RUN), yaml.safe_load(OTHER)]}),
    ],
    ids=["documents", "a list of kinds", "a list", "JSON"],
)
def test_a_config_map_in_every_form(text: str) -> None:
    teaching = learn([config_map(a=text)])
    assert kinds_of(teaching) == ["Endpoint", "TrainingRun"]
    assert teaching.refusals == ()
    assert teaching.catalogue.is_catalogued(KindKey(group="serve.example.com", kind="Endpoint"))
    assert teaching.fingerprint == learn([config_map("other", a=RUN, b=OTHER)]).fingerprint


def test_a_bad_description_breaks_only_itself() -> None:
    teaching = learn([config_map(a=RUN, b=BAD, c="{", d="", e=OTHER, f="just words")])
    assert kinds_of(teaching) == ["Endpoint", "TrainingRun"]
    assert {refusal.source.rpartition(", ")[2] for refusal in teaching.refusals} == {"key b", "key c", "key d", "key f"}
    assert all(refusal.source.startswith("ConfigMap rollcall/kinds") for refusal in teaching.refusals)
    assert "'catgory'" in teaching.refusals[0].why
    assert teaching.fingerprint == learn([config_map(a=RUN, e=OTHER)]).fingerprint, "what is refused teaches nothing"


def test_the_first_of_two_counts_and_any_before_a_karta() -> None:
    teaching = learn([karta(), karta(name="again"), config_map(a=RUN), config_map("more", a=RUN)])
    (lesson,) = teaching.lessons
    assert lesson.source == "ConfigMap rollcall/kinds, key a"
    assert [refusal.source for refusal in teaching.refusals] == ["ConfigMap rollcall/more, key a"]
    assert "taught by ConfigMap rollcall/kinds, key a already" in teaching.refusals[0].why
    assert teaching.passed_over == ("Karta run", "Karta again")


def test_what_is_built_in_is_not_taught_anew() -> None:
    teaching = learn([karta("ray.io", "RayJob"), config_map(a="{group: ray.io, kind: RayJob}")])
    assert teaching.lessons == ()
    assert teaching.passed_over == ("Karta run",)
    assert "is built in" in teaching.refusals[0].why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (config_map(labels={}, a=RUN), "no label rollcall.dev/kinds"),
        (config_map(labels=["x"], a=RUN), "no label rollcall.dev/kinds"),
        (config_map(a="x: &x [1]\ny: *x"), "aliases are not read"),
        (config_map(a="[" * 5000), "neither YAML nor JSON"),
        (config_map(a="#" * 600_000), "longer than"),
        (config_map(a=1), "no text"),  # type: ignore[arg-type]
        ({"apiVersion": "v1", "kind": "Pod"}, "names no group"),
        (7, "neither a description"),
    ],
)
def test_refusals(body: Any, why: str) -> None:
    (refusal,) = learn([body]).refusals
    assert why in refusal.why


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["explain", *words])
    out = capsys.readouterr()
    return code, out.out, out.err


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("form", ["a description", "a ConfigMap", "a list of objects"])
def test_explain_knows_the_kinds_it_is_given(capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
    bodies = {
        "a description": RUN,
        "a ConfigMap": yaml.safe_dump(config_map(a=RUN)),
        "a list of objects": json.dumps({"apiVersion": "v1", "kind": "List", "items": [config_map(a=RUN), karta()]}),
    }
    kinds, objects = write(tmp_path, "kinds.yaml", bodies[form]), write(tmp_path, "run.yaml", OBJECT)
    code, out, _ = explain(capsys, "-o", "json", objects)
    assert (code, json.loads(out)["workloads"][0]["phase"]) == (0, "Unknown")
    code, out, _ = explain(capsys, "-o", "json", "--kinds", kinds, objects)
    (record,) = json.loads(out)["workloads"]
    assert code == 0
    assert (record["phase"], record["k8sPhase"], record["requestedPods"]["number"]) == ("Running", "Running", 2)


def test_explain_checks_descriptions_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good = write(tmp_path, "good.yaml", RUN)
    code, out, err = explain(capsys, "--kinds", good)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["GROUP", "KIND", "TYPE", "CATEGORY", "WHERE"]
    assert out.splitlines()[1].split() == ["train.example.com", "TrainingRun", "TrainingRun", "Train", good]
    bad = write(tmp_path, "bad.yaml", BAD)
    code, out, err = explain(capsys, "--kinds", good, "--kinds", bad, "--kinds", str(tmp_path / "none.yaml"))
    assert code == 1
    assert "TrainingRun" in out
    assert f"{bad} teaches nothing: the description has a field that is not known: 'catgory'." in err
    assert "No such file" in err


def test_explain_with_a_bad_description_still_explains(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = explain(
        capsys, "--kinds", write(tmp_path, "k", f"{BAD}\n---\n{RUN}"), write(tmp_path, "o", OBJECT)
    )
    assert code == 0
    assert "Running" in out
    assert "teaches nothing" in err


def test_explain_tells_of_notes_and_of_what_is_passed_over(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    odd = karta("odd.example.com", "Odd", "odd")
    odd["spec"]["structureDefinition"]["rootComponent"]["specDefinition"] = {"podTemplateSpecPath": "$x"}
    text = yaml.safe_dump_all([odd, karta("ray.io", "RayJob")])
    code, out, err = explain(capsys, "--kinds", write(tmp_path, "k", text))
    assert code == 0
    assert "Odd" in out
    assert "Karta odd: podTemplateSpecPath of component run is left out" in err
    assert "Karta run is passed over" in err


def test_no_file_at_all_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["explain"])
    assert ended.value.code == 2
    assert "no FILE" in capsys.readouterr().err


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kinds", "kind", "apiVersion", "metadata", "labels", "data", "items", "spec", "group"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(st.lists(JUNK, max_size=3), st.text(max_size=60))
def test_anything_is_read_or_refused(bodies: list[Any], text: str) -> None:
    teaching = learn([*bodies, config_map(a=text, b=RUN), {"apiVersion": "v1", "kind": "ConfigMap", "data": bodies}])
    assert kinds_of(teaching) == ["TrainingRun"]
    assert all(refusal.why and refusal.source for refusal in teaching.refusals)


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "teach-a-kind.md").read_text()


ROWS = re.findall(r"^\| (`.*?`) \|", PAGE.split("## The description")[1].split("## Karta")[0], re.MULTILINE)
FIELDS, WORDS = (
    {name for cells in rows for name in re.findall(r"`(\w+)`", cells)}
    for rows in (ROWS[: ROWS.index("`status`") + 1], ROWS[ROWS.index("`status`") + 1 :])
)


def test_the_page_teaches_what_it_says() -> None:
    blocks = re.findall(r"^   ```yaml\n(.*?)^   ```", PAGE, re.MULTILINE | re.DOTALL)
    described, right = (yaml.safe_load(text) for text in blocks)
    (lesson,) = learn([described]).lessons
    entry = lesson.entry
    assert [role.name for role in entry.roles] == ["leader", "worker"]
    assert right["rules"][0]["apiGroups"] == [entry.key.group]
    assert set(Word) == WORDS


@pytest.mark.parametrize("field", sorted(FIELDS - {"group", "kind"}))
def test_the_fields_of_the_page_are_known(field: str) -> None:
    (refusal,) = learn([{"group": "a.example.com", "kind": "Thing", field: ["\n"]}]).refusals
    assert "not known" not in refusal.why
    assert field in refusal.why


def test_a_file_of_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(256)))
    (refusal,) = learn_from_files([str(path)]).refusals
    assert "neither YAML nor JSON" in refusal.why
