"""The command ``rollcall demo``: a database, a cluster, the operator, the API and a table, in one terminal."""

import argparse
import asyncio
import contextlib
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kubernetes import config
from kubernetes.config.config_exception import ConfigException
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live

from rollcall.errors import SettingsError
from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.schema import migrate
from rollcall_demo.apiserver import CONTEXT, SimulatedApiServer
from rollcall_demo.objects import Objects
from rollcall_demo.player import Player
from rollcall_demo.processes import DemoError, RollcallProcesses, Wiring
from rollcall_demo.screen import View, draw, keep_fresh


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C.

    Raises:
        RollcallError: it cannot start or go on; a sentence.
    """
    words = _parser().parse_args(arguments)
    _check_port(words.api_port)
    kept = words.data_dir is not None
    folder = Path(words.data_dir).resolve() if kept else Path(tempfile.mkdtemp(prefix="rollcall-demo-"))
    try:
        asyncio.run(Demo(words, folder).run())
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


class Demo:
    """One run of the demo."""

    def __init__(self, words: argparse.Namespace, folder: Path) -> None:
        self._words = words
        self._folder = folder
        self._stopped = asyncio.Event()
        self._console = Console(highlight=False)
        self._table = words.table and self._console.is_terminal

    async def run(self) -> None:
        """Start everything in order, show it, stop everything whatever happens."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopped.set)
        async with contextlib.AsyncExitStack() as stack:
            self._say("starting an embedded PostgreSQL")
            postgres = stack.enter_context(EmbeddedPostgres(self._folder / "postgres"))
            await asyncio.to_thread(migrate, DatabaseSettings(dsn=SecretStr(postgres.dsn())))
            wiring = await self._wiring(stack, postgres.dsn())
            processes = RollcallProcesses(wiring, self._folder)
            stack.callback(processes.stop)
            self._say(f"starting the operator and the API on {wiring.cluster_name}")
            await processes.start()
            await self._show(processes, wiring)
            self._say("stopping")

    async def _wiring(self, stack: contextlib.AsyncExitStack, dsn: str) -> Wiring:
        words = self._words
        kubeconfig = words.kubeconfig
        if words.context is not None or kubeconfig is not None:
            context = words.context or _current_context(kubeconfig)
            name = words.cluster_name or f"the cluster of context {context}"
        else:
            self._say("starting the simulated cluster")
            kubeconfig, context, name = self._folder / "simulated.kubeconfig", CONTEXT, "a simulated cluster"
            await self._simulate(stack, kubeconfig)
        return Wiring(
            dsn=dsn,
            kubeconfig=kubeconfig,
            context=context,
            api_port=words.api_port,
            operator_port=words.operator_port,
            cluster_name=name,
        )

    async def _simulate(self, stack: contextlib.AsyncExitStack, kubeconfig: Path) -> None:
        objects = Objects()
        server = SimulatedApiServer(objects)
        await server.start()
        stack.push_async_callback(server.stop)
        server.write_kubeconfig(kubeconfig)
        playing = asyncio.create_task(Player(objects).run())

        async def end() -> None:
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing

        stack.push_async_callback(end)
        # A player that fails must not go unseen behind a table that stands still.
        playing.add_done_callback(lambda _task: self._stopped.set())

    async def _show(self, processes: RollcallProcesses, wiring: Wiring) -> None:
        view = View()
        notes = _notes(processes)
        refreshing = asyncio.create_task(keep_fresh(view, processes.api_url, self._stopped))
        try:
            if self._table:
                title = f"Rollcall on {wiring.cluster_name}"
                with Live(console=self._console, screen=True, auto_refresh=False) as live:
                    while not self._stopped.is_set():
                        processes.check()
                        live.update(draw(view, notes, title, self._console), refresh=True)
                        await asyncio.sleep(0.25)
            else:
                self._say("ready", *notes)
                while not self._stopped.is_set():
                    processes.check()
                    for line in view.changes():
                        self._console.print(line, soft_wrap=True, markup=False)
                    await asyncio.sleep(0.25)
        finally:
            refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await refreshing

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True, markup=False)


def _notes(processes: RollcallProcesses) -> list[str]:
    api = processes.api_url
    return [
        f"API         {api}/api/v1/workloads   documented at {api}/docs",
        f"operator    {processes.operator_url}/metrics   logs in {processes.operator.log.parent}",
        "",
        f"curl -s '{api}/api/v1/workloads?limit=3'",
        f"curl -s '{api}/api/v1/workloads/count'",
        f"curl -s '{api}/api/v1/workloads?deleted=true&sortBy=deletedAt&sortOrder=desc&limit=1'",
        "",
        "Ctrl-C stops everything.",
    ]


def _check_port(port: int) -> None:
    if port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"Port {port} of 127.0.0.1 cannot be had ({error.strerror});"
                " choose another: make run PORT=9000, or rollcall demo --api-port 9000."
            ) from error


def _current_context(kubeconfig: Path | None) -> str:
    try:
        _, current = config.list_kube_config_contexts(None if kubeconfig is None else str(kubeconfig))  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise SettingsError(f"The kubeconfig {kubeconfig} cannot be used: {error}.") from error
    return str(current["name"])


def _whole_path(text: str) -> Path:
    # The processes that read it run in another folder.
    return Path(text).resolve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollcall demo",
        allow_abbrev=False,
        description="Everything on one machine: an embedded PostgreSQL, a simulated cluster (or one of yours, read"
        " with your rights and never written to), the operator, the API, and a table of the workloads.",
    )
    parser.add_argument("--api-port", type=int, default=8080, metavar="PORT", help="the API's port (8080; 0: any)")
    parser.add_argument(
        "--operator-port", type=int, default=0, metavar="PORT", help="port of the operator's metrics (any free one)"
    )
    parser.add_argument("--data-dir", metavar="FOLDER", help="keep database and logs here (a temporary folder)")
    parser.add_argument("--no-table", dest="table", action="store_false", help="a line for each change instead")
    parser.add_argument("--context", metavar="NAME", help="read the cluster of this kubeconfig context")
    parser.add_argument("--kubeconfig", type=_whole_path, metavar="FILE", help="read the cluster of this kubeconfig")
    parser.add_argument("--cluster-name", metavar="NAME", help="how to call that cluster on screen")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
