"""Reaching a Kubernetes API: credentials as the `kubernetes` package finds them, requests by aiohttp.

The in-cluster ServiceAccount comes first, then the kubeconfig. Tokens that expire are read again when they do, by the
`kubernetes` package's own hook.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from rollcall.errors import ClusterError

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
"""Of this namespace a cluster has its uid."""

PAGE = 500
"""Objects in one page of a list."""

Answer = TypeVar("Answer")

_TOKEN_NAMES = ("BearerToken", "authorization")
"""What the `kubernetes` package calls the token: since release 36, and before."""

_READY = "/readyz"
"""Whether an API server has caught up, with its rights too. By default the cluster lets everybody ask."""

_RIGHTS_SECONDS = 2.0
"""How long after its first answer an API server knows rights for sure."""

_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)


class ApiStatusError(ClusterError):
    """The API server answered, with something else than success."""

    def __init__(self, status: int, path: str) -> None:
        super().__init__(f"The Kubernetes API answered {status} for {path}.")
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether it is a matter of rights: who asks is not known, or may not."""
        return self.status in (401, 403)


@dataclass(frozen=True, slots=True)
class Access:
    """One API server and how to be let in. Its ``repr`` holds no secret."""

    configuration: Any

    @property
    def server(self) -> str:
        """The server's address."""
        return str(self.configuration.host)

    @property
    def is_verified(self) -> bool:
        """Whether nobody else can take the server's place: its certificate is checked."""
        return self.server.startswith("https://") and bool(self.configuration.verify_ssl)

    def session(self, trace: aiohttp.TraceConfig | None = None) -> aiohttp.ClientSession:
        """A session that is let in; the caller closes it."""
        context = self._ssl()
        if isinstance(context, ssl.SSLContext) and self.configuration.cert_file:
            context.load_cert_chain(self.configuration.cert_file, self.configuration.key_file)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context),
            middlewares=(self._authorise,),
            trace_configs=[trace] if trace is not None else None,
            headers={"User-Agent": "rollcall"},
        )

    def session_without_credentials(self) -> aiohttp.ClientSession:
        """A session in which each request says for itself who asks; the caller closes it.

        No client certificate, for it would count before a request's token; no cookies, which could carry one request's
        caller into the next.
        """
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._ssl()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "rollcall"},
        )

    async def _authorise(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        configuration = self.configuration
        # Also refreshes what has expired; an exec plugin may take its time, so not on the event loop.
        hook = getattr(configuration, "refresh_api_key_hook", None)
        token = (
            await asyncio.to_thread(configuration.get_api_key_with_prefix, *_TOKEN_NAMES)
            if hook is not None
            else configuration.get_api_key_with_prefix(*_TOKEN_NAMES)
        )
        if token:
            request.headers["Authorization"] = token
        return await handler(request)

    def _ssl(self) -> ssl.SSLContext | bool:
        if not self.server.startswith("https"):
            return True
        context = ssl.create_default_context(cafile=self.configuration.ssl_ca_cert or None)
        if not self.configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def find_access(context: str | None = None) -> Access:
    """The API server of the ServiceAccount that this process runs as, else of the kubeconfig.

    Raises:
        ClusterError: neither is there, or the kubeconfig or its context is broken; a sentence.
    """
    configuration = client.Configuration()
    try:
        if context is None:
            try:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
                return Access(configuration)
            except ConfigException:
                pass
        config.load_kube_config(context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError, TypeError) as error:
        raise ClusterError(f"No Kubernetes API to talk to: {' '.join(str(error).split())}.") from error
    return Access(configuration)


async def get_json(
    session: aiohttp.ClientSession, server: str, path: str, *, params: Mapping[str, str] | None = None, accept: str = ""
) -> dict[str, Any]:
    """One read.

    Raises:
        ApiStatusError: it was refused or is not there.
        ClusterError: there was no answer, or none that is JSON, or a refusal that means nothing yet.
    """
    headers = {"Accept": accept} if accept else {}

    async def read() -> dict[str, Any]:
        return await _request(session, "GET", server + path, path, params=params, headers=headers)

    return await refused_for_good(session, server, read)


async def post_json(
    session: aiohttp.ClientSession, server: str, path: str, body: Mapping[str, Any], *, token: str | None = None
) -> dict[str, Any]:
    """One review, with the credentials of the session or with this bearer token. Raises as :func:`get_json`."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    # What is sent may hold a token, and is for this server alone.
    return await _request(session, "POST", server + path, path, json=body, headers=headers, allow_redirects=False)


async def cluster_uid(session: aiohttp.ClientSession, server: str) -> str:
    """What tells one cluster from another: the uid of its namespace kube-system.

    Raises:
        ClusterError: it cannot be read.
    """
    return uid_of_cluster(await get_json(session, server, KUBE_SYSTEM, accept=METADATA))


def uid_of_cluster(kube_system: Mapping[str, Any]) -> str:
    """The cluster's uid, of the metadata of its namespace kube-system.

    Raises:
        ClusterError: it has none.
    """
    uid = (kube_system.get("metadata") or {}).get("uid")
    if not uid:
        raise ClusterError("The namespace kube-system has no uid; set ROLLCALL_CLUSTER__ID.")
    return str(uid)


async def list_metadata(
    session: aiohttp.ClientSession, server: str, path: str, *, limit: int | None = None
) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
    """The metadata of every object of a kind, page by page, with the list's resourceVersion (0 where unknown).

    With a limit it ends after one page of so many.
    """
    params = {"limit": str(limit or PAGE)}
    while True:
        page = await get_json(session, server, path, params=params, accept=METADATA_LIST)
        metadata = page.get("metadata") or {}
        version = str(metadata.get("resourceVersion", ""))
        yield page.get("items") or [], int(version) if version.isdigit() else 0
        if limit is not None or not metadata.get("continue"):
            return
        params = {"limit": str(PAGE), "continue": str(metadata["continue"])}


async def prove_watch(session: aiohttp.ClientSession, server: str, path: str, *, version: int) -> None:
    """Open a watch, which ends at once: a list says nothing of whether what it lists may be watched too.

    Raises:
        ApiStatusError: it was refused.
        ClusterError: there was no answer, or a refusal that means nothing yet.
    """
    params = {"watch": "true", "timeoutSeconds": "1", "resourceVersion": str(version)}

    async def open_one() -> None:
        async with _answered(session, "GET", server + path, f"a watch of {path}", params=params):
            pass

    await refused_for_good(session, server, open_one)


async def refused_for_good(session: aiohttp.ClientSession, server: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and where that is refused make sure of it: an API server that has just started refuses everybody.

    For a moment it knows neither rights nor accounts, and says of nothing that it will.

    Raises:
        ApiStatusError: it was refused by an API server that is ready, or what else was answered.
        ClusterError: it was refused by one that is just starting, or what else asking raises.
    """
    try:
        return await ask()
    except ApiStatusError as error:
        if not error.is_refusal:
            raise
        if await _is_starting(session, server):
            raise ClusterError(f"The Kubernetes API is just starting: {error}") from error
    # It may have become ready between its two answers.
    return await ask()


async def _is_starting(session: aiohttp.ClientSession, server: str) -> bool:
    """Whether it has not caught up yet. One that refuses even this has no rights at all, or an admin forbids it."""
    for pause in (_RIGHTS_SECONDS, 0.0):
        try:
            async with _answered(session, "GET", server + _READY, _READY):
                return False
        except ApiStatusError as error:
            if not error.is_refusal:
                return error.status >= 500  # noqa: PLR2004 - HTTP
        await asyncio.sleep(pause)
    return False


async def _request(
    session: aiohttp.ClientSession, method: str, url: str, path: str, **arguments: Any
) -> dict[str, Any]:
    async with _answered(session, method, url, path, **arguments) as response:
        answer = await response.json(content_type=None)
    if not isinstance(answer, dict):
        raise ClusterError(f"The Kubernetes API answered no object for {path}.")
    return answer


@asynccontextmanager
async def _answered(
    session: aiohttp.ClientSession, method: str, url: str, what: str, **arguments: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """An answer that is no refusal, while the block reads it.

    Raises:
        ApiStatusError: it was refused.
        ClusterError: there was no answer, or not all of it.
    """
    try:
        async with session.request(method, url, timeout=_TIMEOUT, **arguments) as response:
            if response.status >= 300:  # noqa: PLR2004 - HTTP
                raise ApiStatusError(response.status, what)
            yield response
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise ClusterError(f"The Kubernetes API gave no answer for {what}: {type(error).__name__}.") from error
