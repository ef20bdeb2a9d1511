"""The fake server's loop: it waits for clients, for the device's next moment, and for callers.

Rule 1: it sleeps in ``select`` until one of them has something: without a subscription nothing is polled.
Rule 2: nothing here waits for a client. What a client does not read is kept up to a bound, then the client
    is dropped; a real server waits, and all other clients with it.
Rule 3: the API, the device and the clients are touched with the lock held only. Nothing under it blocks.

PYTEST_DONT_REWRITE
"""

import contextlib
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pytest_scrutiny.errors import ConnectionError
from pytest_scrutiny.fakeserver.api import Api
from pytest_scrutiny.fakeserver.peer import Peer

T = TypeVar("T")

clock = time.perf_counter  # time.monotonic steps by 15 ms on Windows

_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""SO_LINGER: from 0.12 on a real server's farewell is a reset of the connection."""


class Loop:
    """Everything one run of the server needs; it is used once and closes all it has at the end.

    :ivar host: where it listens; ``port`` is the real one even if any was asked for.
    :raises ConnectionError: if the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, api: Api) -> None:
        self._listener = _listen(host, port)
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self._api = api
        self._lock = threading.Lock()
        self._peers: dict[socket.socket, Peer] = {}
        self._is_stopping = False
        self._waker, self._wakee = socket.socketpair()  # a byte into the one wakes the loop at the other
        self._waker.setblocking(False)
        self._wakee.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wakee, selectors.EVENT_READ, self._drain_wakee)

    @property
    def client_count(self) -> int:
        """How many connections are open."""
        return len(self._peers)

    @property
    def wakeup_fd(self) -> int:
        """The descriptor whose writing ends the wait of :meth:`run`; for ``signal.set_wakeup_fd``."""
        return self._waker.fileno()

    # For other threads

    def call(self, action: Callable[[Api, float], T]) -> T:
        """Return what ``action`` gives for the API and the present; its effects are sent at once."""
        with self._lock:
            now = clock()
            self._api.advance(now)
            result = action(self._api, now)
        self._wake()
        return result

    def request_stop(self) -> None:
        """Let :meth:`run` return soon; does not wait, and may be called from a signal handler."""
        self._is_stopping = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is awake already, or it has ended
            self._waker.send(b"!")

    # The loop itself

    def run(self) -> None:
        """Serve until :meth:`request_stop`, then close everything."""
        try:
            while not self._is_stopping:
                self._turn()
        finally:
            self.close()

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for peer in list(self._peers.values()):
                self._drop(peer)
            for resource in (self._selector, self._listener, self._wakee, self._waker):
                resource.close()

    def _turn(self) -> None:
        """Do what is due, send what is owed, wait for what is next."""
        with self._lock:
            self._api.advance(clock())
            self._flush()
            next_time = self._api.next_time()
        timeout = None if next_time is None else max(0.0, next_time - clock())
        for key, events in self._selector.select(timeout):
            with self._lock:
                key.data(events)

    def _drain_wakee(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakee.recv(4096)

    def _accept(self, _events: int) -> None:
        try:
            sock, _address = self._listener.accept()
        except OSError:  # it was gone before we looked
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._api.dialect.resets_on_close:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        peer = Peer(sock, self._api)
        self._peers[sock] = peer
        self._selector.register(sock, selectors.EVENT_READ, lambda events: self._serve(peer, events))

    def _serve(self, peer: Peer, events: int) -> None:
        # What it can take is sent by the next turn, as everything is.
        if events & selectors.EVENT_READ and peer.sock in self._peers and not peer.receive(clock()):
            self._drop(peer)

    def _flush(self) -> None:
        """Send what the clients are owed, as far as their sockets take it."""
        for peer in list(self._peers.values()):
            if not peer.flush():
                self._drop(peer)
                continue
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.is_owed else 0)
            key = self._selector.get_key(peer.sock)
            if key.events != events:
                self._selector.modify(peer.sock, events, key.data)

    def _drop(self, peer: Peer) -> None:
        del self._peers[peer.sock]
        self._selector.unregister(peer.sock)
        peer.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # create_server sets SO_REUSEADDR where it means what it says; on Windows it means stealing a port.
        listener = socket.create_server((host, port), family=family)
    except OSError as exc:
        raise ConnectionError(
            f"the fake server cannot listen on {host}:{port}: {exc}; expected an address of this machine "
            "and a free port. Take port 0 for any free one"
        ) from exc
    listener.setblocking(False)
    return listener
