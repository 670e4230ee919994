"""All lives: every module beside this one that has ``LIVES``."""

import importlib
import pkgutil
from pathlib import Path

from support.kind_lives.life import Life


def all_lives() -> tuple[Life, ...]:
    """By module and in their order there."""
    names = sorted(info.name for info in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = [importlib.import_module(f"support.kind_lives.{name}") for name in names if name != "everything"]
    return tuple(life for module in modules for life in getattr(module, "LIVES", ()))
