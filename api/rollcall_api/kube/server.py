"""The listener: TLS, errors as Status, and what runs beside it while it serves."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from rollcall.cluster_access import Access, cluster_uid, get_json
from rollcall.errors import ClusterError, SettingsError, StoreError
from rollcall.settings import Settings
from rollcall_api.health import RequestMeasures
from rollcall_api.kube.access import DelegatedAccess
from rollcall_api.kube.endpoints import Endpoints
from rollcall_api.kube.following import Following
from rollcall_api.kube.openapi import documents
from rollcall_api.kube.reading import ObjectReader
from rollcall_api.kube.request_header import CONFIG_MAP, RequestHeaderConfig, read_config
from rollcall_api.kube.statuses import StatusError, internal_error, unavailable
from rollcall_api.kube.tls import Certificates
from rollcall_api.records import Records
from rollcall_api.reviews import ClusterReviewer
from rollcall_api.rights import Caller

log = structlog.stdlib.get_logger(__name__)

REFRESH_SECONDS = 20.0
"""How often the authority of request headers and the certificate's files are looked at."""

FIRST_REFRESH_SECONDS = 1.0
"""The same while the authority is not known."""

DRAIN_SECONDS = 5
"""How long requests may take to end; watches end at once, and their clients watch on elsewhere."""

_MOST_HEADER_BYTES = 64 * 1024


@dataclass(slots=True)
class Trust:
    """Whose word about callers is taken, as of now."""

    certificates: Certificates
    session: aiohttp.ClientSession
    server: str
    config: RequestHeaderConfig | None = None

    async def run(self) -> None:
        """Keep it up to date until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(FIRST_REFRESH_SECONDS if self.config is None else REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Read it anew; what cannot be read stays as it was."""
        try:
            self.config = read_config(await get_json(self.session, self.server, CONFIG_MAP))
        except ClusterError as error:
            log.warning("request_header_authority_unread", error=str(error))
        try:
            self.certificates.refresh("" if self.config is None else self.config.authority)
        except SettingsError as error:
            log.warning("serving_certificate_unread", error=str(error))

    def word_of(self, request: web.Request) -> tuple[RequestHeaderConfig | None, Mapping[str, Any] | None]:
        """What is needed to find out who is asking: the configuration, and the certificate that was proved."""
        tls = None if request.transport is None else request.transport.get_extra_info("ssl_object")
        if not isinstance(tls, ssl.SSLObject):
            return self.config, None
        if self.certificates.is_outdated(tls) and tls.getpeercert() and request.transport is not None:
            # A 401 would stay one for as long as the API server keeps the connection. Cut off before an answer has
            # begun, it asks again on a new one, whose certificate is checked anew.
            request.transport.abort()
            raise ConnectionAbortedError("the authority of request headers has changed")
        return self.config, self.certificates.proved_peer(tls)


@asynccontextmanager
async def serving(
    settings: Settings,
    records: Records,
    access: Access,
    measures: RequestMeasures,
    listener: socket.socket,
    certificates: Certificates,
) -> AsyncIterator[None]:
    """Serve while the block runs.

    Raises:
        ClusterError: nobody says which cluster this is.
    """
    async with access.session() as session:
        cluster_id = settings.cluster.id or await cluster_uid(session, access.server)
        reader = ObjectReader(records, cluster_id)
        following = Following(reader, settings.database)
        trust = Trust(certificates, session, access.server)
        delegated = DelegatedAccess(
            ClusterReviewer(session, access.server), keep_seconds=settings.api.review_cache_seconds
        )

        async def find_caller(request: web.Request) -> Caller:
            return await delegated.caller(*trust.word_of(request), request.headers)

        app = create_app(Endpoints(reader, following, delegated, documents(), find_caller), measures)
        await trust.refresh()
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=DRAIN_SECONDS,
            max_line_size=_MOST_HEADER_BYTES,
            max_field_size=_MOST_HEADER_BYTES,
        )
        await runner.setup()
        async with asyncio.TaskGroup() as beside:
            tasks = [beside.create_task(trust.run()), beside.create_task(following.run())]
            try:
                await web.SockSite(runner, listener, ssl_context=certificates.listening).start()
                log.info("aggregated_api_started", cluster_id=cluster_id)
                yield
            finally:
                following.end()
                await runner.cleanup()
                for task in tasks:
                    task.cancel()


def create_app(endpoints: Endpoints, measures: RequestMeasures) -> web.Application:
    """The application: the endpoints, every error a Status, every request measured under its route."""

    @web.middleware
    async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        status = 500
        try:
            response = await _with_status(request, handler)
            status = response.status
            return response
        finally:
            resource = request.match_info.route.resource
            route = "other" if resource is None else resource.canonical
            measures.requests.labels(route, str(status)).inc()
            if "watch" not in request.query:
                measures.seconds.labels(route).observe(time.perf_counter() - started)

    app = web.Application(middlewares=[measured], client_max_size=0)
    app.add_routes(endpoints.routes())
    return app


async def _with_status(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except StatusError as error:
        return _status(error)
    except (StoreError, ClusterError) as error:
        log.warning("aggregated_read_failed", error=str(error))
        return _status(unavailable(str(error)))
    except ConnectionError:
        raise  # the client has gone
    except web.HTTPException:
        raise
    except Exception:
        log.exception("aggregated_request_failed")
        return _status(internal_error())


def _status(error: StatusError) -> web.StreamResponse:
    return web.json_response(error.body, status=error.code)
