"""A watched value, as whoever watches it holds it.

PYTEST_DONT_REWRITE
"""

from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.feed import Feed, usable_value
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.write import WriteBoard, write_value
from pytest_scrutiny.errors import BadEnumError, InvalidValueError
from pytest_scrutiny.model.values import EmbeddedDataType, UnknownValue, ValueStatus, WatchableType
from pytest_scrutiny.model.watch import Sample, WatchableInfo


class WatchableHandle(Feed):
    """A watched value, from session to session of its device."""

    def __init__(
        self, info: WatchableInfo, session: Session, writes: WriteBoard, write_timeout: float
    ) -> None:
        super().__init__(info, session)
        self._writes = writes
        self._write_timeout = write_timeout

    def __repr__(self) -> str:
        return f"<WatchableHandle {self.info.path} {self.status.name}>"

    @property
    def server_path(self) -> str:
        """The path it was watched by."""
        return self.info.path

    @property
    def type(self) -> WatchableType | UnknownValue:
        """Variable, alias or RPV."""
        return self.info.type

    @property
    def datatype(self) -> EmbeddedDataType | UnknownValue:
        """How the value is stored in the device."""
        return self.info.datatype

    @property
    def is_dead(self) -> bool:
        """Whether no update can come at present; it lives again once the device is back."""
        return self._death is not None

    @property
    def status(self) -> ValueStatus:
        """Whether there is a value and, if not, why."""
        with self._session.lock:
            return self._latest().status

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
        """The latest value; setting it writes and waits for completion.

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
        """The latest value as a member's name of the value's enum.

        :raises BadEnumError: if there is no enum, or no member has the value.
        """
        return enum_name(self.info, self.value)

    def write(self, value: bool | float | str, timeout: float | None = None) -> None:
        """Write a value, or a member's name of the value's enum, and wait until it is in the device.

        :param timeout: seconds; None takes the client's ``write_timeout``.
        :raises ValueError: if the value does not fit; nothing is sent then.
        :raises TypeError: if it is no number; nothing is sent then.
        :raises OperationFailure: if the server or the device refuses.
        """
        if self._death is not None:
            raise InvalidValueError(
                f"{self.info.path} cannot be written: {self._death.reason}; wait until the device is ready"
            )
        deadline = Deadline(self._write_timeout if timeout is None else check_timeout(timeout))
        write_value(self._session, self._writes, self.info, value, deadline)

    def wait_update(self, timeout: float, previous_counter: int | None = None) -> None:
        """Wait for an update, changed or not.

        :param previous_counter: an ``update_counter`` of before; None takes the present one.
        :raises TimeoutException: if none comes in time.
        :raises InvalidValueError: as soon as the device's session ends.
        :raises ConnectionError: as soon as the connection is gone.
        """
        deadline = Deadline(check_timeout(timeout))
        seen = self.history.total if previous_counter is None else previous_counter
        self._session.wait_for(
            lambda: self._is_over() or self.history.total > seen,
            deadline,
            f"no update of {self.info.path} came",
        )


def enum_name(info: WatchableInfo, value: float) -> str:
    """Return the member's name that a value has in the watchable's enum.

    :raises BadEnumError: if there is no enum, or no member has the value.
    """
    if info.enum is None:
        raise BadEnumError(f"{info.path} has no enum; use its number")
    name = info.enum.get_first_value_name_match(int(value))
    if name is None:
        members = ", ".join(f"{member}={number}" for member, number in info.enum.vals.items())
        raise BadEnumError(
            f"{info.path} is {value!r}, which is no member of its enum; expected one of {members}"
        )
    return name
