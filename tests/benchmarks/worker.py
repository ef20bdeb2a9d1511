"""What every measured client does, in its own process: orders come in, durations go out.

Rule 1: only the standard library: the official SDK's environment runs this too.
Rule 2: one order is one line of JSON on stdin, ``{"do": name, …arguments}``; its answer is one on stdout,
    ``{metric: [milliseconds, …]}``. A client is connected for the length of an order only, so that no idle
    one disturbs the others.
Rule 3: the first few of each order warm up and are not counted.

PYTEST_DONT_REWRITE
"""

import json
import socket
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

WARM_UP = 3

Durations = dict[str, list[float]]


class Peer(Protocol):
    """A client to measure."""

    def connect(self, host: str, port: int) -> None:
        """Return when a status has come."""

    def disconnect(self) -> None: ...

    def echo(self) -> None:
        """Return when the echo has come."""

    def watch(self, path: str) -> None:
        """Return when the first value has come."""

    def write(self, value: float) -> None:
        """Return when the write to the watched path is completed."""

    def wait_update(self) -> float:
        """Return the value of the next update."""


def measure(action: Callable[[], object], count: int) -> list[float]:
    """Return how long each call took, in milliseconds."""
    durations = []
    for _ in range(count + WARM_UP):
        start = perf_counter()
        action()
        durations.append((perf_counter() - start) * 1e3)
    return durations[WARM_UP:]


def do_connect(peer: Peer, host: str, port: int, count: int) -> Durations:
    """Connect and disconnect, over and over."""
    connects, disconnects = [], []
    for _ in range(count + WARM_UP):
        start = perf_counter()
        peer.connect(host, port)
        connected = perf_counter()
        peer.disconnect()
        connects.append((connected - start) * 1e3)
        disconnects.append((perf_counter() - connected) * 1e3)
    return {"connect": connects[WARM_UP:], "disconnect": disconnects[WARM_UP:]}


def do_echo(peer: Peer, host: str, port: int, count: int) -> Durations:
    """Round trips that need no device."""
    peer.connect(host, port)
    durations = measure(peer.echo, count)
    peer.disconnect()
    return {"echo": durations}


def do_write(peer: Peer, host: str, port: int, count: int, path: str) -> Durations:
    """Writes through a watched handle, until each is completed."""
    peer.connect(host, port)
    peer.watch(path)
    values = iter(range(count + WARM_UP))
    durations = measure(lambda: peer.write(next(values) % 100), count)
    peer.disconnect()
    return {"write": durations}


def do_wait(peer: Peer, host: str, port: int, count: int, path: str, control: int) -> Durations:
    """From the moment an update is sent until the waiting caller has it; scripted server only."""
    peer.connect(host, port)
    peer.watch(path)
    durations = []
    with socket.create_connection((host, control)) as trigger:
        for _ in range(count + WARM_UP):
            trigger.sendall(b"!")
            sent = peer.wait_update()
            durations.append((perf_counter() - sent) * 1e3)
    peer.disconnect()
    return {"update to caller": durations[WARM_UP:]}


ORDERS: dict[str, Callable[..., Durations]] = {
    "connect": do_connect,
    "echo": do_echo,
    "write": do_write,
    "wait": do_wait,
}


def obey(peer: Any, orders: dict[str, Callable[..., Durations]] = ORDERS) -> None:
    """Obey until stdin is closed."""
    for line in sys.stdin:
        order = json.loads(line)
        answer = orders[order.pop("do")](peer, **order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
