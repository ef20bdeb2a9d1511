"""The values one subscription brought, in two columns and in bounded memory.

Rule 1: an update costs a type check and two appends. Samples are made when somebody looks.
Rule 2: places are absolute: the first update ever is number 0, also after old ones were dropped. Who waits
    remembers a number and sees every later update, or learns how many are gone.

PYTEST_DONT_REWRITE
"""

import base64
import binascii
from array import array
from typing import Any

from pytest_scrutiny.model.values import ValueStatus
from pytest_scrutiny.model.watch import Sample
from pytest_scrutiny.protocol.watch import INVALID_REASONS

KEPT = 4096
"""Updates kept at least: 40 s at 100 Hz, the fastest a server samples."""

_NUMBERS = (float, int, bool)


class History:
    """The updates of one subscription; all methods are called with the session's lock held.

    :ivar arrived_us: our monotonic clock in microseconds when the latest came; None before the first.
    :ivar dropped: how many old updates are gone.
    :ivar written: how many updates there were when the last write was completed that concerns them.
    :ivar echoes: the places of updates that the server made up after a write (client/feed.py, Rule 3).
    """

    __slots__ = ("_record", "_times", "_values", "arrived_us", "dropped", "echoes", "written")

    def __init__(self) -> None:
        self._times = array("d")
        self._values: list[bool | float | ValueStatus] = []
        self._record: dict[str, Any] = {}
        self.arrived_us: float | None = None
        self.dropped = 0
        self.written = 0
        self.echoes: set[int] = set()

    @property
    def total(self) -> int:
        """How many updates came so far."""
        return self.dropped + len(self._values)

    def append(self, record: dict[str, Any], value: object, time_us: float) -> None:
        """Take an update; ``record`` as it came, for its raw data.

        :raises TypeError: if ``time_us`` is no number.
        """
        if type(value) not in _NUMBERS:
            value = INVALID_REASONS.get(record.get("r"), ValueStatus.ServerSetInvalidWithoutReason)
        self._times.append(time_us)
        self._values.append(value)  # type: ignore[arg-type]  # checked by type() two lines up
        self._record = record
        if len(self._values) > 2 * KEPT:
            del self._times[:KEPT], self._values[:KEPT]
            self.dropped += KEPT
            self.echoes = {number for number in self.echoes if number >= self.dropped}

    def time_us(self, number: int) -> float:
        """Return when update ``number`` was taken, in µs of the server's clock, or of ours if it has none."""
        return self._times[number - self.dropped]

    def sample(self, number: int) -> Sample:
        """Return update ``number``; raw data only of the latest one."""
        value = self._values[number - self.dropped]
        time_us = self._times[number - self.dropped] if "t" in self._record else None
        if isinstance(value, ValueStatus):
            return Sample(None, value, time_us)
        data = _decode_data(self._record.get("d")) if number == self.total - 1 else None
        return Sample(value, ValueStatus.Valid, time_us, data)


def _decode_data(data: object) -> bytes | None:
    if not isinstance(data, str):
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
