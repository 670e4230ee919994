"""``python -m rollcall_cluster``: build the local control plane, start it, run Rollcall on it."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from rollcall.errors import RollcallError
from rollcall_cluster.applying import SAMPLES, apply_objects, create_nodes, read_documents
from rollcall_cluster.binaries import build, find_binaries, given_or_cached, kubernetes_version
from rollcall_cluster.control_plane import LocalCluster
from rollcall_cluster.helm_binary import build_helm
from rollcall_cluster.kind import KindCluster, kind_can_run
from rollcall_cluster.prometheus_binary import build_prometheus
from rollcall_cluster.training import TrainingOperator

_STARTED = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, 1 (a sentence on standard error), 2 (wrong usage) or 130 (Ctrl-C)."""
    words, rest = _parser().parse_known_args(arguments)
    # As Ctrl-C: everything that was started is stopped on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if words.command == "build":
            say(f"the programs are {build(say)}")
            return 0
        if words.command == "build-prometheus":
            say(f"the program is {build_prometheus(say)}")
            return 0
        if words.command == "build-helm":
            say(f"the program is {build_helm(say)}")
            return 0
        with _cluster(words.source) as cluster, cluster.api_client() as api:
            say(f"Kubernetes is ready: {cluster.kubeconfig}")
            create_nodes(api)
            if words.command == "run" or words.samples:
                apply_objects(api, read_documents(sorted(SAMPLES.glob("*.yaml"))))
                say(f"the samples of {SAMPLES} are applied")
            with TrainingOperator(api):
                if words.command == "run":
                    demo = import_module("rollcall_demo.command")
                    flags = ["--kubeconfig", str(cluster.kubeconfig), "--cluster-name", cluster.description, *rest]
                    return int(demo.main(flags))
                say("in another terminal:")
                sys.stdout.write(f"    export KUBECONFIG={cluster.kubeconfig}\n    kubectl get pods -A\n")
                say("Ctrl-C stops the cluster and removes its data")
                signal.pause()
    except RollcallError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def say(line: str) -> None:
    """A line of progress, with the seconds since the start."""
    sys.stdout.write(f"[{time.monotonic() - _STARTED:4.0f} s] {line}\n")
    sys.stdout.flush()


def _cluster(source: str) -> LocalCluster | KindCluster:
    """The quickest source first: programs that are there, then kind where it can run, and only then the build."""
    binaries = None if source == "kind" else given_or_cached(say)
    if source == "kind" or (binaries is None and kind_can_run()):
        say("starting a kind cluster")
        return KindCluster()
    binaries = binaries or find_binaries(say)
    say(f"starting Kubernetes {kubernetes_version()} from {binaries.where}")
    return LocalCluster(binaries)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rollcall_cluster", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build the programs into the cache")
    commands.add_parser("build-prometheus", help="build Prometheus into the cache")
    commands.add_parser("build-helm", help="build Helm into the cache")
    up = commands.add_parser("up", help="start a cluster and keep it until Ctrl-C")
    up.add_argument("--samples", action="store_true", help="apply deploy/samples")
    run = commands.add_parser("run", help="start a cluster with the samples, and Rollcall on it; further flags: demo's")
    for command in (up, run):
        command.add_argument(
            "--source", choices=["local", "kind"], default="local", help="where the cluster comes from"
        )
    return parser
