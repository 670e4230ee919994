"""What a list or a watch is asked: the ListOptions of a query string."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from rollcall.store.objects import Attribute, ObjectSelection
from rollcall_api.kube.forms import Included, read_included
from rollcall_api.kube.selectors import read_field_selector, read_label_selector
from rollcall_api.kube.statuses import StatusError, bad_request
from rollcall_api.query_strings import read_query
from rollcall_api.refusals import RefusalError

MOST_LIMIT = 2**63 - 1
_KNOWN = {
    "labelSelector",
    "fieldSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "watch",
    "allowWatchBookmarks",
    "sendInitialEvents",
    "timeoutSeconds",
    "includeObject",
}
_WHOLE = re.compile(r"[0-9]{1,19}", re.ASCII)
_TRUE, _FALSE = {"true", "1", ""}, {"false", "0"}
"""As API servers read them, in any case: a parameter that is there without a value is a yes (``?watch``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """A list or a watch. ``limit`` 0 is no limit; no version is whatever is newest."""

    selection: ObjectSelection
    included: Included
    limit: int
    token: str
    version: int | None
    match: str
    watch: bool
    bookmarks: bool
    initial_events: bool | None
    timeout_seconds: int

    @property
    def verb(self) -> str:
        """What is done, as it is authorised."""
        return "watch" if self.watch else "list"

    @property
    def name(self) -> str | None:
        """The one object that is asked for: who may see it alone, by ``resourceNames``, may ask for it so."""
        for required in self.selection.requirements:
            if required.attribute is Attribute.OBJECT_NAME and not required.negated:
                return next(iter(required.values)) or None
        return None


def read_list_options(raw: bytes, cluster_id: str, namespace: str | None) -> ListOptions:
    """The options of a query string, for one namespace or for all.

    Raises:
        StatusError: 400, naming the parameter.
    """
    try:
        given = read_query(raw, _KNOWN)
    except RefusalError as error:
        raise bad_request(error.message) from None
    one = {name: values[0] for name, values in given.items()}
    watch = _flag(one, "watch") or False
    limit = _whole(one, "limit") or 0
    options = ListOptions(
        selection=ObjectSelection(
            cluster_id=cluster_id,
            namespace=namespace,
            requirements=(
                *read_label_selector(one.get("labelSelector", "")),
                *read_field_selector(one.get("fieldSelector", "")),
            ),
        ),
        included=read_included(given.get("includeObject", ())),
        # Of a list alone: a watch that left out what is there would never tell of it.
        limit=0 if watch else limit,
        token=one.get("continue", ""),
        version=_whole(one, "resourceVersion"),
        match=one.get("resourceVersionMatch", ""),
        watch=watch,
        bookmarks=_flag(one, "allowWatchBookmarks") or False,
        initial_events=_flag(one, "sendInitialEvents"),
        timeout_seconds=_whole(one, "timeoutSeconds") or 0,
    )
    _check(options)
    return options


def _check(options: ListOptions) -> None:
    if options.match not in ("", "Exact", "NotOlderThan"):
        raise _invalid(f'resourceVersionMatch: Unsupported value: "{options.match}"')
    if options.watch:
        _check_watch(options)
    else:
        _check_list(options)


def _check_watch(options: ListOptions) -> None:
    if options.token:
        raise _invalid("continue: Forbidden: continue is forbidden for watch")
    if options.initial_events is None and options.match:
        raise _invalid("resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch")
    if options.initial_events is not None and options.match != "NotOlderThan":
        raise _invalid(
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )


def _check_list(options: ListOptions) -> None:
    if options.initial_events is not None:
        raise _invalid("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list")
    if options.match and options.version is None:
        raise _invalid(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if options.match == "Exact" and options.version == 0:
        raise _invalid(
            'resourceVersionMatch: Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'
        )
    if options.match and options.token:
        raise _invalid("resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided")
    if options.token and options.version:
        raise bad_request("specifying resource version is not allowed when using continue")


def _invalid(what: str) -> StatusError:
    return StatusError(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", f"ListOptions.meta.k8s.io is invalid: {what}")


def _whole(one: Mapping[str, str], name: str) -> int | None:
    text = one.get(name, "")
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or int(text) > MOST_LIMIT:
        raise bad_request(f'{name}: Invalid value: "{text[:64]}": must be a whole number')
    return int(text)


def _flag(one: Mapping[str, str], name: str) -> bool | None:
    text = one.get(name)
    if text is None:
        return None
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise bad_request(f'{name}: Invalid value: "{text[:64]}": must be true or false')
    return word in _TRUE
