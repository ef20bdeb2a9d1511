"""Faults of a connection: what goes wrong between a server and its clients, one small piece each.

A fault looks at each request that comes in, or at each message that goes out, and spoils it. Faults
compose: each gets what the ones before it left. ``docs/faults.md`` tells what a test sees of each.

Rule 1: a fault keeps nothing: all it may count is in the Arrival or Passage it gets. So one fault can be on
    any number of connections, and counts on each from the moment it was injected.
Rule 2: a fault does not wait: it says when its bytes are due, and the loop sends them then.

PYTEST_DONT_REWRITE
"""

import functools
import inspect
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import attrs

from pytest_scrutiny.errors import NameNotFoundError
from pytest_scrutiny.fakeserver.entries import Message

Transport: TypeAlias = Literal["tcp", "websocket"]
BOTH: tuple[Transport, ...] = ("tcp", "websocket")
DATAGRAMS: tuple[Transport, ...] = ("tcp",)

WRITES = ("write_watchable", "write_single_watchable", "write_single_watchable_by_data", "write_memory")


@attrs.define
class Arrival:
    """A request on its way in.

    :ivar number: how many requests came on this connection since the fault was injected, this one included.
    :ivar occurrence: the same, counting those of this command only.
    :ivar is_swallowed: the server never sees it.
    :ivar refusal: the server does not see it either, and answers ``error`` with this text; None if it does.
    """

    command: object
    number: int
    occurrence: int
    is_swallowed: bool = False
    refusal: str | None = None


class Passage:
    """A message on its way out.

    :ivar message: the message; see ``data`` for its bytes.
    :ivar number: how many messages went out on this connection since the fault was injected, with this one.
    :ivar sent: bytes that went out on this connection since then, without this message's.
    :ivar delay: seconds until it is sent; what comes behind it does not overtake it.
    :ivar step: bytes sent at a time; None sends all at once.
    :ivar interval: seconds between two steps.
    :ivar end: what happens behind it: ``"close"`` the connection, or stay ``"mute"`` for good.
    """

    def __init__(
        self,
        message: Message,
        encode: Callable[[Message], bytes],
        *,
        transport: Transport,
        number: int,
        sent: int,
    ) -> None:
        self.message = message
        self.transport = transport
        self.number = number
        self.sent = sent
        self.delay = 0.0
        self.step: int | None = None
        self.interval = 0.0
        self.end: Literal["close", "mute"] | None = None
        self._encode = encode
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """Its bytes as the framing makes them, unless a fault put others there."""
        if self._data is None:
            self._data = self._encode(self.message)
        return self._data

    @data.setter
    def data(self, data: bytes) -> None:
        self._data = data

    @property
    def payload_start(self) -> int:
        """Where the payload begins: behind a datagram's header, or a WebSocket frame's."""
        if self.transport == "tcp":
            return self.data.index(b">") + 1
        return {126: 4, 127: 10}.get(self.data[1] & 0x7F, 2)


def _spare_request(_arrival: Arrival) -> None:
    """Do nothing."""


def _spare_message(_passage: Passage) -> None:
    """Do nothing."""


@attrs.frozen
class Fault:
    """One thing that goes wrong.

    :ivar name: for people.
    :ivar transports: where it can go wrong.
    """

    name: str
    spoil_request: Callable[[Arrival], None] = _spare_request
    spoil_message: Callable[[Passage], None] = _spare_message
    transports: tuple[Transport, ...] = BOTH


def check_faults(faults: tuple[Fault, ...], transport: Transport) -> None:
    """Check that all faults can happen on this transport.

    :raises ValueError: if one cannot.
    """
    for fault in faults:
        if transport not in fault.transports:
            raise ValueError(
                f"fault {fault.name!r} cannot happen on {transport}; expected one for it. "
                "Take a release from 0.4.1 on, which speaks datagrams"
            )


# What happens to messages. ``number`` is which one: 1 is the first since the injection, None is every one.


def delay(seconds: float = 0.2) -> Fault:
    """Every message comes this much later."""

    def come_late(passage: Passage) -> None:
        passage.delay += seconds

    return Fault(f"delay:{seconds:g}", spoil_message=come_late)


def drop(number: int | None = None) -> Fault:
    """A message never comes."""

    def lose(passage: Passage) -> None:
        passage.data = b""

    return _on_message("drop", number, lose)


def garble(number: int | None = None) -> Fault:
    """A message has a wrong byte in its payload."""

    def flip(passage: Passage) -> None:
        passage.data = _flip(passage.data, passage.payload_start)

    return _on_message("garble", number, flip)


def bad_hash(number: int | None = None) -> Fault:
    """A datagram's checksum is wrong."""

    def flip(passage: Passage) -> None:
        passage.data = _flip(passage.data, len(passage.data) - 1)

    return _on_message("bad_hash", number, flip, DATAGRAMS)


def huge(number: int | None = None, size: int = 1 << 40) -> Fault:
    """A message is announced that is larger than any."""

    def announce(passage: Passage) -> None:
        if passage.transport == "tcp":
            header = f"<SCRUTINY size={size:x} flags=h>".encode()
        else:
            header = b"\x81\x7f" + size.to_bytes(8, "big")  # a text frame, its length in eight bytes
        passage.data = header + passage.data[passage.payload_start :]

    return _on_message("huge", number, announce)


def bomb(number: int | None = None) -> Fault:
    """A small datagram inflates to 80 MiB."""

    def inflate(passage: Passage) -> None:
        payload = _make_bomb()
        passage.data = f"<SCRUTINY size={len(payload):x} flags=c>".encode() + payload

    return _on_message("bomb", number, inflate, DATAGRAMS)


