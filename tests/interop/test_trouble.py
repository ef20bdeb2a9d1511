"""Real servers in trouble: stopped, killed, started again, and at the end of a slow road."""

import collections
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Self

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import ConnectionError, TimeoutException
from pytest_scrutiny.hil.device import Device
from tests.clock import SECOND
from tests.interop.benches import HOST
from tests.interop.conftest import TIMEOUT, wait_usable
from tests.interop.servers import EmulatedServer

pytestmark = [
    pytest.mark.real_server,
    pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be stopped there"),
]

SPEED = "/motor/speed"


@pytest.fixture(scope="module", params=["0.3.0", "0.16.0"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmulatedServer]:
    """A WebSocket and a TCP server of this module alone."""
    with EmulatedServer(request.param, tmp_path_factory.mktemp("trouble")) as server:
        yield server


@contextlib.contextmanager
def stopped(server: EmulatedServer) -> Iterator[None]:
    """Hold the server's process, as a debugger or an overloaded machine does."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("release", ["0.3.0", "0.16.0"])
def test_a_stopped_server_ends_each_wait_in_its_time_and_is_named(release: str, tmp_path: Path) -> None:
    with EmulatedServer(release, tmp_path) as server, ScrutinyClient(timeout=TIMEOUT) as client:
        client.connect(HOST, server.port)
        wait_usable(client)
        speed = Device(client)[SPEED]
        speed.read()
        with stopped(server):
            start = monotonic()
            with pytest.raises(TimeoutException, match="the server hangs") as caught:
                collections.deque(
                    (speed.read(timeout=0.3) for _ in range(3)), maxlen=0
                )  # some were on their way
            took = monotonic() - start
            start = monotonic()
            with pytest.raises(ConnectionError, match=r"says nothing within 0\.5 s"):
                ScrutinyClient().connect(HOST, server.port, timeout=0.5)
            connecting = monotonic() - start
        answer = client.echo("alive again")

    assert caught.value.category == "server"
    assert took < 3 * 0.3 + 0.5 * SECOND
    assert connecting < 0.5 + 0.5 * SECOND
    assert answer == "alive again"


def test_a_killed_server_ends_a_wait_at_once(tmp_path: Path) -> None:
    with EmulatedServer("0.16.0", tmp_path) as server:
        client = ScrutinyClient(timeout=TIMEOUT).connect(HOST, server.port)
        wait_usable(client)
        handle = client.watch(SPEED)
        killer = threading.Timer(0.2, os.kill, (server.pid, signal.SIGKILL))
        killer.start()
        start = monotonic()
        with pytest.raises(ConnectionError, match=r"the server closed the connection|was lost"):
            handle.wait_update(1000, previous_counter=10**9)
        took = monotonic() - start
        client.disconnect()
        killer.join()

    assert took < 2 * SECOND


def test_a_server_that_was_started_again_is_connected_to_again(tmp_path: Path) -> None:
    client = ScrutinyClient(timeout=TIMEOUT)
    for life in ("first", "second"):
        home = tmp_path / life
        home.mkdir()
        with EmulatedServer("0.16.0", home) as server, client.connect(HOST, server.port):
            wait_usable(client)
            assert Device(client)[SPEED].read() == -100


class Road:
    """Carries bytes both ways between whoever connects and a server, one by one if so told."""

    def __init__(self, target: int, family: socket.AddressFamily, *, one_by_one: bool) -> None:
        self._target = target
        self._one_by_one = one_by_one
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self._target))
                for source, sink in ((near, far), (far, near)):
                    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    thread = threading.Thread(target=self._carry, args=(source, sink), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                for piece in [data[n : n + 1] for n in range(len(data))] if self._one_by_one else [data]:
                    sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5 * SECOND)


@pytest.mark.parametrize(
    ("family", "host", "one_by_one"),
    [(socket.AF_INET, HOST, True), (socket.AF_INET6, "::1", False), (socket.AF_INET6, "::1", True)],
    ids=["one-byte-at-a-time", "ipv6-front", "ipv6-one-byte-at-a-time"],
)
def test_the_road_does_not_matter(
    server: EmulatedServer, family: socket.AddressFamily, host: str, one_by_one: bool
) -> None:
    with (
        Road(server.port, family, one_by_one=one_by_one) as road,
        ScrutinyClient(timeout=TIMEOUT, write_timeout=TIMEOUT).connect(
            host, road.port, timeout=TIMEOUT
        ) as client,
    ):
        wait_usable(client)
        speed = Device(client)[SPEED]
        before = speed.read()
        speed.write(77, verify=True)
        speed.write(before)

    assert before == -100


def test_localhost_is_found_where_it_is_ipv6_first(server: EmulatedServer) -> None:
    """Servers listen on IPv4 only (0.4 and later); ``localhost`` has ::1 first on many machines."""
    with ScrutinyClient(timeout=TIMEOUT).connect("localhost", server.port) as client:
        wait_usable(client)
