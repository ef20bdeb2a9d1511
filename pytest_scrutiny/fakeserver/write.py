"""The commands that write, and how writes reach the device.

A server takes a batch whole or not at all, answers at once, and tells the end of each write later. Before
that it believes itself: watchers first get the written value, which the device never sent.

PYTEST_DONT_REWRITE
"""

import contextlib
import functools
import math
import uuid
from collections.abc import Mapping

from pytest_scrutiny.fakeserver.entries import Client, Entry
from pytest_scrutiny.fakeserver.exchange import WriteRefused
from pytest_scrutiny.fakeserver.state import Command, PendingWrite, Refused, Request, State
from pytest_scrutiny.model.write import WriteCompletion
from pytest_scrutiny.protocol.expression import read_number
from pytest_scrutiny.protocol.write import (
    WRITE_COMPLETION,
    decode_write,
    decode_write_path,
    encode_write_completion,
    encode_write_reply,
    encode_write_single_reply,
)


def settle_writes(state: State, now: float) -> None:
    """Let the device answer the writes that wait for it, if it answers at all."""
    while state.writes and state.link.is_answering:
        write = state.writes.pop(0)
        try:
            written = state.watchables.write(write.entry, write.value)
        except WriteRefused as exc:
            write.finish(False, state.stamp(now), str(exc))
            continue
        state.watchables.believe(written, write.entry.target, now)
        for client in list(state.clients):
            client.tell_news(state.dialect, now)
        write.finish(True, state.stamp(now), "")


def fail_writes(state: State, now: float) -> None:
    """End all writes that wait: their device is gone."""
    while state.writes:
        state.writes.pop(0).finish(False, state.stamp(now), "No response")


def write_watchable(request: Request) -> Mapping[str, object]:
    """Write a batch."""
    wanted = [
        (place, *_check_update(request, server_id, update))
        for place, server_id, update in decode_write(request)
    ]
    if len({place for place, _, _ in wanted}) != len(wanted):
        raise Refused("Duplicate batch_index in request")
    token = uuid.uuid4().hex
    for place, entry, value in wanted:
        finish = functools.partial(_push_completion, request.state, request.client, entry, token, place)
        request.state.writes.append(PendingWrite(entry, value, finish))
    return encode_write_reply(token, len(wanted))


def _check_update(request: Request, server_id: str, update: object) -> tuple[Entry, bool | float]:
    value = parse_value(request, update)
    entry = request.state.watchables.find_id(server_id)
    if entry is None:
        raise Refused(f"Unknown watchable ID {server_id}")
    if request.state.dialect.write_needs_watch and request.client not in entry.watchers:
        raise Refused(f"Cannot update entry {server_id} without being subscribed to it")
    return entry, value


def _push_completion(
    state: State, initiator: Client, entry: Entry, token: str, batch_index: int,
    success: bool, time_us: float, reason: str,
) -> None:  # fmt: skip
    """Tell everybody who watches the entry, and from 0.12 on also who wrote it."""
    completion = WriteCompletion(
        server_id=entry.info.server_id,
        token=token,
        batch_index=batch_index,
        success=success,
        server_time_us=time_us,
        failure_reason=reason,
    )
    fields = encode_write_completion(completion, state.dialect, epoch_time=state.epoch + time_us / 1e6)
    audience = set(entry.watchers)
    if not state.dialect.write_needs_watch:
        audience.add(initiator)
    for client in audience:
        client.push(WRITE_COMPLETION, fields)


def write_single_watchable(request: Request) -> None:
    """Write one value by its path; the reply comes when the write has ended."""
    path = decode_write_path(request)
    value = parse_value(request, request.data)
    entry = request.state.watchables.find(path)
    if entry is None:
        raise Refused(f"Unknown watchable path {path}")

    def finish(success: bool, _time_us: float, reason: str) -> None:
        request.reply(encode_write_single_reply(request.state.dialect, success=success, reason=reason))

    request.state.writes.append(PendingWrite(entry, value, finish))


def parse_value(request: Request, data: object) -> bool | float:
    """Return the value that ``data`` wants to write.

    :raises Refused: if it is none a server takes.
    """
    if not isinstance(data, dict) or "value" not in data:
        raise Refused('Missing "value" field')
    value = data["value"]
    if isinstance(value, str):
        value = _parse_text(value.strip().lower(), takes_math=request.state.dialect.write_takes_math)
    if not isinstance(value, int | float) or not math.isfinite(value):
        is_old = request.state.dialect.transport == "websocket"
        raise Refused('Invalid "value" field' if is_old else "Invalid value")
    return value


def _parse_text(text: str, *, takes_math: bool) -> bool | float | None:
    with contextlib.suppress(ValueError):  # None is no value
        number = read_number(text)
        if takes_math or not _needs_math(text):
            return number
    return None


def _needs_math(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text not in ("true", "false") and not text.removeprefix("-").startswith("0x")
    return False


COMMANDS: Mapping[str, Command] = {
    "write_watchable": write_watchable,
    "write_single_watchable": write_single_watchable,
}
