"""Requests as bytes over a socket, and the answers as they come."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass

from support.api_process import ApiProcess

from rollcall_api.models import Error


@dataclass(frozen=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def error(self) -> str:
        """The message of the error body, which must be the contract's."""
        assert self.headers["content-type"] == "application/json", self
        found = Error.model_validate(json.loads(self.body))
        assert found.code == self.status
        return found.message


def received(api: ApiProcess, request: bytes) -> bytes:
    """Send bytes, as many as are taken, and read until the other side closes."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as connection:
        # Who has heard enough answers and closes, however much more there would be.
        with suppress(ConnectionError):
            connection.sendall(request)
        answer = bytearray()
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
    return bytes(answer)


def exchange(api: ApiProcess, request: bytes) -> Reply:
    """Send bytes, read until the other side closes: one answer."""
    head, _, body = received(api, request).partition(b"\r\n\r\n")
    status_line, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert len(body) == int(headers.get("content-length", len(body))) or request.startswith(b"HEAD")
    return Reply(int(status_line.split()[1]), headers, body)


def send(api: ApiProcess, line: str, body: bytes = b"", *headers: str) -> Reply:
    """Send one request line, byte for byte, as the client that it was captured from does."""
    lines = [f"{line} HTTP/1.1", "Host: api.example", "Accept-Encoding: identity", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return exchange(api, "\r\n".join([*lines, "", ""]).encode() + body)
