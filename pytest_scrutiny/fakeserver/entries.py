"""One name on the server, one client of it, and what the one is told of the other.

PYTEST_DONT_REWRITE
"""

import base64
from typing import TypeAlias

import attrs

from pytest_scrutiny.fakeserver.exchange import Reading
from pytest_scrutiny.fakeserver.rows import RPV, Row, Variable
from pytest_scrutiny.model.watch import VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.watch import UPDATE, encode_update

Message: TypeAlias = tuple[str, object, dict[str, object]]
"""A command, the id of the request it answers (or None), and its fields."""


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
    :ivar element: the array's element it is an alias of, if it is one.
    :ivar pointer: behind which its target lies, if any.
    :ivar watchers: ``{client: updates a second, or None for all}``.
    :ivar needed_by: what is watched behind it, or through it as an alias.
    :ivar due: when it is to be read next, while it is watched or needed.
    """

    row: Row
    target: Variable | RPV
    info: WatchableInfo
    is_element: bool = False
    element: "Entry | None" = None
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
