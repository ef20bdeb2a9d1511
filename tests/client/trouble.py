"""What tests of broken servers share: how long they take, what they leave, and a client that works so far."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TypeAlias

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.errors import ScrutinyError
from pytest_scrutiny.fakeserver.server import FakeServer
from tests.clock import MS, SECOND

Kind: TypeAlias = type[ScrutinyError]

RELEASES = ("0.16.0", "0.9.2", "0.3.0")
"""Datagrams, datagrams without a reset as farewell, WebSocket."""

TIMEOUT = 60 * MS
GRACE = 0.5 * SECOND


def open_files() -> int:
    """Return how many descriptors this process has open; 0 where there is no way to tell."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


@contextlib.contextmanager
def watching(server: FakeServer) -> Iterator[tuple[ScrutinyClient, WatchableHandle]]:
    """Give a client of a ready device, and a handle whose first value came."""
    client = ScrutinyClient(timeout=5 * SECOND)
    with client.connect(server.host, server.port):
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        handle = client.watch("/psu/setpoint")
        handle.wait_update(5 * SECOND)
        yield client, handle


def raised_in_time(kind: Kind, action: Callable[[], object], timeout: float = TIMEOUT) -> str:
    """Return the text of the error that an action of this timeout ends with."""
    start = monotonic()
    with pytest.raises(kind) as caught:
        action()
    took = monotonic() - start

    assert type(caught.value) is kind
    assert took < timeout + GRACE
    return str(caught.value)
