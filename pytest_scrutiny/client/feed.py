"""What a subscription brings, from session to session of its device.

Rule 1: a feed belongs to a path and outlives the device's session. While there is no session (or no SFD for a
    variable) it is dead, with the reason as its status; once its path is subscribed again it lives on. A call
    on one that is about to return waits for that first, within its own time.
Rule 2: no value of an earlier session is ever given as current.
Rule 3: after a write the server itself reports the written value, without having read it from the device
    (0.3.0 to 0.16.0, server/device/submodules/memory_writer.py). A fresh sample is one that the device gave
    after the write: its server time is later than the write's completion; on servers without a clock (0.1
    to 0.3) it is the second after it.
Rule 4: a wait that began before a write still wants what the device gave before it. Of a write it leaves out
    the echo only: the one sample that the server made up, right before the write's completion.
Rule 5: the first sample of what lies behind a pointer says that this is null, whatever it is: the server has
    not read it yet (0.12.0 to 0.16.0; the second, 10 to 20 ms later, is right; observed). So where values are
    waited for, an invalid sample does not count until a subscription has had time to settle.

PYTEST_DONT_REWRITE
"""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import NamedTuple

import attrs

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.history import History
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.errors import InvalidValueError, TimeoutException
from pytest_scrutiny.model.values import EmbeddedDataType, ValueStatus, WatchableType
from pytest_scrutiny.model.watch import AliasDetails, Sample, WatchableInfo

ECHO_US = 5000.0
"""How long before a write's completion the server's own echo of it may lie, in microseconds of its clock: it
lay 21 to 454 before, the device's own latest sample 9,979 or more (0.9.2, 0.12.0 and 0.16.0, observed)."""

SETTLING_US = 100_000
"""Microseconds after the first sample of a subscription in which an invalid one does not count."""


_ADVICE: Mapping[ValueStatus, str] = {
    ValueStatus.DeviceGone: "wait until the device is ready",
    ValueStatus.SFDUnloaded: "wait until it is loaded again",
}
"""What to do about the reason for which a feed is dead."""


class TimedSample(NamedTuple):
    """A sample, its place in the history, and when it was taken.

    :ivar time_us: microseconds of the server's clock, or of ours if it has none: to compare, not to show.
    """

    number: int
    time_us: float
    sample: Sample


class Testament(NamedTuple):
    """The last sample of a session that ended, and when it came, on our monotonic clock."""

    session_id: str | None
    sample: Sample
    arrived: float


