"""Prometheus beside the demo, and the exporter that it scrapes: simulated measurements of simulated pods."""

import os
import shutil
import sys
from pathlib import Path

import yaml

from rollcall_demo.processes import DemoError
from rollcall_demo.programs import Program, free_ports

SCRAPE_SECONDS = 5
RATE_WINDOW_SECONDS = 30
"""What CPU usage is averaged over: the simulated pods live for seconds, not for hours."""

URL_SETTING = "ROLLCALL_PROMETHEUS__URL"


def chosen_prometheus(given: Path | None, *, is_simulated: bool) -> Path | None:
    """The program to run: the given one, for a simulated cluster else that on the PATH.

    ``None`` where there is none, or where the user's own variables name a Prometheus of theirs.
    """
    if URL_SETTING in os.environ:
        return None
    if given is not None or not is_simulated:
        return given
    found = shutil.which("prometheus")
    return None if found is None else Path(found)


class Measuring:
    """Both processes. Their data and logs are in ``folder``."""

    def __init__(self, prometheus: Path, folder: Path, *, kubeconfig: Path | None, context: str | None) -> None:
        """Nothing is started, nor written."""
        self._folder = folder
        self._port, self._exporter_port = free_ports(2)
        environment = {**os.environ, **({} if kubeconfig is None else {"KUBECONFIG": str(kubeconfig)})}
        command = [sys.executable, "-m", "rollcall_demo.exporter", "--port", str(self._exporter_port)]
        in_context = [] if context is None else ["--context", context]
        self._exporter = Program("exporter", [*command, *in_context], folder, environment)
        flags = [
            f"--config.file={self._config}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            "--storage.tsdb.retention.time=1d",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=warn",
        ]
        self._prometheus = Program("prometheus", [str(prometheus), *flags], folder)

    @property
    def url(self) -> str:
        """Where Prometheus answers, once it does."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def _config(self) -> Path:
        return self._folder / "prometheus.yml"

    def defaults(self) -> dict[str, str]:
        """What the API is told, unless the user's own variables say otherwise."""
        return {URL_SETTING: self.url, "ROLLCALL_PROMETHEUS__RATE_WINDOW_SECONDS": str(RATE_WINDOW_SECONDS)}

    def start(self) -> None:
        """Start both and wait for neither: until they are ready nothing was measured.

        Raises:
            DemoError: Prometheus cannot be run.
        """
        # honor_labels: the pods are those of the series, not of the target.
        scrape = {"job_name": "simulated", "honor_labels": True}
        scrape["static_configs"] = [{"targets": [f"127.0.0.1:{self._exporter_port}"]}]
        config = {"global": {"scrape_interval": f"{SCRAPE_SECONDS}s"}, "scrape_configs": [scrape]}
        self._config.write_text(yaml.safe_dump(config), encoding="utf-8")
        try:
            self._exporter.start()
            self._prometheus.start()
        except OSError as error:
            raise DemoError(f"Prometheus cannot be started: {error}.") from error

    def stop(self) -> None:
        """Stop both at the same time."""
        self._prometheus.ask_to_end()
        self._exporter.ask_to_end()
        self._prometheus.stop()
        self._exporter.stop()

    def check(self) -> None:
        """See that both still run.

        Raises:
            DemoError: one of them ended; the sentence holds the end of its log.
        """
        for program in (self._exporter, self._prometheus):
            if not program.is_running:
                raise DemoError(f"The program {program.name} ended:\n{program.last_lines()}")
