"""What a server knows by name at present, who watches it, and what it last read of it.

The names come and go with the device: RPVs while it is ready, variables and aliases while its firmware
description is loaded. Each time they get new server ids, so that an old id means nothing any more.

PYTEST_DONT_REWRITE
"""

import base64
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import attrs

from pytest_scrutiny.fakeserver.arrays import Array, bare_path
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.exchange import Exchange, Reading
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Row, Variable
from pytest_scrutiny.model.listing import VariableFactoryInterface
from pytest_scrutiny.model.values import WatchableType
from pytest_scrutiny.model.watch import AliasDetails, RPVDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.watch import UPDATE, encode_update

Message: TypeAlias = tuple[str, object, dict[str, object]]
"""A command, the id of the request it answers (or None), and its fields."""

_RATE_GRACE = 0.5
"""What is due within half a poll is read with this one: a read is one exchange, not one a subscription."""


class Client:
    """One client of the server.

    :ivar outbox: what is to be sent, oldest first.
    :ivar is_registered: pushes reach it.
    :ivar throttle_hz: updates a second it wants at most; None for all.
    """

    def __init__(self) -> None:
        self.outbox: list[Message] = []
        self.is_registered = False
        self.throttle_hz: float | None = None
        self._news: dict[str, Entry] = {}  # by server id: of each entry only the latest is sent
        self._quiet_until = 0.0

    def push(self, command: str, fields: dict[str, object]) -> None:
        """Send what nobody asked for."""
        self.outbox.append((command, None, fields))

    @property
    def next_time(self) -> float | None:
        """When its throttle lets the next updates through; None if none wait."""
        return self._quiet_until if self._news else None

    def note(self, entry: "Entry") -> None:
        """Remember that an entry has a new value to tell."""
        self._news[entry.info.server_id] = entry

    def forget(self, entry: "Entry") -> None:
        """Drop what is still to be told of an entry."""
        self._news.pop(entry.info.server_id, None)

    def tell_news(self, dialect: Dialect, now: float) -> None:
        """Push the updates that are waiting, unless the client is throttled."""
        if not self._news or now < self._quiet_until:
            return
        records = [entry.encode(dialect) for entry in self._news.values()]
        self._news.clear()
        if self.throttle_hz:
            self._quiet_until = now + len(records) / self.throttle_hz
        if dialect.batched_updates:
            self.push(UPDATE, {"updates": records})
            return
        for record in records:
            self.push(UPDATE, {"updates": [record]})


@attrs.define(eq=False)
class Entry:
    """One name on the server.

    :ivar is_element: it is an array's, made when it was first asked for, until nobody watches it any more.
    :ivar pointer: behind which its target lies, if any.
    :ivar watchers: ``{client: updates a second, or None for all}``.
    :ivar needed_by: what is watched behind it, and so is read only if this is read too.
    :ivar due: when it is to be read next, while it is watched or needed.
    """

    row: Row
    target: Variable | RPV
    info: WatchableInfo
    is_element: bool = False
    pointer: "Entry | None" = None
    watchers: dict[Client, float | None] = attrs.field(factory=dict)
    needed_by: "set[Entry]" = attrs.field(factory=set)
    due: float = 0.0
    reading: Reading = attrs.field(default=Reading(None))
    time_us: float = 0.0

    @property
    def rate_hz(self) -> float | None:
        """The rate of its fastest watcher; None as soon as one wants everything."""
        wanted = [*self.watchers.values(), *(entry.rate_hz for entry in self.needed_by)]
        rates = [rate for rate in wanted if rate is not None]
        return max(rates) if len(rates) == len(wanted) and rates else None

    @property
    def base(self) -> int | None:
        """What its pointer held when it was last read; None if it has none, or that was never read."""
        value = None if self.pointer is None else self.pointer.reading.value
        return None if value is None else int(value)

    def address(self, dialect: Dialect) -> int | None:
        """Return where its target lies, as far as the server knows; None for RPVs, too."""
        if isinstance(self.target, RPV):
            return None
        if self.pointer is None:
            return self.target.address
        base = dialect.unread_pointer if self.base is None else self.base
        return None if base is None else base + self.target.address

    def describe(self, dialect: Dialect) -> WatchableInfo:
        """Return what the server tells about it at present."""
        if self.pointer is None or not isinstance(self.info.details, VariableDetails):
            return self.info
        details = attrs.evolve(self.info.details, address=self.address(dialect))
        return attrs.evolve(self.info, details=details)

    def encode(self, dialect: Dialect) -> dict[str, object]:
        """Return its present value as a record of a ``watchable_update``."""
        reading = self.reading
        return encode_update(
            self.info.server_id,
            reading.value,
            dialect,
            server_time_us=self.time_us,
            status=reading.status,
            data=None if reading.data is None else base64.b64encode(reading.data).decode(),
        )


