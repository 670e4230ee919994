"""What was used, as Prometheus measured it: one query per type for a workload's own pods, while they were there.

The client is synchronous, so it runs in threads of its own; every wait and every answer is bounded.
"""

import asyncio
import io
import json
import re
import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from string import Template
from typing import Any

import requests
import structlog
from prometheus_api_client import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as SlowAnswer
from urllib3.util.retry import Retry

from rollcall.errors import RollcallError
from rollcall.prometheus_settings import PrometheusSettings
from rollcall.store.intervals import WorkloadPods, requested_at
from rollcall_api.measures import MEASURES, MOST_SERIES, Grid, Measure, Series, read_series

log = structlog.stdlib.get_logger(__name__)

QUERIES_AT_ONCE = 8
"""Queries in flight, of all callers together."""

MOST_POINTS = 200_000
"""Series times samples of one query: what Prometheus and this process hold in memory for it."""

MOST_MATCHER_BYTES = 128 * 1024
"""The names of the pods in one query: some two thousand."""

MOST_ANSWER_BYTES = 32 * 1024 * 1024


class MeasuringError(RollcallError):
    """What was asked for could not be measured; a sentence for the caller."""


class Prometheus:
    """Measurements of workloads. Nothing is connected before it is asked."""

    def __init__(self, settings: PrometheusSettings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="prometheus")
        self._client = None if settings.url is None else _client(settings.url, settings)

    async def measured(self, kind: str, found: WorkloadPods, instants: Sequence[datetime]) -> dict[str, Series]:
        """The series of one of :data:`MEASURES` at those of the ascending instants at which there are any.

        They are by what :func:`read_series` tells them apart by; one without a value is left out.

        Raises:
            MeasuringError: it cannot be told.
        """
        if self._client is None:
            raise MeasuringError("No Prometheus is configured.")
        if not self._template(MEASURES[kind]):
            raise MeasuringError("No query is configured for it.")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                return await loop.run_in_executor(self._threads, self._ask, self._client, kind, found, instants)
        except TimeoutError as error:
            raise self._too_slow() from error

    def _template(self, measure: Measure) -> str:
        found: str = getattr(self._settings, measure.query)
        return found

    def _query(self, measure: Measure, found: WorkloadPods, grid: Grid) -> str:
        names = sorted({pod.name for pod in found.pods})
        points = len(names) * len(grid.instants) * MOST_SERIES[measure.shape]
        namespace, pods = json.dumps(found.pods[0].namespace, ensure_ascii=False), _any_of(names)
        if len(pods) > MOST_MATCHER_BYTES or points > MOST_POINTS:
            raise MeasuringError(
                f"The workload had {len(names)} pods in this time, which is too many for one query;"
                " ask for a shorter time or fewer samples."
            )
        return Template(self._template(measure)).safe_substitute(
            pods=f"namespace={namespace},pod=~{pods}",
            exported_pods=f"exported_namespace={namespace},exported_pod=~{pods}",
            window=f"{self._settings.rate_window_seconds}s",
            cluster_id=json.dumps(found.cluster_id, ensure_ascii=False)[1:-1],
        )

    def _ask(
        self, client: PrometheusConnect, kind: str, found: WorkloadPods, instants: Sequence[datetime]
    ) -> dict[str, Series]:
        """Ask and wait: in a thread."""
        # Asked about the future, Prometheus repeats what it measured last.
        past = instants[: bisect_right(instants, datetime.now(UTC))]
        there = [place for place, pods in enumerate(requested_at(found.pods, past, lambda _: 1)) if pods]
        if not there:
            return {}
        grid = Grid(instants[there[0] : there[-1] + 1])
        query = self._query(MEASURES[kind], found, grid)
        start, step = grid.instants[0].timestamp(), grid.step.total_seconds()
        # The client rounds its own start and end to seconds; these win over them.
        exact = {
            "start": f"{start:.3f}",
            "end": f"{start + step * (len(grid.instants) - 1):.3f}",
            "timeout": f"{self._settings.timeout_seconds:.3f}",
        }
        try:
            answer = client.custom_query_range(
                query, grid.instants[0], grid.instants[-1], step=f"{step:.3f}", params=exact
            )
            return read_series(MEASURES[kind], answer, found.pods, grid)
        except (requests.Timeout, SlowAnswer) as error:
            raise self._too_slow() from error
        except PrometheusApiClientException as error:
            log.warning("metric_query_refused", type=str(kind), error=str(error)[:500])
            raise MeasuringError("Prometheus refused the query.") from error
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            log.warning("metric_answer_not_read", type=str(kind), error=repr(error)[:500])
            raise MeasuringError("Prometheus answered something else than series of pods.") from error
        except (requests.RequestException, HTTPError) as error:
            log.warning("metric_query_failed", type=str(kind), error=str(error)[:500])
            raise MeasuringError("Prometheus cannot be reached.") from error

    def _too_slow(self) -> MeasuringError:
        return MeasuringError(f"Prometheus did not answer within {self._settings.timeout_seconds:g} s.")


def _any_of(names: Iterable[str]) -> str:
    """A PromQL string with a regular expression that matches exactly these names."""
    return json.dumps("|".join(map(re.escape, names)), ensure_ascii=False)


def _client(url: str, settings: PrometheusSettings) -> PrometheusConnect:
    session = _BoundedSession(settings.timeout_seconds)
    if settings.ca_file is not None:
        session.verify = settings.ca_file
    token = settings.token
    return PrometheusConnect(
        url=url.rstrip("/"),
        headers=None if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"},
        session=session,
        # Whoever asks may ask again; waiting here would only hold a thread.
        retry=Retry(0),
        timeout=settings.timeout_seconds,
        # The names of many pods are too long for the line of a GET.
        method="POST",
    )


class _BoundedSession(requests.Session):
    """Requests whose whole answer arrives in time and is not endless: a time-out alone bounds each wait, not all."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def request(self, method: str, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """The answer, read."""
        until = time.monotonic() + self._seconds
        if method == "POST":
            options["data"] = options.pop("params", None)
        answer = super().request(method, url, *args, **{**options, "stream": True, "allow_redirects": False})
        content = bytearray()
        try:
            while part := answer.raw.read(64 * 1024, decode_content=True):
                content += part
                if len(content) > MOST_ANSWER_BYTES:
                    raise requests.ConnectionError(f"an answer of more than {MOST_ANSWER_BYTES} bytes")
                if time.monotonic() > until:
                    raise requests.Timeout("an answer that does not end")
        finally:
            answer.close()
        answer.raw = io.BytesIO(content)
        return answer
