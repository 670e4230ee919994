"""A simulated cluster, an operator on it, and their rows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.operator_process import OperatorProcess
from support.rows import Rows
from support.simulated_cluster import SimulatedCluster

from rollcall.settings import DatabaseSettings

OperatorOf = Callable[..., OperatorProcess]

SHORT = {
    "operator__watch_limit_seconds": 8,
    "operator__discovery_interval_seconds": 0.5,
    "database__connect_timeout_seconds": 2,
}
"""Settings under which a fault shows within seconds; the sweep by the clock is left out of the way."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SimulatedCluster]:
    """A cluster with a node and a project."""
    with SimulatedCluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def rows(database: DatabaseSettings) -> Rows:
    """The rows of the test's database."""
    return Rows(database)


@pytest.fixture
def operator_of(cluster: SimulatedCluster, database: DatabaseSettings, tmp_path: Path) -> Iterator[OperatorOf]:
    """Make an operator with short settings; not started yet, ended with the test."""
    made: list[OperatorProcess] = []

    def make(*, name: str = "operator", database: DatabaseSettings = database, **settings: object) -> OperatorProcess:
        made.append(OperatorProcess(tmp_path, cluster.kubeconfig, database, name=name, **{**SHORT, **settings}))
        return made[-1]

    yield make
    for operator in made:
        operator.kill()
