"""HTTP as it is spoken here: uvicorn's, but that also what is no request at all gets the contract's error body."""

from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from rollcall_api.refusals import error_response

MOST_HEAD_BYTES = 64 * 1024
"""Longest request line and headers together: a query of the most that is read, and a token beside it."""


class StrictConnection(h11.Connection):
    """Reads a request in one way, or not at all."""

    def next_event(self) -> Any:
        """What comes next.

        Raises:
            h11.RemoteProtocolError: the request is longer than is read, or framed in two ways at once.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            size = len(event.target) + sum(len(name) + len(value) for name, value in event.headers)
            if size > MOST_HEAD_BYTES:
                # h11 counts only what it still waits for the end of: a long head that came at once would pass.
                raise h11.RemoteProtocolError("The head of the request is too long.")
            if {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}:
                # A proxy that goes by the one where we go by the other sees another request end (RFC 9112, 6.3).
                raise h11.RemoteProtocolError("The body has a length and is in chunks.")
        return event


class Protocol(H11Protocol):
    """A connection. Pinned to h11, so that every installation refuses the same things in the same words."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn = StrictConnection(h11.SERVER, MOST_HEAD_BYTES)

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read as HTTP: a broken request line, a NUL, headers without end."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            # In the middle of an answer to an earlier request there is no saying it.
            self.transport.close()
            return
        refusal = error_response(HTTPStatus.BAD_REQUEST, msg, {"Connection": "close"})
        head = h11.Response(status_code=refusal.status_code, headers=refusal.raw_headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(refusal.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
