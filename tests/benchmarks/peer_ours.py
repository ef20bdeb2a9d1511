"""Our client, and our fake server.

PYTEST_DONT_REWRITE
"""

from time import perf_counter

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.fakeserver.server import FakeServer
from tests.benchmarks.worker import ORDERS, WARM_UP, Durations, obey

TIMEOUT = 5.0


class OurPeer:
    """A ScrutinyClient."""

    def connect(self, host: str, port: int) -> None:
        self._client = ScrutinyClient().connect(host, port)

    def disconnect(self) -> None:
        self._client.disconnect()

    def echo(self) -> None:
        self._client.echo("hello")

    def watch(self, path: str) -> None:
        self._handle = self._client.watch(path)
        self._handle.wait_update(TIMEOUT, previous_counter=0)

    def write(self, value: float) -> None:
        self._handle.write(value)

    def wait_update(self) -> float:
        self._handle.wait_update(TIMEOUT)
        return self._handle.value_float


def do_fake(peer: OurPeer, count: int) -> Durations:
    """Start a fake server in this process, connect, wait for its device; and stop it."""
    starts, stops = [], []
    for _ in range(count + WARM_UP):
        begin = perf_counter()
        server = FakeServer().start()
        peer.connect(server.host, server.port)
        peer._client.wait_device_ready(TIMEOUT)
        ready = perf_counter()
        peer.disconnect()
        disconnected = perf_counter()
        server.stop()
        starts.append((ready - begin) * 1e3)
        stops.append((perf_counter() - disconnected) * 1e3)
    return {"start to ready": starts[WARM_UP:], "stop": stops[WARM_UP:]}


if __name__ == "__main__":
    obey(OurPeer(), {**ORDERS, "fake": do_fake})
