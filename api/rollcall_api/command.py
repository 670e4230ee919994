"""The command ``rollcall api``."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import uvicorn

from rollcall.cluster_access import find_access
from rollcall.errors import SettingsError
from rollcall.oidc_settings import is_loopback
from rollcall.settings import ApiSettings, Settings
from rollcall.store.engine import create_engine
from rollcall_api.app import create_app
from rollcall_api.applications import ApplicationsFile, Issuer, ServiceAccountTokens
from rollcall_api.clusters import shown_clusters
from rollcall_api.health import RequestMeasures
from rollcall_api.issuer_keys import IssuerKeys
from rollcall_api.kube.server import serving
from rollcall_api.kube.tls import Certificates, certificate_paths
from rollcall_api.oidc import OidcReviewer
from rollcall_api.protocol import Protocol
from rollcall_api.records import Records
from rollcall_api.reviews import ClusterReviewer
from rollcall_api.rights import NobodyAsked, ReviewedRights, Reviewer, Rights
from rollcall_api.self_reviews import SelfReviewer

DRAIN_SECONDS = 10
"""How long requests may take to end after SIGTERM."""


def main(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then let running requests end."""
    # uvicorn handles both while it serves, and hands them on when it is done: that end is a good one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    asyncio.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Serve until the server is told to end.

    Raises:
        SettingsError: a setting is wrong.
        StoreError: the database is away or its schema another release's.
    """
    api = settings.api
    if api.authentication == "none" and not is_loopback(api.host):
        raise SettingsError(
            f"ROLLCALL_API__AUTHENTICATION=none listens on loopback only, and ROLLCALL_API__HOST is {api.host}."
        )
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen(api.host, api.port, "ROLLCALL_API"))
        engine = create_engine(settings.database, application_name="rollcall-api")
        stack.push_async_callback(engine.dispose)
        records = Records(engine, tenant_id=settings.cluster.tenant_id)
        await records.verify()
        app = create_app(settings, records, *await _who_is_asked(settings, records, stack))
        if api.aggregated.enabled:
            await stack.enter_async_context(_served_to_kubectl(settings, records, app.state.measures))
        # log_config=None: our own formatter stays in charge.
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # Always given: what is left out here, the server would take from the environment.
            proxy_headers=bool(api.trusted_proxies),
            forwarded_allow_ips=list(api.trusted_proxies),
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        # What is loaded by now stays for good: a full collection that walked through all of it took some 65 ms.
        gc.collect()
        gc.freeze()
        await uvicorn.Server(config).serve(sockets=[listener])


async def _who_is_asked(settings: Settings, records: Records, stack: AsyncExitStack) -> tuple[Rights, Issuer | None]:
    """Who decides what a caller may see, and who gives tokens to applications."""
    api = settings.api
    if api.authentication == "none":
        return NobodyAsked(await stack.enter_async_context(shown_clusters(settings))), None
    applications = None if api.applications_file is None else ApplicationsFile(api.applications_file)
    keys = await stack.enter_async_context(_keys(api)) if api.authentication == "oidc" else None
    access = find_access(api.kube_context)
    asks = SelfReviewer if api.reviews == "self" else ClusterReviewer
    reviewer: Reviewer = await stack.enter_async_context(asks.opened(access))
    if keys is not None:
        reviewer = OidcReviewer(api.oidc, keys, reviewer, reviews_other_tokens=applications is not None)
    clusters = await stack.enter_async_context(shown_clusters(settings))
    rights = ReviewedRights(reviewer, records.namespaces, clusters=clusters, keep_seconds=api.review_cache_seconds)
    if applications is None:
        return rights, None
    session = await stack.enter_async_context(access.session())
    return rights, ServiceAccountTokens(applications, session, access.server, seconds=api.token_seconds)


def _keys(api: ApiSettings) -> AbstractAsyncContextManager[IssuerKeys]:
    for name, value in (("ISSUER", api.oidc.issuer), ("AUDIENCES", api.oidc.audiences)):
        if not value:
            raise SettingsError(f"ROLLCALL_API__OIDC__{name}: must be set for ROLLCALL_API__AUTHENTICATION=oidc.")
    return IssuerKeys.opened(api.oidc)


@asynccontextmanager
async def _served_to_kubectl(settings: Settings, records: Records, measures: RequestMeasures) -> AsyncIterator[None]:
    """The aggregated API beside this one, while the block runs."""
    given = settings.api.aggregated
    certificates = Certificates(*certificate_paths(given.certificate_file, given.key_file))
    access = find_access(settings.api.kube_context)
    with listen(given.host, given.port, "ROLLCALL_API__AGGREGATED") as listener:
        async with serving(settings, records, access, measures, listener, certificates):
            yield


def listen(host: str, port: int, section: str) -> socket.socket:
    """A listening socket; ``section`` is what the setting's name begins with.

    Raises:
        SettingsError: the address cannot be had; the sentence names the setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off; else each answer on a kept connection waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"{section}__PORT: cannot listen on {host}:{port}: {error.strerror or error}.") from error
    listener.listen(1024)
    return listener
