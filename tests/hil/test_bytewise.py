"""A value that is not finite is written all the same, and put back by its bytes."""

import math
from collections.abc import Iterator

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.profiles import PROFILES
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from tests.clock import SECOND

SETPOINT, ALIAS = "/psu/setpoint", "/alias/psu/setpoint"


@pytest.fixture
def fake(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    """A started fake."""
    with FakeServer(getattr(request, "param", "0.16.0")) as fake:
        yield fake


@pytest.fixture
def device(fake: FakeServer) -> Iterator[Device]:
    """The fake's device, ready."""
    with ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        yield Device(client, Journal())


def restore(device: Device) -> list[str]:
    assert device.journal is not None
    return device.journal.restore()


@pytest.mark.parametrize("fake", ["0.10.1", "0.16.0"], indirect=True)
@pytest.mark.parametrize("path", [SETPOINT, ALIAS])
@pytest.mark.parametrize("original", [math.nan, -math.inf])
def test_what_is_not_finite_is_put_back_by_its_bytes(
    fake: FakeServer, device: Device, path: str, original: float
) -> None:
    fake.set(SETPOINT, original)
    device[path].write(3)
    written = device[SETPOINT].read()

    assert written == 3.0
    assert restore(device) == []
    assert repr(fake.get(SETPOINT)) == repr(original)


def test_an_override_puts_nan_back_too(fake: FakeServer, device: Device) -> None:
    fake.set(SETPOINT, math.nan)
    with device.override({SETPOINT: 3}):
        assert device[SETPOINT].read() == 3.0

    assert math.isnan(fake.get(SETPOINT))


@pytest.mark.parametrize("fake", ["0.9.2"], indirect=True)
def test_what_nobody_can_place_in_memory_is_not_written(fake: FakeServer, device: Device) -> None:
    fake.set(SETPOINT, math.nan)
    with pytest.raises(
        ValueError, match=r"is nan, which could not be put back after the test \(value nan does"
    ):
        device[SETPOINT].write(3)

    assert math.isnan(fake.get(SETPOINT))


def test_after_a_reset_the_bytes_are_left_alone(fake: FakeServer, device: Device) -> None:
    fake.set(SETPOINT, math.nan)
    device[SETPOINT].write(3)
    fake.reset()
    device.wait_reset(5 * SECOND)

    assert restore(device) == []
    assert fake.get(SETPOINT) == 5.0


def test_bytes_that_cannot_be_read_cannot_be_put_back(fake: FakeServer, device: Device) -> None:
    fake.set(SETPOINT, math.nan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device.raw, "read_memory", refuse)
        with pytest.raises(
            ValueError, match=r"after the test: its bytes cannot be read \(forbidden\); bring it"
        ):
            device[SETPOINT].write(3)


def refuse(*_: object) -> bytes:
    raise OperationFailure("read_memory failed: forbidden", "read_memory", "forbidden")


@pytest.mark.parametrize("path", ["/rpv/x1009", "/alias/rpv", "/pointers/*node/value"])
def test_what_lies_nowhere_for_sure_cannot_be_put_back(path: str) -> None:
    with FakeServer(device=SimulatedDevice(PROFILES["types"])) as fake:
        fake.set(path, math.nan)
        with ScrutinyClient().connect(fake.host, fake.port) as client:
            client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
            with pytest.raises(ValueError, match=r"is nan, which could not be put back"):
                Device(client, Journal())[path].write(3)
