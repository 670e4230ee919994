"""The application, put together from its parts. Nothing happens at import."""

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.settings import Settings
from rollcall_api import health, routes, tokens
from rollcall_api.authentication import Gate
from rollcall_api.errors import handle_errors

DESCRIPTION = """\
The workloads of a GPU cluster: what is there, in which phase, on whose behalf, holding how many GPUs; and what was.
Every answer carries `X-Rollcall-Observed-At`, the instant of the oldest watch behind it.
"""


def create_app(settings: Settings, engine: AsyncEngine, gate: Gate) -> FastAPI:
    """The API on an engine, behind a gate."""
    app = FastAPI(title="Rollcall", version="v1", description=DESCRIPTION, redoc_url=None)
    app.state.engine = engine
    app.state.gate = gate
    app.state.tenant_id = settings.cluster.tenant_id
    app.state.stale_after_seconds = settings.api.stale_after_seconds
    app.state.measures = health.RequestMeasures()
    app.add_middleware(health.MeasureRequests, measures=app.state.measures)
    handle_errors(app)
    app.include_router(routes.router)
    app.include_router(tokens.router)
    app.include_router(health.router)
    return app
