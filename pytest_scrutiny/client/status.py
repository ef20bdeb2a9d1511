"""What is going on at the server, whole and of one session; and the waits for it.

Servers from 0.4 on put neither the device nor the SFD into their status, so the board asks for both when a
status names a session or an SFD it does not know yet, and publishes only when all parts belong together.

Rule 1: reports are numbered as they come; a published status has its report's number, so that a wait can
    tell what was seen after its own question.
Rule 2: waits look at the history of published statuses, never only at the latest: a device that was ready
    between two looks was ready.

PYTEST_DONT_REWRITE
"""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Protocol

from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.request import Message, Request
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.sfd import Loads
from pytest_scrutiny.errors import InvalidValueError, TimeoutException
from pytest_scrutiny.model.sfd import SFDInfo
from pytest_scrutiny.model.status import DeviceCommState, DeviceInfo, ServerInfo, StatusReport
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.sfd import (
    GET_INSTALLED_SFDS,
    GET_LOADED_SFD,
    decode_installed_sfds_reply,
    decode_loaded_sfd_reply,
)
from pytest_scrutiny.protocol.status import (
    GET_DEVICE_INFO,
    GET_STATUS,
    STATUS,
    decode_device_info_reply,
    decode_status,
)

_HISTORY = (
    256  # published statuses kept for waits: a burst is 3, so this is many seconds of the busiest server
)

_SESSIONS = (
    64  # device sessions kept: one is told from a reset, many are a link or a server that cannot hold one
)


class DeviceSession(NamedTuple):
    """A session of the device, as the server told of it; moments on our monotonic clock.

    :ivar began: when the first report of it came.
    :ivar gone: when the first report without the session before came; ``began`` if there was none in between.
    """

    session_id: str
    began: float
    gone: float


