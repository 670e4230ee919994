"""``python -m rollcall_demo.database``: an embedded PostgreSQL with Rollcall's schema, until Ctrl-C."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from rollcall.errors import RollcallError
from rollcall.settings import DatabaseSettings
from rollcall.store.embedded import EmbeddedPostgres
from rollcall.store.schema import migrate

FOLDER = Path(".rollcall") / "postgres"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m rollcall_demo.database", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--data-dir", type=Path, default=FOLDER, metavar="FOLDER", help=f"where its data are ({FOLDER})"
    )
    parser.add_argument("--stop", action="store_true", help="stop one that was left running there")
    words = parser.parse_args(arguments)
    server = EmbeddedPostgres(words.data_dir)
    try:
        if words.stop:
            if (words.data_dir / "postmaster.pid").exists():
                server.start()
                server.stop()
            return 0
        signal.signal(signal.SIGTERM, _interrupt)
        with server:
            migrate(DatabaseSettings(dsn=SecretStr(server.dsn())))
            sys.stdout.write(
                f"PostgreSQL is ready, its schema is at head. In another terminal:\n\n    psql '{server.dsn()}'\n"
            )
            sys.stdout.write(f"    export ROLLCALL_DATABASE__DSN='{server.dsn()}'\n\nCtrl-C stops it; the data stay.\n")
            sys.stdout.flush()
            signal.pause()
    except RollcallError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
