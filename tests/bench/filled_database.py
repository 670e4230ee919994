"""Tens of thousands of live workloads, and history as long as is asked for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql
from support.workload_builders import a_pod, a_request, a_workload

from rollcall.domain.records import Phase, PodRecord, Resources, WorkloadRecord
from rollcall.settings import DatabaseSettings
from rollcall.store import tables
from rollcall.store.engine import create_engine
from rollcall.store.memory import touch_cluster
from rollcall.store.records import Batch
from rollcall.store.retention import make_partitions
from rollcall.store.writes import write_batch

BATCH = 500
CLUSTER = "c1"
NAMESPACES = 100
MONTHS = 6


def _numbered(number: int, *, now: datetime) -> WorkloadRecord:
    """One of many workloads that differ in everything a page can be sorted by."""
    phases = (*[Phase.RUNNING] * 6, Phase.PENDING, Phase.COMPLETED, Phase.FAILED, Phase.INITIALIZING)
    phase = phases[number * 7 % len(phases)]
    created_at = now - timedelta(seconds=37 * (number * 7919 % 100_003))
    gpus = (1, 2, 4, 8)[number % 4]
    runs = phase is Phase.RUNNING
    return a_workload(
        f"train-{number * 104_729 % 1_000_003:07}",
        namespace=f"runai-team-{number % NAMESPACES}",
        project_id=f"team-{number % NAMESPACES}",
        project_name=f"team-{number % NAMESPACES}",
        submitted_by=f"user-{number % 311}@example.com",
        created_at=created_at,
        phase=phase,
        k8s_phase=phase.value,
        running_since=created_at + timedelta(seconds=20) if runs else None,
        completed_at=created_at + timedelta(hours=1) if phase in (Phase.COMPLETED, Phase.FAILED) else None,
        running_pods=1 if runs else 0,
        allocated=Resources(gpu_micros=gpus * 1_000_000, cpu_millis=8000, memory_bytes=2**36) if runs else Resources(),
        workload_requested=a_request(gpus),
        pods_requested=a_request(gpus),
        current_node_pools=(("a100", "h100", "spare")[number % 3],) if runs else (),
        images=(f"registry.example/team-{number % NAMESPACES}/trainer:2026-02-{number % 28 + 1:02}",),
    )


def _pods_of(record: WorkloadRecord, place: int, number: int) -> list[PodRecord]:
    """The pods of the workload at that place, over a thousand nodes; the first is not bound."""
    return [
        a_pod(
            f"{record.name}-{pod}",
            workload=record.name,
            namespace=record.namespace,
            created_at=record.created_at,
            node_name=f"gpu-{(place * number + pod) % 1000}" if pod else None,
            node_pool=("a100", "h100", "spare")[pod % 3] if pod else None,
        )
        for pod in range(number)
    ]


async def fill_live(database: DatabaseSettings, number: int, *, pods_each: int = 0) -> None:
    """Workloads and their pods by the operator's own statements, and room for the months that history will need."""
    engine = create_engine(database, application_name="bench")
    now = datetime.now(UTC)
    for start in range(0, number, BATCH):
        records = tuple(_numbered(place, now=now) for place in range(start, min(start + BATCH, number)))
        pods = tuple(pod for place, record in enumerate(records, start) for pod in _pods_of(record, place, pods_each))
        async with engine.begin() as connection:
            await write_batch(connection, CLUSTER, Batch(workloads=records, pods=pods), observed_at=now)
    async with engine.begin() as connection:
        await touch_cluster(connection, cluster_id=CLUSTER, name="bench", watches_observed_at=now)
        for month in range(MONTHS):
            await make_partitions(connection, now=now - timedelta(days=30 * month))
    await engine.dispose()
    with psycopg.connect(database.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def fill_deleted(database: DatabaseSettings, number: int, say: Callable[[str], None]) -> None:
    """Copies of the live rows over the last months, each with a uid and a name of its own."""
    if not number:
        return
    ruled = {
        "uid": sql.SQL("md5(w.uid || k.number)::uuid::text"),
        "name": sql.SQL("w.name || '-' || k.number"),
        "created_at": sql.SQL("k.at - interval '1 hour' * (1 + k.number % 50)"),
        "deleted_at": sql.SQL("k.at"),
        "deletion_seen": sql.SQL("'exact'"),
        "gone_version": sql.SQL("w.observed_version"),
        "open_phase": sql.SQL("w.phase"),
    }
    columns = [column.name for column in tables.deleted_workloads.columns]
    values = [ruled.get(name, sql.Identifier("w", name)) for name in columns]
    statement = sql.SQL(
        "INSERT INTO deleted_workloads ({columns}) SELECT {values} FROM workloads w CROSS JOIN LATERAL ("
        " SELECT {place}::integer AS number, now() - interval '1 day' * (random() * {days}) AS at) k LIMIT {limit}"
    )
    with psycopg.connect(database.dsn.get_secret_value(), autocommit=True) as connection:
        (live,) = connection.execute("SELECT count(*) FROM workloads").fetchone() or (0,)
        made, place = 0, 0
        while made < number:
            place += 1
            made += connection.execute(
                statement.format(
                    columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                    values=sql.SQL(", ").join(values),
                    place=sql.Literal(place),
                    days=sql.Literal(30 * (MONTHS - 1)),
                    limit=sql.Literal(min(live, number - made)),
                )
            ).rowcount
            if place % 5 == 0:
                say(f"pages: {made:,} of {number:,} deleted rows")
        connection.execute("VACUUM ANALYZE")
