"""What a list or a watch is asked, read as API servers read it; what contradicts itself is refused by name."""

from urllib.parse import quote

import pytest

from rollcall_api.kube.forms import Included
from rollcall_api.kube.options import read_list_options
from rollcall_api.kube.statuses import StatusError


def test_what_is_not_asked_is_not_there() -> None:
    options = read_list_options(b"pretty=true&unknown=%41", "c", "team-a")
    assert (options.limit, options.token, options.version, options.match) == (0, "", None, "")
    assert (options.watch, options.bookmarks, options.initial_events, options.timeout_seconds) == (
        False,
        False,
        None,
        0,
    )
    assert options.included is Included.METADATA
    assert (options.selection.cluster_id, options.selection.namespace) == ("c", "team-a")
    assert options.selection.requirements == ()


def test_everything_that_may_be_asked_of_a_watch() -> None:
    raw = (
        b"watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        b"&resourceVersion=0&timeoutSeconds=300&includeObject=Object&labelSelector=a%21%3Db&fieldSelector=spec.name%3Dx"
    )
    options = read_list_options(raw, "c", None)
    assert (options.watch, options.bookmarks, options.initial_events) == (True, True, True)
    assert (options.version, options.match, options.timeout_seconds) == (0, "NotOlderThan", 300)
    assert options.included is Included.OBJECT
    assert len(options.selection.requirements) == 1, "what every object meets asks for nothing"


@pytest.mark.parametrize(
    ("query", "watch"),
    [
        ("watch", True),
        ("watch=", True),
        ("watch=TRUE", True),
        ("watch=1", True),
        ("watch=0", False),
        ("watch=False", False),
        ("", False),
    ],
)
def test_a_watch_is_what_api_servers_take_for_one(query: str, *, watch: bool) -> None:
    """The API server in front has authorised what it took the request for."""
    options = read_list_options(query.encode(), "c", None)
    assert options.watch is watch
    assert options.verb == ("watch" if watch else "list")


def test_a_limit_is_a_lists_alone() -> None:
    assert read_list_options(b"limit=1", "c", None).limit == 1
    assert read_list_options(b"limit=1&watch=true", "c", None).limit == 0


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("metadata.name=train.job.batch", "train.job.batch"),
        ("status.phase!=Running,metadata.name==train.job.batch", "train.job.batch"),
        ("metadata.name!=train.job.batch", None),
        ("metadata.name=", None),
        ("spec.name=train", None),
        ("", None),
    ],
)
def test_who_asks_for_one_object_is_asked_about_by_its_name(selector: str, name: str | None) -> None:
    query = f"fieldSelector={quote(selector)}&labelSelector=rollcall.dev/name%3Dother"
    assert read_list_options(query.encode(), "c", None).name == name


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("limit=-1", 400, "limit"),
        ("limit=1.5", 400, "limit"),
        ("limit=99999999999999999999", 400, "limit"),
        ("limit=%D9%A1", 400, "limit"),
        ("resourceVersion=abc", 400, "resourceVersion"),
        ("resourceVersion=-1", 400, "resourceVersion"),
        ("timeoutSeconds=x", 400, "timeoutSeconds"),
        ("watch=maybe", 400, "watch"),
        ("includeObject=All", 400, "includeObject"),
        ("labelSelector=%FF", 400, "labelSelector"),
        ("labelSelector=a%00", 400, "labelSelector"),
        ("fieldSelector=spec.colour%3Dred", 400, "field label not supported: spec.colour"),
        ("resourceVersionMatch=Exact", 422, "forbidden unless resourceVersion is provided"),
        ("resourceVersionMatch=Other&resourceVersion=1", 422, "resourceVersionMatch: Unsupported value"),
        ("watch=true&resourceVersionMatch=Exact&resourceVersion=1", 422, "forbidden for watch"),
        ("sendInitialEvents=true", 422, "sendInitialEvents is forbidden for list"),
        ("watch=true&sendInitialEvents=true", 422, "setting resourceVersionMatch to NotOlderThan"),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422, 'forbidden for resourceVersion "0"'),
        ("continue=x&resourceVersion=5", 400, "not allowed when using continue"),
        ("continue=x&resourceVersion=0&resourceVersionMatch=NotOlderThan", 422, "forbidden when continue is provided"),
        ("continue=x&watch=true", 422, "continue is forbidden for watch"),
    ],
)
def test_what_cannot_be_is_refused_by_name(query: str, code: int, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        read_list_options(query.encode(), "c", None)
    assert refused.value.body["code"] == code
    assert message in refused.value.body["message"]
