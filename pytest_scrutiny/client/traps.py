"""What servers do not survive, or not whole, of subscriptions; and how they are spared it.

Rule 1: a server ends when a client that watches something behind a pointer leaves without unwatching it
    (0.12.0 and 0.13.0; behind an element of an array of pointers, 0.11.3 to 0.16.0; observed). So it is
    unwatched first, on every way out.
Rule 2: an array's element is forgotten as soon as nobody watches it, and its aliases with it: to watch one of
    them is an "Internal error" until the firmware description is loaded again (0.9.0 to 0.16.0, but 0.10,
    where it always is; observed). So elements, and aliases of elements, are not unwatched while we are there.
Rule 3: such a refused subscription is in place by half, and ends the server when the client leaves (0.12.0 to
    0.16.0, observed). To unwatch it is an "Internal error" too, and heals it.

PYTEST_DONT_REWRITE
"""

from collections.abc import Sequence

from pytest_scrutiny.client.feed import Feed
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.model.values import WatchableType

KEPT_HZ = 1.0
"""Updates per second of what is watched for nobody, only lest the server forgets it."""

INTERNAL_ERROR = "Internal error"
"""What a server says when it failed itself."""

_BEHIND_POINTER = "/*"  # as in /app/*node/id


def is_behind_pointer(feed: Feed) -> bool:
    """Return whether a server may end when we leave without unwatching it (Rule 1)."""
    return _BEHIND_POINTER in f"{feed.info.path} {feed.place}"


def is_element(feed: Feed) -> bool:
    """Return whether it is an array's element itself."""
    return feed.info.type is not WatchableType.Alias and "[" in feed.info.path


def is_alias_of_element(feed: Feed) -> bool:
    """Return whether it is an alias of an array's element, as far as the server tells (0.10 and later)."""
    return feed.info.type is WatchableType.Alias and "[" in (feed.place or "")


def explain_refusal(paths: Sequence[str], exc: OperationFailure) -> OperationFailure:
    """Return the error for paths that a server failed to subscribe; one it can name is no such thing."""
    if exc.reason != INTERNAL_ERROR:
        return exc
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return OperationFailure(
        f"{exc}, over {', '.join(paths[:3])}{more}; expected indices that fit their array, or an alias that "
        "the server still has: from 0.9 on it loses an alias of an array's element once nobody watches it "
        "any more (0.10 has none). Then let it load the firmware description again: reset the device, or "
        "restart the server.",
        exc.command,
        exc.reason,
    )