class Watchables:
    """Everything the server knows by name at present.

    :ivar factories: the arrays; their elements are known by name once they were asked for.
    :param stamp: gives the server's own time in microseconds, a little later each time it is asked.
    """

    def __init__(
        self, device: SimulatedDevice, dialect: Dialect, timing: Timing, stamp: Callable[[float], float]
    ) -> None:
        self._device = device
        self._exchange = Exchange(device, dialect)
        self._dialect = dialect
        self._timing = timing
        self._stamp = stamp
        self._numbers = itertools.count()
        self._by_path: dict[str, Entry] = {}
        self._by_id: dict[str, Entry] = {}
        self._watched: dict[str, Entry] = {}
        self.factories: tuple[VariableFactoryInterface, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        """Return the entries in a server's order: RPVs, aliases, variables."""
        order = (WatchableType.RuntimePublishedValue, WatchableType.Alias, WatchableType.Variable)
        for kind in order:
            yield from (entry for entry in self._by_path.values() if entry.info.type is kind)

    def find(self, path: object) -> Entry | None:
        """Return what a path names; None if nothing.

        :raises IndexError: if it names an array, but no element of it.
        """
        if not isinstance(path, str):
            return None
        known = self._by_path.get(path)
        return self._make_element(path) if known is None else known

    def _make_element(self, path: str) -> Entry | None:
        if bare_path(path) == path or bare_path(path) not in {array.access_path for array in self.factories}:
            return None
        row = self._device.element(path)
        if not row.datatype.is_supported():
            # Listed and of no use: a server fails when it makes the element (0.9.2 to 0.16.0, observed).
            raise TypeError(f"{path} is a {row.datatype.name}, which servers do not support")
        return self._learn(row, row, is_element=True)

    def _learn(self, row: Row, target: Variable | RPV, *, is_element: bool = False) -> Entry:
        pointer = None if isinstance(target, RPV) or target.pointer is None else self.find(target.pointer)
        entry = Entry(
            row=row, target=target, info=self._describe(row, target), is_element=is_element, pointer=pointer
        )
        self._by_path[row.path] = self._by_id[entry.info.server_id] = entry
        return entry

    def find_id(self, server_id: str) -> Entry | None:
        """Return what a server id stands for at present; None if nothing."""
        return self._by_id.get(server_id)

    # Names that come and go

    def add(self, rows: Iterable[Row]) -> None:
        """Learn names, pointers before what is behind them, aliases last; leave out what no server can."""
        for row in sorted(rows, key=_turn):
            target = self._device.target_of(row)
            if self._can_learn(row, target):
                self._learn(row, target)

    def _can_learn(self, row: Row, target: Variable | RPV) -> bool:
        if not (self._exchange.knows(target.datatype) and target.datatype.is_supported()):
            return False
        if isinstance(row, Alias):
            return self._finds(target.path)
        if isinstance(target, RPV) or target.pointer is None:
            return True
        return self._dialect.knows_pointers and self._finds(target.pointer)

    def _finds(self, path: str) -> bool:
        try:
            return self.find(path) is not None
        except LookupError:
            return False

    def add_arrays(self, arrays: Iterable[Array]) -> None:
        """Learn arrays, if this release's server can."""
        self.factories = tuple(
            array.factory
            for array in arrays
            if self._dialect.list_has_factories
            and self._exchange.knows(array.datatype)
            and (self._dialect.knows_pointers or array.pointer_of(0) is None)
        )

    def remove(self, *kinds: type[Row]) -> None:
        """Forget all names of these kinds and whoever watched them."""
        if Variable in kinds:
            self.factories = ()
        for entry in [entry for entry in self._by_path.values() if isinstance(entry.row, kinds)]:
            for client in list(entry.watchers):
                self.unwatch(client, entry)
            self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self._by_path.pop(entry.row.path, None)
        self._by_id.pop(entry.info.server_id, None)

    def _describe(self, row: Row, target: Variable | RPV) -> WatchableInfo:
        kind, details = _kind_and_details(row, target)
        return WatchableInfo(
            path=row.path,
            type=kind,
            datatype=target.datatype,
            server_id=uuid.uuid4().hex if self._dialect.long_ids else f"{next(self._numbers):x}",
            enum=self._device.enum_of(row),
            details=details,
        )

    # Watching

    def watch(self, client: Client, entry: Entry, rate_hz: float | None, now: float) -> None:
        """Let a client watch an entry, or change how often it wants it; the next read brings a value."""
        entry.watchers[client] = rate_hz
        for read in (entry, entry.pointer):
            if read is not None:
                read.due = now + self._timing.exchange
                self._watched[read.info.server_id] = read
        if entry.pointer is not None:
            entry.pointer.needed_by.add(entry)

    def unwatch(self, client: Client, entry: Entry) -> None:
        """End a client's subscription, if it has one."""
        entry.watchers.pop(client, None)
        client.forget(entry)
        if not entry.watchers and entry.pointer is not None:
            entry.pointer.needed_by.discard(entry)
            self._let_go(entry.pointer)
        self._let_go(entry)

    def _let_go(self, entry: Entry) -> None:
        if not entry.watchers and not entry.needed_by:
            self._watched.pop(entry.info.server_id, None)
            if entry.is_element:
                self._forget(entry)

    def unwatch_all(self, client: Client) -> None:
        """End all of a client's subscriptions."""
        for entry in list(self._watched.values()):
            self.unwatch(client, entry)

    @property
    def next_read(self) -> float | None:
        """When the device is to be read next; None while nobody watches."""
        return min((entry.due for entry in self._watched.values()), default=None)

    def read_due(self, now: float) -> None:
        """Read what is due, changed or not, and note it for its watchers.

        What is behind pointers comes first: a server reads it where it believes it to be. So the first time
        it can be told to be behind a null pointer, however good that is (0.12.0 to 0.16.0, observed).
        """
        next_read = self.next_read
        if next_read is None or next_read > now:
            return
        time_us = self._stamp(now)
        until = now + self._timing.poll * _RATE_GRACE
        for entry in sorted(self._watched.values(), key=lambda entry: entry.pointer is None):
            if entry.due <= until:
                is_useful = self._read(entry, time_us)
                pause = 1.0 / entry.rate_hz if is_useful and entry.rate_hz is not None else 0.0
                entry.due = now + max(pause, self._timing.poll)

    def _read(self, entry: Entry, time_us: float) -> bool:
        """Return whether there was a value; otherwise it is looked for again at once, whatever the rate."""
        try:
            reading = self._exchange.read(entry.row, entry.base)
        except LookupError:  # no memory there: the device refuses, and no server tells anybody
            return False
        self._take(entry, reading, time_us)
        return reading.value is not None

    # Writing

    def write(self, entry: Entry, value: bool | float) -> Reading:
        """Store a value and return its target's as the server then believes it.

        :raises WriteRefused: if the device does not take it, or it is behind a pointer that was not read.
        """
        return self._exchange.write(entry.row, value, entry.base)

    def believe(self, written: Reading, target: Variable | RPV, now: float) -> None:
        """Take a value that was written for read, as a server does, and read the device again soon.

        Watchers get the written value before the write's completion; it is no read of the device.
        """
        time_us = self._stamp(now)
        entries = [entry for entry in self._watched.values() if entry.row.path != target.path]
        if target.path in self._by_path:  # a pointer leads there from now on, watched or not
            entries.append(self._by_path[target.path])
        for entry in entries:
            if entry.target.path == target.path:
                alias = entry.row if isinstance(entry.row, Alias) else None
                reading = written if alias is None else self._exchange.through_alias(alias, written)
                self._take(entry, reading, time_us)
                entry.due = now + self._timing.exchange

    def _take(self, entry: Entry, reading: Reading, time_us: float) -> None:
        if reading.value is None and not self._dialect.update_tells_invalid:
            return  # servers that have no word for it say nothing (0.1.0 to 0.11.3, observed)
        entry.reading, entry.time_us = reading, time_us
        for client in entry.watchers:
            client.note(entry)


def _turn(row: Row) -> int:
    if isinstance(row, Alias):
        return 2
    return 1 if isinstance(row, Variable) and row.pointer is not None else 0


def _kind_and_details(
    row: Row, target: Variable | RPV
) -> tuple[WatchableType, VariableDetails | AliasDetails | RPVDetails]:
    match row:
        case Variable():
            return WatchableType.Variable, VariableDetails(row.address, row.bitoffset, row.bitsize)
        case RPV():
            return WatchableType.RuntimePublishedValue, RPVDetails(row.rpvid)
        case Alias():
            kind = (
                WatchableType.Variable
                if isinstance(target, Variable)
                else WatchableType.RuntimePublishedValue
            )
            details = AliasDetails(target.path, kind, row.gain, row.offset, row.min, row.max)
            return WatchableType.Alias, details
