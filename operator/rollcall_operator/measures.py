"""What the operator counts about itself, for ``/metrics``."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rollcall.domain.gpus import MICROS
from rollcall.store.records import Batch, DeletionSeen, WriteResult
from rollcall_operator.holdings import Holdings


class Measures:
    """The metrics of one operator, on a registry of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.events = Counter(
            "rollcall_watch_events", "Watch events taken in, by kind.", ["group", "kind"], registry=registry
        )
        self.watch_age = Gauge(
            "rollcall_watch_age_seconds",
            "Seconds since a kind's watch last showed life.",
            ["group", "kind"],
            registry=registry,
        )
        self.queue_depth = Gauge(
            "rollcall_queue_depth", "Workloads waiting to be derived and written.", registry=registry
        )
        self.unresolved = Gauge(
            "rollcall_unresolved_objects", "Objects whose top owner is not known yet.", registry=registry
        )
        self.ignored_pods = Gauge(
            "rollcall_ignored_pods", "Pods that are on no record, by reason.", ["reason"], registry=registry
        )
        self.objects = Gauge("rollcall_objects", "Facts held in memory, by sort.", ["sort"], registry=registry)
        self.flush_seconds = Histogram(
            "rollcall_flush_seconds",
            "Seconds to write one batch.",
            registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.derive_seconds = Histogram(
            "rollcall_derive_seconds",
            "Seconds to derive one workload.",
            registry=registry,
            buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1),
        )
        self.flush_failures = Counter(
            "rollcall_flush_failures", "Batches the database did not take.", registry=registry
        )
        self.workloads_written = Counter("rollcall_workloads_written", "Workload rows written.", registry=registry)
        self.workloads_skipped = Counter(
            "rollcall_workloads_skipped", "Derivations that changed nothing.", registry=registry
        )
        self.workloads_refused = Counter(
            "rollcall_workloads_refused", "Writes that lost to a newer row.", registry=registry
        )
        self.writes_dropped = Counter(
            "rollcall_writes_dropped", "Workloads and deletions that the database can never take.", registry=registry
        )
        self.pods_written = Counter("rollcall_pods_written", "Pod rows written.", registry=registry)
        self.deletions = Counter(
            "rollcall_deletions", "Workloads closed, by how it was noticed: exact or late.", ["seen"], registry=registry
        )
        self.kubernetes_events_written = Counter(
            "rollcall_kubernetes_events_written", "Kubernetes events of workloads written.", registry=registry
        )
        self.kubernetes_events_dropped = Counter(
            "rollcall_kubernetes_events_dropped",
            "Kubernetes events given up for want of room, or refused by the database.",
            registry=registry,
        )
        self.kubernetes_events_waiting = Gauge(
            "rollcall_kubernetes_events_waiting", "Kubernetes events waiting to be written.", registry=registry
        )
        self.kubernetes_events_watched = Gauge(
            "rollcall_kubernetes_events_watched",
            "1 while Kubernetes events are read: by who writes, where it is set and allowed.",
            registry=registry,
        )
        self.sweeps = Counter(
            "rollcall_sweeps", "Comparisons of the lists with the rows.", ["outcome"], registry=registry
        )
        self.gpus_allocated = Gauge(
            "rollcall_gpus_allocated",
            "GPUs held by the workloads on record and by pods that are on none; together they are what is bound.",
            ["of"],
            registry=registry,
        )
        self.gpus_bound = Gauge(
            "rollcall_gpus_bound", "GPUs held by the pods on the nodes, by node pool.", ["node_pool"], registry=registry
        )
        self.kinds_taught = Gauge("rollcall_kinds_taught", "Kinds known by what an admin taught.", registry=registry)
        self.kinds_refused = Gauge(
            "rollcall_kinds_refused", "Descriptions of kinds that were not understood.", registry=registry
        )
        self.database_up = Gauge(
            "rollcall_database_up", "1 where the database answered when it was asked last.", registry=registry
        )
        self.is_leader = Gauge("rollcall_is_leader", "1 where this operator writes.", registry=registry)
        for seen in DeletionSeen:
            self.deletions.labels(seen.value)

    def weigh(self, holdings: Holdings, is_shown: Callable[[str], bool]) -> None:
        """Take in what is held, on records and on nodes. Only who writes has records."""
        self.gpus_allocated.labels("workloads").set(holdings.recorded / MICROS)
        self.gpus_allocated.labels("ignored").set(holdings.ignored(is_shown) / MICROS)
        self.gpus_bound.clear()
        for pool, micros in holdings.bound().items():
            self.gpus_bound.labels(pool).set(micros / MICROS)

    def count(self, batch: Batch, result: WriteResult) -> None:
        """Take in what a batch came to."""
        self.workloads_written.inc(result.workloads_written)
        self.workloads_refused.inc(result.workloads_refused)
        self.pods_written.inc(result.pods_written)
        for gone in batch.gone_workloads:
            self.deletions.labels(gone.seen.value).inc()
