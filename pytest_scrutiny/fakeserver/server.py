"""A fake server on a socket: one thread that waits for its clients and for its device's next moment.

Rule 1: the thread sleeps in ``select`` until a client, the device or a caller has something: without a
    subscription nothing is polled.
Rule 2: nothing here waits for a client. What a client does not read is kept up to a bound, then the client
    is dropped; a real server waits, and all other clients with it.
Rule 3: the API, the device and the clients are touched with the lock held only. Nothing under it blocks.

PYTEST_DONT_REWRITE
"""

import contextlib
import logging
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self, TypeVar

from pytest_scrutiny.errors import ConnectionError
from pytest_scrutiny.fakeserver.api import Api
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.peer import Peer
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.model.status import SupportedFeatureMap
from pytest_scrutiny.protocol.dialect import LATEST, Dialect, dialect_of

logger = logging.getLogger(__name__)

T = TypeVar("T")

_clock = time.perf_counter  # time.monotonic steps by 15 ms on Windows
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""SO_LINGER: from 0.12 on a real server's farewell is a reset of the connection."""


class FakeServer:
    """A server with a simulated device that another client cannot tell from a real one.

    A context manager; it may be started again after :meth:`stop`, on the same port.

    :ivar host: where it listens; ``port`` is known once it does.
    :ivar device: the simulated device. Touch it through :meth:`get` and :meth:`set` while the server runs.
    :param release: the release of scrutinydebugger to speak as.
    :param port: 0 for any that is free.
    :param device: None for a new ``plain`` one; see ``profiles.make_device``.
    :param ready_delay: seconds from the start until the device is ready; None leaves it unplugged.
    """

    def __init__(
        self,
        release: str = LATEST,
        host: str = "127.0.0.1",
        *,
        port: int = 0,
        device: SimulatedDevice | None = None,
        ready_delay: float | None = 0.0,
        timing: Timing | None = None,
    ) -> None:
        self.dialect: Dialect = dialect_of(release)
        self.host = host
        self.port = port
        self.device = device or make_device()
        self._ready_delay = ready_delay
        self._timing = timing or Timing()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._peers: dict[socket.socket, Peer] = {}
        self._api: Api | None = None
        self._listener: socket.socket | None = None
        self._waker: socket.socket | None = None

    @property
    def url(self) -> str:
        """The address in one piece, as ``--scrutiny-url`` takes it."""
        scheme = "ws" if self.dialect.transport == "websocket" else "tcp"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def clients(self) -> int:
        """How many connections are open."""
        return len(self._peers)

    @property
    def wakeup_fd(self) -> int:
        """The descriptor whose writing ends the wait of :meth:`serve`; for ``signal.set_wakeup_fd``."""
        assert self._waker is not None, "listen() comes first"
        return self._waker.fileno()

    # Start and stop

    def start(self) -> Self:
        """Listen, and serve in a thread of its own.

        :raises ConnectionError: if the address cannot be listened on.
        """
        self.listen()
        self._thread = threading.Thread(target=self.serve, name="scrutiny-fake-server", daemon=True)
        self._thread.start()
        return self

    def listen(self) -> None:
        """Take the address; :meth:`serve` then serves it in the calling thread."""
        if self._listener is not None:
            raise RuntimeError(f"the fake server already listens on {self.url}; stop it first")
        if self.dialect.transport == "websocket":
            import pytest_scrutiny.protocol.websocket  # noqa: F401 - 24 ms, better now than at the first client

        self._listener = _listen(self.host, self.port)
        self.port = self._listener.getsockname()[1]
        self._is_stopping = False
        now = _clock()
        self._api = Api(self.dialect, self.device, now=now, epoch=time.time(), timing=self._timing)
        if self._ready_delay is not None:
            self._api.link.plug(now, self._ready_delay)
        self._wakee, self._waker = socket.socketpair()
        self._wakee.setblocking(False)
        self._waker.setblocking(False)

    def serve(self) -> None:
        """Serve until :meth:`request_stop`; closes everything at the end."""
        assert self._listener is not None, "listen() comes first"
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
            self._selector.register(self._wakee, selectors.EVENT_READ, self._drain_wakee)
            try:
                while not self._is_stopping:
                    self._turn()
            finally:
                self._close_all()

    def request_stop(self) -> None:
        """Let :meth:`serve` return soon; does not wait, and may be called from a signal handler."""
        self._is_stopping = True
        self._wake()

    def stop(self) -> None:
        """Stop serving: afterwards there is no thread and no socket. Does nothing if it is stopped."""
        thread, self._thread = self._thread, None
        self.request_stop()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __enter__(self) -> Self:
        return self if self._listener is not None else self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # What a test does to the device

    def plug(self) -> None:
        """Connect the device."""
        self._do(lambda api, now: api.link.plug(now))

    def unplug(self) -> None:
        """Take the device away; the server notices at once."""
        self._do(lambda api, now: api.link.unplug())

    def reset(self) -> None:
        """Restart the device: its values begin anew, and so does its session."""
        self._do(lambda api, now: api.link.reset(now))

    def hang(self) -> None:
        """Let the device fall silent; the server gives it up after ``Timing.response_timeout``."""
        self._do(lambda api, now: api.link.hang(now))

    def resume(self) -> None:
        """Let the device answer again."""
        self._do(lambda api, now: api.link.resume(now))

    def set_features(self, **features: bool) -> SupportedFeatureMap:
        """Give the device other firmware: features on or off, and so a new session.

        :raises NameNotFoundError: if there is no such feature.
        """

        def change(api: Api, now: float) -> SupportedFeatureMap:
            self.device.change_features(**features)
            api.link.reconnect(now)
            return self.device.features

        return self._do(change)

    def get(self, path: str) -> bool | float:
        """Return a value as it is in the device.

        :raises NameNotFoundError: if the path names nothing.
        """
        return self._do(lambda api, now: self.device.get(path))

    def set(self, path: str, value: float | str) -> None:
        """Change a value in the device, as the world around it would, whatever its features are.

        :param value: or the name of an enum's member.
        """
        self._do(lambda api, now: self.device.set(path, value))

    def _do(self, action: Callable[[Api, float], T]) -> T:
        with self._lock:
            if self._api is None:
                raise RuntimeError(
                    "the fake server has not been started; call start() or use it in a with block"
                )
            now = _clock()
            self._api.advance(now)
            result = action(self._api, now)
        self._wake()
        return result

    # The loop

    def _turn(self) -> None:
        """Do what is due, send what is owed, and wait for what is next."""
        with self._lock:
            assert self._api is not None
            now = _clock()
            self._api.advance(now)
            self._flush()
            next_time = self._api.next_time()
        for key, events in self._selector.select(
            None if next_time is None else max(0.0, next_time - _clock())
        ):
            with self._lock:
                key.data(events)

    def _wake(self) -> None:
        waker = self._waker
        if waker is not None:
            with contextlib.suppress(BlockingIOError, OSError):  # it is awake, or it has gone
                waker.send(b"!")

    def _drain_wakee(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakee.recv(4096)

    def _accept(self, _events: int) -> None:
        assert self._listener is not None
        assert self._api is not None
        try:
            sock, _address = self._listener.accept()
        except OSError:  # it was gone before we looked
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.dialect.resets_on_close:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        peer = Peer(sock, self._api, self.dialect)
        self._peers[sock] = peer
        self._selector.register(sock, selectors.EVENT_READ, lambda events: self._serve_peer(peer, events))

    def _serve_peer(self, peer: Peer, events: int) -> None:
        if events & selectors.EVENT_READ and not peer.receive(_clock()):
            self._drop(peer)

    def _flush(self) -> None:
        """Send what the clients' outboxes hold, as far as their sockets take it."""
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

    def _close_all(self) -> None:
        with self._lock:
            for peer in list(self._peers.values()):
                self._drop(peer)
            for sock in (self._listener, self._wakee, self._waker):
                if sock is not None:
                    sock.close()
            self._listener = self._waker = None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # create_server sets SO_REUSEADDR where it means what it says; on Windows it means stealing a port.
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as exc:
        raise ConnectionError(
            f"the fake server cannot listen on {host}:{port}: {exc}; expected an address of this machine "
            "and a free port. Take port 0 for any free one"
        ) from exc
    listener.setblocking(False)
    return listener
