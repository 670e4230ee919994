"""One program as a process: with a log of its own, stopped by its id, never outliving us."""

import ctypes
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 3
"""How long a program may take to end before it is killed; kube-apiserver waits for its watchers much longer."""

_PR_SET_PDEATHSIG = 1

_MOST_HELD = 250
_held: deque[socket.socket] = deque()
"""Bound to the ports that were given away last."""


class Program:
    """A process and its log."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = list(command)
        self._folder = folder
        self._environment = None if environment is None else dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; must be called from a thread that lives as long as it shall."""
        libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

        def die_with_parent() -> None:
            # So that nothing is left even where this process is killed outright.
            if libc is not None:
                libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a command of ours
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we stop them in order
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one call of libc that was loaded before the fork
            )

    @property
    def pid(self) -> int | None:
        """The id of the process that runs, or ran last."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask_to_end(self) -> None:
        """Ask it to end, and wait for nothing: `stop` does."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self, *, kill: bool = False) -> None:
        """End it, by force where it does not."""
        if self._process is None:
            return
        if self._process.poll() is None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def last_lines(self, number: int = 15) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-number:])


def free_ports(number: int) -> list[int]:
    """Loopback ports that nobody listens on just now, all different, for programs of ours to listen on.

    On Linux the kernel gives them to nobody else who asks for any port, not even between two runs of a program, as
    long as this process lives and asks for no more than some hundred others.
    """
    sockets = [socket.socket() for _ in range(number)]
    is_held = sys.platform == "linux"
    try:
        for one in sockets:
            if is_held:
                # Two sockets that both allow it may have one port as long as only one listens; as all our programs do.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        if is_held:
            _held.extend(sockets)
            sockets = [_held.popleft() for _ in range(len(_held) - _MOST_HELD)]
        for one in sockets:
            one.close()
