"""A refused write says why, where the device's own facts tell."""

import contextlib
from collections.abc import Iterator

import attrs
import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.profiles import PLAIN, PROFILES
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.model.status import MemoryRegion
from tests.clock import SECOND

DEVICES = {
    "sealed": PROFILES["sealed"],
    "readonly": attrs.evolve(
        PLAIN, readonly=(MemoryRegion(0x1012, 4),)
    ),  # the end of one, the begin of another
}
LACK = (
    "device Simulated PSU, sealed lacks memory_write; expected it. "
    "Mark the test @requires.memory_write, or build the firmware with it."
)
REGION = (
    "it lies in the read-only region 0x1012 to 0x1015 of the device. "
    "Write another variable, or open the region in the firmware."
)
BARE = "Not allowed; check that the device allows it"  # the server's words and the client's


@contextlib.contextmanager
def ready(name: str, release: str) -> Iterator[Device]:
    """Make a device that is ready."""
    with (
        FakeServer(release, device=SimulatedDevice(DEVICES[name])) as fake,
        ScrutinyClient().connect(fake.host, fake.port) as client,
    ):
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        yield Device(client, Journal())


@pytest.mark.parametrize(
    ("name", "release", "path", "told"),
    [
        ("sealed", "0.16.0", "/psu/setpoint", LACK),
        ("sealed", "0.16.0", "/alias/psu/setpoint", LACK),
        ("sealed", "0.9.2", "/psu/setpoint", LACK),
        (
            "sealed",
            "0.9.2",
            "/alias/psu/setpoint",
            "the server gives no reason",
        ),  # of an RPV, for all we know
        ("readonly", "0.16.0", "/psu/setpoint", REGION),
        ("readonly", "0.16.0", "/psu/voltage", REGION),
        ("readonly", "0.16.0", "/alias/psu/setpoint", BARE),
        ("readonly", "0.9.2", "/psu/setpoint", "the server gives no reason"),
    ],
)
def test_a_refusal_says_why(name: str, release: str, path: str, told: str) -> None:
    with ready(name, release) as device, pytest.raises(OperationFailure) as caught:
        device[path].write(3.5)

    assert str(caught.value).startswith(f"the write of 3.5 to {path} failed: {told}")
    assert caught.value.command == "write_watchable"


def test_what_is_not_refused_is_written() -> None:
    with ready("readonly", "0.16.0") as device:
        device["/psu/temperature"].write(30.0)
    with ready("sealed", "0.16.0") as device:
        device["/rpv/x1001"].write(1.5)
        device["/alias/rpv/level"].write(2.5, verify=True)


def test_a_batch_says_why_too() -> None:
    def write(device: Device) -> None:
        with device.batch() as batch:
            batch.write("/app/run", True)
            batch.write("/psu/setpoint", 3.5)

    with ready("readonly", "0.16.0") as device, pytest.raises(OperationFailure) as caught:
        write(device)

    assert str(caught.value) == (
        "1 of 2 writes of a batch failed, the others are in the device: /psu/setpoint = 3.5: " + REGION
    )
