"""Many callers at once: what one process of the API answers in a second, and how long each caller waits."""

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from bench.figures import Figure, quantile

PATHS = (
    "/api/v1/workloads?limit=50&sortOrder=desc",
    "/api/v1/workloads?limit=50&filterBy=phase%3D%3DRunning",
    "/api/v1/workloads/count",
    "/api/v1/workloads?limit=50&sortBy=name",
)
"""What they ask for in turn, as a dashboard and a script would."""


def at_once(port: int, callers: int, requests_each: int) -> list[Figure]:
    """Each caller asks on a kept connection of its own, the next thing as soon as it has its answer.

    Raises:
        AssertionError: an answer was no 200.
    """
    ready = threading.Barrier(callers)

    def call(number: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        taken = []
        ready.wait()
        for place in range(requests_each):
            started = time.perf_counter()
            connection.request("GET", PATHS[(number + place) % len(PATHS)])
            response = connection.getresponse()
            body = response.read()
            taken.append(time.perf_counter() - started)
            if response.status != 200:
                raise AssertionError(f"{response.status}: {body[:200]!r}")
        connection.close()
        return taken

    with ThreadPoolExecutor(callers) as pool:
        started = time.perf_counter()
        taken = [seconds for one in pool.map(call, range(callers)) for seconds in one]
        spent = time.perf_counter() - started
    of = f"{callers} callers at once"
    return [
        Figure(of, "answered", len(taken) / spent, "1/s"),
        *(Figure(of, word, quantile(taken, share) * 1000, "ms") for word, share in (("p50", 0.5), ("p99", 0.99))),
    ]
