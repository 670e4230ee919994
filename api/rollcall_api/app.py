"""The application, put together from its parts. Nothing happens at import."""

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from rollcall.settings import Settings
from rollcall_api import events, health, metrics, nodes, oauth, places, pods, routes, telemetry, tokens, workload_types
from rollcall_api.applications import Issuer
from rollcall_api.prometheus import Prometheus
from rollcall_api.rate_limits import CallerLimits, NoLimits
from rollcall_api.records import Records
from rollcall_api.refusals import add_refusals
from rollcall_api.rights import NobodyAsked, Rights

DESCRIPTION = """\
The workloads of a GPU cluster: what is there, in which phase, on whose behalf, holding how many GPUs; and what was.
Every answer carries `X-Rollcall-Observed-At`, the instant of the oldest watch behind it.
"""


def create_app(settings: Settings, records: Records, rights: Rights, issuer: Issuer | None = None) -> FastAPI:
    """The API over the store's records, as far as rights let a caller see them.

    Without an ``issuer`` applications get no token, except where nobody is asked for one.
    """
    app = FastAPIOffline(
        redoc_url=None,
        title="Rollcall",
        version="v1",
        description=DESCRIPTION,
        # A redirect would repeat whatever Host was sent; a path is right or it is not there.
        redirect_slashes=False,
        # The page would have an outside service validate the document.
        swagger_ui_parameters={"validatorUrl": None},
    )
    app.state.records = records
    app.state.rights = rights
    app.state.issuer = issuer or _issuer_for(settings, rights)
    # Callers are told apart by what they are asked for.
    limited = settings.api.rate_per_second > 0 and not isinstance(rights, NobodyAsked)
    app.state.rate_limits = (
        CallerLimits(per_second=settings.api.rate_per_second, burst=settings.api.rate_burst) if limited else NoLimits()
    )
    app.state.stale_after_seconds = settings.api.stale_after_seconds
    app.state.node_pool_labels = settings.cluster.node_pool_labels
    app.state.prometheus = Prometheus(settings.prometheus)
    app.state.measures = health.RequestMeasures()
    app.add_middleware(health.MeasureRequests, measures=app.state.measures)
    add_refusals(app)
    # Before the workload of any id: telemetry is none, nor are pods.
    app.include_router(telemetry.router)
    app.include_router(pods.router)
    app.include_router(routes.router)
    app.include_router(metrics.router)
    app.include_router(events.router)
    app.include_router(places.router)
    app.include_router(nodes.router)
    app.include_router(workload_types.router)
    app.include_router(tokens.router)
    app.include_router(oauth.router)
    app.include_router(health.router)
    return app


def _issuer_for(settings: Settings, rights: Rights) -> Issuer:
    """Who gives tokens where no application is declared."""
    if isinstance(rights, NobodyAsked):
        return tokens.Anyone()
    return tokens.NoApplications(tokens.INSTEAD[settings.api.authentication])
