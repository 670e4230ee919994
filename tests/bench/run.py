"""The benchmarks of docs/benchmarks.md: ``make bench``, or ``.venv/bin/python tests/bench/run.py --help``."""

import signal
import sys
from pathlib import Path

# In place of this folder, the one above: `bench` and `support` are imported as the tests import them.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.command import main  # noqa: E402 - the path first

if __name__ == "__main__":
    # As Ctrl-C: what was started is stopped and removed on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
