"""The command ``rollcall migrate``."""

import sys

from rollcall.settings import Settings
from rollcall.store.schema import migrate


def main(settings: Settings) -> int:
    """Bring the schema to head and say so."""
    sys.stdout.write(f"The schema is at {migrate(settings.database)}.\n")
    return 0
