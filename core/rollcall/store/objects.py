"""The live workloads of one cluster as Kubernetes objects are read: by name, in the order of names, by selectors.

An object is called ``NAME.KIND.GROUP`` (``train.job.batch``; ``box.pod`` where the group has no name), because two
kinds may have objects of one name in a namespace. Every answer comes with the cluster's version as of its snapshot.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, case, func, literal, not_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from rollcall.store import tables
from rollcall.store.announcing import FIRST_VERSION
from rollcall.store.pages import workload_columns
from rollcall.store.records import StoredWorkload
from rollcall.store.rows import workload_of


class Attribute(StrEnum):
    """What objects are selected by: a column each, but for the object's name."""

    OBJECT_NAME = "object_name"
    NAMESPACE = "namespace"
    NAME = "name"
    KIND = "kind"
    TYPE = "type"
    CATEGORY = "category"
    SOURCE = "source"
    PHASE = "phase"
    PROJECT_NAME = "project_name"
    DEPARTMENT_NAME = "department_name"
    SUBMITTED_BY = "submitted_by"
    PRIORITY_CLASS_NAME = "priority_class_name"


_LABEL_VALUE = r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"
"""As Python and PostgreSQL both read it."""


def is_label_value(text: str) -> bool:
    """Whether Kubernetes takes the text for a label's value."""
    return re.fullmatch(_LABEL_VALUE, text) is not None


