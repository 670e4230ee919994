"""Write the generated pages; a test fails when one differs from what the code says.

Run by ``make docs``. Each is a function from nothing to text, so that the test needs no files.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rollcall.domain.kinds.catalogue import all_entries
from rollcall.domain.kinds.entry import KindEntry, Role, Words
from rollcall.settings import PREFIX, DatabaseSettings, Settings
from rollcall.store.engine import create_engine
from rollcall_api.app import create_app
from rollcall_api.records import Records
from rollcall_api.rights import NobodyAsked

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"


def _leaves(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """The settings of a section, those of its parts among them."""
    for name, inner in model.model_fields.items():
        if isinstance(inner.annotation, type) and issubclass(inner.annotation, BaseModel):
            yield from _leaves(inner.annotation, f"{path}{name}__")
        else:
            yield path + name, inner


def settings_page() -> str:
    """Every setting, its default and what it does."""
    lines = [
        "# Settings",
        "",
        "<!-- Written by `make docs`; do not edit. -->",
        "",
        "Both processes read environment variables. A wrong value, or a `ROLLCALL_` name that is no setting, ends the",
        "process at start with one sentence and exit code 2. Lists are comma-separated. `rollcall settings` prints",
        "this list in the terminal.",
    ]
    for section, section_field in Settings.model_fields.items():
        model = section_field.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        lines += ["", f"## {section}", "", (model.__doc__ or "").strip(), "", "| variable | default | what it does |"]
        lines.append("| --- | --- | --- |")
        for name, inner in _leaves(model):
            default = inner.default
            if default is None or default is PydanticUndefined:
                shown = "none"
            elif isinstance(default, tuple):
                shown = f"`{','.join(default)}`"
            elif hasattr(default, "get_secret_value"):
                shown = f"`{default.get_secret_value()}`"
            else:
                shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
            lines.append(f"| `{PREFIX}{section.upper()}__{name.upper()}` | {shown} | {inner.description} |")
    return "\n".join(lines) + "\n"


def openapi_page() -> str:
    """The OpenAPI document, as ``/openapi.json`` serves it."""
    # Nothing is connected to: the document follows from the routes alone.
    records = Records(create_engine(DatabaseSettings(), application_name="docs"), tenant_id=1)
    document = create_app(Settings.model_construct(), records, NobodyAsked()).openapi()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


_NOTHING = "\N{EN DASH}"

_KINDS_HEAD = """\
# Kinds

<!-- Written by `make docs` from `core/rollcall/domain/kinds/`; do not edit. -->

Rollcall knows {number} kinds by name. A kind is watched where the cluster serves it, in whichever version it does; one
that is installed later is noticed. A kind that the operator may not list is named once in its log and known by its
pods alone. Every other kind is [read by convention](how-the-view-is-derived.md), and more can be
[taught](how-to/teach-a-kind.md) without code.

**How GPUs are counted** is the same for every kind. What a workload *asks for* is one pod of each role as its template
asks, times the number below; what it *holds* is the sum over its pods that are bound to a node, until they are gone or
over. What counts as a GPU, and how much of one: [accounting](how-the-view-is-derived.md#accounting).

| Kind | Group | Versions | Category | Type | Framework | Pods it asks for |
| --- | --- | --- | --- | --- | --- | --- |"""

_PHASES_HEAD = """
## What the phases mean

The phases are made by one ladder for all kinds. Creating, Pending, Initializing, Updating, Degraded, Stopping and
Deleting mean the same everywhere; when a workload is Running, Failed or Stopped is for its kind to say. *Latched*: once
it has failed or is done, it stays so, whatever its pods do. *Recovers*: its failure is left with the next good status.
What a kind of this page owns is no workload of its own: a Job that a CronJob made is part of the CronJob.

| Kind | Running when | Failed when | Stopped by | An end | Notes |
| --- | --- | --- | --- | --- | --- |"""

_IGNORED_HEAD = """
## Never a workload

Neither these kinds nor their pods are on a record; what their pods hold is in the sum of what ignored pods hold."""


def kinds_page() -> str:
    """Every kind of the catalogue, and what its phases mean."""
    entries = [entry for entry in all_entries() if not entry.ignored]
    lines = [_KINDS_HEAD.format(number=len(entries))]
    for entry in entries:
        cells = (
            entry.key.kind,
            entry.key.group or "core",
            ", ".join(entry.versions),
            _or_by_object(str(entry.category), asks=entry.categorise is not None),
            _or_by_object(entry.workload_type, asks=entry.name_type is not None),
            _or_by_object(entry.distributed_framework or _NOTHING, asks=entry.framework is not None),
            _asked_pods(entry),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(_PHASES_HEAD)
    alike: dict[tuple[str, Words, bool], list[str]] = {}
    for entry in entries:
        name = f"{entry.key.kind} ({entry.key.group})" if _is_ambiguous(entry, entries) else entry.key.kind
        alike.setdefault((entry.key.group, _words(entry), entry.recovers), []).append(name)
    for (_, words, recovers), names in alike.items():
        cells = (", ".join(names), words.runs, words.fails, words.stops)
        end = "recovers" if recovers else "latched"
        lines.append(f"| {' | '.join(cells)} | {end} | {words.notes or _NOTHING} |")
    lines += [_IGNORED_HEAD, ""]
    lines += [f"- {entry.key.kind} ({entry.key.group})" for entry in all_entries() if entry.ignored]
    return "\n".join(lines) + "\n"


def _words(entry: KindEntry) -> Words:
    if entry.words is None:
        raise ValueError(f"{entry.key.kind} of group {entry.key.group!r} has no words for the page of kinds")
    return entry.words


def _is_ambiguous(entry: KindEntry, entries: list[KindEntry]) -> bool:
    return sum(entry.key.kind == other.key.kind for other in entries) > 1


def _or_by_object(text: str, *, asks: bool) -> str:
    return text if not asks else "by the object" if text == _NOTHING else f"{text}, or by the object"


def _asked_pods(entry: KindEntry) -> str:
    return _words(entry).asks or "; ".join(map(_asked_by_role, entry.roles)) or "what its pods are"


def _asked_by_role(role: Role) -> str:
    if role.each is not None:
        return f"`{role.each}[].{role.replicas}` ({role.default_replicas})"
    if role.replicas is None:
        return f"{role.default_replicas} {role.name}".strip()
    return f"`{role.replicas}` ({role.default_replicas})"


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings_page, "openapi.json": openapi_page}
"""By the name in ``docs/reference``."""

FILES: dict[Path, Callable[[], str]] = {
    **{REFERENCE / name: page for name, page in PAGES.items()},
    DOCS / "kinds.md": kinds_page,
}
"""Everything that is written."""


def main() -> None:
    """Write every file."""
    for path, text in FILES.items():
        path.write_text(text())


if __name__ == "__main__":
    main()
