"""``continue`` of a list: an opaque token that says where the page ended and what the list is as of.

Pages are cut between names, not counted off, so that a change between two of them repeats nothing and leaves nothing
out. Every page carries the resourceVersion of the first: whoever watches from there is told of all that changed since.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from rollcall.store.objects import Place
from rollcall_api.kube.statuses import bad_request, expired

LIFETIME_SECONDS = 600
"""How long a list may be read on; API servers forget after five to ten minutes."""

_MOST_CHARACTERS = 4096
_SHAPE = 1


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where the next page begins, the version of the first page, and when that was read (seconds since 1970)."""

    after: Place
    version: int
    began_at: int


def written(continuation: Continuation) -> str:
    """The token."""
    place = continuation.after
    content = [_SHAPE, continuation.version, continuation.began_at, place.namespace, place.name, place.uid]
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def read(token: str, namespace: str | None, *, clock: Callable[[], float] = time.time) -> Continuation:
    """What a token says, for a list of this namespace or of all.

    Raises:
        StatusError: 400 where it is none of ours, 410 where it is too old.
    """
    found = _decoded(token)
    if found is None or (namespace is not None and found.after.namespace != namespace):
        raise bad_request("continue key is not valid")
    # What begins in the future, beyond what clocks differ by, was not begun by us.
    if abs(clock() - found.began_at) > LIFETIME_SECONDS:
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. "
            "You can start a new list without the continue parameter."
        )
    return found


def _decoded(token: str) -> Continuation | None:
    if len(token) > _MOST_CHARACTERS:
        return None
    try:
        content = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None
    match content:
        case [int(shape), int(version), int(began_at), str(namespace), str(name), str(uid)] if shape == _SHAPE:
            texts = (namespace, name, uid)
            if any(isinstance(number, bool) for number in content) or not 0 <= version < 2**63:
                return None
            if not all(text.isprintable() for text in texts):
                return None
            return Continuation(Place(*texts), version, began_at)
    return None
