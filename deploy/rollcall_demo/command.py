"""The command ``rollcall demo``: a database, a cluster, the operator, the API and a table, in one terminal."""

import argparse
import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.config.config_exception import ConfigException
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live
from yaml import YAMLError

from rollcall.errors import SettingsError
from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.schema import migrate
from rollcall_demo.apiserver import CONTEXT, SimulatedApiServer
from rollcall_demo.measuring import Measuring, chosen_prometheus
from rollcall_demo.notes import metrics_example, notes
from rollcall_demo.objects import Objects
from rollcall_demo.player import Player
from rollcall_demo.processes import DemoError, RollcallProcesses, Wiring
from rollcall_demo.screen import View, draw, keep_fresh

FATAL_GRACE_SECONDS = 45
"""How long a simulated pod may be unable to start before its workload has failed: less than the 120 seconds that are
the default, so that nobody has to wait for it; a setting of one's own wins."""

HIGHEST_PORT = 65_535


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C.

    Raises:
        RollcallError: it cannot start or go on; a sentence.
    """
    words = _parser().parse_args(arguments)
    for option, port in (("--api-port", words.api_port), ("--operator-port", words.operator_port)):
        _check_port(option, port)
    if words.context is not None or words.kubeconfig is not None:
        words.context = _context(words.kubeconfig, words.context)
    with _folder(words.data_dir) as folder:
        asyncio.run(Demo(words, folder).run())
    return 0


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """The folder of this run, for it alone: one that is kept, or one that goes."""
    if kept is None:
        folder = Path(tempfile.mkdtemp(prefix="rollcall-demo-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        kept.mkdir(parents=True, exist_ok=True)
        lock = (kept / "lock").open("w")
    except OSError as error:
        raise DemoError(f"The folder {kept} cannot be used: {error.strerror}.") from error
    with lock:
        try:
            # The system lets go of it however this process ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DemoError(f"Another demo runs on the folder {kept}; choose another, or end that one.") from error
        yield kept


class Demo:
    """One run of the demo."""

    def __init__(self, words: argparse.Namespace, folder: Path) -> None:
        self._words = words
        self._folder = folder
        self._stopped = asyncio.Event()
        self._console = Console(highlight=False)
        self._table = words.table and self._console.is_terminal
        self._playing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Start everything in order, show it, stop everything whatever happens.

        Raises:
            RollcallError: something of it ended by itself, or never began.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopped.set)
        async with contextlib.AsyncExitStack() as stack:
            self._say("starting an embedded PostgreSQL")
            postgres = stack.enter_context(EmbeddedPostgres(self._folder / "postgres"))
            await asyncio.to_thread(migrate, DatabaseSettings(dsn=SecretStr(postgres.dsn())))
            wiring = await self._wiring(stack, postgres.dsn())
            measuring = self._measuring(wiring)
            if measuring is not None:
                wiring = replace(wiring, defaults={**measuring.defaults(), **wiring.defaults})
            processes = RollcallProcesses(wiring, self._folder)
            stack.callback(processes.stop)
            self._say(f"starting the operator and the API on {wiring.cluster_name}")
            if await self._unless_stopped(processes.start()):
                if measuring is not None:
                    # Only now: whoever waits for the first workload waits for nothing else.
                    stack.callback(measuring.stop)
                    measuring.start()
                await self._show(processes, measuring, wiring.cluster_name)
            self._check_player()
            self._say("stopping")

    async def _unless_stopped(self, starting: Coroutine[Any, Any, None]) -> bool:
        """Wait for a start, or for the wish to stop; whether it was started."""
        started, stopped = asyncio.create_task(starting), asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait((started, stopped), return_when=asyncio.FIRST_COMPLETED)
            if started.done():
                started.result()
            return started.done()
        finally:
            started.cancel()
            stopped.cancel()
            await asyncio.wait((started, stopped))

    def _check_player(self) -> None:
        """See that the player has not failed.

        Raises:
            DemoError: it has.
        """
        if self._playing is None or not self._playing.done() or self._playing.cancelled():
            return
        error = self._playing.exception()
        raise DemoError(f"The simulated cluster stopped playing: {error!r}.") from error

    async def _wiring(self, stack: contextlib.AsyncExitStack, dsn: str) -> Wiring:
        words = self._words
        kubeconfig = words.kubeconfig
        defaults: dict[str, str] = {}
        if words.context is not None:
            context: str = words.context
            name = words.cluster_name or f"the cluster of context {context}"
        else:
            self._say("starting the simulated cluster")
            kubeconfig, context, name = self._folder / "simulated.kubeconfig", CONTEXT, "a simulated cluster"
            await self._simulate(stack, kubeconfig)
            defaults["ROLLCALL_CLUSTER__FATAL_GRACE_SECONDS"] = str(FATAL_GRACE_SECONDS)
        return Wiring(
            dsn=dsn,
            kubeconfig=kubeconfig,
            context=context,
            api_port=words.api_port,
            operator_port=words.operator_port,
            cluster_name=name,
            defaults=defaults,
        )

    async def _simulate(self, stack: contextlib.AsyncExitStack, kubeconfig: Path) -> None:
        # A later run on the same database must not look older than an earlier one.
        objects = Objects(first_version=time.time_ns() // 1_000_000)
        server = SimulatedApiServer(objects)
        await server.start()
        stack.push_async_callback(server.stop)
        server.write_kubeconfig(kubeconfig)
        playing = self._playing = asyncio.create_task(Player(objects).run())
        # A player that fails must not go unseen behind a table that stands still.
        playing.add_done_callback(lambda _task: self._stopped.set())

        async def end() -> None:
            playing.cancel()
            await asyncio.wait((playing,))

        stack.push_async_callback(end)

    def _measuring(self, wiring: Wiring) -> Measuring | None:
        words = self._words
        program = chosen_prometheus(words.prometheus, is_simulated=words.context is None) if words.metrics else None
        if program is None:
            return None
        return Measuring(program, self._folder, kubeconfig=wiring.kubeconfig, context=wiring.context)

    async def _show(self, processes: RollcallProcesses, measuring: Measuring | None, cluster_name: str) -> None:
        view = View()
        example = None
        refreshing = asyncio.create_task(keep_fresh(view, processes.api_url, self._stopped))
        try:
            if not self._table:
                self._say("ready", *notes(processes, measuring, None))
            with self._screen() as live:
                while not self._stopped.is_set():
                    processes.check()
                    if measuring is not None:
                        measuring.check()
                        found = metrics_example(view.workloads, processes.api_url, datetime.now(UTC))
                        if found is not None and example is None and live is None:
                            self._say(found)
                        example = found or example
                    if live is None:
                        self._say(*view.changes())
                    else:
                        lines = notes(processes, measuring, example)
                        live.update(draw(view, lines, f"Rollcall on {cluster_name}", self._console), refresh=True)
                    await asyncio.sleep(0.25)
        finally:
            refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await refreshing

    def _screen(self) -> contextlib.AbstractContextManager[Live | None]:
        """The terminal for the table; nothing where there is a line for each change."""
        if not self._table:
            return contextlib.nullcontext()
        return Live(console=self._console, screen=True, auto_refresh=False)

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True, markup=False)


def _check_port(option: str, port: int) -> None:
    if port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"Port {port} of 127.0.0.1 cannot be had ({error.strerror});"
                f" choose another with {option}{' (make run PORT=9000)' if option == '--api-port' else ''}."
            ) from error


def _context(kubeconfig: Path | None, name: str | None) -> str:
    """The context asked for, else the current one.

    Raises:
        SettingsError: there is none of that name, or no kubeconfig that can be read.
    """
    place = "default kubeconfig" if kubeconfig is None else f"kubeconfig {kubeconfig}"
    try:
        contexts, current = config.list_kube_config_contexts(None if kubeconfig is None else str(kubeconfig))  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, YAMLError, AttributeError, KeyError, TypeError) as error:
        # The last three: the client takes the shape of the file on trust.
        raise SettingsError(f"The {place} cannot be used: {str(error).rstrip('.')}.") from error
    if name is None:
        return str(current["name"])
    known = sorted(str(context["name"]) for context in contexts)
    if name not in known:
        raise SettingsError(f"The {place} has no context {name}; it has {', '.join(known)}.")
    return name


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= HIGHEST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to {HIGHEST_PORT}")
    return int(text)


def _whole_path(text: str) -> Path:
    # The processes that read it run in another folder.
    return Path(text).resolve()


def _program(text: str) -> Path:
    path = _whole_path(text)
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise argparse.ArgumentTypeError(f"{text!r} is no program")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollcall demo",
        allow_abbrev=False,
        description="Everything on one machine: an embedded PostgreSQL, a simulated cluster (or one of yours, read"
        " with your rights and never written to), the operator, the API, and a table of the workloads.",
    )
    parser.add_argument("--api-port", type=_port, default=8080, metavar="PORT", help="the API's port (8080; 0: any)")
    parser.add_argument(
        "--operator-port", type=_port, default=0, metavar="PORT", help="port of the operator's metrics (any free one)"
    )
    parser.add_argument(
        "--data-dir", type=_whole_path, metavar="FOLDER", help="keep database and logs here (a temporary folder)"
    )
    parser.add_argument("--no-table", dest="table", action="store_false", help="a line for each change instead")
    parser.add_argument(
        "--prometheus", type=_program, metavar="PROGRAM", help="scrape simulated measurements (that on the PATH)"
    )
    parser.add_argument("--no-metrics", dest="metrics", action="store_false", help="measure nothing")
    parser.add_argument("--context", metavar="NAME", help="read the cluster of this kubeconfig context")
    parser.add_argument("--kubeconfig", type=_whole_path, metavar="FILE", help="read the cluster of this kubeconfig")
    parser.add_argument("--cluster-name", metavar="NAME", help="how to call that cluster on screen")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
