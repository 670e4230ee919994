"""Two running APIs on one filled database and one empty Prometheus, shared by the tests of one module."""

from collections.abc import Iterator

import pytest
from support.api_process import ApiProcess
from support.filled_view import KEPT_SECONDS, TOKEN, fill
from support.prometheus import PrometheusServer, running_prometheus
from support.reviewing_server import CLUSTER_WIDE, ReviewingServer
from support.surface import SECRET

from rollcall.settings import DatabaseSettings

OWN_TOKEN = "the-token-of-the-api-itself"


@pytest.fixture(scope="module")
def filled_database(shared_database: DatabaseSettings) -> DatabaseSettings:
    """A database with five hundred projects."""
    fill(shared_database)
    return shared_database


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus, so that what is measured can be told: that there is nothing."""
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture(scope="module")
def api(
    filled_database: DatabaseSettings, prometheus: PrometheusServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """An API that asks nobody; what it has logged is looked at in the end."""
    settings = {"prometheus__url": prometheus.url, "log__level": "debug"}
    with ApiProcess(tmp_path_factory.mktemp("api"), filled_database, **settings) as api:
        yield api
        assert "Traceback" not in api.log()
        assert SECRET not in api.log()


@pytest.fixture(scope="module")
def api_server() -> Iterator[ReviewingServer]:
    """The API server that the other API asks; one token may list everything."""
    with ReviewingServer.in_a_thread() as server:
        server.let_in(TOKEN, "admin", CLUSTER_WIDE)
        server.may_list_nodes.add("admin")
        yield server


@pytest.fixture(scope="module")
def asking_api(
    filled_database: DatabaseSettings,
    api_server: ReviewingServer,
    prometheus: PrometheusServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiProcess]:
    """An API that asks who is calling, and soon asks again; no token may be in what it has logged."""
    folder = tmp_path_factory.mktemp("asking-api")
    kubeconfig = api_server.kubeconfig(folder, OWN_TOKEN)
    settings = {
        "api__review_cache_seconds": KEPT_SECONDS,
        "api__rate_per_second": 0,  # the limit has tests of its own
        "prometheus__url": prometheus.url,
        "log__level": "debug",
    }
    with ApiProcess(folder, filled_database, kubeconfig=kubeconfig, **settings) as api:
        yield api
        log = api.log()
        assert "Traceback" not in log
        assert [token for token in (OWN_TOKEN, *api_server.users) if token in log] == []
