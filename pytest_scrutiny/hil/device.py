"""The device on the bench, as a test sees it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any, NoReturn, TypeVar

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.feed import Testament
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.errors import (
    ConnectionError,
    DeviceLostError,
    OperationFailure,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.hil.batch import Batch, Snapshot, take_snapshot
from pytest_scrutiny.hil.blocks import Block, block
from pytest_scrutiny.hil.journal import Journal, WriteRecord
from pytest_scrutiny.hil.memory import DeviceMemory
from pytest_scrutiny.hil.names import list_paths
from pytest_scrutiny.hil.resets import QUICK, Reset, await_reset, explain, short
from pytest_scrutiny.hil.sessions import Sessions
from pytest_scrutiny.hil.value import Value
from pytest_scrutiny.hil.waits import Never
from pytest_scrutiny.model.status import DeviceInfo, ServerInfo, ServerState, SupportedFeatureMap
from pytest_scrutiny.model.watch import canonical_path

T = TypeVar("T")

RELEASE_TIMEOUT = 1.0
"""Seconds to stop watching; a server that needs more than milliseconds hangs."""

RETURN_TIMEOUT = 5.0
"""Seconds for a device to be back from a reset at the end of a test, from its last line on: a server notices
after 0 to 1 s, and the device is ready 2.2 s later as a rule (0.16.0, observed)."""

FRESH_TIMEOUT = 1.0
"""Seconds for the server to say what it knows; it needs milliseconds unless it hangs."""


class Device:
    """The device behind a connected client.

    :ivar raw: the client.
    :ivar journal: remembers what to put back; None if nothing is.
    :ivar writes: every write of the test, oldest first.
    :ivar unentered: blocks that were made and not entered (yet); one that never is did nothing.
    :ivar sessions: which resets the test knows of.
    :ivar watchers: what may not happen at present; see ``Value.never``.
    :ivar since_what: what the times in its stories are counted from.
    :param resets: how many resets the test declares; None leaves it to ``expect_reset`` and ``wait_reset``.
    """

    def __init__(
        self, client: ScrutinyClient, journal: Journal | None = None, *, resets: int | None = None
    ) -> None:
        self.raw = client
        self.journal = journal
        self.since_what = "into the test"
        self.sessions = Sessions(self, resets)
        self.writes: list[WriteRecord] = []
        self.watchers: list[Never] = []
        self.unentered: list[Block[Any]] = []
        self._had_sfd = client.get_server_status().sfd is not None
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
        :raises DeviceResetError: if the device was reset before and the test had not declared it.
        """
        self.check_session()
        session_id, start = self.session_id, monotonic()
        try:
            return action()
        except (TimeoutException, OperationFailure, ConnectionError) as exc:
            if isinstance(exc, OperationFailure) and monotonic() - start < QUICK:
                raise
            raise explain(self, session_id, doing, exc) from exc

    @block
    def batch(self, timeout: float | None = None) -> Iterator[Batch]:
        """Collect writes in the block, and send them as one request at its end; not at all if it raises.

        :param timeout: seconds for all of them; None takes the client's ``write_timeout``.
        """
        batch = Batch(self)
        try:
            yield batch
        finally:
            batch.end()
        batch.flush(self.raw.write_timeout if timeout is None else check_timeout(timeout))

    @block
    def override(self, values: Mapping[str, bool | float | str]) -> Iterator[None]:
        """Write values for the time of the block, and put back what they were before it.

        :param values: ``{path: value}``, written in their order and put back in reverse.
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"{values!r} is no mapping; write: override({{path: value}})")
        with contextlib.ExitStack() as stack:  # it puts back all, in reverse, also when one of them fails
            for path, value in values.items():
                stack.callback(self[path].undo())
                self[path].write(value)
            yield

    def snapshot(self, *paths: str, timeout: float | None = None) -> Snapshot:
        """Return fresh values of all the paths, as ``{path: value}`` with the ``span`` of their times.

        :param timeout: seconds; None takes the client's.
        :raises InvalidValueError: if one of them has no usable value, with the reason.
        """
        return take_snapshot(self, paths, self.raw.timeout if timeout is None else check_timeout(timeout))

    def check_session(self, *, is_fresh: bool = False) -> None:
        """Raise if the device was reset and the test had not declared it.

        :param is_fresh: ask the server; otherwise what it said last counts, some milliseconds old.
        :raises DeviceResetError: with the story: when, after what, and the last values.
        """
        if is_fresh:
            self.raw.wait_server_status(lambda _: True, FRESH_TIMEOUT, "no server status came")
            if self.session_id is None and self.sessions.known is not None and not self.sessions.owed:
                raise DeviceLostError(
                    f"the device is gone: session {short(self.sessions.known)} ended; expected it to be "
                    "there at the end of the test. Check its power and its link, or declare it with "
                    "expect_reset()."
                )
        self._had_sfd = self._had_sfd or self.raw.get_server_status().sfd is not None
        self.sessions.check()

    def await_declared_resets(self, *, all_of_them: bool) -> None:
        """Wait, for a moment, for the end of a reset that the test declared and that is under way.

        :param all_of_them: also for resets that the server has not noticed yet, as many as were declared.
        """
        if self.sessions.declared is None:
            return

        def is_back(info: ServerInfo) -> bool:
            is_ready = info.device is not None and (info.sfd is not None or not self._had_sfd)
            return is_ready and (self.sessions.is_complete or not all_of_them)

        with contextlib.suppress(ScrutinyError):  # what is wrong then, the next question tells
            self.raw.wait_server_status(is_back, RETURN_TIMEOUT, "the device was not back")

    def testaments(self, session_id: str | None) -> list[tuple[WatchableHandle, Testament]]:
        """Return the last values of a session that ended, of what this object used."""
        return [last for value in self._values.values() if (last := value.testament(session_id))]

    @block
    def expect_reset(self, within: float) -> Iterator[Reset]:
        """Expect the device to reset in the block, and to be ready again ``within`` seconds after it.

        It gives a Reset, which is filled in at the end.

        :raises TimeoutException: if there is no new session in time, or its firmware description is missing.
        """
        seconds = check_timeout(within, "within")
        reset = Reset(self.session_id)
        had_sfd = self.raw.get_server_status().sfd is not None or self._had_sfd
        self.sessions.blocks += 1
        try:
            yield reset
            await_reset(self, reset, seconds, needs_sfd=had_sfd)
        finally:
            self.sessions.leave_block(reset.before, has_failed=reset.after is None)

    def wait_reset(self, timeout: float) -> Reset:
        """Wait for a reset that was provoked already, and until the device is ready again."""
        reset = Reset(self.sessions.known)
        await_reset(self, reset, check_timeout(timeout), needs_sfd=self._had_sfd)
        self.sessions.take_new()
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
            with contextlib.suppress(ScrutinyError):  # it only costs speed; the next gate tells what is wrong
                self.raw.watches.unwatch(paths, Deadline(RELEASE_TIMEOUT))

    @property
    def block_home(self) -> "Device":
        """Where this object's blocks are known; see hil/blocks.py."""
        return self

    @property
    def block_prefix(self) -> str:
        """What the names of this object's blocks begin with."""
        return ""

    def __repr__(self) -> str:
        try:
            device = self.raw.get_server_status().device
        except ScrutinyError:
            return "<Device, server lost>"
        return (
            "<Device gone>"
            if device is None
            else f"<Device {device.display_name} firmware {device.device_id}>"
        )

    def __setitem__(self, path: str, value: object) -> None:
        """Refuse what looks like a write and would be none.

        :raises TypeError: always.
        """
        raise TypeError(f"a value is not set like this; write: dev[{path!r}].write({value!r})")

    def __contains__(self, path: object) -> NoReturn:
        """Refuse what nobody can answer without asking the server.

        :raises TypeError: always.
        """
        raise TypeError(f"a device does not know its paths by heart; write: {path!r} in dev.paths()")

    def __iter__(self) -> NoReturn:
        """Refuse what Python would try with numbers for paths.

        :raises TypeError: always.
        """
        raise TypeError("a device does not know its paths by heart; write: dev.paths()")

    def __getitem__(self, path: str) -> Value:
        """Return the value of this path; whether the server knows it shows at the first use."""
        path = canonical_path(path)
        if path not in self._values:
            self._values[path] = Value(self, path)
        return self._values[path]

    def paths(self, pattern: str = "*", timeout: float | None = None) -> list[str]:
        """Return the paths that can be used, sorted: arrays element by element.

        Of an array with more than 1000 elements only the first is there; ``raw.download_watchable_list``
        tells its size.

        :param pattern: a glob: ``*`` matches ``/`` too, and ``[`` is written ``[[]``.
        :param timeout: seconds; None waits as long as parts of the list come.
        """
        return list_paths(self.raw, pattern, timeout)

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
