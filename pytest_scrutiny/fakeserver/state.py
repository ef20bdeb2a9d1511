"""What the topics of a server share: its device, its names, its clients, its time, and a request.

PYTEST_DONT_REWRITE
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.entries import Client, Entry
from pytest_scrutiny.fakeserver.link import DEFAULT_LINK, Change, DeviceLink, Timing
from pytest_scrutiny.fakeserver.watchables import Watchables
from pytest_scrutiny.model.link import DeviceLinkInfo
from pytest_scrutiny.protocol.dialect import Dialect


class Refused(Exception):
    """The server's own ``error`` reply; the text is its ``msg``."""


@attrs.frozen
class PendingWrite:
    """A write that the device has not yet answered.

    :ivar finish: called with success, the server's time in microseconds, and the reason of a failure.
    """

    entry: Entry
    value: bool | float
    finish: Callable[[bool, float, str], None]


@attrs.frozen
class Job:
    """Something that waits for the device; both are called with the present time.

    :ivar run: does it, once the device answers.
    :ivar fail: ends it, because the device is gone.
    """

    run: Callable[[float], None]
    fail: Callable[[float], None]


class State:
    """One server.

    :ivar epoch: seconds since 1970 at the server's time zero.
    :ivar clients: everybody who is connected.
    :ivar writes: oldest first.
    :ivar jobs: what else waits for the device, oldest first.
    :param now: the server's time zero, on the clock of every later ``now``.
    """

    def __init__(
        self,
        dialect: Dialect,
        device: SimulatedDevice,
        timing: Timing,
        tell: Callable[[Change], None],
        *,
        now: float,
        epoch: float,
        link: DeviceLinkInfo = DEFAULT_LINK,
    ) -> None:
        self.dialect = dialect
        self.device = device
        self.link = DeviceLink(device, timing, tell, link)
        self.watchables = Watchables(device, dialect, timing, self.stamp)
        self.clients: list[Client] = []
        self.writes: list[PendingWrite] = []
        self.jobs: list[Job] = []
        self.epoch = epoch
        self.received = self.sent = self.invalid = self.unexpected = 0
        self._zero = now
        self._last_us = 0.0

    def stamp(self, now: float) -> float:
        """Return the server's time in microseconds; no two stamps are the same."""
        self._last_us = max(self._last_us + 1.0, round((now - self._zero) * 1e6, 1))
        return self._last_us

    def uptime(self, now: float) -> float:
        """Return the seconds since time zero."""
        return now - self._zero

    def push(self, command: str, fields: dict[str, object]) -> None:
        """Send something to every client that is registered."""
        for client in self.clients:
            if client.is_registered:
                client.push(command, fields)


@attrs.frozen
class Request:
    """One request, and whom to answer.

    :ivar request_id: None if the client gave none.
    """

    state: State
    client: Client
    command: str
    request_id: int | None
    data: Mapping[str, Any]
    now: float

    def field(self, name: str, *types: type) -> Any:
        """Return a field of this request, of one of these types."""
        return self.field_of(self.data, name, *types)

    def field_of(self, data: object, name: str, *types: type) -> Any:
        """Return a field of an object in this request.

        :raises Refused: in a server's own words, with their stray quotes (0.9.2 to 0.16.0, observed).
        """
        is_strict = self.state.dialect.strict_types
        if not isinstance(data, dict):
            raise Refused(f'Field {name} is expected to be a dictionary"')
        if name not in data:
            raise Refused(f"'Missing field \"{name}\"'" if is_strict else f'Missing "{name}" field')
        value = data[name]
        is_wrong_bool = is_strict and isinstance(value, bool) and bool not in types
        if not isinstance(value, types) or is_wrong_bool:
            wanted = ", ".join(kind.__name__ for kind in types)
            raise Refused(
                f'Field {name} is expected to be of type "({wanted})" but found "{type(value).__name__}"'
                if is_strict
                else f'Invalid "{name}" field'
            )
        return value

    def reply(self, fields: Mapping[str, object]) -> None:
        """Answer; a request may be answered more than once, and later."""
        name = self.state.dialect.reply_name(self.command)
        self.client.outbox.append((name, self.request_id, dict(fields)))

    def refuse(self, text: str) -> None:
        """Answer with an ``error``, later than a command can raise Refused."""
        fields: dict[str, object] = {"request_cmd": self.command, "msg": text}
        self.client.outbox.append(("error", self.request_id, fields))


Command: TypeAlias = Callable[[Request], Mapping[str, object] | None]
"""What a command does: returns the reply's fields, or None if there is no reply (yet)."""
