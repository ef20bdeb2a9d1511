"""The fake server's loop: it waits for clients, for the device's next moment, and for callers.

Rule 1: it sleeps in ``select`` until one of them has something: without a subscription nothing is polled.
Rule 2: nothing here waits for a client. What a client does not read is kept up to a bound, then the client
    is dropped; a real server waits, and all other clients with it.
Rule 3: the API, the device and the clients are touched with the lock held only. Nothing under it blocks.

PYTEST_DONT_REWRITE
"""

import contextlib
import errno
import functools
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pytest_scrutiny.errors import ConnectionError
from pytest_scrutiny.fakeserver.api import Api
from pytest_scrutiny.fakeserver.faults import Fault
from pytest_scrutiny.fakeserver.peer import Ending, Peer

T = TypeVar("T")

clock = time.perf_counter  # time.monotonic steps by 15 ms on Windows

_ATTEMPTS = 10  # to find one port that is free on two addresses


class Loop:
    """Everything one run of the server needs; it is used once and closes all it has at the end.

    :ivar host: where it listens; ``port`` is the real one even if any was asked for.
    :ivar is_stalled: it stands still: it takes, sends and does nothing. Set it through :meth:`call`.
    :raises ConnectionError: if the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, api: Api, faults: tuple[Fault, ...] = ()) -> None:
        self._listeners = _listen(host, port, everywhere=api.dialect.transport == "websocket")
        self.host, self.port = host, int(self._listeners[0].getsockname()[1])
        self.is_stalled = False
        self._api = api
        self._faults = faults
        self._lock = threading.Lock()
        self._peers: dict[socket.socket, Peer] = {}
        self._is_stopping = False
        self._ending: Ending = "farewell"
        self._waker, self._wakee = socket.socketpair()  # a byte into the one wakes the loop at the other
        self._waker.setblocking(False)
        self._wakee.setblocking(False)
        self._selector = selectors.DefaultSelector()
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ, functools.partial(self._accept, listener))
        self._selector.register(self._wakee, selectors.EVENT_READ, self._drain_wakee)
        self._deaf_selector = selectors.DefaultSelector()  # hears only whoever wakes the loop
        self._deaf_selector.register(self._wakee, selectors.EVENT_READ, self._drain_wakee)

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
            self._api.advance(now)
        self._wake()
        return result

    def set_faults(self, faults: tuple[Fault, ...]) -> None:
        """Let these faults happen on all connections from now on, and no others; for ``call``."""
        self._faults = faults
        for peer in self._peers.values():
            peer.lane.suffer(faults)

    def request_stop(self, ending: Ending = "farewell") -> None:
        """Let :meth:`run` return soon; does not wait, and may be called from a signal handler.

        :param ending: how the clients' connections end.
        """
        self._ending = ending
        self._is_stopping = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is awake already, or it has ended
            self._waker.send(b"!")

    # The loop itself

    def run(self) -> None:
        """Serve until :meth:`request_stop`, or until a real server would end; then close everything."""
        try:
            while not self._is_stopping and not self._api.has_ended:
                self._turn()
        finally:
            self.close()

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for peer in list(self._peers.values()):
                self._drop(peer)
            self._selector.close()
            self._deaf_selector.close()
            for sock in (*self._listeners, self._wakee, self._waker):
                sock.close()

    def _turn(self) -> None:
        """Do what is due, send what is owed, wait for what is next."""
        next_time = None
        with self._lock:
            if not self.is_stalled:
                self._api.advance(clock())
                self._flush(clock())
                next_time = self._next_time()
            selector = self._deaf_selector if self._is_deaf else self._selector
        timeout = None if next_time is None else max(0.0, next_time - clock())
        for key, events in selector.select(timeout):
            with self._lock:
                if key.fileobj is self._wakee or not self._is_deaf:  # it may be since we waited
                    key.data(events)

    @property
    def _is_deaf(self) -> bool:
        return self.is_stalled or self._api.is_busy

    def _next_time(self) -> float | None:
        times = [self._api.next_time(), *(peer.lane.next_time for peer in self._peers.values())]
        return min((time for time in times if time is not None), default=None)

    def _drain_wakee(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakee.recv(4096)

    def _accept(self, listener: socket.socket, _events: int) -> None:
        try:
            sock, _address = listener.accept()
        except OSError:  # it was gone before we looked
            return
        peer = Peer(sock, self._api, self._faults)
        self._peers[sock] = peer
        self._selector.register(sock, selectors.EVENT_READ, lambda events: self._serve(peer, events))

    def _serve(self, peer: Peer, events: int) -> None:
        # What it can take is sent by the next turn, as everything is.
        if events & selectors.EVENT_READ and peer.sock in self._peers and not peer.receive(clock()):
            self._drop(peer)

    def _flush(self, now: float) -> None:
        """Send what the clients are owed, as far as their sockets take it."""
        for peer in list(self._peers.values()):
            if not peer.flush(now):
                self._drop(peer)
                continue
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.is_owed else 0)
            key = self._selector.get_key(peer.sock)
            if key.events != events:
                self._selector.modify(peer.sock, events, key.data)

    def _drop(self, peer: Peer) -> None:
        del self._peers[peer.sock]
        self._selector.unregister(peer.sock)
        peer.close(self._ending)


def _listen(host: str, port: int, *, everywhere: bool) -> list[socket.socket]:
    """Return a listener for each address of the host.

    :param everywhere: ``localhost`` is both loopbacks, as it is for servers 0.1 to 0.3. Later ones know IPv4
        only (0.4.1 to 0.16.0, observed).
    """
    if host == "localhost" and everywhere and socket.has_ipv6:
        return _listen_on_both_loopbacks(port)
    return [_open_listener(host, port)]


def _listen_on_both_loopbacks(port: int) -> list[socket.socket]:
    for _attempt in range(_ATTEMPTS):
        first = _open_listener("127.0.0.1", port)
        try:
            return [first, _open_listener("::1", int(first.getsockname()[1]))]
        except ConnectionError as exc:
            if not _is_taken(exc):
                return [first]  # this machine has no IPv6
            first.close()
            if port:
                raise
    raise ConnectionError(
        f"the fake server found no port that is free on both loopbacks in {_ATTEMPTS} attempts; "
        "expected one. Name a port, or listen on 127.0.0.1"
    )


def _is_taken(exc: ConnectionError) -> bool:
    return isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EADDRINUSE


def _open_listener(host: str, port: int) -> socket.socket:
    family, where = (socket.AF_INET6, f"[{host}]") if ":" in host else (socket.AF_INET, host)
    try:
        # create_server sets SO_REUSEADDR where it means what it says; on Windows it means stealing a port.
        listener = socket.create_server((host, port), family=family)
    except OSError as exc:
        raise ConnectionError(
            f"the fake server cannot listen on {where}:{port}: {exc}; expected an address of this machine "
            "and a free port. Take port 0 for any free one"
        ) from exc
    listener.setblocking(False)
    return listener
