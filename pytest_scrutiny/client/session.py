"""One connection: its socket, its reader thread, the requests under way and whoever waits.

Rule 1: one lock guards all state. ``wait_for`` is the only place where anybody waits: each time at a lock of
    its own, which the next change opens. (That is a Condition without its Python code: a Ctrl-C inside that
    leaves the lock taken for ever.)
Rule 2: nothing is sent while the lock is held; it may be taken while the outbox sends.
Rule 3: the reader handles messages in the order of the wire, each with the lock held, replies included: an
    update behind its own subscription finds it in place.
Rule 4: the reader's receive timeout is the one timer. It asks for a status every IDLE_POLL seconds, every
    IMPATIENT_POLL while somebody waits for one: servers push only some changes.

PYTEST_DONT_REWRITE
"""

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any, TypeVar

from pytest_scrutiny.client.attempt import Link
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.outbox import Outbox
from pytest_scrutiny.client.request import Message, Request
from pytest_scrutiny.errors import ConnectionError, TimeoutException
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.status import GET_STATUS

T = TypeVar("T")
Handler = Callable[[Message], None]

IDLE_POLL = 2.0
"""Seconds between two status requests when nothing happens; the official SDK's period."""

IMPATIENT_POLL = 0.05
"""Seconds between two status requests while somebody waits for the device."""

_RECEIVE_SIZE = 1 << 16
_LONGEST_SLICE = 0.1 if sys.platform == "win32" else 3600.0  # Ctrl-C does not end a lock's wait on Windows

_HEAR_OUT = 0.5  # seconds for a server to close its end

_LISTEN_NO_MORE = (
    # On Windows that alone does not end a receive that waits; so nothing more is sent there.
    socket.SHUT_RDWR if sys.platform == "win32" else socket.SHUT_RD
)

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only

logger = logging.getLogger(__name__)


