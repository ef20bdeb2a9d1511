"""The commands about names and subscriptions.

PYTEST_DONT_REWRITE
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from pytest_scrutiny.fakeserver.entries import Entry
from pytest_scrutiny.fakeserver.state import Command, Refused, Request
from pytest_scrutiny.model.listing import ServerDatastoreContentType, VariableFactoryInterface
from pytest_scrutiny.model.values import WatchableType
from pytest_scrutiny.model.watch import WatchableInfo
from pytest_scrutiny.protocol.listing import (
    encode_watchable_count,
    encode_watchable_info,
    encode_watchable_list,
)
from pytest_scrutiny.protocol.watch import (
    decode_change_rate,
    decode_paths,
    decode_rate,
    decode_throttling,
    encode_effective_rates,
    encode_subscribed,
    encode_throttling_reply,
    encode_unsubscribed,
)

_PAGE = 1000  # entries in one message unless the client says otherwise (0.1.0 to 0.16.0)


def get_watchable_count(request: Request) -> Mapping[str, object]:
    """Tell how many names of each kind there are."""
    state = request.state
    kinds = Counter(entry.info.type for entry in state.watchables)
    counts = {ServerDatastoreContentType(kind): kinds[kind] for kind in WatchableType}
    counts[ServerDatastoreContentType.VariableFactory] = len(state.watchables.factories)
    return encode_watchable_count(counts, state.dialect)


def get_watchable_list(request: Request) -> None:
    """List names, in as many messages as it takes."""
    state = request.state
    size = request.field("max_per_response", int) if "max_per_response" in request.data else _PAGE
    if size < 1:
        # A real server never stops sending empty messages for 0 (all releases tried, observed).
        raise ValueError(f"page size {size} never gets anywhere")
    found = list(_filter(request))
    starts = range(0, len(found), size) or range(1)
    for start in starts:
        page = found[start : start + size]
        request.reply(encode_watchable_list(page, state.dialect, is_last=start == starts[-1]))


def _filter(request: Request) -> Iterator[WatchableInfo | VariableFactoryInterface]:
    wanted = request.data.get("filter", {})
    kinds = wanted.get("type") if isinstance(wanted.get("type"), list) else None
    for kind in kinds or ():
        if kind not in list(WatchableType):
            raise Refused(f'Unsupported type filter :"{kind}"')
    globs = _globs_of(request, wanted.get("name", "*"))
    for entry in request.state.watchables:
        if (not kinds or entry.info.type in kinds) and _matches(entry.row.path, globs):
            yield entry.info
    for factory in request.state.watchables.factories:
        if (not kinds or WatchableType.Variable in kinds) and _matches(factory.access_path, globs):
            yield factory


def _globs_of(request: Request, names: object) -> list[str]:
    if isinstance(names, list) and request.state.dialect.transport == "websocket":
        raise TypeError("servers 0.1 to 0.3 take one glob only")  # "Internal error" (0.3.0, observed)
    wanted = names if isinstance(names, list) else [names]
    globs = [glob for glob in wanted if isinstance(glob, str)]
    if len(globs) < len(wanted):
        raise Refused("Invalid name filter")
    return globs


def _matches(path: str, globs: list[str]) -> bool:
    return any(fnmatchcase(path, glob) for glob in globs)


def _find_all(request: Request) -> dict[str, Entry]:
    """Return ``{path: entry}`` for all paths of the request.

    :raises Refused: if one of them is unknown; then nothing happens to the others either.
    """
    found = {}
    for path in decode_paths(request):
        if not isinstance(path, str) and request.state.dialect.transport == "tcp":
            raise TypeError(f"path {path!r} is no string")  # "Internal error" (0.5.2 to 0.16.0, observed)
        entry = request.state.watchables.find(path)
        if entry is None:
            raise Refused(f"Unknown watchable : {path}")
        found[path] = entry
    return found


def get_watchable_info(request: Request) -> Mapping[str, object]:
    """Describe names without a subscription."""
    dialect = request.state.dialect
    entries = {path: entry.describe(dialect) for path, entry in _find_all(request).items()}
    return encode_watchable_info(entries, dialect)


def subscribe_watchable(request: Request) -> Mapping[str, object]:
    """Begin subscriptions: all of them or none. The first value comes with the next read of the device."""
    state = request.state
    rate = decode_rate(request) if state.dialect.watch_takes_rate else None
    if rate is not None and rate <= 0:
        raise ValueError(f"rate {rate} is none")  # "Internal error" (0.13.0 to 0.16.0, observed)
    entries = _find_all(request)
    for entry in entries.values():
        state.watchables.watch(request.client, entry, rate, request.now)
    found = {path: entry.describe(state.dialect) for path, entry in entries.items()}
    return encode_subscribed(found, state.dialect)


def unsubscribe_watchable(request: Request) -> Mapping[str, object]:
    """End subscriptions; one that does not exist is none."""
    for entry in _find_all(request).values():
        request.state.watchables.unwatch(request.client, entry)
    return encode_unsubscribed(decode_paths(request))


def change_subscription_update_rate(request: Request) -> Mapping[str, object]:
    """Change how often values are wanted; tells the rate of the fastest watcher."""
    rates: dict[str, float | None] = {}
    for server_id, rate in decode_change_rate(request):
        entry = request.state.watchables.find_id(server_id)
        if entry is None or request.client not in entry.watchers:
            raise Refused(f"Cannot change update rate : Not watching {server_id}")
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            raise Refused(f"Cannot change update rate : {rate} is no rate")
        request.state.watchables.watch(request.client, entry, rate, request.now)
        rates[server_id] = entry.rate_hz
    return encode_effective_rates(rates)


def set_throttling(request: Request) -> Mapping[str, object]:
    """Limit the updates a second that this client gets in all."""
    rate = decode_throttling(request)
    if rate is not None and not (rate >= 0 and math.isfinite(rate)):
        raise Refused("update rate is not a valid value")
    request.client.throttle_hz = float(rate) if rate else None
    return encode_throttling_reply(request.client.throttle_hz)


COMMANDS: Mapping[str, Command] = {
    "get_watchable_count": get_watchable_count,
    "get_watchable_list": get_watchable_list,
    "get_watchable_info": get_watchable_info,
    "subscribe_watchable": subscribe_watchable,
    "unsubscribe_watchable": unsubscribe_watchable,
    "change_subscription_update_rate": change_subscription_update_rate,
    "set_throttling": set_throttling,
}