class Feed:
    """The updates of one path.

    :ivar info: what the server told about it, when it was last subscribed.
    :ivar history: the updates that came, of all sessions.
    :ivar session_id: the device session it lives in, or lived in last.
    :ivar testament: of the session that ended last; None before the first, or if it brought nothing.
    :ivar rate_hz: updates per second that were asked for; None for as many as possible.
    :ivar is_returning: it is dead, but the next session has begun and will have it, as far as one can tell.
    :ivar written_at: when a write to this very path was last completed, by whichever client; None if never.
    """

    def __init__(self, info: WatchableInfo, session: Session) -> None:
        self.info = info
        self.history = History()
        self.session_id: str | None = None
        self.testament: Testament | None = None
        self.rate_hz: float | None = None
        self.is_returning = False
        self.written_at: datetime | None = None
        self._session = session
        self._death: ValueStatus | None = None
        self._refusal = ""  # what the server said when it was to return
        self._born = 0  # updates before this one are of an earlier session
        self._is_written = False
        self._written_us: float | None = None
        self._is_bool = isinstance(info.datatype, EmbeddedDataType) and info.datatype.is_bool()

    # For whoever waits

    def read_fresh(self, deadline: Deadline) -> Sample:
        """Return a sample that came after this call and that the device gave after the last write (Rule 3).

        :raises TimeoutException: if none comes in time.
        :raises InvalidValueError: as soon as the device's session ends.
        :raises ConnectionError: as soon as the connection is gone.
        """
        self.await_return(deadline)
        start = self.history.total

        def find() -> Sample | None:
            self._is_over()
            for number in range(max(start, self.history.dropped), self.history.total):
                if self._is_after_writes(number) and not self._is_premature(number):
                    return self._sample(number)
            return None

        try:
            return self._session.wait_for(find, deadline, f"no fresh value of {self.info.path} came")
        except TimeoutException as exc:
            came = self.history.total - start
            raise TimeoutException(
                f"{exc} ({came} updates came in that time); expected one every 10 to 50 ms. "
                "Check that the device still answers and how many values are watched."
            ) from exc

    def wait_samples(self, number: int, deadline: Deadline) -> list[TimedSample]:
        """Return what came from update ``number`` on, at least one sample, oldest first.

        The server's own echo of a write is left out (Rule 4), and so is what the history dropped already.

        :raises TimeoutException: if nothing comes in time.
        :raises InvalidValueError: as soon as the device's session ends.
        :raises ConnectionError: as soon as the connection is gone.
        """
        self.await_return(deadline)
        return self._session.wait_for(
            lambda: self.fresh(number), deadline, f"no update of {self.info.path} came"
        )

    def await_return(self, deadline: Deadline) -> None:
        """If it is about to live again, wait for that, or for the deadline; it may be dead afterwards."""
        if self.is_returning:
            with contextlib.suppress(TimeoutException):
                self._session.wait_for(lambda: not self.is_returning, deadline, "it did not return")

    def check_alive(self) -> None:
        """Refuse what needs a subscription if there is none at present.

        :raises InvalidValueError: with the reason, and what to do.
        :raises ConnectionError: if the connection is gone.
        """
        if self._death is None:
            return
        self._session.check_open()
        advice = _ADVICE.get(self._death, "watch it again")
        if self.is_returning:
            advice = "it was reset, and its firmware description is not loaded yet; wait until it is"
        elif self._refusal:
            advice = f"it is back without it ({self._refusal}); check which firmware it runs now"
        raise InvalidValueError(f"{self.info.path} cannot be written: {self._death.reason}; {advice}")

    def fresh(self, number: int) -> list[TimedSample]:
        """Return what ``wait_samples`` would, without waiting; called with the lock held.

        :raises InvalidValueError: if no update can come any more.
        """
        self._is_over()
        first = max(number, self.history.dropped, self._born)
        return [
            TimedSample(n, self.history.time_us(n), self._sample(n))
            for n in range(first, self.history.total)
            if not self._is_echo(n) and not self._is_premature(n)
        ]

    def fresh_samples(self, number: int) -> list[TimedSample]:
        """Return what ``fresh`` does; nothing if the session ended."""
        with self._session.lock:
            return [] if self._death is not None else self.fresh(number)

    def next_fresh(self, *, or_latest: bool = False) -> int:
        """Return the place of the first update that counts for a wait that begins now (Rule 3).

        :param or_latest: the one that is there already may count.
        """
        with self._session.lock:
            total = self.history.total
            if or_latest and total > self._born and self._is_after_writes(total - 1):
                return total - 1
            is_unsure = self._is_written and self._written_us is None and self.history.written == total
            return total + 1 if is_unsure else total

    def samples(self, number: int = 0) -> list[Sample]:
        """Return the updates of the present session from ``number`` on that are still kept, oldest first."""
        with self._session.lock:
            first = max(number, self.history.dropped, self._born)
            return [self._sample(n) for n in range(first, self.history.total)]

    def echo(self, number: int) -> bool | float | None:
        """Return what the server said it stored at the last write (Rule 3); None if before ``number``."""
        with self._session.lock:
            last = self.history.written - 1
            return self._sample(last).value if last >= max(number, self.history.dropped) else None

    @property
    def age(self) -> float | None:
        """Seconds since the latest update came; None if none has come."""
        arrived_us = self.history.arrived_us
        return None if arrived_us is None else monotonic() - arrived_us / 1e6

    def _latest(self) -> Sample:
        if self._death is not None:
            return Sample(None, self._death, None)
        if self.history.total == self._born:
            return Sample(None, ValueStatus.NeverSet, None)
        return self._sample(self.history.total - 1)

    def _sample(self, number: int) -> Sample:
        sample = self.history.sample(number)
        if type(sample.value) is float and self._is_bool:
            # Servers up to 0.5.2 at least send 0.0 and 1.0 for an alias of a bool (observed).
            return attrs.evolve(sample, value=sample.value != 0)
        return sample

    def _is_after_writes(self, number: int) -> bool:
        if self._written_us is not None:
            return self.history.time_us(number) > self._written_us
        return not self._is_written or number > self.history.written

    def _is_echo(self, number: int) -> bool:
        if number in self.history.echoes:
            return True
        # From 0.12 on a server may send it after the completion, with the values it reads at that time.
        is_later = self._written_us is not None and number >= self.history.written
        return is_later and not self._is_after_writes(number)

    def _is_premature(self, number: int) -> bool:
        """Return whether a sample is one that Rule 5 leaves out."""
        if not self.history.dropped <= self._born <= number:
            return False
        since_us = self.history.time_us(number) - self.history.time_us(self._born)
        return since_us < SETTLING_US and self._sample(number).value is None

    def _is_over(self) -> bool:
        """Raise if no update can come any more, else return False; called with the lock held.

        That the connection is gone is for ``wait_for`` to raise: its error says why.
        """
        if self._death is not None and self._death is not ValueStatus.ServerGone:
            raise InvalidValueError(f"{self.info.path} has no value: {self._death.reason}")
        return False

    # For the reader; all of these are called with the lock held

    @property
    def place(self) -> str | None:
        """The path of what is read and written: an alias' target; None where the server does not tell it."""
        return place_of(self.info)

    def note_write(self, server_time_us: float | None, *, has_echo: bool) -> None:
        """Note that a write was completed that concerns this value.

        :param has_echo: the server may have reported what was written as the value.
        """
        history = self.history
        if history.dropped <= history.written < history.total and self._is_echo(history.written):
            history.echoes.add(history.written)  # of the write before; its time is forgotten now
        self._is_written = True
        self._written_us = server_time_us
        history.written = history.total
        latest = history.total - 1
        if has_echo and latest >= self._born and self._is_just_before(latest, server_time_us):
            history.echoes.add(latest)

    def _is_just_before(self, number: int, server_time_us: float | None) -> bool:
        # Without a clock there is the order only: the echo comes right before its completion.
        return server_time_us is None or 0 <= server_time_us - self.history.time_us(number) <= ECHO_US

    def die(self, reason: ValueStatus) -> None:
        """Note that no update can come at present."""
        if self._death is None:
            sample, arrived_us = self._latest(), self.history.arrived_us
            if sample.value is not None and arrived_us is not None:
                self.testament = Testament(self.session_id, sample, arrived_us / 1e6)
        self._death = reason
        self.is_returning, self._refusal = False, ""

    def stay_dead(self, refusal: str) -> None:
        """Note that the server refused to subscribe the path again."""
        self.is_returning, self._refusal = False, refusal

    def live(self, info: WatchableInfo, session_id: str | None) -> None:
        """Note that the path was subscribed, perhaps a second time."""
        if self._death is not None or info.server_id != self.info.server_id:
            self._born = self.history.total
        self.info = info
        self.session_id = session_id
        self._death = None
        self.is_returning = False


def place_of(info: WatchableInfo) -> str | None:
    """Return the path of what is read and written: an alias' target; None where no server tells it."""
    if info.type is not WatchableType.Alias:
        return info.path
    return info.details.target if isinstance(info.details, AliasDetails) else None


def usable_value(path: str, sample: Sample) -> bool | float:
    """Return the sample's value.

    :raises InvalidValueError: if it has none, with the reason.
    """
    if sample.value is None:
        raise InvalidValueError(f"{path} has no value: {sample.status.reason}")
    return sample.value
