"""The command ``rollcall``: parse, build the settings once, hand over to a room.

The rooms are named, not imported: core must not depend on the shells, and ``explain`` must start without kopf,
FastAPI or SQLAlchemy.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module, metadata

from rollcall.errors import RollcallError, SettingsError

SERVERS = {"operator": "rollcall_operator.command", "api": "rollcall_api.command", "migrate": "rollcall.store.command"}
"""Commands that take settings and no flags: each module's ``main(settings) -> int``."""

TOOLS = {"demo": "rollcall_demo.command", "explain": "rollcall.explain.command"}
"""Commands that own their flags: each module's ``main(words) -> int``."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(prog="rollcall", description="The roll call of a GPU cluster.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=_version(), help="the same as the command version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("operator", help="watch the cluster and keep the records (settings: ROLLCALL_…)")
    commands.add_parser("api", help="serve the Workloads REST API (settings: ROLLCALL_…)")
    commands.add_parser("migrate", help="bring the database's schema to this release")
    commands.add_parser("settings", help="list every setting and its environment variable")
    commands.add_parser("version", help="print the version")
    # These two own their flags; add_help=False leaves even --help to them.
    commands.add_parser("demo", help="everything on a simulated cluster, on screen", add_help=False)
    commands.add_parser("explain", help="derive the records of manifests, offline", add_help=False)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 (a sentence on standard error) or 2 (wrong usage or setting)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    # A tool's flags are its own: what stands behind its name never meets this parser.
    if words and words[0] in TOOLS:
        command, rest = words[0], words[1:]
    else:
        command, rest = parser.parse_args(words).command, []
    try:
        return _run(command, rest)
    except RollcallError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has gone (`| head`): nothing is left to tell, and the interpreter must not try at its end.
        sys.stderr.close()
        return 0


def _version() -> str:
    return f"rollcall {metadata.version('rollcall')}"


def _run(command: str, rest: list[str]) -> int:
    if command == "version":
        sys.stdout.write(f"{_version()}\n")
        return 0
    if command in TOOLS:
        try:
            room = import_module(TOOLS[command])
        except ModuleNotFoundError as error:
            raise SettingsError(f"{command} needs {error.name}: pip install 'rollcall[demo]'.") from error
        return int(room.main(rest))
    return _serve(command)


def _serve(command: str) -> int:
    from rollcall.logs import configure_logs  # noqa: PLC0415 - explain must not pay for pydantic
    from rollcall.settings import load_settings, setting_names  # noqa: PLC0415 - same

    if command == "settings":
        for name, description in setting_names().items():
            sys.stdout.write(f"{name}\n    {description}\n")
        return 0
    settings = load_settings()
    configure_logs(settings.log)
    return int(import_module(SERVERS[command]).main(settings))