class StatusBoard:
    """The statuses of one session.

    :ivar latest: the last one published; None before the first.
    :ivar published: how many were published.
    :ivar sessions: the device sessions that were reported, oldest first; some too short to be published.
    :ivar loads: which of those a long load of the SFD cost.
    :ivar refusal: the last error the server answered anything with; ``""`` if there was none.
    :ivar is_greeted: whether the server said its ``welcome``.
    :ivar on_report: called with every report on the reader thread, with the lock held.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.latest: ServerInfo | None = None
        self.published = 0
        self.reports = 0
        self.sessions: deque[DeviceSession] = deque(maxlen=_SESSIONS)
        self.loads = Loads(session.asked_at)
        self.refusal = ""
        self.is_greeted = False
        self._gone: float | None = None  # since when there is no session
        self.on_report: Callable[[StatusReport], None] = lambda _: None
        self._history: deque[tuple[int, int, ServerInfo]] = deque(maxlen=_HISTORY)
        self._report: StatusReport | None = None
        self._is_published = False
        self._device: DeviceInfo | None = None
        self._sfd: SFDInfo | None = None
        self._asked: set[str] = set()
        session.handlers[STATUS] = self._digest
        session.handlers["error"] = self._note_refusal
        session.handlers["welcome"] = self._note_greeting
        for request_id, command in session.asked.items():
            if command in self._digests:
                self._asked.add(command)
                session.expect(request_id, Request(command, self._digests[command]))

    @property
    def _digests(self) -> dict[str, Callable[[Fields], None]]:
        return {GET_DEVICE_INFO: self._digest_device, GET_LOADED_SFD: self._digest_sfd}

    @property
    def status_is_whole(self) -> bool:
        """Whether this server's status tells device and SFD itself (0.1 to 0.3)."""
        return self._report is not None and self._report.is_whole

    def since(self, published: int, report: int = 0) -> list[tuple[int, ServerInfo]]:
        """Return ``(how many were published by then, status)``, oldest first; called with the lock held.

        :param published: leave out the first so many.
        :param report: leave out what was reported before this report's number.
        """
        assert self._session.lock.locked()
        return [
            (count, info) for count, number, info in self._history if count > published and number >= report
        ]

    @property
    def is_loading_sfd(self) -> bool:
        """Whether the last report may be of a server that loads an SFD, and so answers nobody for a while."""
        report = self._report
        return report is not None and report.session_id is not None and report.sfd_firmware_id is None

    def _digest(self, message: Message) -> None:
        report = decode_status(Fields(message, STATUS))
        self._session.status_came()
        if self.reports:  # what was asked with the first status is still to be answered
            self._asked.clear()
        self.reports += 1
        self._note_session(report.session_id)
        self.loads.note(report, monotonic())
        self._report = report
        self._is_published = False
        self.on_report(report)
        self._compose(report)

    def _note_session(self, session_id: str | None) -> None:
        if session_id is None:
            self._gone = monotonic() if self._gone is None else self._gone
            return
        if session_id not in self.session_ids:
            now = monotonic()
            self.sessions.append(DeviceSession(session_id, now, now if self._gone is None else self._gone))
        self._gone = None

    def _note_refusal(self, message: Message) -> None:
        self.refusal = f"{message.get('request_cmd')} with the error {message.get('msg')!r}"

    def _note_greeting(self, _message: Message) -> None:
        self.is_greeted = True

    @property
    def session_ids(self) -> list[str]:
        """The ids of ``sessions``."""
        # Copied in one step first: the reader may add one between two steps of a loop, which would raise.
        return [session.session_id for session in [*self.sessions]]

    def _compose(self, report: StatusReport) -> None:
        """Publish the report if its parts are here and of one session, or ask for the missing ones."""
        device, sfd = report.device, report.sfd
        if not report.is_whole:
            missing = self._missing(report)
            for command in missing:
                if command not in self._asked:
                    self._asked.add(command)
                    self._session.post_request(Request(command, self._digests[command]))
            if missing:
                return
            device = None if report.session_id is None else self._device
            sfd = None if report.sfd_firmware_id is None else self._sfd
        if report.session_id is None:
            device = None  # what an old server still tells about a device that is gone
        self.latest = ServerInfo(
            device_comm_state=report.comm_state,
            device_session_id=report.session_id,
            device=device,
            datalogging=report.datalogging,
            sfd=sfd,
            device_link=report.link,
        )
        self._is_published = True
        self.published += 1
        self._history.append((self.published, self.reports, self.latest))

    def _missing(self, report: StatusReport) -> list[str]:
        """Return what must be asked for before the report can be published."""
        missing = []
        if report.session_id is not None and (
            self._device is None or self._device.session_id != report.session_id
        ):
            missing.append(GET_DEVICE_INFO)
        if report.sfd_firmware_id is not None and (
            self._sfd is None or self._sfd.firmware_id != report.sfd_firmware_id
        ):
            missing.append(GET_LOADED_SFD)
        return missing

    # An answer of another session, or an error ("Internal error" while the handshake ends: 0.4.1 and 0.16.0,
    # observed) publishes nothing: a newer report is on its way, or the status timer brings one.

    def _digest_device(self, message: Fields) -> None:
        self._device = decode_device_info_reply(message) or self._device
        if self._device is not None and self._device.char_bit is not None:
            self._session.is_server_delayed = False  # it tells since 0.14, and has TCP_NODELAY since 0.12
        self._part_came()

    def _digest_sfd(self, message: Fields) -> None:
        self._sfd = decode_loaded_sfd_reply(message) or self._sfd
        self._part_came()

    def _part_came(self) -> None:
        if self._report is not None and not self._is_published:
            self._compose(self._report)


class _Client(Protocol):
    """What the status commands need of the client that inherits them."""

    timeout: float

    @property
    def session(self) -> Session: ...

    @property
    def board(self) -> StatusBoard: ...


