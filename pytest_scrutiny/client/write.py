"""Writes: the value is checked before the wire, sent, and waited for until the device has it.

Rule 1: what does not fit is refused here. A server clamps integers in silence, and one that must store more
    than a float32 can hold ends its process (0.16.0, observed).
Rule 2: completions of other clients' writes arrive too and are ignored.

PYTEST_DONT_REWRITE
"""

import difflib
import math
import operator
from collections.abc import Callable, Sequence
from typing import SupportsFloat, SupportsIndex, TypeAlias

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.request import Message
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.tokens import TokenInbox
from pytest_scrutiny.errors import BadEnumError, OperationFailure
from pytest_scrutiny.model.values import (
    FLOAT32_MAX,
    FLOAT64_MAX,
    EmbeddedDataType,
    UnknownValue,
    WatchableType,
)
from pytest_scrutiny.model.watch import AliasDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.model.write import WriteCompletion
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.write import (
    WRITE,
    WRITE_COMPLETION,
    decode_write_completion,
    decode_write_reply,
    encode_write,
)

Completed: TypeAlias = Callable[[str | None, float | None], None]
"""Called with the server id that was written, None for any, and when, on the server's clock if it has one."""


class WriteBoard:
    """The writes under way on one connection.

    :ivar on_completion: called after each that succeeded, on the reader thread with the lock held.
    """

    def __init__(self, session: Session) -> None:
        self._inbox: TokenInbox[WriteCompletion] = TokenInbox(session)
        self.on_completion: Completed = lambda *_: None
        session.handlers[WRITE_COMPLETION] = self._digest

    def write(
        self, updates: Sequence[tuple[str, bool | float]], deadline: Deadline, what: str
    ) -> list[WriteCompletion]:
        """Send writes as one request and return how each ended, in their order.

        :param updates: ``(server id, value)``, checked already.
        :param what: what is written, for error texts.
        """
        return self._inbox.run(
            WRITE,
            encode_write(updates),
            lambda message: decode_write_reply(message)[0],
            deadline,
            count=len(updates),
            what=f"the write of {what} was not completed",
        )

    def _digest(self, message: Message) -> None:
        completion = decode_write_completion(Fields(message, WRITE_COMPLETION))
        self._inbox.put(completion.token, completion, completion.batch_index)
        if completion.success:
            self.on_completion(completion.server_id, completion.server_time_us)


def write_value(
    session: Session, board: WriteBoard, info: WatchableInfo, value: bool | float | str, deadline: Deadline
) -> None:
    """Write one value and wait until it is in the device."""
    sent = check_value(info, value)
    what = f"{value!r} to {info.path}"
    try:
        completion = board.write([(info.server_id, sent)], deadline, what)[0]
    except OperationFailure as exc:
        raise type(exc)(f"the write of {what} was refused: {exc.reason}", exc.command, exc.reason) from exc
    if not completion.success:
        reason = completion.failure_reason or "the server gives no reason"
        raise OperationFailure(
            f"the write of {what} failed: {reason}; check that the device allows it (memory_write, "
            "read-only and forbidden regions) and is still connected",
            WRITE,
            reason,
        )


def check_value(info: WatchableInfo, value: object) -> bool | float:
    """Return what to send for a caller's value: a member's name of the enum, a truth value or a number.

    :raises BadEnumError: if it is a text, and no member's name.
    :raises TypeError: if it is no number.
    :raises ValueError: if it does not fit.
    """
    if isinstance(value, str):
        return enum_value(info, value)
    number = _plain_number(info, value)
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError(
            f"value {value!r} does not fit {info.path}: expected a finite number; a server takes no other"
        )
    alias = info.details if isinstance(info.details, AliasDetails) else None
    if alias is not None:
        _check_alias_limits(info, number, alias)
    stored = number if alias is None else _unscale(number, alias)
    if info.type is WatchableType.Alias and alias is None:
        return number  # before 0.10 nobody tells what it stands for, so nobody knows what fits
    low, high, what = _limits(info)
    if not low <= stored <= high:
        raise ValueError(f"value {value!r} does not fit {info.path}: expected {low} to {high}, {what}")
    is_whole = isinstance(info.datatype, EmbeddedDataType) and info.datatype.is_integer()
    if alias is None and is_whole and number != int(number):
        raise ValueError(
            f"value {value!r} does not fit {info.path}: expected a whole number for {info.datatype.name}"
        )
    if alias is not None and is_whole:
        return _away_from_the_edge(number, stored, alias)
    return int(number) if is_whole and not isinstance(number, bool) else number


