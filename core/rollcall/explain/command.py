"""The command ``rollcall explain``: arguments, derivation, and the three ways to print."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rollcall.contract import Setting, detailed_workload_json
from rollcall.domain.derivation import Derivation, derive
from rollcall.domain.facts import DomainSettings
from rollcall.domain.reading import read_instant
from rollcall.domain.records import Remembered
from rollcall.explain.documents import read_documents
from rollcall.explain.gathering import gather
from rollcall.teaching import Teaching, learn_from_files

NO_CLUSTER = "00000000-0000-0000-0000-000000000000"
"""The cluster id of objects that came from files."""

_WIDEST = 80


def build_parser() -> argparse.ArgumentParser:
    """The flags of ``rollcall explain``."""
    parser = argparse.ArgumentParser(
        prog="rollcall explain",
        allow_abbrev=False,
        description="Print the workload records derived from manifests or `kubectl get … -o yaml|json` output,"
        " without cluster or database. Pods, children, nodes and namespaces given along are joined to their owners.",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="YAML or JSON files; - is standard input")
    parser.add_argument(
        "--kinds",
        action="append",
        default=[],
        metavar="FILE",
        help="kinds to know on top: descriptions, ConfigMaps that hold some, or Kartas; alone it checks them",
    )
    parser.add_argument("-o", "--output", choices=("table", "json", "yaml"), default="table")
    parser.add_argument("--why", action="store_true", help="the rule that fired and the signals it saw")
    parser.add_argument("--now", type=_instant, metavar="INSTANT", help="the clock, RFC 3339; by default this moment")
    parser.add_argument(
        "--seen-running", action="store_true", help="take every workload for one that was seen running before"
    )
    return parser


def main(words: Sequence[str]) -> int:
    """Exit code 0 with records, 1 with a sentence when something could not be read, 2 for wrong flags."""
    parser = build_parser()
    arguments = parser.parse_args(words)
    if not arguments.files and not arguments.kinds:
        parser.error("there is no FILE to explain")
    teaching = learn_from_files(arguments.kinds)
    _tell(teaching)
    if not arguments.files:
        sys.stdout.write(_kinds_table(teaching))
        return 1 if teaching.refusals else 0
    now = arguments.now or datetime.now(UTC)
    documents = read_documents(arguments.files)
    for fault in documents.faults:
        sys.stderr.write(f"rollcall explain: {fault}\n")
    if not documents.objects:
        return 1
    settings = DomainSettings()
    gathered = gather(documents.objects, settings, teaching.catalogue)
    derivations = [
        derive(
            view,
            now=now,
            remembered=Remembered(running_since=now) if arguments.seen_running else Remembered(),
            remembered_pods={},
            settings=settings,
        )
        for view in gathered.views
    ]
    for sentence in gathered.left_out:
        sys.stderr.write(f"rollcall explain: {sentence}\n")
    if not derivations:
        sys.stderr.write("rollcall explain: no workload in what was given.\n")
        return 1
    if arguments.output == "table":
        sys.stdout.write(_table(derivations, why=arguments.why))
    else:
        sys.stdout.write(_document(derivations, now, output=arguments.output, why=arguments.why))
    return 0


def _instant(text: str) -> datetime:
    found = read_instant(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no RFC 3339 instant such as 2026-01-31T12:00:00Z")
    return found


def _tell(teaching: Teaching) -> None:
    for refusal in teaching.refusals:
        sys.stderr.write(f"rollcall explain: {refusal.source} teaches nothing: {refusal.why}\n")
    for lesson in teaching.lessons:
        for note in lesson.notes:
            sys.stderr.write(f"rollcall explain: {lesson.source}: {note}\n")
    for source in teaching.passed_over:
        sys.stderr.write(f"rollcall explain: {source} is passed over: its kind is built in or taught already.\n")


def _kinds_table(teaching: Teaching) -> str:
    rows = [("GROUP", "KIND", "TYPE", "CATEGORY", "WHERE")]
    for lesson in teaching.lessons:
        entry = lesson.entry
        category = "ignored" if entry.ignored else entry.category.value
        rows.append((entry.key.group, entry.key.kind, entry.workload_type, category, lesson.source))
    return _lines(rows)


def _document(derivations: Sequence[Derivation], now: datetime, *, output: str, why: bool) -> str:
    workloads: list[dict[str, Any]] = []
    for derivation in derivations:
        setting = Setting(
            tenant_id=1,
            cluster_id=NO_CLUSTER,
            phase_updated_at=now,
            k8s_phase_updated_at=now,
            updated_at=now,
        )
        record = detailed_workload_json(derivation.workload, setting)
        if why:
            record["why"] = {"rule": derivation.workload.phase_rule, "signals": list(derivation.signals)}
        workloads.append(record)
    if output == "json":
        return json.dumps({"workloads": workloads}, indent=2, ensure_ascii=False) + "\n"
    import yaml  # noqa: PLC0415 - JSON in, JSON out needs none

    return str(yaml.safe_dump({"workloads": workloads}, sort_keys=False, allow_unicode=True))


def _table(derivations: Sequence[Derivation], *, why: bool) -> str:
    rows = [("NAMESPACE", "NAME", "TYPE", "PHASE", "PODS", "GPUS", "NODE POOLS", "MESSAGE")]
    for derivation in derivations:
        record = derivation.workload
        wanted = record.requested_pods.number if record.requested_pods is not None else None
        asked = record.workload_requested or record.pods_requested
        rows.append(
            (
                record.namespace or "-",
                record.name or "-",
                record.type,
                record.phase.value,
                f"{record.ready_pods}/{'?' if wanted is None else wanted}",
                f"{_gpus(record.allocated.gpu_micros)}/{_gpus(asked.requests.gpu_micros)}",
                ",".join(record.current_node_pools or record.requested_node_pools) or "-",
                _cut(record.phase_message or "-"),
            )
        )
    widths = _widths(rows)
    lines = [_line(rows[0], widths)]
    for row, derivation in zip(rows[1:], derivations, strict=True):
        lines.append(_line(row, widths))
        if why:
            lines.extend(f"    {signal}" for signal in derivation.signals)
    return "\n".join(lines) + "\n"


def _lines(rows: Sequence[Sequence[str]]) -> str:
    widths = _widths(rows)
    return "\n".join(_line(row, widths) for row in rows) + "\n"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def _gpus(micros: int) -> str:
    return f"{micros / 1_000_000:g}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
