"""What is on its way to the server: whole messages, one after the other, whoever sends them.

Rule 1: the caller's thread writes its own message. The reader never blocks to send: what it owes it puts
    here, and whoever holds the send lock next sends it, or the reader itself once the lock is free.
Rule 2: Ctrl-C and SIGTERM may come at any moment and break nothing. Python raises them between two of its own
    steps, also right behind a call that has just sent something or taken a lock; so the results of such calls
    are stored where no step lies in between (``_call_into``). The rest of a message that was interrupted is
    sent before anything else, by whoever sends next: what a test wrote can then still be put back.
Rule 3: a server that takes no data for a caller's whole time ends the connection, for nobody can send behind
    half a message.

PYTEST_DONT_REWRITE
"""

import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.errors import ConnectionError, TimeoutException

T = TypeVar("T")


def _call_into(results: list[T], function: Callable[..., T], *args: object) -> None:
    """Append what a function of C returns, with no step of Python between the call and the list (Rule 2)."""
    results.extend(map(function, *((arg,) for arg in args)))


class Outbox:
    """The messages that a socket still has to take, oldest first.

    :param fail: called when nothing can be sent any more, with the reason.
    """

    def __init__(self, sock: socket.socket, fail: Callable[[ConnectionError], None]) -> None:
        self._sock = sock
        self._fail = fail
        self._messages: deque[bytes] = deque()
        self._send_lock = threading.Lock()

    def put(self, data: bytes) -> None:
        """Leave a message for whoever sends next; does not block."""
        self._messages.append(data)

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send a message, and before it what others left.

        :raises TimeoutException: if another thread's message is in the way for too long.
        :raises ConnectionError: if the server takes no data, or is gone.
        """
        is_ours: list[bool] = []
        try:
            _call_into(is_ours, self._send_lock.acquire, True, deadline.remaining())
            if not is_ours[0]:
                raise TimeoutException(
                    f"another thread's request blocked the connection for {deadline.timeout:g} s: "
                    "the server takes no data; check that it is alive"
                )
            self._messages.append(data)
            self._send_all(deadline)
        finally:
            if is_ours == [True]:
                self._send_lock.release()
        if self._messages:
            self.flush()

    def flush(self) -> None:
        """Send what can be sent without blocking; if another thread is sending, it will do it."""
        while self._messages:
            is_ours: list[bool] = []
            try:
                _call_into(is_ours, self._send_lock.acquire, False)
                if not is_ours[0]:
                    return
                self._sock.settimeout(0)
                while self._messages:
                    self._send_some()
            except OSError:
                return  # the reader tries again at its next turn, or finds the connection lost
            finally:
                if is_ours == [True]:
                    self._send_lock.release()

    def _send_all(self, deadline: Deadline) -> None:
        try:
            while self._messages:
                self._sock.settimeout(max(deadline.remaining(), 0.001))
                self._send_some()
        except TimeoutError as exc:
            fault = ConnectionError(
                f"the server took no data for {deadline.timeout:g} s, so the connection was closed "
                "(part of a message was sent); check that the server is alive"
            )
            self._fail(fault)
            raise fault from exc
        except OSError as exc:
            fault = ConnectionError(f"the connection to the server was lost ({exc})")
            self._fail(fault)
            raise fault from exc

    def _send_some(self) -> None:
        """Send what the socket takes of the first message; called with the send lock held."""
        message = self._messages[0]
        sent: list[int] = []
        try:
            _call_into(sent, self._sock.send, message)
        finally:
            if sent == [len(message)]:
                self._messages.popleft()
            elif sent:
                self._messages[0] = message[sent[0] :]

    def say_farewell(self, data: bytes) -> None:
        """Send the last message, if that can be done without blocking and nobody is in the middle of another.

        :raises OSError: if the socket does not take it.
        """
        if data and not self._messages and self._send_lock.acquire(blocking=False):
            try:
                self._sock.settimeout(0)
                self._sock.send(data)
            finally:
                self._send_lock.release()
