"""A refusal counts only where the API server knows whom it refuses: not while it is just starting."""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from rollcall import cluster_access
from rollcall.cluster_access import ApiStatusError, get_json, prove_watch
from rollcall.errors import ClusterError

pytestmark = pytest.mark.anyio

PODS = "/api/v1/pods"


class Api:
    """An API server that gives its answers in turn: of pods and of whether it is ready; the last one for good."""

    def __init__(self) -> None:
        self.pods: list[int] = []
        self.ready: list[int] = []
        self.asked: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        answers = self.pods if request.path == PODS else self.ready
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.json_response({"code": status}, status=status)


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """The API server, on a port of its own; rights take it no time."""
    monkeypatch.setattr(cluster_access, "_RIGHTS_SECONDS", 0.0)
    api = Api()
    application = web.Application()
    application.router.add_get("/{tail:.*}", api.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


async def read(session: aiohttp.ClientSession, server: str) -> object:
    return await get_json(session, server, PODS)


async def watch(session: aiohttp.ClientSession, server: str) -> object:
    return await prove_watch(session, server, PODS, version=1)


Ask = Callable[[aiohttp.ClientSession, str], Awaitable[object]]


async def told(api: Api, ask: Ask) -> str:
    """What asking comes to: an answer, its status, or that there is none."""
    async with aiohttp.ClientSession() as session:
        try:
            await ask(session, api.url)
        except ApiStatusError as error:
            return str(error.status)
        except ClusterError as error:
            return str(error)
        return "answered"


@pytest.mark.parametrize("ask", [read, watch])
@pytest.mark.parametrize(
    ("pods", "ready", "found"),
    [
        pytest.param([403], [200], "403", id="ready, and refuses"),
        pytest.param([401], [200], "401", id="ready, and does not know who asks"),
        pytest.param([403, 200], [200], "answered", id="ready just after it refused"),
        pytest.param([403], [403], "403", id="an admin forbids to ask whether it is ready"),
        pytest.param([403, 200], [403], "answered", id="an admin forbids to ask, and rights are known a little later"),
        pytest.param([403], [404], "403", id="something that knows no readiness stands before it"),
        pytest.param([200], [500], "answered", id="an answer counts, ready or not"),
        pytest.param([404], [500], "404", id="what is not there is not a refusal"),
    ],
)
async def test_what_is_said_by_an_api_server(api: Api, ask: Ask, pods: list[int], ready: list[int], found: str) -> None:
    api.pods, api.ready = pods, ready
    assert await told(api, ask) == found


@pytest.mark.parametrize("ask", [read, watch])
@pytest.mark.parametrize(
    "ready", [[500], [503], [403, 500], [401, 500]], ids=["starting", "away", "no rights yet", "no accounts yet"]
)
async def test_a_refusal_by_one_that_is_starting_is_no_answer(api: Api, ask: Ask, ready: list[int]) -> None:
    api.pods, api.ready = [403], ready
    assert (await told(api, ask)).startswith("The Kubernetes API is just starting: ")


async def test_what_is_answered_is_asked_once(api: Api) -> None:
    api.pods, api.ready = [200], [200]
    assert await told(api, read) == "answered"
    assert api.asked == [PODS]