class Session:
    """The connection to one server from connect to disconnect.

    :ivar is_server_delayed: the server may be one that waits for our acknowledgements.
    :ivar is_websocket: the server is one of releases 0.1 to 0.3.
    :ivar last_words: returns the requests that the server is owed when we leave, however that is; called with
        the lock held.
    :ivar has_last_words: there may be such; to be read without the lock.
    :ivar asked: ``{request id: command}`` that were sent to open the connection; see ``expect``.
    :ivar asked_at: when that was.
    :param on_message: called with every message on the reader thread, without a lock; errors are logged.
    """

    def __init__(self, link: Link, on_message: Handler | None = None) -> None:
        self._writer, self._connection, self._first_bytes, self.asked, self.asked_at = link
        self.is_websocket = self._connection.is_websocket
        self._reader = self._writer.dup()  # its own timeout, so that waiting to read and to send do not mix
        self._on_message = on_message
        self.is_server_delayed = True
        self._is_abandoned = False
        self.has_last_words = False
        self.lock = threading.Lock()
        self._waiting: set[threading.Lock] = set()
        self.handlers: dict[str, Handler] = {}
        self.close_callbacks: list[Callable[[], None]] = []
        self.last_words: Callable[[], list[tuple[str, Mapping[str, object]]]] = list
        self._requests: dict[int, Request[Any]] = {}
        self._fault: ConnectionError | None = None
        self._impatient = 0
        self._next_poll = monotonic() + IDLE_POLL
        self._outbox = Outbox(self._writer, self._fail)
        self._thread = threading.Thread(target=self._run, name="scrutiny-reader", daemon=True)

    def start(self) -> None:
        """Begin to read; the topics must have put their handlers in place."""
        self._thread.start()

    # Waiting

    def wait_for(self, predicate: Callable[[], T | None], deadline: Deadline, what: str) -> T:
        """Return the first true value of ``predicate``, which is called with the lock held.

        :param what: what did not happen, for the timeout's text.
        :raises TimeoutException: when the deadline passes first.
        :raises ConnectionError: as soon as the connection is gone.
        """
        while True:
            with self.lock:
                result = predicate()
                if result:
                    return result
                self._check_open()
                remaining = deadline.remaining()
                if remaining <= 0:
                    raise TimeoutException(f"{what} within {deadline.timeout:g} s")
                change = threading.Lock()
                change.acquire()
                self._waiting.add(change)  # until the next change: what ends sooner leaves it there
            change.acquire(True, min(remaining, _LONGEST_SLICE))

    def wake_all(self) -> None:
        """Let everybody who waits look again; called with the lock held."""
        assert self.lock.locked()
        waiting, self._waiting = self._waiting, set()
        for change in waiting:
            change.release()

    @contextlib.contextmanager
    def impatience(self) -> Iterator[None]:
        """While inside, the server is asked for its status every IMPATIENT_POLL seconds.

        It takes effect with the reader's next message, so ask for a status after entering.
        """
        with self.lock:
            self._impatient += 1
        try:
            yield
        finally:
            with self.lock:
                self._impatient -= 1

    @property
    def is_open(self) -> bool:
        """Whether the connection is in use."""
        return self._fault is None

    def check_open(self) -> None:
        """Raise ConnectionError if the connection is gone."""
        with self.lock:
            self._check_open()

    def _check_open(self) -> None:
        assert self.lock.locked()
        if self._fault is not None:
            # A new one each time, for a raised exception collects tracebacks; its class tells what happened.
            raise type(self._fault)(str(self._fault)) from self._fault

    # Requests

    def request(
        self,
        command: str,
        fields: Mapping[str, object] | None,
        digest: Callable[[Fields], T],
        deadline: Deadline,
    ) -> T:
        """Return what ``digest`` makes of the reply; it runs on the reader thread, in the order of the wire.

        :raises OperationFailure: if the server refuses.
        :raises TimeoutException: if no reply comes in time.
        :raises ConnectionError: if the connection goes, or the reply is broken.
        """
        request = Request(command, digest)
        request_id = self.send_request(request, fields, deadline)
        try:
            self.wait_for(lambda: request.is_done, deadline, f"the server did not answer {command}")
        except TimeoutException as exc:
            exc.category = "server"
            raise
        finally:
            self.forget(request_id)
        if request.error is not None:
            raise request.error
        return request.result  # type: ignore[return-value]  # None only if digest returned it, so it is a T

    def send_request(
        self, request: Request[Any], fields: Mapping[str, object] | None, deadline: Deadline
    ) -> int:
        """Send a request and return its id, for ``forget``."""
        with self.lock:
            self._check_open()
            request_id, data = self._connection.encode_request(request.command, fields)
            self._requests[request_id] = request
        try:
            self._outbox.send(data, deadline)
        except BaseException:
            self.forget(request_id)
            raise
        return request_id

    def forget(self, request_id: int) -> None:
        """Stop expecting a reply; one that still comes is ignored."""
        with self.lock:
            self._requests.pop(request_id, None)

    def expect(self, request_id: int, request: Request[Any]) -> None:
        """Take the reply to a request that was sent to open the connection; called before ``start``."""
        self._requests[request_id] = request

    def post_request(self, request: Request[Any], fields: Mapping[str, object] | None = None) -> None:
        """Queue a request of the reader's own; called on the reader thread with the lock held."""
        assert self.lock.locked()
        request_id, data = self._connection.encode_request(request.command, fields)
        self._requests[request_id] = request
        self._outbox.put(data)

    # Reading

    def _run(self) -> None:
        fault = ConnectionError("the server closed the connection")
        try:
            self._digest(self._first_bytes)
            self._read_until_eof()
        except ConnectionError as exc:
            fault = exc.with_traceback(None)  # its frames would keep what was received
        except OSError as exc:
            fault = ConnectionError(f"the connection to the server was lost ({exc})")
            fault.__cause__ = exc
        except BaseException as exc:
            fault = ConnectionError(
                f"the reader failed with {exc!r}, which is a fault of ours; please report it"
            )
            raise
        finally:
            self._fail(fault)
            self._hear_out()
            self._connection.forget()
            self._reader.close()
            if self._is_abandoned:
                self._writer.close()

    def _read_until_eof(self) -> None:
        buffer = memoryview(bytearray(_RECEIVE_SIZE))
        while True:
            self._reader.settimeout(max(self._next_poll - monotonic(), 0.001))
            try:
                count = self._reader.recv_into(buffer)
            except TimeoutError:
                count = -1
            if count == 0 or self._is_abandoned or self._fault is not None:
                return
            if count > 0:
                self._acknowledge_at_once()
                self._digest(buffer[:count])
            if monotonic() >= self._next_poll:
                self._poll()

    def _hear_out(self) -> None:
        """Read until the server has closed its end too, if it must understand our last words.

        What it still sent would be answered with a reset of the connection, over which it loses them.
        """
        deadline = Deadline(_HEAR_OUT)
        with contextlib.suppress(OSError):
            while self.has_last_words and not deadline.has_passed:
                self._reader.settimeout(max(deadline.remaining(), 0.001))
                if not self._reader.recv(_RECEIVE_SIZE):
                    return

    def _acknowledge_at_once(self) -> None:
        """Spare servers 0.1 to 0.11 a wait of 40 ms.

        They send small messages without TCP_NODELAY, so each waits until the one before is acknowledged,
        which our kernel delays unless told otherwise, for each receive anew. That costs 20 us a receive, so
        it stops once the server is known to be later.
        """
        if _QUICK_ACK is not None and self.is_server_delayed:
            with contextlib.suppress(OSError):  # an optimisation; a broken socket shows at the next receive
                self._reader.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _digest(self, data: bytes | memoryview) -> None:
        with self.lock:
            self._connection.receive_data(data)
        for message in self._connection.messages():
            if self._on_message is not None:
                self._tell(message)
            with self.lock:
                self._handle(message)
                if self._waiting:
                    self.wake_all()
        with self.lock:
            owed = self._connection.data_to_send()
            if owed:
                self._outbox.put(owed)
        self._outbox.flush()

    def _handle(self, message: Message) -> None:
        handler = self.handlers.get(message["cmd"])
        if handler is not None:
            handler(message)
        request_id = message.get("reqid")
        if request_id is None:
            return
        request = self._requests.get(request_id) if type(request_id) is int else None
        if request is not None:
            request.finish(message)
            if request.is_done:
                self._requests.pop(request_id, None)
        elif handler is None:
            logger.debug("! ignored a reply nobody waits for: %s %s", message["cmd"], request_id)

    def _tell(self, message: Message) -> None:
        assert self._on_message is not None
        try:
            self._on_message(message)
        except Exception:
            logger.exception("! a message callback failed")

    @property
    def rest(self) -> str:
        """What there is of a message whose end has not come; ``""`` if nothing."""
        with self.lock:
            return self._connection.rest

    def status_came(self) -> None:
        """Restart the status timer; called on the reader thread with the lock held."""
        self._next_poll = monotonic() + (IMPATIENT_POLL if self._impatient else IDLE_POLL)

    def _poll(self) -> None:
        with self.lock:
            # No answer yet to the last one: a server that hangs must not find a heap of them.
            self._next_poll = monotonic() + IDLE_POLL
            self.post_request(Request(GET_STATUS, lambda _: None))
        self._outbox.flush()

    # Closing

    def abandon(self) -> None:
        """Let the reader find the end by itself; takes no lock, so that a garbage collection may call it."""
        self._is_abandoned = True
        if not self.has_last_words:  # else the reader sees it with the next update, or when it polls
            with contextlib.suppress(OSError):
                self._writer.shutdown(_LISTEN_NO_MORE)

    def cut(self, why: str) -> None:
        """End the connection and every wait; what is left of it is for ``close``."""
        self._fail(ConnectionError(why))

    def leave(self, timeout: float) -> None:
        """End the connection as the interpreter ends: a reader that does so already gets the time for it."""
        self.cut("the interpreter ends")
        self._thread.join(timeout)

    def close(self) -> None:
        """Close the connection and end the reader; harmless when done already."""
        self._fail(ConnectionError("this client has disconnected; call connect first"))
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join(_HEAR_OUT)
            with contextlib.suppress(OSError):  # a server that hangs closes nothing
                self._writer.shutdown(socket.SHUT_RDWR)
            self._thread.join()
        elif self._thread.ident is None:
            self._reader.close()
        self._writer.close()

    def _fail(self, fault: ConnectionError) -> None:
        """Record why the connection ended, wake everybody, end the reader; the first call counts."""
        with self.lock:
            if self._fault is not None:
                return
            self._fault = fault
            words = [self._connection.encode_request(*request)[1] for request in self.last_words()]
            farewell = b"".join([*words, self._connection.encode_close()])
            for callback in self.close_callbacks:
                callback()
            self.wake_all()
        logger.debug("= closed: %s", fault)
        with contextlib.suppress(OSError):
            self._outbox.say_farewell(farewell)
        with contextlib.suppress(OSError):
            self._writer.shutdown(socket.SHUT_WR if words else socket.SHUT_RDWR)
