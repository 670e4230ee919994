"""What a page costs at the server: the API over loopback beside the same SQL run bare, turn by turn."""

import functools
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import psycopg
from bench.callers import at_once
from bench.figures import Figure, Outcome, quantile
from bench.filled_database import NAMESPACES, fill_deleted, fill_live
from bench.workshop import Workshop
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.psycopg import dialect
from support.api_process import ApiProcess

from rollcall.settings import DatabaseSettings
from rollcall.store.fields import Field, PodField
from rollcall.store.pages import PageQuery, Scope, page_statement
from rollcall.store.pods import PodQuery, pod_page_statement
from rollcall.store.telemetry import GroupKey, Measure, TelemetryQuery, telemetry_statement
from rollcall_api.filters import read_filters

MILLIS = 1000.0
TELEMETRY: Mapping[str, tuple[GroupKey, ...]] = {
    "by department and phase": (GroupKey.DEPARTMENT_ID, GroupKey.PHASE),
    "by project and type": (GroupKey.PROJECT_ID, GroupKey.TYPE),
    "by node pool and phase": (GroupKey.CURRENT_NODE_POOLS, GroupKey.PHASE),
}
WARM_UP = 10
PAGE_SECONDS = 20.0
"""Longest time spent on one page: where each takes a second, fewer are asked for."""
FEWEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many rows there are and how often each page is asked for."""

    live: int = 20_000
    pods_each: int = 5
    deleted: int = 0
    requests: int = 200
    callers: int = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """A page: the query, what the API is asked where it can be without a caller's rights, and whether it has rows."""

    query: PageQuery
    path: str | None = None
    finds: bool = True


def pages_of(sizes: Sizes) -> Mapping[str, Asked]:
    """Every sort of page: by an index, deep, sorted without one, computed, filtered, in some namespaces, deleted."""

    def page(parameters: str = "", *, finds: bool = True, **query: Any) -> Asked:
        return Asked(PageQuery(**query), f"/api/v1/workloads?limit=50{parameters}", finds)

    def filtered(terms: str, parameters: str = "", **query: Any) -> Asked:
        return page(f"&filterBy={quote(terms)}{parameters}", terms=read_filters(terms.split(","), Field), **query)

    deep = max(0, sizes.live - 50)
    some = Scope(namespaces=frozenset(f"runai-team-{number}" for number in range(0, NAMESPACES, 5)))
    found = {
        "first, createdAt": page(),
        "newest first": page("&sortOrder=desc", descending=True),
        "500 workloads": Asked(PageQuery(limit=500), "/api/v1/workloads?limit=500"),
        f"offset {deep}": page(f"&offset={deep}", offset=deep),
        "by name": page("&sortBy=name", sort=Field.NAME),
        "by phase": page("&sortBy=phase", sort=Field.PHASE),
        "by submittedBy": page("&sortBy=submittedBy", sort=Field.SUBMITTED_BY),
        "by priority (no index)": page("&sortBy=priority", sort=Field.PRIORITY),
        "by nodepool (no index)": page("&sortBy=nodepool", sort=Field.NODE_POOL),
        "by totalRunningTimeSeconds (computed)": page(
            "&sortBy=totalRunningTimeSeconds", sort=Field.TOTAL_RUNNING_TIME_SECONDS
        ),
        f"by totalRunningTimeSeconds, offset {deep}": page(
            f"&sortBy=totalRunningTimeSeconds&offset={deep}", sort=Field.TOTAL_RUNNING_TIME_SECONDS, offset=deep
        ),
        "by idleGpus (no workload has it)": page("&sortBy=idleGpus", sort=Field.IDLE_GPUS),
        "20 of 100 namespaces, newest first": Asked(PageQuery(scope=some, descending=True)),
        "filter: phase, newest first": filtered("phase==Failed", "&sortOrder=desc", descending=True),
        "filter: what is in progress": filtered("phase=$ing"),
        "filter: project and phase, by GPUs": filtered(
            "projectId==team-10,phase==Running", "&sortBy=allocatedGPU", sort=Field.ALLOCATED_GPU
        ),
        "filter: name prefix": filtered("name=^train-01"),
        "filter: name contains (no index)": filtered("name=@no-such", finds=False),
        "filter: node pool (no index)": filtered("nodepool==no-such", finds=False),
        "search: nothing found (no index)": page("&search=team%20no-such", finds=False, words=("team", "no-such")),
    }
    if sizes.pods_each:
        found |= {
            "pods: first, createdAt": Asked(PodQuery(), "/api/v1/workloads/pods?limit=50"),
            "pods: on one node": Asked(
                PodQuery(terms=read_filters(["nodeName==gpu-1"], PodField)),
                "/api/v1/workloads/pods?limit=50&filterBy=nodeName%3D%3Dgpu-1",
            ),
        }
    if sizes.deleted:
        deep = max(0, sizes.deleted - 50)
        found |= {
            "deleted: first, createdAt": page("&deleted=true", deleted=True),
            "deleted: latest deletion": page(
                "&deleted=true&sortBy=deletedAt&sortOrder=desc",
                deleted=True,
                sort=Field.DELETED_AT,
                descending=True,
            ),
            f"deleted: offset {deep}": page(f"&deleted=true&offset={deep}", deleted=True, offset=deep),
            "deleted: by submittedBy": page("&deleted=true&sortBy=submittedBy", deleted=True, sort=Field.SUBMITTED_BY),
            "deleted: by name": page("&deleted=true&sortBy=name", deleted=True, sort=Field.NAME),
            "deleted: by priority": page("&deleted=true&sortBy=priority", deleted=True, sort=Field.PRIORITY),
            "deleted: filter: phase, newest first": filtered(
                "phase==Failed", "&deleted=true&sortOrder=desc", deleted=True, descending=True
            ),
            "deleted: filter: submittedBy": filtered("submittedBy==user-7@example.com", "&deleted=true", deleted=True),
            "deleted: filter: name prefix": filtered("name=^train-01", "&deleted=true", deleted=True),
            "deleted: search: nothing found (no index)": page(
                "&deleted=true&search=no-such", finds=False, deleted=True, words=("no-such",)
            ),
            "deleted: 20 of 100 namespaces, newest first": Asked(PageQuery(deleted=True, scope=some, descending=True)),
        }
    return found


