"""In which form a request wants its answer: the object, its metadata, or a Table for printing."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rollcall.store.records import StoredWorkload
from rollcall_api.kube.columns import COLUMNS, TABLE_KIND, cells_of
from rollcall_api.kube.objects import API_VERSION, KIND, metadata_of, partial_object, workload_object
from rollcall_api.kube.statuses import StatusError, bad_request, not_acceptable

JSON = "application/json"
_META_GROUP = "meta.k8s.io"
_MEDIA_TYPES = {JSON, "application/*", "*/*"}


class Form(StrEnum):
    """What an answer is made of."""

    OBJECT = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"


class Included(StrEnum):
    """What of its object a row of a Table carries."""

    METADATA = "Metadata"
    NONE = "None"
    OBJECT = "Object"


def read_accept(accept: str, *, is_list: bool) -> Form:
    """The first form of an Accept header that is served.

    Raises:
        StatusError: 406, none is.
    """
    for alternative in (accept or "*/*").split(","):
        media_type, _, rest = alternative.strip().partition(";")
        if media_type.strip().lower() not in _MEDIA_TYPES:
            continue
        parameters = dict(_parameter(text) for text in rest.split(";") if text.strip())
        wanted = parameters.get("as", "")
        if not wanted:
            return Form.OBJECT
        if parameters.get("g") != _META_GROUP or parameters.get("v") != "v1":
            continue
        if wanted == Form.TABLE:
            return Form.TABLE
        if wanted in (Form.METADATA, f"{Form.METADATA}List") and wanted.endswith("List") is is_list:
            return Form.METADATA
    raise not_acceptable(JSON)


def read_included(values: Iterable[str]) -> Included:
    """What rows of a Table carry: ``includeObject``.

    Raises:
        StatusError: 400.
    """
    given = next(iter(values), "") or Included.METADATA
    try:
        return Included(given)
    except ValueError:
        raise bad_request(f'includeObject: Unsupported value: "{given}"') from None


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip()


class Rendering:
    """Objects, lists and watch events in one form."""

    def __init__(
        self,
        form: Form,
        included: Included = Included.METADATA,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.form = form
        self._included = included
        self._clock = clock

    def item(self, stored: StoredWorkload) -> dict[str, Any]:
        """One item of a list; a row, of a Table."""
        if self.form is Form.OBJECT:
            return workload_object(stored)
        if self.form is Form.METADATA:
            return partial_object(stored)
        row: dict[str, Any] = {"cells": cells_of(stored, metadata_of(stored)["name"], self._clock())}
        if self._included is Included.OBJECT:
            row["object"] = workload_object(stored)
        elif self._included is Included.METADATA:
            row["object"] = partial_object(stored)
        return row

    def single(self, stored: StoredWorkload, *, with_columns: bool = True) -> dict[str, Any]:
        """An object for itself; a Table repeats its columns only where it is the first of a watch."""
        if self.form is not Form.TABLE:
            return self.item(stored)
        return {
            **TABLE_KIND,
            "metadata": {"resourceVersion": str(stored.changed_version)},
            "columnDefinitions": COLUMNS if with_columns else None,
            "rows": [self.item(stored)],
        }

    def list_beginning(self) -> dict[str, Any]:
        """A list without its items."""
        if self.form is Form.TABLE:
            return {**TABLE_KIND, "columnDefinitions": COLUMNS}
        if self.form is Form.METADATA:
            return {"kind": f"{Form.METADATA}List", "apiVersion": "meta.k8s.io/v1"}
        return {"kind": f"{KIND}List", "apiVersion": API_VERSION}

    @property
    def items_key(self) -> str:
        """Under which key the items of a list stand."""
        return "rows" if self.form is Form.TABLE else "items"

    def bookmark(self, version: int, *, annotations: dict[str, str] | None = None) -> dict[str, Any]:
        """What a watch says when it has nothing to say: up to where it has seen."""
        metadata: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        if self.form is Form.TABLE:
            bare = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
            row = {"cells": [""] * len(COLUMNS), "object": bare}
            return {
                **TABLE_KIND,
                "metadata": {"resourceVersion": str(version)},
                "columnDefinitions": None,
                "rows": [row],
            }
        if self.form is Form.METADATA:
            return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return {"kind": KIND, "apiVersion": API_VERSION, "metadata": metadata}


def error_event(error: StatusError) -> dict[str, Any]:
    """The last event of a watch that cannot go on."""
    return {"type": "ERROR", "object": error.body}
