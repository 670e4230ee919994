"""The aggregated API in the test's own process: what the tests of this folder share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.kube_serving import Hands, Served, running

from rollcall.settings import DatabaseSettings
from rollcall_api.kube import server as kube_server
from rollcall_api.kube import watching


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch waits for the database and for what another replica has told of, however slow the machine just is."""
    monkeypatch.setattr(watching, "_CATCHING_UP_SECONDS", 60.0)


@pytest.fixture
def hands() -> Hands:
    """The clock of the listener's certificates."""
    return Hands()


@pytest.fixture
async def served(
    database: DatabaseSettings, tmp_path: Path, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """The listener, which looks at its authority again twenty times a second."""
    monkeypatch.setattr(kube_server, "REFRESH_SECONDS", 0.05)
    async with running(database, tmp_path, hands) as served:
        yield served
