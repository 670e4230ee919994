"""A real Prometheus of the test's own, and series written into it through its remote-write door."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
from support.rows import eventually

from rollcall_cluster.prometheus_binary import find_prometheus
from rollcall_demo.programs import Program, free_ports

ANSWER_SECONDS = 60
"""The longest wait for an answer: a server that is busy takes longer than clients wait by themselves."""

Samples = Iterable[tuple[datetime, float]]

_CONFIG = """\
# The tests' series lie in the past, and come in any order.
storage:
  tsdb:
    out_of_order_time_window: 1000d
"""


class PrometheusServer:
    """A running server, empty at first."""

    def __init__(self, program: Program, url: str) -> None:
        self.program = program
        self.url = url

    def write(self, name: str, labels: Mapping[str, str], samples: Samples) -> None:
        """Add samples to a series."""
        body = _series({"__name__": name, **labels}, samples)
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        url = f"{self.url}/api/v1/write"
        answer = httpx.post(url, content=_snappy(body), headers=headers, timeout=ANSWER_SECONDS)
        assert answer.is_success, answer.text

    def says(self, query: str, at: datetime) -> float:
        """Its own answer to a query of one value."""
        params: dict[str, str | float] = {"query": query, "time": at.timestamp()}
        answer = httpx.get(f"{self.url}/api/v1/query", params=params, timeout=ANSWER_SECONDS)
        (found,) = answer.json()["data"]["result"]
        return float(found["value"][1])

    def is_ready(self) -> bool:
        """Whether it takes and answers."""
        assert self.program.is_running, self.program.last_lines()
        try:
            return httpx.get(f"{self.url}/-/ready").is_success
        except httpx.HTTPError:
            return False


@contextmanager
def running_prometheus(folder: Path, *, rule_files: Iterable[Path] = ()) -> Iterator[PrometheusServer]:
    """A server with nothing to scrape; its data goes with the folder."""
    (port,) = free_ports(1)
    config = folder / "prometheus.yml"
    config.write_text(_CONFIG + "rule_files:\n" + "".join(f"  - {path}\n" for path in rule_files))
    command = [
        str(find_prometheus(print)),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--log.level=warn",
    ]
    server = PrometheusServer(Program("prometheus", command, folder), f"http://127.0.0.1:{port}")
    try:
        server.program.start()
        eventually(server.is_ready, bool)
        yield server
    finally:
        server.program.stop(kill=True)


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _series(labels: Mapping[str, str], samples: Samples) -> bytes:
    """A WriteRequest of one series, as remote write 1.0 has it."""
    written = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels.items())
    )
    for at, value in samples:
        milliseconds = round(at.timestamp() * 1000)
        written += _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(milliseconds))
    return _field(1, written)


def _snappy(content: bytes) -> bytes:
    """The block format, with nothing but literals."""
    written = _varint(len(content))
    for place in range(0, len(content), 65536):
        part = content[place : place + 65536]
        written += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return written