@dataclass(frozen=True, slots=True)
class Requirement:
    """An attribute is one of these values, or (``negated``) is none of them; nothing is a value of its own, ''."""

    attribute: Attribute
    values: frozenset[str]
    negated: bool = False
    as_label: bool = False
    """Whether what is no label's value counts as nothing, for no label can show it."""

    def holds(self, value: str) -> bool:
        """Whether an attribute of that value meets it."""
        told = "" if self.as_label and not is_label_value(value) else value
        return (told in self.values) is not self.negated


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    """What of an object decides whether it is selected, and the version it is as of."""

    version: int
    values: Mapping[Attribute, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSelection:
    """Which live workloads of a cluster: of one namespace or of all, those that meet every requirement."""

    cluster_id: str
    namespace: str | None = None
    requirements: tuple[Requirement, ...] = ()

    def holds(self, facts: ObjectFacts) -> bool:
        """Whether an object of the cluster is one of them."""
        if self.namespace is not None and facts.values[Attribute.NAMESPACE] != self.namespace:
            return False
        return all(required.holds(facts.values[required.attribute]) for required in self.requirements)

    def conditions(self, table: Table) -> list[ColumnElement[bool]]:
        """The same in SQL."""
        found = [table.c.cluster_id == self.cluster_id]
        if self.namespace is not None:
            found.append(table.c.namespace == self.namespace)
        return [*found, *(_condition(required, table) for required in self.requirements)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the order of names an object stands."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """Objects in the order of names, whether more follow, the cluster's version, and how fresh the view is."""

    objects: tuple[StoredWorkload, ...]
    has_more: bool
    version: int
    observed_at: datetime | None


def object_name(name: str, kind: str, api_group: str) -> str:
    """What the object of a workload is called."""
    return f"{name}.{kind.lower()}" + (f".{api_group}" if api_group else "")


def facts_of(stored: StoredWorkload) -> ObjectFacts:
    """The facts of an object that was read whole."""
    record = stored.record
    return ObjectFacts(
        version=stored.changed_version,
        values={
            Attribute.OBJECT_NAME: object_name(record.name, record.kind, record.api_group),
            Attribute.NAMESPACE: record.namespace,
            Attribute.NAME: record.name,
            Attribute.KIND: record.kind,
            Attribute.TYPE: record.type,
            Attribute.CATEGORY: record.category.value,
            Attribute.SOURCE: record.source.value,
            Attribute.PHASE: record.phase.value,
            Attribute.PROJECT_NAME: record.project_name,
            Attribute.DEPARTMENT_NAME: record.department_name,
            Attribute.SUBMITTED_BY: record.submitted_by or "",
            Attribute.PRIORITY_CLASS_NAME: record.priority_class_name,
        },
    )


async def object_page(
    connection: AsyncConnection, selection: ObjectSelection, *, after: Place | None, limit: int
) -> ObjectPage:
    """The next objects, in one statement. What has a newer row of the same name comes beside it, never in its place."""
    rows = (await connection.execute(object_page_statement(selection, after=after, limit=limit))).mappings().all()
    found = [row for row in rows if row["uid"] is not None]
    return ObjectPage(
        objects=tuple(workload_of(row) for row in found[:limit]),
        has_more=len(found) > limit,
        version=rows[0]["cluster_version"],
        observed_at=rows[0]["observed_at"],
    )


def object_page_statement(selection: ObjectSelection, *, after: Place | None, limit: int) -> Select[Any]:
    """The statement behind a page: the places first, from little of each row, then the rows of the page alone."""
    table = tables.workloads
    order = (table.c.namespace, table.c.name, table.c.uid)
    conditions = selection.conditions(table)
    if after is not None:
        conditions.append(tuple_(*order) > tuple_(literal(after.namespace), literal(after.name), literal(after.uid)))
    places = (
        select(table.c.cluster_id, table.c.uid).where(*conditions).order_by(*order).limit(limit + 1).subquery("places")
    )
    page = (
        select(*workload_columns(table))
        .join(places, and_(table.c.cluster_id == places.c.cluster_id, table.c.uid == places.c.uid))
        .subquery("page")
    )
    return _with_version(page, selection.cluster_id).order_by(page.c.namespace, page.c.name, page.c.uid)


async def object_by_name(
    connection: AsyncConnection, cluster_id: str, namespace: str, name: str
) -> StoredWorkload | None:
    """The live workload whose object is called so; the newest, where its forerunner's end was not seen yet."""
    table = tables.workloads
    called_so = Requirement(Attribute.OBJECT_NAME, frozenset({name}))
    selection = ObjectSelection(cluster_id=cluster_id, namespace=namespace, requirements=(called_so,))
    statement: Select[Any] = (
        select(*workload_columns(table))
        .where(*selection.conditions(table))
        .order_by(table.c.created_at.desc(), table.c.uid)
        .limit(1)
    )
    row = (await connection.execute(statement)).mappings().first()
    return None if row is None else workload_of(row)


async def object_facts(connection: AsyncConnection, cluster_id: str) -> tuple[int, dict[str, ObjectFacts]]:
    """The cluster's version, and the facts of every live workload by uid; one statement."""
    table = tables.workloads
    columns = (table.c.uid, table.c.changed_version, *(_value(one, table).label(one.value) for one in Attribute))
    facts = select(*columns).where(table.c.cluster_id == cluster_id).subquery("facts")
    rows = (await connection.execute(_with_version(facts, cluster_id))).mappings().all()
    return rows[0]["cluster_version"], {
        row["uid"]: ObjectFacts(
            version=row["changed_version"], values={attribute: row[attribute.value] for attribute in Attribute}
        )
        for row in rows
        if row["uid"] is not None
    }


async def objects_by_uid(connection: AsyncConnection, cluster_id: str, uids: Iterable[str]) -> list[StoredWorkload]:
    """The rows of these workloads, each once: the live one, else the one that was deleted last; one snapshot."""
    asked = sorted(uids)
    live, deleted = (
        select(*workload_columns(table)).where(table.c.cluster_id == cluster_id, table.c.uid == func.any(asked))
        for table in (tables.workloads, tables.deleted_workloads)
    )
    found = live.union_all(deleted).subquery("found")
    newest: Select[Any] = select(*found.c).order_by(found.c.deleted_at.desc().nulls_first())
    rows: dict[str, StoredWorkload] = {}
    for row in (await connection.execute(newest)).mappings():
        rows.setdefault(row["uid"], workload_of(row))
    return list(rows.values())


def _version_of(cluster_id: str) -> ColumnElement[int]:
    table = tables.cluster_versions
    counted = select(table.c.version).where(table.c.cluster_id == cluster_id).scalar_subquery()
    return func.coalesce(counted, FIRST_VERSION)


async def cluster_version(connection: AsyncConnection, cluster_id: str) -> int:
    """How many changes of the cluster's workloads were counted."""
    return int((await connection.execute(select(_version_of(cluster_id)))).scalar_one())


def _with_version(rows: Any, cluster_id: str) -> Select[Any]:
    observed = select(tables.clusters.c.observed_at).where(tables.clusters.c.cluster_id == cluster_id).scalar_subquery()
    view = select(_version_of(cluster_id).label("cluster_version"), observed.label("observed_at")).subquery("view")
    return select(view.c.cluster_version, view.c.observed_at, *rows.c).select_from(view.outerjoin(rows, true()))


def _value(attribute: Attribute, table: Table) -> ColumnElement[str]:
    if attribute is Attribute.OBJECT_NAME:
        group = case((table.c.api_group == "", ""), else_="." + table.c.api_group)
        return table.c.name + "." + func.lower(table.c.kind) + group
    if attribute is Attribute.SUBMITTED_BY:
        return func.coalesce(table.c.submitted_by, "")
    return table.c[attribute.value]


def _condition(required: Requirement, table: Table) -> ColumnElement[bool]:
    values = sorted(required.values)
    value = _value(required.attribute, table)
    if required.as_label:
        value = case((value.regexp_match(_LABEL_VALUE), value), else_="")
    found = value == func.any(values)
    if required.attribute is Attribute.OBJECT_NAME and not required.negated:
        # The index is by the workload's own name, which ends before one of the dots.
        found = and_(table.c.name == func.any(_beginnings(values)), found)
    return not_(found) if required.negated else found


def _beginnings(names: Sequence[str]) -> list[str]:
    return sorted({name[:place] for name in names for place, letter in enumerate(name) if letter == "."})
