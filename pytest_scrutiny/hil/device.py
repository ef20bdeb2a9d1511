"""The device on the bench, as a test sees it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import TypeVar

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.errors import (
    ConnectionError,
    DeviceLostError,
    DeviceResetError,
    OperationFailure,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.hil.batch import Batch, Snapshot, take_snapshot
from pytest_scrutiny.hil.journal import Journal, WriteRecord
from pytest_scrutiny.hil.memory import DeviceMemory
from pytest_scrutiny.hil.resets import QUICK, Reset, await_reset, explain, tell_reset
from pytest_scrutiny.hil.value import Value
from pytest_scrutiny.hil.waits import Never
from pytest_scrutiny.model.status import DeviceInfo, ServerState, SupportedFeatureMap

T = TypeVar("T")

RELEASE_TIMEOUT = 1.0
"""Seconds to stop watching; a server that needs more than milliseconds hangs."""


class Device:
    """The device behind a connected client.

    :ivar raw: the client.
    :ivar journal: remembers what to put back; None if nothing is.
    :ivar writes: every write of the test, oldest first.
    :ivar has_told_reset: a reset that nobody expected was raised already.
    :ivar watchers: what may not happen at present; see ``Value.never``.
    """

    def __init__(self, client: ScrutinyClient, journal: Journal | None = None) -> None:
        self.raw = client
        self.journal = journal
        self._session = client.get_server_status().device_session_id
        self.writes: list[WriteRecord] = []
        self.watchers: list[Never] = []
        self.has_told_reset = False
        self._resets_expected = 0
        self._values: dict[str, Value] = {}

    @property
    def memory(self) -> DeviceMemory:
        """The device's memory: ``memory[0x1000:0x1010]``, ``read``, ``write`` and ``read_struct``."""
        return DeviceMemory(self)

    def command(self, subfunction: int, data: bytes = b"", timeout: float | None = None) -> bytes:
        """Return what the firmware answers to a user command.

        :param subfunction: 0 to 255; its meaning is the firmware's own.
        :raises OperationFailure: if the firmware handles no user commands, or refuses this one.
        """
        return self.guarded(
            lambda: self.raw.user_command(subfunction, data, timeout).data,
            f"user command {subfunction} was asked",
        )

    def guarded(self, action: Callable[[], T], doing: str) -> T:
        """Run an action on the device; if it fails because of device, link or server, say which.

        :param doing: what it does, for the text: ``"memory at 0x1000 was read"``.
        """
        session_id, start = self.session_id, monotonic()
        try:
            return action()
        except (TimeoutException, OperationFailure, ConnectionError) as exc:
            if isinstance(exc, OperationFailure) and monotonic() - start < QUICK:
                raise
            raise explain(self.raw, session_id, doing, exc) from exc

    @contextlib.contextmanager
    def batch(self, timeout: float | None = None) -> Iterator[Batch]:
        """Collect writes in the block, and send them as one request at its end; not at all if it raises.

        :param timeout: seconds for all of them; None takes the client's ``write_timeout``.
        """
        batch = Batch(self)
        yield batch
        batch.flush(self.raw.write_timeout if timeout is None else check_timeout(timeout))

    @contextlib.contextmanager
    def override(self, values: Mapping[str, bool | float | str]) -> Iterator[None]:
        """Write values for the time of the block, and put back what they were before it.

        :param values: ``{path: value}``, written in their order and put back in reverse.
        """
        before: list[tuple[str, bool | float]] = []
        try:
            for path, value in values.items():
                was = self[path].read()
                self[path].write(value)
                before.append((path, was))
            yield
        finally:
            for path, was in reversed(before):
                self[path].write(was)

    def snapshot(self, *paths: str, timeout: float | None = None) -> Snapshot:
        """Return fresh values of all the paths, as ``{path: value}`` with the ``span`` of their times.

        :param timeout: seconds; None takes the client's.
        :raises InvalidValueError: if one of them has no usable value, with the reason.
        """
        return take_snapshot(self, paths, self.raw.timeout if timeout is None else check_timeout(timeout))

    def check_session(self) -> None:
        """Raise if the device was reset since this object was made, or the last reset that was expected.

        :raises DeviceResetError: with when and after what.
        """
        now = self.session_id
        if now is None or now == self._session or self._resets_expected:
            return
        if self._session is None:  # it was away at first
            self._session = now
            return
        self.has_told_reset = True
        raise DeviceResetError(tell_reset(self._session, now, self.writes))

    @contextlib.contextmanager
    def expect_reset(self, within: float) -> Iterator[Reset]:
        """Expect the device to reset in the block, and to be ready again ``within`` seconds after it.

        It gives a Reset, which is filled in at the end.

        :raises TimeoutException: if there is no new session in time, or its firmware description is missing.
        """
        seconds = check_timeout(within, "within")
        reset = Reset(self.session_id)
        had_sfd = self.raw.get_server_status().sfd is not None
        self._resets_expected += 1
        try:
            yield reset
            await_reset(self.raw, reset, seconds, needs_sfd=had_sfd)
        finally:
            self._resets_expected -= 1
        self._session = reset.after

    def wait_reset(self, timeout: float) -> Reset:
        """Wait for a reset that was provoked already, and until the device is ready again."""
        reset = Reset(self._session)
        had_sfd = True
        await_reset(self.raw, reset, check_timeout(timeout), needs_sfd=had_sfd)
        self._session = reset.after
        return reset

    def check_watchers(self) -> None:
        """Raise if something happened that may never.

        :raises UnmetExpectation: with the story.
        """
        for watcher in self.watchers:
            watcher.check()

    def release(self) -> None:
        """Stop watching what this object watched: every watched value costs the device's link.

        What was watched before it, through the client, stays watched.
        """
        paths = [path for value in self._values.values() for path in value.release()]
        if paths and self.raw.server_state is ServerState.Connected:
            with contextlib.suppress(
                ScrutinyError
            ):  # only costs speed; whatever is wrong, the next gate tells
                self.raw.watches.unwatch(paths, Deadline(RELEASE_TIMEOUT))

    def __repr__(self) -> str:
        device = self.raw.get_server_status().device
        return (
            "<Device gone>"
            if device is None
            else f"<Device {device.display_name} firmware {device.device_id}>"
        )

    def __getitem__(self, path: str) -> Value:
        """Return the value of this path; whether the server knows it shows at the first use."""
        if not isinstance(path, str):
            raise TypeError(f"path {path!r} is no string; expected a server path, for example '/rpv/x1000'")
        if path not in self._values:
            self._values[path] = Value(self, path)
        return self._values[path]

    @property
    def info(self) -> DeviceInfo:
        """What the device said of itself when it connected.

        :raises DeviceLostError: if no device is connected.
        """
        device = self.raw.get_server_status().device
        if device is None:
            raise DeviceLostError("no device is connected to the server; check its power and its link")
        return device

    @property
    def features(self) -> SupportedFeatureMap:
        """What the device can do."""
        return self.info.supported_features

    @property
    def firmware_id(self) -> str:
        """The firmware's id, 32 hex digits."""
        return self.info.device_id

    @property
    def session_id(self) -> str | None:
        """The id of the device's session with the server; None while it is away. A reset makes a new one."""
        return self.raw.get_server_status().device_session_id
