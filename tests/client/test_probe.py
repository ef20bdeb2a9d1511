"""The probe: the device itself is asked, and nothing is left behind."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import ConnectionError, InvalidValueError, TimeoutException
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.rows import Alias, Profile, Variable
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.sfd import SFDInfo
from pytest_scrutiny.model.status import MemoryRegion, ServerInfo
from pytest_scrutiny.model.values import EmbeddedDataType
from tests.clock import SECOND


def connect(server: FakeServer, is_ready: Callable[[ServerInfo], object]) -> ScrutinyClient:
    client = ScrutinyClient().connect(server.host, server.port)
    client.wait_server_status(lambda info: bool(is_ready(info)), 5 * SECOND, "not ready")
    return client


@pytest.mark.parametrize("release", ["0.1.0", "0.3.0", "0.5.2", "0.9.2", "0.12.0", "0.16.0"])
def test_the_device_answers_and_nothing_stays_watched(release: str) -> None:
    with FakeServer(release) as server, connect(server, lambda info: info.sfd) as client:
        path = client.probe_device(5 * SECOND)

        assert path is not None
        assert path.startswith("/rpv/")
        assert client.watches.watched() == []


def test_what_was_watched_is_asked_for_and_stays_watched() -> None:
    with FakeServer() as server, connect(server, lambda info: info.sfd) as client:
        handle = client.watch("/psu/setpoint")

        assert client.probe_device(5 * SECOND) == "/psu/setpoint"
        assert not handle.is_dead


FLOAT = EmbeddedDataType.float32
ODD = Profile(
    firmware_id="0" * 32,
    display_name="Odd",
    variables=(Variable("/kept/secret", FLOAT, 0x1000), Variable("/open", FLOAT, 0x1100)),
)


def odd_device(**changes: Any) -> SimulatedDevice:
    return SimulatedDevice(attrs.evolve(ODD, sfd=SFDInfo(ODD.firmware_id), **changes))


def test_a_value_in_a_forbidden_region_tells_nothing() -> None:
    """The server knows the region by itself, so the next value is asked for."""
    device = odd_device(forbidden=(MemoryRegion(0x1000, 4),))

    with FakeServer(device=device) as server, connect(server, lambda info: info.sfd) as client:
        assert client.probe_device(5 * SECOND) == "/open"


def test_an_alias_will_do() -> None:
    device = odd_device(aliases=(Alias("/alias/open", "/open", gain=2.0),))

    with FakeServer(device=device) as server, connect(server, lambda info: info.sfd) as client:
        assert client.probe_device(5 * SECOND) == "/alias/open"


def test_nothing_to_ask_for() -> None:
    device = SimulatedDevice(Profile(firmware_id="0" * 32, display_name="Wordless"))

    with FakeServer(device=device) as server, connect(server, lambda info: info.device) as client:
        assert client.probe_device(5 * SECOND) is None


def test_a_device_that_is_silent_does_not_answer() -> None:
    timing = Timing(response_timeout=3600)

    with FakeServer(timing=timing) as server, connect(server, lambda info: info.sfd) as client:
        server.hang()

        with pytest.raises(TimeoutException, match="no fresh value of /rpv/"):
            client.probe_device(0.1 * SECOND)
        assert client.watches.watched() == []


def test_a_device_that_is_lost_meanwhile_ends_the_probe() -> None:
    timing = Timing(response_timeout=0.05 * SECOND)

    with FakeServer(timing=timing) as server, connect(server, lambda info: info.sfd) as client:
        server.hang()

        with pytest.raises(InvalidValueError):
            client.probe_device(60 * SECOND)


def test_a_server_that_is_lost_ends_the_probe() -> None:
    with FakeServer() as server, connect(server, lambda info: info.sfd) as client:
        server.stop()

        with pytest.raises(ConnectionError):
            client.probe_device(60 * SECOND)
