"""ScrutinyClient, the front door: it connects, and inherits the doors of every topic.

PYTEST_DONT_REWRITE
"""

import atexit
import contextlib
import logging
import os
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from pytest_scrutiny.client.attempt import TRANSPORTS, Link, Transport
from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.listing import ListingCommands
from pytest_scrutiny.client.memory import MemoryBoard, MemoryCommands
from pytest_scrutiny.client.probe import ProbeCommands
from pytest_scrutiny.client.request import Message
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.status import StatusBoard, StatusCommands
from pytest_scrutiny.client.subscriptions import FAREWELL_TIMEOUT, WatchBoard
from pytest_scrutiny.client.transport import Patience, open_link
from pytest_scrutiny.client.watch import WatchCommands
from pytest_scrutiny.client.write import WriteBoard, WriteCommands
from pytest_scrutiny.errors import ConnectionError, ConnectTimeout, TimeoutException
from pytest_scrutiny.model.status import ServerInfo, ServerState
from pytest_scrutiny.protocol.fields import Fields

_open_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()
_process = os.getpid()


@atexit.register
def _leave_all() -> None:
    """Leave in order what the interpreter's end would cut: some servers end over a client that just goes."""
    if os.getpid() == _process:  # a forked child leaves its parent's connections alone
        for session in list(_open_sessions):
            session.leave(FAREWELL_TIMEOUT)


MessageCallback = Callable[["ScrutinyClient", Message], None]


