"""The command ``rollcall``: parse, build the settings once, hand over to a room.

Each command imports its room when it is chosen, so that ``explain`` starts without kopf, FastAPI or SQLAlchemy.
"""

import argparse
import sys
from collections.abc import Sequence

from rollcall.errors import RollcallError


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(prog="rollcall", description="The roll call of a GPU cluster.", allow_abbrev=False)
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
    parsed, rest = build_parser().parse_known_args(words)
    if rest and parsed.command not in {"demo", "explain"}:
        build_parser().error(f"{parsed.command} takes no {rest[0]}; settings are environment variables.")
    try:
        return _run(parsed.command, rest)
    except RollcallError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _run(command: str, rest: list[str]) -> int:
    match command:
        case "explain":
            from rollcall.explain import main as explain  # noqa: PLC0415 - it must not pay for the others

            return explain(rest)
        case "version":
            from importlib.metadata import version  # noqa: PLC0415

            sys.stdout.write(f"rollcall {version('rollcall')}\n")
            return 0
        case "demo":
            return _demo(rest)
        case _:
            return _serve(command)


def _demo(rest: list[str]) -> int:
    from rollcall.errors import SettingsError  # noqa: PLC0415

    try:
        from rollcall_demo.command import main as demo  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(f"the demo needs {error.name}: pip install 'rollcall[demo]'.") from error
    return demo(rest)


def _serve(command: str) -> int:
    from rollcall.logs import configure_logs  # noqa: PLC0415
    from rollcall.settings import load_settings, setting_names  # noqa: PLC0415

    if command == "settings":
        for name, description in setting_names().items():
            sys.stdout.write(f"{name}\n    {description}\n")
        return 0
    settings = load_settings()
    configure_logs(settings.log)
    match command:
        case "operator":
            from rollcall_operator.command import main as run_operator  # noqa: PLC0415

            return run_operator(settings)
        case "api":
            from rollcall_api.command import main as run_api  # noqa: PLC0415

            return run_api(settings)
        case _:
            from rollcall.store.schema import migrate  # noqa: PLC0415

            sys.stdout.write(f"The schema is at {migrate(settings.database)}.\n")
            return 0
