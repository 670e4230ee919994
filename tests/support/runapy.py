"""The official client, in environments of its own, and sessions of it as processes."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import platformdirs

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
VERSIONS = ("1.218.0", "1.224.0")


def run_session(script: Path, version: str, *arguments: str) -> Any:
    """What a script of a session prints, run by the Python of an environment with that version of the client."""
    done = subprocess.run(
        [python_with(version), "-I", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={key: value for key, value in os.environ.items() if not key.upper().endswith("_PROXY")},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def python_with(version: str) -> Path:
    """The Python of an environment with one version of the client; made once into the user's cache."""
    lock = REQUIREMENTS / f"runapy-{version}.txt"
    content = hashlib.sha256(lock.read_bytes() + f"{sys.version}{sys.base_prefix}".encode()).hexdigest()[:16]
    folder = platformdirs.user_cache_path("rollcall") / "runapy" / f"{version}-{content}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python, stamp = folder / "bin" / "python", folder / "installed"
    # An environment cannot be moved, so what makes it whole is the stamp, and only one process makes it.
    with (folder.parent / f"{folder.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not stamp.exists():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
            done = subprocess.run([*pip, "-r", lock], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            stamp.touch()
    return python
