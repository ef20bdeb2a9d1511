"""A watched value, as whoever watches it holds it: the official SDK's names for what a feed brings.

PYTEST_DONT_REWRITE
"""

from datetime import datetime
from typing import Protocol, TypeVar

from pytest_scrutiny.client.arguments import check_counter, check_rate
from pytest_scrutiny.client.batch import Batches
from pytest_scrutiny.client.clock import ServerClock
from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.feed import Feed, usable_value
from pytest_scrutiny.client.fit import (
    check_value,
    enum_name,
    enum_value,
    is_beyond,
    is_same,
    plain_number,
    shown,
)
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.write import Update, WriteBoard
from pytest_scrutiny.errors import BadTypeError, TimeoutException
from pytest_scrutiny.model.listing import (
    BaseDetailedWatchableConfiguration,
    DetailedAliasWatchableConfiguration,
    DetailedRPVWatchableConfiguration,
    DetailedVarWatchableConfiguration,
    detailed,
)
from pytest_scrutiny.model.values import (
    EmbeddedDataType,
    EmbeddedEnum,
    UnknownValue,
    ValueStatus,
    WatchableType,
)
from pytest_scrutiny.model.watch import Sample, WatchableInfo

D = TypeVar("D", bound=BaseDetailedWatchableConfiguration)


class Keeper(Protocol):
    """Whoever keeps the handles of a connection; the WatchBoard.

    :ivar timeout: seconds for a request; ``write_timeout`` for a write.
    """

    timeout: float
    write_timeout: float
    clock: ServerClock
    writes: WriteBoard
    batches: Batches

    def unwatch(self, paths: list[str], deadline: Deadline) -> None:
        """Stop watching."""

    def set_rate(self, handle: "WatchableHandle", rate_hz: float | None, deadline: Deadline) -> float | None:
        """Change how often the value is wanted; return the rate that the server now reads it at."""