def _away_from_the_edge(number: float, stored: float, alias: AliasDetails) -> float:
    """Return what to send to an alias of a whole number, so that the server stores the one that is meant.

    It truncates what the alias stands for: 0.29 at a gain of 0.01 is 28.999999999999996 and would be 28.
    """
    near = round(stored) if math.isfinite(stored) else stored
    if int(stored) == near or not math.isclose(stored, near, rel_tol=1e-9, abs_tol=1e-6):
        return number
    nudged = (near + math.copysign(0.25, near)) * (alias.gain or 1.0) + (alias.offset or 0.0)
    low = -math.inf if alias.min is None else alias.min
    high = math.inf if alias.max is None else alias.max
    return nudged if low <= nudged <= high else number


def enum_value(info: WatchableInfo, name: str) -> int:
    """Return the number of a member of the watchable's enum.

    :raises BadEnumError: if it has no enum, or no such member.
    """
    if info.enum is None:
        raise BadEnumError(f"value {name!r} does not fit {info.path}: it has no enum; expected a number")
    if name in info.enum.vals:
        return info.enum.vals[name]
    near = difflib.get_close_matches(name, info.enum.vals, 1, 0.5)
    members = ", ".join(f"{member}={number}" for member, number in info.enum.vals.items())
    hint = f"did you mean {near[0]!r}?" if near else "write a name or its number."
    raise BadEnumError(f"value {name!r} does not fit {info.path}: expected one of {members}; {hint}")


def _plain_number(info: WatchableInfo, value: object) -> bool | int | float:
    if isinstance(value, bool | int | float):
        return value
    # Numbers of other libraries (numpy, Decimal, Fraction) count by what they can turn into.
    if isinstance(value, SupportsIndex):
        return operator.index(value)
    if isinstance(value, SupportsFloat):
        return float(value)
    raise TypeError(f"value {value!r} does not fit {info.path}: expected a number, true or false")


def _limits(info: WatchableInfo) -> tuple[float, float, str]:
    """Return the smallest and the largest stored value, and what sets them."""
    datatype = info.datatype
    if isinstance(datatype, UnknownValue):
        return -FLOAT32_MAX, FLOAT32_MAX, f"which any server survives (datatype {datatype.text} is unknown)"
    if datatype.is_bool():
        return 0, 1, f"the range of {datatype.name}"
    if (
        isinstance(info.details, VariableDetails)
        and info.details.bitsize is not None
        and datatype.is_integer()
    ):
        bits = info.details.bitsize
        if datatype.is_signed():
            return -(1 << bits - 1), (1 << bits - 1) - 1, f"the range of its {bits} bits"
        return 0, (1 << bits) - 1, f"the range of its {bits} bits"
    low, high = datatype.limits() or (-FLOAT64_MAX, FLOAT64_MAX)
    return low, high, f"the range of {datatype.name}"


def _check_alias_limits(info: WatchableInfo, number: float, alias: AliasDetails) -> None:
    low = -math.inf if alias.min is None else alias.min
    high = math.inf if alias.max is None else alias.max
    if not low <= number <= high:
        raise ValueError(
            f"value {number!r} does not fit {info.path}: expected {low} to {high}, the alias' limits"
        )


def _unscale(number: float, alias: AliasDetails) -> float:
    """Return what the server will store for a value written to an alias."""
    gain = 1.0 if alias.gain is None else alias.gain
    try:
        return (number - (alias.offset or 0.0)) / gain
    except (ZeroDivisionError, OverflowError):
        return math.inf