async def measure(workshop: Workshop, sizes: Sizes) -> Outcome:
    """Fill a database, then ask for each page in turn from the API and from PostgreSQL."""
    database = workshop.database()
    started = time.perf_counter()
    workshop.say(f"pages: writing {sizes.live} live workloads, {sizes.pods_each} pods each")
    await fill_live(database, sizes.live, pods_each=sizes.pods_each)
    filled = time.perf_counter() - started
    fill_deleted(database, sizes.deleted, workshop.say)
    rows = sizes.live * (1 + sizes.pods_each)
    figures = [Figure("live rows by the operator's statements", "written", rows / filled, "1/s")]
    folder = workshop.folder / "api"
    folder.mkdir(exist_ok=True)
    with ApiProcess(folder, database) as api, psycopg.connect(_dsn(database), autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute("SET jit = off")  # as the API's own connections
        caller = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
        for name, asked in pages_of(sizes).items():
            workshop.say(f"pages: {name}")
            figures += _page(name, asked, caller, connection, sizes.requests)
        figures += _count("count", sizes.live, "", caller, connection, sizes.requests)
        for groups, keys in TELEMETRY.items():
            figures += _telemetry(groups, keys, caller, connection, sizes)
        if sizes.deleted:
            deleted = "?deleted=true"
            figures += _count("deleted: count", sizes.deleted, deleted, caller, connection, sizes.requests)
        caller.close()
        workshop.say(f"pages: {sizes.callers} callers at once")
        figures += at_once(api.port, sizes.callers, max(1, sizes.requests // 10))
    return Outcome(
        benchmark="pages",
        title="Pages of 50 at the server: the API over loopback, and the same SQL run bare",
        figures=tuple(figures),
        sizes=asdict(sizes),
        notes=(
            "Asked in turn, one at a time, on one kept connection each; the API's time includes the client's.",
            "The callers at once are threads of one process, which takes a core of its own where there is one.",
            "A page in some namespaces needs a caller's rights over HTTP, so it is run as SQL alone.",
        ),
        stands_on={"PostgreSQL": workshop.postgres_version()},
    )


def _page(
    name: str, asked: Asked, caller: http.client.HTTPConnection, connection: psycopg.Connection[Any], requests: int
) -> list[Figure]:
    query = asked.query
    statement, values = _bare(pod_page_statement(query) if isinstance(query, PodQuery) else page_statement(query))

    def run_bare() -> list[Any]:
        return connection.execute(statement, values).fetchall()

    path = asked.path
    if path is None:
        return _turns(name, None, run_bare, requests)
    body = json.loads(_get(caller, path))
    on_page = len(body["pods" if isinstance(query, PodQuery) else "workloads"])
    # The statement asks for one more than the page, to know whether more follow.
    rows = [row for row in run_bare() if row[1] is not None]
    if on_page != min(query.limit, len(rows)) or (on_page > 0) is not asked.finds:
        raise AssertionError(f"{name}: the API has {on_page} of them, the statement {len(rows)}")
    return _turns(name, lambda: _get(caller, path), run_bare, requests)


def _count(
    name: str,
    wanted: int,
    parameters: str,
    caller: http.client.HTTPConnection,
    connection: psycopg.Connection[Any],
    requests: int,
) -> list[Figure]:
    path = f"/api/v1/workloads/count{parameters}"
    table = "deleted_workloads" if parameters else "workloads"
    bare = f"SELECT count(*), (SELECT min(observed_at) FROM clusters) FROM {table}"  # noqa: S608 - ours
    found = json.loads(_get(caller, path))["count"]
    if found != wanted:
        raise AssertionError(f"{name}: {found}, not {wanted}")
    return _turns(name, lambda: _get(caller, path), lambda: connection.execute(bare).fetchall(), requests)


def _telemetry(
    groups: str,
    keys: tuple[GroupKey, ...],
    caller: http.client.HTTPConnection,
    connection: psycopg.Connection[Any],
    sizes: Sizes,
) -> list[Figure]:
    figures: list[Figure] = []
    for measure in (Measure.WORKLOADS_COUNT, Measure.GPU_ALLOCATION):
        path = f"/api/v1/workloads/telemetry?telemetryType={measure}&groupBy={','.join(keys)}"
        statement, values = _bare(telemetry_statement(TelemetryQuery(measure=measure, group_by=keys)))
        found = json.loads(_get(caller, path))["values"]
        total = sum(float(one["value"]) for one in found)
        if measure is Measure.WORKLOADS_COUNT and GroupKey.CURRENT_NODE_POOLS not in keys and total != sizes.live:
            raise AssertionError(f"{path}: {total} workloads, not {sizes.live}")
        figures += _turns(
            f"telemetry: {measure} {groups}",
            functools.partial(_get, caller, path),
            functools.partial(_all_rows, connection, statement, values),
            sizes.requests,
        )
    return figures


def _all_rows(connection: psycopg.Connection[Any], statement: str, values: Mapping[str, Any]) -> list[Any]:
    return connection.execute(statement, values).fetchall()


def _turns(name: str, ask: Any, run_bare: Any, requests: int) -> list[Figure]:
    """Both in turn, so that what else the machine does hits both alike."""
    over_http, bare = [], []
    warm_up = min(WARM_UP, requests)
    began = time.perf_counter()
    for number in range(warm_up + requests):
        spent = time.perf_counter() - began
        if spent > PAGE_SECONDS and len(bare) >= FEWEST:
            break
        is_warm = number >= warm_up or spent > PAGE_SECONDS / 4
        for run, taken in ((ask, over_http), (run_bare, bare)):
            if run is not None:
                started = time.perf_counter()
                run()
                if is_warm:
                    taken.append((time.perf_counter() - started) * MILLIS)
    figures = []
    for share, word in ((0.5, "p50"), (0.99, "p99")):
        of_sql = quantile(bare, share)
        if over_http:
            figures.append(Figure(name, f"API {word}", quantile(over_http, share), "ms"))
        figures.append(Figure(name, f"SQL {word}", of_sql, "ms"))
    if over_http:
        figures.append(Figure(name, "API / SQL, p50", quantile(over_http, 0.5) / quantile(bare, 0.5), ""))
    return [*figures, Figure(name, "samples", len(bare), "")]


def _get(caller: http.client.HTTPConnection, path: str) -> bytes:
    caller.request("GET", path)
    response = caller.getresponse()
    body = response.read()
    if response.status != 200:
        raise AssertionError(f"{response.status} for {path}: {body[:200]!r}")
    return body


def _bare(statement: Select[Any]) -> tuple[str, Mapping[str, Any]]:
    compiled = statement.compile(dialect=dialect())
    return compiled.string, compiled.params


def _dsn(database: DatabaseSettings) -> str:
    return database.dsn.get_secret_value()