class WatchableHandle(Feed):
    """A watched value, from session to session of its device."""

    def __init__(self, info: WatchableInfo, session: Session, keeper: Keeper) -> None:
        super().__init__(info, session)
        self._keeper = keeper

    def __repr__(self) -> str:
        return f"<WatchableHandle {self.info.path} {self.status.name}>"

    # What it is

    @property
    def server_path(self) -> str:
        """The path it was watched by."""
        return self.info.path

    display_path = server_path
    """The official SDK's name of it before 0.10."""

    @property
    def name(self) -> str:
        """The last component of the path."""
        return detailed(self.info).name

    @property
    def server_id(self) -> str:
        """The server's key for it: opaque, and another one after each reset of the device."""
        return self.info.server_id

    @property
    def type(self) -> WatchableType | UnknownValue:
        """Variable, alias or RPV."""
        return self.info.type

    @property
    def datatype(self) -> EmbeddedDataType | UnknownValue:
        """How the value is stored in the device."""
        return self.info.datatype

    @property
    def var_details(self) -> DetailedVarWatchableConfiguration:
        """Where the variable lies; servers from 0.10 on tell.

        :raises BadTypeError: if it is none.
        """
        return _details_of(self.info, DetailedVarWatchableConfiguration, "a variable")

    @property
    def alias_details(self) -> DetailedAliasWatchableConfiguration:
        """What the alias stands for; servers from 0.10 on tell.

        :raises BadTypeError: if it is none.
        """
        return _details_of(self.info, DetailedAliasWatchableConfiguration, "an alias")

    @property
    def rpv_details(self) -> DetailedRPVWatchableConfiguration:
        """The RPV's number; servers from 0.10 on tell.

        :raises BadTypeError: if it is none.
        """
        return _details_of(self.info, DetailedRPVWatchableConfiguration, "an RPV")

    def has_enum(self) -> bool:
        """Return whether its values have names."""
        return self.info.enum is not None

    def get_enum(self) -> EmbeddedEnum:
        """Return the names of its values.

        :raises BadEnumError: if they have none.
        """
        return detailed(self.info).get_enum()

    def parse_enum_val(self, val: str) -> int:
        """Return the value of a member's name.

        :raises BadEnumError: if there is no enum, or no such member.
        """
        return enum_value(self.info, val)

    # Its value

    @property
    def is_dead(self) -> bool:
        """Whether no update can come at present; it lives again once the device is back."""
        return self._death is not None

    @property
    def status(self) -> ValueStatus:
        """Whether there is a value and, if not, why."""
        return self.snapshot().status

    @property
    def update_counter(self) -> int:
        """How many updates came so far."""
        return self.history.total

    def snapshot(self) -> Sample:
        """Return the latest sample; its status says whether the value is of use."""
        with self._session.lock:
            return self._latest()

    @property
    def value(self) -> bool | float:
        """The latest value; setting it writes and waits for completion, as ``write``.

        :raises InvalidValueError: if there is none, with the reason.
        """
        return usable_value(self.info.path, self.snapshot())

    @value.setter
    def value(self, value: bool | float | str) -> None:
        self.write(value)

    @property
    def value_int(self) -> int:
        """The latest value as a whole number."""
        return int(self.value)

    @property
    def value_float(self) -> float:
        """The latest value as a float."""
        return float(self.value)

    @property
    def value_bool(self) -> bool:
        """The latest value as true or false."""
        return bool(self.value)

    @property
    def value_enum(self) -> str:
        """The latest value as a member's name of the value's enum; setting it writes a member's number.

        :raises BadEnumError: if there is no enum; when set, if it has no such member.
        :raises InvalidValueError: if no member has the value.
        """
        return enum_name(self.info, self.value)

    @value_enum.setter
    def value_enum(self, name: str) -> None:
        if not isinstance(name, str):
            raise ValueError(f"{name!r} is no member's name; expected a string, or set value to a number")
        self.write(enum_value(self.info, name))

    @property
    def raw_data(self) -> bytes | None:
        """The latest value's bytes in the device's memory; None on servers before 0.15 and for RPVs."""
        return self.snapshot().raw_data

    @property
    def last_update_timestamp(self) -> datetime | None:
        """When the latest value was read from the device; None before the first."""
        with self._session.lock:
            total, age = self.history.total, self.age
            if not total or age is None:
                return None
            return self._keeper.clock.moment(self.history.sample(total - 1).server_time_us, age)

    @property
    def last_write_timestamp(self) -> datetime | None:
        """When the latest write of this value was completed, by whichever client; None if none was."""
        return self.written_at

    # Writing

    def write(self, value: bool | float | str, timeout: float | None = None) -> None:
        """Write a value and wait until it is in the device; in a block of ``batch_write``, at its end.

        :param value: a number, true or false, a member's name of the value's enum, or a text that a server
            takes for a number, like ``"0x10"`` and ``"pi/2"``.
        :param timeout: seconds; None takes the client's ``write_timeout``.
        :raises ValueError: if the value does not fit; nothing is sent then.
        :raises TypeError: if it is no number; nothing is sent then.
        :raises OperationFailure: if the server or the device refuses.
        """
        deadline = self._write_deadline(timeout)
        self.await_return(deadline)
        update = Update(self.info, value, check_value(self.info, value))
        batch = self._keeper.batches.current
        if batch is None:
            self._write_by(update, deadline)
        else:
            self.check_alive()
            batch.add(update)

    def write_now(self, update: Update, timeout: float | None) -> None:
        """Write what was checked already, and wait until it is in the device."""
        self._write_by(update, self._write_deadline(timeout))

    def _write_deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self._keeper.write_timeout if timeout is None else check_timeout(timeout))

    def _write_by(self, update: Update, deadline: Deadline) -> None:
        self.await_return(deadline)
        self.check_alive()
        # Its id may have changed since it was checked.
        self._keeper.writes.write_one(update._replace(info=self.info), deadline)

    # Waiting

    def wait_update(
        self, timeout: float, previous_counter: int | None = None, sleep_interval: float = 0.0
    ) -> None:
        """Wait for an update, changed or not.

        :param previous_counter: an ``update_counter``, of before or to come: there must be more updates than
            that; None takes the present one.
        :param sleep_interval: the official SDK's; here nothing sleeps.
        :raises TimeoutException: if none comes in time.
        :raises InvalidValueError: as soon as the device's session ends.
        :raises ConnectionError: as soon as the connection is gone.
        """
        deadline = Deadline(check_timeout(timeout))
        check_timeout(sleep_interval, "sleep_interval")
        check_counter(previous_counter)
        self.await_return(deadline)
        seen = self.history.total if previous_counter is None else previous_counter
        self._session.wait_for(
            lambda: self._is_over() or self.history.total > seen,
            deadline,
            f"no update of {self.info.path} came",
        )

    def wait_value(self, value: bool | float | str, timeout: float, sleep_interval: float = 0.0) -> None:
        """Wait until the device has this value; the latest sample counts, and every update from now on.

        A sample that the server made up after a write is none of the device's. Values are compared within
        the rounding of the datatype.

        :param value: a number, or a member's name of the value's enum.
        :param sleep_interval: the official SDK's; here nothing sleeps.
        :raises ValueError: if the value is negative and the datatype is not, or too large for it.
        :raises TypeError: if it is no number.
        :raises BadEnumError: if it is a text and no member's name.
        :raises TimeoutException: if the device does not have it in time.
        :raises InvalidValueError: as soon as the device's session ends.
        :raises ConnectionError: as soon as the connection is gone.
        """
        deadline = Deadline(check_timeout(timeout))
        check_timeout(sleep_interval, "sleep_interval")
        wanted = self._check_wanted(value)
        number = self.next_fresh(or_latest=True)
        while True:
            try:
                fresh = self.wait_samples(number, deadline)
            except TimeoutException as exc:
                last = self.snapshot()
                seen = last.status.reason if last.value is None else f"it is {last.value!r}"
                raise TimeoutException(
                    f"{self.info.path} did not become {value!r} within {timeout:g} s: {seen}"
                ) from exc
            for sample in (timed.sample for timed in fresh):
                if sample.value is not None and is_same(self.info, wanted, sample.value):
                    return
            number = fresh[-1].number + 1

    def _check_wanted(self, value: object) -> bool | float:
        if isinstance(value, str):
            return enum_value(self.info, value)
        number = plain_number(self.info, value)
        is_unsigned = isinstance(self.datatype, EmbeddedDataType) and not self.datatype.is_signed()
        if number < 0 and is_unsigned and self.type is not WatchableType.Alias:  # an alias may have an offset
            raise ValueError(
                f"{self.info.path} never becomes {shown(value)}: its datatype is {self.datatype.name}; "
                "expected 0 or more"
            )
        if is_beyond(self.info, number):
            raise ValueError(
                f"{self.info.path} never becomes {shown(value)}: its datatype is {self.datatype.name}; "
                "expected a number that it can hold"
            )
        return number

    # The subscription

    @property
    def requested_update_rate(self) -> float | None:
        """Updates per second that were asked for; None for as many as possible."""
        return self.rate_hz

    def change_update_rate(self, update_rate: float | None) -> float | None:
        """Ask for so many updates per second, None for as many as possible.

        :return: the rate at which the server reads the value now: that of the fastest client.
        :raises NotSupportedByServerError: on servers before 0.13, which send every value they read.
        :raises OperationFailure: if the value is not watched at present.
        """
        return self._keeper.set_rate(self, check_rate(update_rate), Deadline(self._keeper.timeout))

    def unwatch(self) -> None:
        """Stop watching."""
        self._keeper.unwatch([self.info.path], Deadline(self._keeper.timeout))


def _details_of(info: WatchableInfo, kind: type[D], wanted: str) -> D:
    details = detailed(info)
    if not isinstance(details, kind):
        untold = "" if info.details else ", and the server tells no details of it (0.10 and later do)"
        raise BadTypeError(
            f"{info.path} is of type {info.type.name}{untold}; expected {wanted} with its details. "
            "Look at the handle's type first."
        )
    return details
