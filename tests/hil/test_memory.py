"""Memory and user commands on the fake."""

import struct
from collections.abc import Callable, Iterator

import attrs
import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import DeviceLostError, DeviceResetError, OperationFailure, TimeoutException
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.profiles import PROFILES
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.model.status import MemoryRegion
from tests.clock import MS, SECOND

FREE = 0x1100  # where the plain device has no variable


@pytest.fixture(params=["0.3.0", "0.9.2", "0.16.0"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    """A started fake whose device has a forbidden and a read-only region."""
    profile = attrs.evolve(
        PROFILES["plain"], forbidden=(MemoryRegion(0x1800, 0x100),), readonly=(MemoryRegion(0x1900, 0x100),)
    )
    with FakeServer(request.param, device=SimulatedDevice(profile)) as fake:
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


def test_memory_of_any_size_is_written_read_and_put_back(device: Device) -> None:
    data = bytes(n & 0xFF for n in range(1000))
    before = device.memory[FREE : FREE + 1000]
    device.memory.write(FREE, data)
    written = device.memory[FREE : FREE + 1000]
    failures = restore(device)

    assert written == data
    assert failures == []
    assert device.memory.read(FREE, 1000) == before == bytes(1000)


def test_a_structure_is_read(fake: FakeServer, device: Device) -> None:
    fake.set("/psu/setpoint", 3.25)
    fake.set("/motor/speed", -7)

    assert device.memory.read_struct(0x1014, "<f") == (3.25,)
    assert device.memory.read_struct(0x101C, "<h") == (-7,)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("f", "layout 'f' does not say the byte order; expected it to begin with '<' or '>'"),
        (
            "<nonsense",
            "layout '<nonsense' is none (bad char in struct format); expected one of the module struct",
        ),
    ],
)
def test_a_layout_that_is_none_is_refused(device: Device, layout: str, text: str) -> None:
    with pytest.raises(ValueError, match="layout") as caught:
        device.memory.read_struct(0x1000, layout)

    assert str(caught.value) == text


@pytest.mark.parametrize("place", [5, slice(None, 5), slice(5, None), slice(0, 8, 2)])
def test_only_a_range_with_both_ends_is_a_place(device: Device, place: slice) -> None:
    with pytest.raises(TypeError, match=r"is no range; expected both ends, like memory\[0x1000:0x1010\]"):
        device.memory[place]


def test_regions_are_refused_by_name_and_leave_nothing_to_put_back(device: Device) -> None:
    with pytest.raises(OperationFailure, match="it touches the forbidden region 0x1800 to 0x18ff"):
        device.memory.read(0x17FE, 4)
    with pytest.raises(OperationFailure, match="it touches the read-only region 0x1900 to 0x19ff"):
        device.memory.write(0x1900, b"x")

    assert restore(device) == []


def test_memory_that_is_not_there_is_refused_by_the_device(device: Device) -> None:
    with pytest.raises(OperationFailure) as caught:
        device.memory.read(0x9000, 4)

    assert str(caught.value) == (
        "reading 4 bytes at 0x9000 failed: Device refused the request; "
        "check the address and that the device is connected and allows it"
    )


def test_a_device_that_cannot_be_written_refuses(fake: FakeServer, device: Device) -> None:
    with device.expect_reset(within=5 * SECOND):
        fake.set_features(memory_write=False)
    with pytest.raises(OperationFailure, match=r"writing 1 bytes at 0x1100 failed: Forbidden"):
        device.memory.write(FREE, b"x")

    assert restore(device) == []


def test_several_writes_are_undone_in_reverse(fake: FakeServer, device: Device) -> None:
    device.memory.write(FREE, b"\1\2\3\4")
    device.memory.write(FREE + 2, b"\5\6\7\x08")
    device.memory.write(FREE, b"\x09\x09\x09\x09")
    count = len(device.journal or ())
    failures = restore(device)

    assert count == 2
    assert failures == []
    assert device.memory.read(FREE, 6) == bytes(6)


def test_a_silent_device_is_told_as_such(fake: FakeServer, device: Device) -> None:
    fake.hang()
    with pytest.raises(TimeoutException, match="reading 4 bytes at 0x1000 was not done within") as caught:
        device.memory.read(0x1000, 4, timeout=50 * MS)

    assert caught.value.category == "device"


def test_losing_the_device_ends_an_access(fake: FakeServer, device: Device) -> None:
    fake.unplug()
    with pytest.raises((DeviceLostError, OperationFailure)):
        device.memory.read(0x1000, 4)


def test_a_user_command_is_answered(device: Device) -> None:
    assert device.command(1, b"\x01\x02") == b"\x01\x02"
    assert device.command(0) == b"1.0.0"


def test_a_refused_user_command_tells_the_devices_reason(device: Device) -> None:
    with pytest.raises(OperationFailure) as caught:
        device.command(7)

    assert str(caught.value) == "the server refused user_command: Device responded with code FailureToProceed"


def test_without_the_feature_a_user_command_is_refused(fake: FakeServer, device: Device) -> None:
    with device.expect_reset(within=5 * SECOND):
        fake.set_features(user_command=False)
    with pytest.raises(OperationFailure, match=r"Mark the test @requires\.user_command"):
        device.command(1)


@pytest.mark.parametrize(
    "use",
    [
        lambda device: device.memory[FREE : FREE + 1],
        lambda device: device.memory.write(FREE, b"x"),
        lambda device: device.command(1),
    ],
)
def test_a_reset_that_nobody_declared_is_told_by_the_next_use(
    fake: FakeServer, device: Device, use: Callable[[Device], object]
) -> None:
    before = device.session_id
    fake.reset()
    device.raw.wait_server_status(
        lambda info: info.sfd is not None and info.device_session_id != before, 5 * SECOND, "no reset came"
    )

    with pytest.raises(DeviceResetError):
        use(device)
    use(device)


def test_values_and_their_memory_are_the_same_place(device: Device) -> None:
    device["/psu/setpoint"].write(7.5)

    assert device.memory.read(0x1014, 4) == struct.pack("<f", 7.5)
