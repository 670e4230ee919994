"""Every command of docs/tutorial-cluster.md is run as it is printed, and shows what the page says it shows.

By the real kubectl and Helm, on a control plane that has nothing but nodes. What the test has to play, because no image
and no network of pods is here: kwok says that pods run, and the words of their containers are run on this machine
(`support.pod_processes`); what `kubectl port-forward` would lead to is asked directly.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from kubernetes import client
from support.release_pods import Pods
from support.rows import eventually
from support.served_here import ServedHere

from rollcall.settings import DatabaseSettings
from rollcall_cluster.applying import create_nodes, simulated_node
from rollcall_cluster.binaries import find_binaries
from rollcall_cluster.control_plane import LocalCluster
from rollcall_demo.programs import free_ports

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorial-cluster.md").read_text()

NAMESPACE, RELEASE = "rollcall", "rollcall"
FORWARDED = "127.0.0.1:8080"
"""Where the page's tunnel ends."""

TUNNEL = re.compile(r"kubectl --namespace rollcall port-forward service/rollcall-api 8080:80 &\n")


@dataclass(frozen=True, slots=True)
class Step:
    """Commands of the page, and what it shows below them; empty where it shows nothing."""

    commands: str
    shown: str


def steps() -> list[Step]:
    """The page's blocks in order; a block of any other language is none that the test knows what to do with."""
    found: list[Step] = []
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        assert language in {"sh", "text"}, f"a block of {language or 'no language'} is neither run nor compared"
        if language == "sh":
            found.append(Step(body, ""))
        else:
            assert found[-1].shown == "", "what is shown stands below its command"
            found[-1] = Step(found[-1].commands, body)
    return found


INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def pattern_of(shown: str) -> str:
    """What a command's output must match in full: words as they are, any age, any instant, `…` for any lines."""
    lines = []
    for line in shown.splitlines():
        words = [INSTANT.pattern.join(map(re.escape, INSTANT.split(word))) for word in line.split()]
        words = [r"\d+[smhd]\S*" if re.fullmatch(r"\d+[smhd]", word) else word for word in words]
        lines.append(r"(?:[^\n]*\n)*?" if line.strip() == "…" else r"[ \t]*" + r"[ \t]+".join(words) + r"[ \t]*\n")
    return "".join(lines)


class Node:
    """What a node would do: it runs the words of the cluster's pods. Those of the database are replaced by another."""

    def __init__(self, cluster: LocalCluster, api: client.ApiClient, database: DatabaseSettings, folder: Path) -> None:
        self._cluster = cluster
        self._api = api
        self._dsn = database.dsn.get_secret_value()
        self._folder = folder
        self._served = ServedHere(api, NAMESPACE, f"{RELEASE}-api")
        self._ran: list[Pods] = []

    @property
    def address(self) -> str:
        """Where the API answers, without a scheme; where the page's tunnel ends until it does."""
        return self._ran[-1].address.removeprefix("http://") if self._ran else FORWARDED

    def run_pods(self) -> None:
        """Run one pod of each Deployment as it is now; those of before end."""
        self.end_pods()
        (port,) = free_ports(1)
        folder = self._folder / f"pods-{len(self._ran)}"
        pods = Pods(self._cluster, self._api, NAMESPACE, RELEASE, folder, dsn=self._dsn, kubectl_port=port)
        self._ran.append(pods)
        pods.migrate()
        pods.start()
        self._served.begin(port)

    def end_pods(self) -> None:
        """End them, and leave the cluster's objects as Helm made them."""
        self._served.end()
        for pods in self._ran:
            pods.stop()


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    """A cluster with GPU nodes of one pool, and nothing else: where an admin begins."""
    with LocalCluster(find_binaries(print)) as cluster, cluster.api_client() as api:
        create_nodes(api, [simulated_node(f"a100-{number}", pool="a100") for number in (1, 2)])
        yield cluster


@pytest.mark.timeout(900)
def test_every_command_does_what_the_page_says(
    cluster: LocalCluster, shell: dict[str, str], shared_database: DatabaseSettings, tmp_path: Path
) -> None:
    with psycopg.connect(shared_database.dsn.get_secret_value()) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    with cluster.api_client() as api:
        node = Node(cluster, api, shared_database, tmp_path)

        def run(commands: str) -> "subprocess.CompletedProcess[str]":
            # The tunnel ends where the API is; this is the one thing that is not run.
            asked = TUNNEL.sub("", commands).replace(FORWARDED, node.address)
            return subprocess.run(
                ["bash", "-euc", asked], cwd=ROOT, env=shell, capture_output=True, text=True, timeout=300, check=False
            )

        def try_it(step: Step) -> str:
            done = run(step.commands)
            said = done.stdout.removesuffix("\n") + "\n"  # a JSON answer has no newline at its end
            return said if done.returncode == 0 else f"{done.returncode}: {said}{done.stderr}"

        try:
            for step in steps():
                if re.search(r"helm (upgrade|uninstall)", step.commands):
                    node.end_pods()
                if step.shown:
                    pattern = pattern_of(step.shown)
                    eventually(
                        lambda step=step: try_it(step),
                        lambda said, pattern=pattern: re.fullmatch(pattern, said) is not None,
                    )
                else:
                    done = run(step.commands)
                    assert done.returncode == 0, f"{step.commands}\n{done.stdout}{done.stderr}"
                if "rollout status" in step.commands:
                    node.run_pods()
        finally:
            node.end_pods()


def test_what_is_shown_is_compared_word_by_word() -> None:
    shown = "NAME   AGE\ntrain  5s\n…\nlast\n"
    assert re.fullmatch(pattern_of(shown), "NAME AGE\ntrain 12s\nlast\n")
    assert re.fullmatch(pattern_of(shown), "NAME    AGE\ntrain 1m2s\nmore\nand more\n  last\n")
    assert not re.fullmatch(pattern_of(shown), "NAME    AGE\nother 12s\nlast\n")
    assert not re.fullmatch(pattern_of(shown), "NAME    AGE\ntrain 12s\n")
    assert re.fullmatch(pattern_of('"at": "2026-11-26T09:30:12.5Z",\n'), '  "at": "2027-01-01T00:00:00Z",\n')
    assert not re.fullmatch(pattern_of('"at": "2026-11-26T09:30:12.5Z",\n'), '  "at": null,\n')
