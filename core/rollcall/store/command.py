"""The command ``rollcall migrate``."""

import sys
import time

import structlog

from rollcall.errors import StoreUnavailable
from rollcall.settings import DatabaseSettings, Settings
from rollcall.store.schema import migrate

PAUSE_SECONDS = 1.0
"""Between two tries to reach a database that is away."""

log = structlog.stdlib.get_logger(__name__)


def main(settings: Settings) -> int:
    """Bring the schema to head and say so."""
    sys.stdout.write(f"The schema is at {migrate_patiently(settings.database)}.\n")
    return 0


def migrate_patiently(settings: DatabaseSettings) -> str:
    """As :func:`migrate`, but a database that is just starting, as in a new installation, is waited for.

    Raises:
        StoreUnavailable: it was away all the time.
        StoreError, SchemaNotHead: as :func:`migrate`, at once.
    """
    until = time.monotonic() + settings.migrate_wait_seconds
    told = False
    while True:
        try:
            return migrate(settings)
        except StoreUnavailable as error:
            if time.monotonic() + PAUSE_SECONDS > until:
                raise
            if not told:
                log.info("database_waited_for", error=str(error), seconds=settings.migrate_wait_seconds)
                told = True
            time.sleep(PAUSE_SECONDS)
