"""HTTP as it is spoken here: uvicorn's, but that also what is no request at all gets the contract's error body."""

from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from rollcall_api.refusals import error_response


class Protocol(H11Protocol):
    """A connection. Pinned to h11, so that every installation refuses the same things in the same words."""

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
