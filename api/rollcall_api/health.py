"""``/livez``, ``/readyz`` and ``/metrics`` of the API."""

import time
from datetime import UTC, datetime

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rollcall.errors import RollcallError
from rollcall_api.records import Records
from rollcall_api.rights import Rights

router = APIRouter(include_in_schema=False)


class RequestMeasures:
    """Requests by route and status, and how long they took."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "rollcall_api_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "rollcall_api_request_seconds",
            "Seconds from request to answer.",
            ["route"],
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
        )


class MeasureRequests:
    """Counts each request under its route's pattern, never under its path: ids would be a label each."""

    def __init__(self, app: ASGIApp, measures: RequestMeasures) -> None:
        self._app = app
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._measures.requests.labels(route, str(status)).inc()
            self._measures.seconds.labels(route).observe(time.perf_counter() - started)


@router.get("/livez")
async def livez() -> PlainTextResponse:
    """The process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
async def readyz(request: Request) -> PlainTextResponse:
    """The database answers, its schema is this release's, and the view is fresh."""
    because = await _unready_because(request.app)
    return PlainTextResponse(f"{because or 'ok'}\n", status_code=200 if because is None else 503)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus's text format."""
    measures: RequestMeasures = request.app.state.measures
    return Response(generate_latest(measures.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _unready_because(app: FastAPI) -> str | None:
    records: Records = app.state.records
    rights: Rights = app.state.rights
    try:
        observed_at = await records.verify(await rights.clusters.ids())
    except RollcallError as error:
        return str(error)
    if observed_at is None:
        return "No operator has observed a cluster yet."
    age = (datetime.now(UTC) - observed_at).total_seconds()
    if age > app.state.stale_after_seconds:
        return f"The view is {age:.0f} s old."
    return None
