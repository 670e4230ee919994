"""``python -m rollcall_cluster``."""

import sys

from rollcall_cluster.command import main

sys.exit(main())
