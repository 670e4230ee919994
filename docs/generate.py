"""Write the generated reference pages; a test fails when a page differs from what the code says.

Run by ``make docs``. Each page is a function from nothing to text, so that the test needs no files.
"""

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from rollcall.settings import PREFIX, DatabaseSettings, Settings
from rollcall.store.engine import create_engine
from rollcall_api.app import create_app
from rollcall_api.records import Records
from rollcall_api.rights import NobodyAsked

REFERENCE = Path(__file__).resolve().parent / "reference"


def settings_page() -> str:
    """Every setting, its default and what it does."""
    lines = [
        "# Settings",
        "",
        "<!-- Written by `make docs`; do not edit. -->",
        "",
        "Both processes read environment variables. A wrong value, or a `ROLLCALL_` name that is no setting, ends the",
        "process at start with one sentence and exit code 2. Lists are comma-separated. `rollcall settings` prints",
        "this list in the terminal.",
    ]
    for section, section_field in Settings.model_fields.items():
        model = section_field.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        lines += ["", f"## {section}", "", (model.__doc__ or "").strip(), "", "| variable | default | what it does |"]
        lines.append("| --- | --- | --- |")
        for name, inner in model.model_fields.items():
            default = inner.default
            if default is None or default is PydanticUndefined:
                shown = "none"
            elif isinstance(default, tuple):
                shown = f"`{','.join(default)}`"
            elif hasattr(default, "get_secret_value"):
                shown = f"`{default.get_secret_value()}`"
            else:
                shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
            lines.append(f"| `{PREFIX}{section.upper()}__{name.upper()}` | {shown} | {inner.description} |")
    return "\n".join(lines) + "\n"


def openapi_page() -> str:
    """The OpenAPI document, as ``/openapi.json`` serves it."""
    # Nothing is connected to: the document follows from the routes alone.
    records = Records(create_engine(DatabaseSettings(), application_name="docs"), tenant_id=1)
    document = create_app(Settings.model_construct(), records, NobodyAsked()).openapi()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings_page, "openapi.json": openapi_page}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())


if __name__ == "__main__":
    main()
