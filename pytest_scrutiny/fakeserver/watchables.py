"""What a server knows by name at present, who watches it, and what it last read of it.

The names come and go with the device: RPVs while it is ready, variables and aliases while its firmware
description is loaded. Each time they get new server ids, so that an old id means nothing any more.

PYTEST_DONT_REWRITE
"""

import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator

from pytest_scrutiny.fakeserver.arrays import Array, bare_path
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.entries import Client, Entry
from pytest_scrutiny.fakeserver.exchange import Exchange, Reading
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Row, Variable
from pytest_scrutiny.model.listing import VariableFactoryInterface
from pytest_scrutiny.model.values import WatchableType
from pytest_scrutiny.model.watch import AliasDetails, RPVDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.dialect import Dialect

_RATE_GRACE = 0.5
"""What is due within half a poll is read with this one: a read is one exchange, not one a subscription."""


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
        name = self._clean(path)
        known = self._by_path.get(name)
        return self._make_element(name) if known is None else known

    def _clean(self, path: str) -> str:
        match self._dialect.path_spelling:
            case "exact":
                return path
            case "ends":
                return "/" + path.strip().strip("/")
            case "slashes":
                return "/" + "/".join(segment for segment in path.split("/") if segment)

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
        known = self._by_path.get(target.path)
        if isinstance(row, Alias) and known is not None and known.is_element:
            entry.element = known
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
                self._end(client, entry)
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
        """Let a client watch an entry, or change how often it wants it; the next read brings a value.

        :raises LookupError: if it is an alias whose element is lost; the subscription is in place by half.
        """
        if entry.element is not None and self._dialect.element_aliases == "refused":
            raise LookupError(f"{entry.row.path} is an alias of an element")
        entry.watchers[client] = rate_hz
        if self._is_broken(entry):
            raise LookupError(f"{entry.row.path} is an alias of an element that is lost")
        for read in (entry, entry.pointer):
            if read is not None:
                read.due = now + self._timing.exchange
                self._watched[read.info.server_id] = read
        for base in (entry.element, entry.pointer):
            if base is not None:
                base.needed_by.add(entry)

    def unwatch(self, client: Client, entry: Entry) -> None:
        """End a client's subscription, if it has one.

        :raises LookupError: if it is an alias whose element is lost; the subscription is ended all the same.
        """
        is_broken = client in entry.watchers and self._is_broken(entry)
        self._end(client, entry)
        if is_broken:
            raise LookupError(f"{entry.row.path} is an alias of an element that is lost")

    def _end(self, client: Client, entry: Entry) -> None:
        entry.watchers.pop(client, None)
        client.forget(entry)
        for base in (entry.element, entry.pointer):
            if not entry.watchers and base is not None:
                base.needed_by.discard(entry)
                self._let_go(base)
        self._let_go(entry)

    def _is_broken(self, entry: Entry) -> bool:
        element = entry.element
        return element is not None and self._by_path.get(element.row.path) is not element

    def _let_go(self, entry: Entry) -> None:
        if not entry.watchers and not entry.needed_by:
            self._watched.pop(entry.info.server_id, None)
            if entry.is_element:
                self._forget(entry)

    def unwatch_all(self, client: Client) -> bool:
        """End all of a client's subscriptions; return whether a server survives it."""
        watched = [entry for entry in self._by_path.values() if client in entry.watchers]
        is_whole = not any(self._is_broken(entry) for entry in watched)
        for entry in watched:
            self._end(client, entry)
        return is_whole or self._dialect.element_aliases != "fatal"

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
