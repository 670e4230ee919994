"""Ports of programs that tests start: nobody else's from when they are chosen until the program listens."""

import socket
import sys
import weakref


class KeptPort:
    """A free port of loopback, kept for as long as this object lives.

    The program may listen on it all the same, as everything that serves asks for an address to be used again.
    """

    def __init__(self) -> None:
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        self.number: int = held.getsockname()[1]
        if sys.platform == "linux":
            weakref.finalize(self, held.close)
        else:
            # Elsewhere nobody may listen where another socket is bound, though that one does not listen.
            held.close()