class ScrutinyClient(
    StatusCommands, WatchCommands, WriteCommands, ListingCommands, MemoryCommands, ProbeCommands
):
    """A client of a Scrutiny server of any release; it can connect again after a disconnect.

    Its methods may be called from any thread; connect and disconnect from one at a time.

    :param name: for the log and for people; no meaning.
    :param rx_message_callbacks: called with ``(client, message)`` for every message, on the reader thread:
        they must return at once, for nothing is received meanwhile.
    :param timeout: seconds for every request, and for all of connect, unless a call gives its own.
    :param write_timeout: seconds until a write must have reached the device.
    """

    def __init__(
        self,
        name: str | None = None,
        rx_message_callbacks: list[MessageCallback] | None = None,
        timeout: float = 4.0,
        write_timeout: float = 5.0,
    ) -> None:
        self.name = name or ""
        self.timeout = check_timeout(timeout)
        self.write_timeout = check_timeout(write_timeout, "write_timeout")
        self.hostname: str | None = None
        self.port: int | None = None
        self._callbacks = list(rx_message_callbacks or ())
        self._session: Session | None = None
        self._board: StatusBoard | None = None
        self._writes: WriteBoard | None = None
        self._watches: WatchBoard | None = None
        self._memory: MemoryBoard | None = None
        self._is_connecting = False

    def __repr__(self) -> str:
        where = f" {self.hostname}:{self.port}" if self.hostname else ""
        return f"<ScrutinyClient {self.name}{where} {self.server_state.name}>"

    def connect(
        self,
        hostname: str,
        port: int,
        wait_status: bool = True,
        *,
        timeout: float | None = None,
        transport: Transport = "auto",
    ) -> Self:
        """Connect to a Scrutiny server and return this client, for a with-block that disconnects.

        A client that is connected disconnects first. The server's release, and whether it speaks TCP
        datagrams or WebSocket, is found out by itself.

        :param hostname: name or address of the server.
        :param wait_status: return once ``get_server_status`` has something to give.
        :param timeout: seconds for all of it; None takes the client's.
        :param transport: ``"tcp"`` or ``"websocket"`` to insist on one.
        :raises ConnectionError: in case of failure; the text says what was seen at that address.
        :raises ConnectTimeout: if it takes too long.
        """
        check_address(hostname, port)
        if transport not in TRANSPORTS:
            raise ValueError(f"transport {transport!r} is none; expected one of {', '.join(TRANSPORTS)}")
        deadline = Deadline(self.timeout if timeout is None else check_timeout(timeout))
        with self._connecting():
            self._open(hostname, port, open_link(hostname, port, deadline, transport))
            if wait_status:
                self._wait_first_status(deadline)
        return self

    def connect_patiently(
        self, hostname: str, port: int, *, timeout: float, transport: Transport, patience: Patience
    ) -> None:
        """Connect, with more time for a server that is busy; for this package's own use."""
        check_address(hostname, port)
        deadline = Deadline(timeout)
        with self._connecting():
            self._open(hostname, port, open_link(hostname, port, deadline, transport, patience))
            self._wait_first_status(patience.deadline)

    @contextlib.contextmanager
    def _connecting(self) -> Iterator[None]:
        """Disconnect first, and again if what is inside fails."""
        self.disconnect()
        self._is_connecting = True
        try:
            yield
        except BaseException:
            self.disconnect()
            raise
        finally:
            self._is_connecting = False

    def _open(self, hostname: str, port: int, link: Link) -> None:
        session = Session(link, self._message_callback())
        self._writes = WriteBoard(session)
        self._watches = WatchBoard(session, self._writes, self.timeout, self.write_timeout)
        self._memory = MemoryBoard(session, self._writes.on_completion)
        self._board = StatusBoard(session)
        self._board.on_report = self._watches.notice_report
        self.hostname, self.port, self._session = hostname, port, session
        # A forgotten client leaves no thread and no socket.
        self._finalizer = weakref.finalize(self, session.abandon)
        self._finalizer.atexit = False  # no thread would live to say good-bye; see _leave_all
        session.start()
        _open_sessions.add(session)

    def _message_callback(self) -> Callable[[Message], None] | None:
        if not self._callbacks:
            return None
        myself, callbacks = weakref.ref(self), self._callbacks

        def tell(message: Message) -> None:
            client = myself()
            for callback in callbacks:
                if client is not None:
                    callback(client, message)

        return tell

    def _wait_first_status(self, deadline: Deadline) -> ServerInfo:
        board = self.board
        try:
            with self.session.impatience():
                return self.session.wait_for(lambda: board.latest, deadline, "no server status came")
        except TimeoutException as exc:
            error = ConnectTimeout(
                f"cannot connect to {self.hostname}:{self.port}: {exc}{self._what_came_instead()}; "
                "expected one at once. Check that the server is not overloaded, nor loading a large firmware "
                "description; or give it more time."
            )
            error.is_silent = True
            raise error from exc
        except ConnectionError as exc:
            raise type(exc)(
                f"cannot connect to {self.hostname}:{self.port}: {exc}; expected a server status. "
                "Look into the server's log, and check any tunnel or proxy on the way."
            ) from exc

    def _what_came_instead(self) -> str:
        board, rest = self.board, self.session.rest
        came = [f"{rest}, and no more"] if rest else []
        if board.refusal:
            came.append(f"it answered {board.refusal}")
        if board.is_greeted and not came:
            came.append("its welcome and nothing else")
        return f", but {'; '.join(came)}" if came else ""

    def disconnect(self) -> None:
        """Disconnect from the server; harmless when not connected."""
        session, self._session = self._session, None
        if session is not None:
            self._finalizer.detach()
            if self._watches is not None:
                self._watches.part()
            session.close()
        self.hostname = self.port = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.disconnect()

    @property
    def server_state(self) -> ServerState:
        """Whether there is a connection; ``Error`` after it was lost."""
        if self._session is not None and not self._is_connecting:
            return ServerState.Connected if self._session.is_open else ServerState.Error
        return ServerState.Connecting if self._is_connecting else ServerState.Disconnected

    @property
    def session(self) -> Session:
        """The connection; for this package's own use.

        :raises ConnectionError: if there is none.
        """
        if self._session is None:
            raise ConnectionError("this client is not connected; call connect first")
        return self._session

    @property
    def board(self) -> StatusBoard:
        """The connection's statuses; for this package's own use."""
        self.session  # noqa: B018 - raises if there is none
        assert self._board is not None
        return self._board

    @property
    def watches(self) -> WatchBoard:
        """The connection's subscriptions; for this package's own use."""
        self.session  # noqa: B018 - raises if there is none
        assert self._watches is not None
        return self._watches

    @property
    def writes(self) -> WriteBoard:
        """The connection's writes under way; for this package's own use."""
        self.session  # noqa: B018 - raises if there is none
        assert self._writes is not None
        return self._writes

    @property
    def memory(self) -> MemoryBoard:
        """The connection's memory accesses; for this package's own use."""
        self.session  # noqa: B018 - raises if there is none
        assert self._memory is not None
        return self._memory

    @property
    def logger(self) -> logging.Logger:
        """The logger of the connection: what is ignored, and why it ends."""
        return logging.getLogger("pytest_scrutiny.client")

    def close_socket(self) -> None:
        """Cut the connection off, from any thread; every wait of this client ends with ConnectionError."""
        session = self._session
        if session is not None:
            session.cut("this client's socket was closed with close_socket(); call connect to go on")

    def wait_process(self, timeout: float | None = None) -> None:
        """Wait until what the server sent so far has been taken in: a round trip.

        :param timeout: seconds; None takes the client's.
        """
        self.echo("", timeout)

    def echo(self, payload: str, timeout: float | None = None) -> str:
        """Return what the server returns for ``payload``: a round trip that needs no device."""
        deadline = Deadline(self.timeout if timeout is None else check_timeout(timeout))
        return self.session.request("echo", {"payload": payload}, _decode_echo, deadline)


def _decode_echo(message: Fields) -> str:
    return message.text("payload")


def check_address(hostname: Any, port: Any) -> None:
    """Refuse what cannot be an address.

    :raises TypeError: if the host is no string or the port no whole number.
    :raises ValueError: if the host is empty or the port out of range.
    """
    if not isinstance(hostname, str):
        raise TypeError(
            f"hostname {hostname!r} is no string; expected a name or an address, for example 'localhost'"
        )
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"port {port!r} is no whole number; expected one from 1 to 65535, for example 8765")
    if not hostname.strip():
        raise ValueError("hostname is empty; expected a name or an address, for example 'localhost'")
    if not 1 <= port <= 65535:
        raise ValueError(f"port {port} is out of range; expected 1 to 65535, for example 8765")