def garbage(number: int | None = None) -> Fault:
    """Instead of a message comes what is none."""

    def scribble(passage: Passage) -> None:
        passage.data = b"\xff\x00\x17 this is no message \xfe\r\n"

    return _on_message("garbage", number, scribble)


def half(number: int = 1) -> Fault:
    """Half a message comes, and then nothing any more; the connection stays open."""

    def fall_silent(passage: Passage) -> None:
        passage.data = passage.data[: len(passage.data) // 2]
        passage.end = "mute"

    return _on_message("half", number, fall_silent)


def cut(after: int = 100) -> Fault:
    """The connection ends after so many bytes."""

    def close(passage: Passage) -> None:
        if passage.sent + len(passage.data) >= after:
            passage.data = passage.data[: after - passage.sent]
            passage.end = "close"

    return Fault(f"cut:{after}", spoil_message=close)


def drip(step: int = 16, interval: float = 0.005) -> Fault:
    """Messages come in small pieces, with a pause behind each."""

    def drop_by_drop(passage: Passage) -> None:
        passage.step, passage.interval = step, interval

    return Fault(f"drip:{step},{interval:g}", spoil_message=drop_by_drop)


def one_byte() -> Fault:
    """Every byte is sent by itself, without a pause."""
    return attrs.evolve(drip(1, 0.0), name="one_byte")


# What happens to requests


def drop_request(number: int | None = None) -> Fault:
    """A request never arrives."""

    def lose(arrival: Arrival) -> None:
        arrival.is_swallowed = arrival.is_swallowed or number in (None, arrival.number)

    return Fault(_name("drop_request", number), spoil_request=lose)


def unanswered(command: str = "get_server_status") -> Fault:
    """Requests of one command are never answered."""

    def ignore(arrival: Arrival) -> None:
        arrival.is_swallowed = arrival.is_swallowed or arrival.command == command

    return Fault(f"unanswered:{command}", spoil_request=ignore)


def internal_error(command: str = "get_device_info", times: int = 1) -> Fault:
    """The first requests of one command are answered "Internal error"."""

    def fail(arrival: Arrival) -> None:
        if arrival.command == command and arrival.occurrence <= times:
            arrival.refusal = "Internal error"

    return Fault(f"internal_error:{command},{times}", spoil_request=fail)


def refuse_writes(reason: str = "Not allowed") -> Fault:
    """Every write is refused."""

    def refuse(arrival: Arrival) -> None:
        if arrival.command in WRITES:
            arrival.refusal = reason

    return Fault("refuse_writes", spoil_request=refuse)


# By name

FAULTS: Mapping[str, Callable[..., Fault]] = MappingProxyType({
    make.__name__: make
    for make in (
        delay, drop, garble, bad_hash, huge, bomb, garbage, half, cut, drip, one_byte,
        drop_request, unanswered, internal_error, refuse_writes,
    )
})  # fmt: skip
"""``{name: what makes the fault}``."""


def make_fault(text: str) -> Fault:
    """Return the fault that a text like ``"garble"``, ``"cut:200"`` or ``"drip:8,0.01"`` describes.

    :raises NameNotFoundError: if there is no such fault.
    :raises ValueError: if it takes no such arguments.
    """
    name, _, rest = text.partition(":")
    if name not in FAULTS:
        raise NameNotFoundError(f"there is no fault {name!r}; expected one of {', '.join(FAULTS)}")
    words = rest.split(",") if rest else []
    parameters = inspect.signature(FAULTS[name]).parameters
    if len(words) > len(parameters):
        raise ValueError(f"fault {text!r} has too much behind its name; expected {_usage(name, parameters)}")
    try:
        values = [
            _READERS[str(parameter.annotation)](word)
            for parameter, word in zip(parameters.values(), words, strict=False)
        ]
    except ValueError as exc:
        raise ValueError(f"fault {text!r} is none ({exc}); expected {_usage(name, parameters)}") from exc
    return FAULTS[name](*values)


_READERS: Mapping[str, Callable[[str], int | float | str]] = MappingProxyType({
    str(int): int, str(int | None): int, str(float): float, str(str): str
})  # fmt: skip
"""``{annotation: what reads a value of it}``."""


def _usage(name: str, parameters: Mapping[str, inspect.Parameter]) -> str:
    return f"{name}:{','.join(parameters).upper()}" if parameters else name


def _name(name: str, number: int | None) -> str:
    return name if number is None else f"{name}:{number}"


def _on_message(
    name: str,
    number: int | None,
    spoil: Callable[[Passage], None],
    transports: tuple[Transport, ...] = BOTH,
) -> Fault:
    """Return a fault of one message, or of every one."""

    def spoil_some(passage: Passage) -> None:
        if number in (None, passage.number) and passage.data:
            spoil(passage)

    return Fault(_name(name, number), spoil_message=spoil_some, transports=transports)


def _flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


@functools.cache
def _make_bomb() -> bytes:
    """Return about 80 kB of zlib data that inflate to 80 MiB of zeros."""
    zeros, count = bytes(1 << 20), 80
    deflator = zlib.compressobj(9)
    start = deflator.compress(zeros) + deflator.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers back, so the same block can stand there any number of times.
    block = deflator.compress(zeros) + deflator.flush(zlib.Z_FULL_FLUSH)
    end = deflator.flush()[:-4]
    # Adler-32 of n zeros: 1 in the lower half, n modulo 65521 in the upper one.
    checksum = (len(zeros) * count % 65521) << 16 | 1
    return start + block * (count - 1) + end + checksum.to_bytes(4, "big")