class StatusCommands:
    """The doors of ScrutinyClient to the server's status."""

    def get_server_status(self: _Client) -> ServerInfo:
        """Return the latest status, without asking the server.

        :raises ConnectionError: if the client is not connected.
        :raises InvalidValueError: if no status has come yet (after ``connect`` with ``wait_status=False``).
        """
        self.session.check_open()
        latest = self.board.latest
        if latest is None:
            raise InvalidValueError(
                "no server status has come yet; expected one after connect(). "
                "Call wait_server_status_update(), or connect with wait_status=True."
            )
        return latest

    get_latest_server_status = get_server_status

    def wait_server_status_update(self: _Client, timeout: float = 2.5) -> None:
        """Wait for the next status, whoever asked for it; the server is asked at once.

        :raises TypeError: if ``timeout`` is no number.
        :raises ValueError: if it is negative or not finite.
        :raises TimeoutException: if none comes in time.
        :raises ConnectionError: as soon as the connection is gone.
        """
        deadline = Deadline(check_timeout(timeout))
        before = self.board.published
        with self.session.impatience():
            _ask_status(self.session, self.board, deadline)
            self.session.wait_for(
                lambda: self.board.published > before, deadline, "no server status update came"
            )

    def request_server_status_update(
        self: _Client, wait: bool = False, timeout: float | None = None
    ) -> ServerInfo | None:
        """Ask the server for its status; return it if ``wait`` is true, None otherwise.

        :param timeout: seconds; None takes the client's.
        :raises TimeoutException: if it does not come in time.
        :raises ConnectionError: as soon as the connection is gone.
        """
        deadline = Deadline(self.timeout if timeout is None else check_timeout(timeout))
        if not wait:
            self.session.send_request(Request(GET_STATUS, lambda _: None), None, deadline)
            return None
        return _wait_status(self.session, self.board, lambda _: True, deadline, "no server status came")

    def wait_server_status(
        self: _Client, predicate: Callable[[ServerInfo], bool], timeout: float, what: str
    ) -> ServerInfo:
        """Return the first status that satisfies ``predicate``, reported after the server was asked afresh.

        :param what: what did not happen, for the timeout's text.
        :raises TimeoutException: if none comes in time.
        :raises ConnectionError: as soon as the connection is gone.
        """
        return _wait_status(self.session, self.board, predicate, Deadline(check_timeout(timeout)), what)

    def wait_device_ready(self: _Client, timeout: float) -> None:
        """Wait until a device is connected to the server and its handshake is done.

        The server is asked afresh: what it said before this call does not count.

        :param timeout: seconds.
        :raises TypeError: if ``timeout`` is no number.
        :raises ValueError: if it is negative or not finite.
        :raises TimeoutException: if the device does not become ready in time.
        :raises ConnectionError: as soon as the connection is gone.
        """
        deadline, board = Deadline(check_timeout(timeout)), self.board

        def explain() -> str:
            latest = board.latest
            seen = "no status" if latest is None else f"{latest.device_comm_state.name} at the last look"
            return f": {seen}; expected ConnectedReady. Check the device's power and the server's link."

        _wait_status(self.session, board, _is_ready, deadline, "the device did not become ready", explain)

    def get_device_info(self: _Client) -> DeviceInfo | None:
        """Return the device the server is connected to, asked afresh; None if there is none.

        :raises OperationFailure: if the server refuses, as it does while a handshake is going on.
        """
        deadline = Deadline(self.timeout)
        if self.board.status_is_whole:
            info = _wait_status(self.session, self.board, lambda _: True, deadline, "no server status came")
            return info.device
        return self.session.request(GET_DEVICE_INFO, None, decode_device_info_reply, deadline)

    def get_loaded_sfd(self: _Client) -> SFDInfo | None:
        """Return the firmware description the server has loaded, asked afresh; None if there is none.

        On servers 0.1 to 0.3 without metadata; ``get_server_status`` has it there.
        """
        return self.session.request(GET_LOADED_SFD, None, decode_loaded_sfd_reply, Deadline(self.timeout))

    def get_installed_sfds(self: _Client, timeout: float | None = None) -> dict[str, SFDInfo]:
        """Return the firmware descriptions the server has in store, as ``{firmware id: description}``.

        :param timeout: seconds; None takes the client's.
        """
        deadline = Deadline(self.timeout if timeout is None else check_timeout(timeout))
        return self.session.request(GET_INSTALLED_SFDS, None, decode_installed_sfds_reply, deadline)


def _is_ready(info: ServerInfo) -> bool:
    return info.device_comm_state is DeviceCommState.ConnectedReady


def _ask_status(session: Session, board: StatusBoard, deadline: Deadline) -> int:
    """Return the number of the report that answered; it may not be published yet."""
    try:
        return session.request(GET_STATUS, None, lambda _: board.reports, deadline)
    except TimeoutException as exc:
        raise TimeoutException(
            f"{exc}; expected an answer at once. Check that the server is alive: it hangs, or is busy "
            "(while it loads a large firmware description, it answers nobody)."
        ) from exc


def _wait_status(
    session: Session,
    board: StatusBoard,
    predicate: Callable[[ServerInfo], bool],
    deadline: Deadline,
    what: str,
    explain: Callable[[], str] = lambda: "",
) -> ServerInfo:
    """Return the first fresh status that satisfies ``predicate``; ``explain`` ends the timeout's text."""
    with session.impatience():
        report = _ask_status(session, board, deadline)
        seen = 0

        def find_fresh() -> list[tuple[int, ServerInfo]]:
            return board.since(seen, report)

        while True:
            try:
                fresh = session.wait_for(find_fresh, deadline, what)
            except TimeoutException as exc:
                raise TimeoutException(f"{exc}{explain()}") from exc
            for _, info in fresh:
                if predicate(info):  # it may be a user's, so it is called without the lock
                    return info
            seen = fresh[-1][0]
