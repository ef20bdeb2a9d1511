"""One value of the device, by its path: read it, write it, see what it was."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.feed import Testament, usable_value
from pytest_scrutiny.client.fit import check_value, enum_name, is_same
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.client.write import Update
from pytest_scrutiny.errors import (
    ConnectionError,
    DeviceLostError,
    InvalidValueError,
    NameNotFoundError,
    OperationFailure,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.hil.blocks import Block, block
from pytest_scrutiny.hil.bytewise import way_through_memory
from pytest_scrutiny.hil.journal import PutBack, WriteRecord
from pytest_scrutiny.hil.lookalike import Lookalike
from pytest_scrutiny.hil.matchers import Changed, as_matcher
from pytest_scrutiny.hil.names import is_about_name, not_found
from pytest_scrutiny.hil.originals import find_original, put_back
from pytest_scrutiny.hil.refusals import raise_cause
from pytest_scrutiny.hil.resets import QUICK, explain
from pytest_scrutiny.hil.waits import Expectation, Never, stays, wait_for
from pytest_scrutiny.model.watch import AliasDetails, Sample, VariableDetails, WatchableInfo

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device

T = TypeVar("T")

SLOW_HZ = 1.0
"""Updates per second of a value that nobody waits for: enough for ``last`` and for the story of a failure."""

RATE_TIMEOUT = 0.3
"""Seconds to change a rate; a server that needs more than milliseconds hangs."""

STREAM_PATIENCE = 1.0
"""Seconds without an update after which ``stays`` gives up, besides its own; slow links take one a second."""


class Value(Lookalike):
    """A value of the device; it is watched when it is first used, and again after a reset.

    :ivar path: the server's path, for example ``/alias/psu/voltage``.
    """

    __slots__ = ("_device", "_first", "_handle", "_is_ours", "_is_slow", "_waiting")

    def __init__(self, device: "Device", path: str) -> None:
        super().__init__(path)
        self._device = device
        self._handle: WatchableHandle | None = None
        self._is_ours = False  # nobody watched it before we did
        self._is_slow = False
        self._waiting = 0  # how many of our own calls want every update
        self._first = 0  # the first update of the handle that is of our time

    @property
    def block_home(self) -> "Device":
        """Where this object's blocks are known; see hil/blocks.py."""
        return self._device

    @property
    def block_prefix(self) -> str:
        """What the names of this object's blocks begin with."""
        return f"{self.path}: "

    def __repr__(self) -> str:
        seen = "not read yet" if self._handle is None else str(self._handle.snapshot().value)
        return f"<Value {self.path}: {seen}>"

    @property
    def info(self) -> WatchableInfo:
        """What the server knows about the value: type, datatype, enum, address or target."""
        return self._watched().info

    @property
    def last(self) -> bool | float:
        """The latest value that came, without waiting.

        :raises InvalidValueError: if none has come yet, or it is unusable, with the reason.
        """
        return usable_value(self.path, self._watched().snapshot())

    def read(self, timeout: float | None = None) -> bool | float:
        """Return the device's value: a sample that came after this call, taken after the last write.

        :param timeout: seconds; None takes the client's.
        :raises InvalidValueError: if the value is unusable, with the reason.
        :raises DeviceLostError: if the device goes away meanwhile; DeviceResetError if it comes back at once.
        :raises TimeoutException: if no sample comes in time.
        """
        return usable_value(self.path, self._read_sample(timeout))

    def read_enum(self, timeout: float | None = None) -> str:
        """Return the device's value as a member's name of its enum.

        :raises BadEnumError: if it has no enum, or no member has the value.
        """
        return enum_name(self.info, self.read(timeout))

    @property
    def history(self) -> list[Sample]:
        """The updates of this session since the value was first used, oldest first; 4096 are kept."""
        return self._watched().samples(self._first)

    def wait(self, expected: object, timeout: float, hold: float = 0.0) -> bool | float:
        """Wait until the value is as expected, and return it.

        Every update counts that the device gives from now on and after the last write.

        :param expected: a matcher (``between``, ``above``, ``below``, ``pytest.approx``), a number, a
            member's name of the value's enum, or a function of the value.
        :param timeout: seconds, those of ``hold`` included.
        :param hold: seconds for which it must be so without a break.
        :raises TimeoutException: with the story of what the value was instead.
        :raises DeviceLostError: if the device goes away meanwhile; DeviceResetError if it comes back at once.
        """
        seconds, held = check_timeout(timeout), check_timeout(hold, "hold")
        if held > seconds:
            raise ValueError(
                f"hold {hold!r} is longer than timeout {timeout!r}, which includes it; give it more time"
            )
        with self.attention(seconds) as handle:
            matcher = as_matcher(expected, handle.info)
            expectation = Expectation(self._device, handle)
            return self._guarded(
                lambda: wait_for(expectation, matcher, seconds, held), f"{self.path} was waited for"
            )

    def stays(self, expected: object, for_: float) -> None:
        """Return after ``for_`` seconds in which every value was as expected.

        :param expected: as for ``wait``.
        :raises UnmetExpectation: with the story, at the first value that was not.
        """
        seconds = check_timeout(for_, "for_")
        patience = min(self._device.raw.timeout, seconds + STREAM_PATIENCE)
        with self.attention(patience) as handle:
            matcher = as_matcher(expected, handle.info)
            expectation = Expectation(self._device, handle)
            self._guarded(lambda: stays(expectation, matcher, seconds, patience), f"{self.path} was watched")

    def never(self, expected: object) -> Block[Never]:
        """Return a context manager in whose block the value is never as expected.

        The test fails within one update, whenever it waits for a value, and at the block's end.

        :param expected: as for ``wait``.
        """
        manager = Never(self._device, self, as_matcher(expected, self.info))
        return Block(self._device, f"never({expected!r})", manager, self.block_prefix)

    @block
    def expect_change(self, timeout: float) -> Iterator[None]:
        """Expect the value to change, by the end of the block or within ``timeout`` seconds after it.

        :raises TimeoutException: with the story, if it does not.
        """
        seconds = check_timeout(timeout)
        with self.attention() as handle:
            matcher = Changed(self.read())
            expectation = Expectation(self._device, handle)
            yield
            self._guarded(lambda: wait_for(expectation, matcher, seconds, 0.0), f"{self.path} was waited for")

    def write(self, value: bool | float | str, *, verify: bool = False, timeout: float | None = None) -> None:
        """Write a value and wait until it is in the device; it is put back after the test.

        :param value: a number, true or false, or a member's name of the value's enum.
        :param verify: read it back from the device and compare, within the datatype's own rounding.
        :param timeout: seconds; None takes the client's ``write_timeout``.
        :raises ValueError: if it does not fit; nothing is sent then.
        :raises TypeError: if it is no number; nothing is sent then.
        :raises OperationFailure: if the device refuses it, or another value is read back.
        """
        handle, update = self.prepare_write(value, timeout)
        before = handle.snapshot().value
        try:
            self._guarded(lambda: handle.write_now(update, timeout), f"{self.path} was written")
        except OperationFailure as exc:
            raise_cause(exc, value, handle.info, self._device.raw.get_server_status().device)
            raise
        self._device.writes.append(WriteRecord(monotonic(), self.path, before, value))
        if verify:
            self._verify(handle.info, update.sent, timeout)

    def prepare_write(
        self, value: bool | float | str, timeout: float | None
    ) -> tuple[WatchableHandle, Update]:
        """Return the handle to write to and what to send; the original is in the journal then.

        :raises ValueError: if the value does not fit.
        """
        handle = self._watched(timeout)
        update = Update(handle.info, value, check_value(handle.info, value))
        journal = self._device.journal
        if journal is not None and self.path not in journal:
            journal.record(self.path, *self.way_back(timeout))
        return handle, update

    def undo(self) -> Callable[[], None]:
        """Return what puts back the present value, now and not after the test.

        :raises ValueError: if that cannot be done.
        """
        original, put_it_back = self.way_back(None)

        def put_back_now() -> None:
            before = self._watched().snapshot().value
            self._guarded(lambda: put_it_back(None), f"{self.path} was written")
            self._device.writes.append(WriteRecord(monotonic(), self.path, before, original))

        return put_back_now

    def way_back(self, timeout: float | None) -> tuple[bool | float, PutBack]:
        """Return the present value, or what is written for it, and what puts it back.

        :raises ValueError: if there is no way back: then it is not changed either.
        """
        samples = [self._read_sample(timeout)]
        found = usable_value(self.path, samples[0])
        through_memory = way_through_memory(self._device, self.info, found)
        if through_memory is not None:
            return found, through_memory
        if isinstance(self.info.details, AliasDetails):
            self._check_target(self.info.details.target)

        def look() -> Sample:
            return samples.pop() if samples else self._read_sample(timeout)

        original = find_original(self.info, look, self._device.memory.read)
        return original, functools.partial(self._put_back, original)

    def _check_target(self, path: str) -> None:
        """Check that a bit field can be put back; what goes for it, goes for its alias."""
        raw = self._device.raw
        details = raw.watches.describe(path, Deadline(raw.timeout)).details
        if isinstance(details, VariableDetails) and details.bitsize is not None:
            self._device[path].way_back(None)

    def _put_back(self, original: bool | float, timeout: float | None) -> None:
        # With a timeout there is no time to watch again; a dead handle refuses at once, with the reason.
        handle = self._watch() if timeout is None or self._handle is None else self._handle
        deadline = None if timeout is None else Deadline(timeout)

        def write(value: bool | float) -> bool | float | None:
            start = handle.history.total
            seconds = None if deadline is None else deadline.remaining()
            handle.write_now(Update(handle.info, original, value), seconds)
            return handle.echo(start)

        try:
            put_back(handle.info, original, write)
        except OperationFailure:
            # Refused like the test's own write, perhaps: then the value is what it was.
            self._change_rate(handle, None)
            found = handle.read_fresh(deadline or Deadline(self._device.raw.timeout)).value
            if found is None or not is_same(handle.info, original, found):
                raise

    def _verify(self, info: WatchableInfo, sent: bool | float, timeout: float | None) -> None:
        found = self.read(timeout)
        if not is_same(info, sent, found):
            doubt = ", or whether it is a signed bit field, read without its sign" if sent < 0 else ""
            raise OperationFailure(
                f"{self.path} was written as {sent!r} but reads back as {found!r}; "
                f"check whether the firmware or another client writes it too{doubt}",
                "write_watchable",
                "another value is read back",
            )

    def _read_sample(self, timeout: float | None) -> Sample:
        seconds = self._device.raw.timeout if timeout is None else check_timeout(timeout)
        deadline = Deadline(seconds)
        with self.attention(seconds) as handle:
            return self._guarded(lambda: handle.read_fresh(deadline), f"{self.path} was read")

    @contextlib.contextmanager
    def attention(self, timeout: float | None = None) -> Iterator[WatchableHandle]:
        """While inside, the server sends the value as often as it can; otherwise seldom, where it knows how.

        What nobody waits for costs the device's link all the same: one value at full rate doubles the time of
        a write. A value that the test's own code watches through the client keeps its rate.

        :param timeout: seconds to begin to watch it; None takes the client's.
        """
        handle = self._watched(timeout)
        self._waiting += 1
        try:
            if self._is_slow:
                self._change_rate(handle, None)
            yield handle
        finally:
            self._waiting -= 1
            if self._is_ours and not self._waiting:
                self._change_rate(handle, SLOW_HZ)

    def _change_rate(self, handle: WatchableHandle, rate_hz: float | None) -> None:
        # Only costs speed; whatever is wrong with the server or the device, the next answer tells.
        with contextlib.suppress(ScrutinyError):
            self._device.raw.watches.change_rate(handle, rate_hz, Deadline(RATE_TIMEOUT))
        self._is_slow = rate_hz is not None

    def _watched(self, timeout: float | None = None) -> WatchableHandle:
        self._device.check_session()
        sessions = self._device.sessions
        try:
            return self._watch(timeout)
        except DeviceLostError as exc:
            if sessions.known is None or sessions.may_reset:
                raise
            raise sessions.notice_loss(sessions.known, f" before {self.path} could be watched") from exc
        except TimeoutException as exc:
            raise explain(self._device, sessions.known, f"{self.path} was to be watched", exc) from exc

    def _watch(self, timeout: float | None = None) -> WatchableHandle:
        if self._handle is None or self._handle.is_dead:
            client = self._device.raw
            self._is_ours = self._is_ours or self.path not in client.watches.watched()
            deadline = Deadline(client.timeout if timeout is None else timeout)
            try:
                self._handle = client.watches.watch([self.path], deadline)[0]
                self._first = self._handle.history.total
            except OperationFailure as exc:
                if not is_about_name(self.path, exc):
                    raise
                raise self._unknown() from exc
        return self._handle

    def testament(self, session_id: str | None) -> tuple[WatchableHandle, Testament] | None:
        """Return what came last in a session that ended; None if nothing did."""
        last = None if self._handle is None else self._handle.testament
        if self._handle is None or last is None or last.session_id != session_id:
            return None
        return self._handle, last

    def release(self) -> list[str]:
        """Forget the handle; return the path if it is ours to unwatch."""
        paths = [self.path] if self._handle is not None and self._is_ours else []
        self._handle, self._is_ours = None, False
        return paths

    def _unknown(self) -> ScrutinyError:
        status = self._device.raw.get_server_status()
        if status.device is None:
            return DeviceLostError(
                f"{self.path} cannot be watched: no device is connected to the server; "
                "expected the one this test began with. Check its power and its link."
            )
        firmware = status.device.device_id
        if status.sfd is None:
            return NameNotFoundError(
                f"{self.path} is unknown to the server: no firmware description (SFD) is loaded for firmware "
                f"{firmware}, so only RPVs like /rpv/x1000 exist. Install the firmware's SFD on the server."
            )
        return not_found(self._device.raw, self.path, f"firmware {firmware[:8]}…, SFD loaded")

    def _guarded(self, action: Callable[[], T], doing: str) -> T:
        """Run an action on the handle; if it fails because of device, link or server, say which."""
        handle = self._watched()
        session_id, updates, start = handle.session_id, handle.history.total, monotonic()
        try:
            return action()
        except (InvalidValueError, TimeoutException, OperationFailure, ConnectionError) as exc:
            # A refusal comes at once; what the device left unanswered fails only after a while.
            if isinstance(exc, OperationFailure) and monotonic() - start < QUICK:
                raise
            # Where updates came, the device is well; the value was not what the test wanted.
            if isinstance(exc, TimeoutException) and handle.history.total > updates:
                raise
            raise explain(self._device, session_id, doing, exc) from exc
