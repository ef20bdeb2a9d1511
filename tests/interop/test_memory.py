"""Memory, its regions, and user commands: the same on every server."""

import math

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import InvalidValueError, OperationFailure, TimeoutException
from pytest_scrutiny.fakeserver.profiles import PLAIN
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.protocol.dialect import dialect_of
from tests.interop.benches import HOST, Bench
from tests.interop.conftest import TIMEOUT, wait_usable
from tests.interop.profiles import FORBIDDEN, FREE_ADDRESS, READONLY

SIZE = 600
"""Bytes: more than any device's buffers, in which servers up to 0.11 lost their device."""
NAN = b"\x01\x00\xc0\x7f"
"""Not the usual one, so that it is known again."""
PATTERN = bytes(place * 7 & 0xFF for place in range(SIZE))


def test_memory_of_any_size_is_written_and_put_back(client: ScrutinyClient, bench: Bench) -> None:
    journal = Journal()
    device = Device(client, journal)
    session = device.session_id
    before = device.memory.read(FREE_ADDRESS, SIZE)

    device.memory.write(FREE_ADDRESS, PATTERN)

    with ScrutinyClient().connect(HOST, bench.port) as other:  # so it is the device that has it
        wait_usable(other)
        assert other.read_memory(FREE_ADDRESS, SIZE) == PATTERN
    assert device.memory[FREE_ADDRESS + 100 : FREE_ADDRESS + 500] == PATTERN[100:500]
    assert journal.restore() == []
    assert device.memory[FREE_ADDRESS : FREE_ADDRESS + SIZE] == before != PATTERN
    assert device.session_id == session


def test_memory_and_values_are_the_same_bytes(device: Device) -> None:
    setpoint = next(row for row in PLAIN.variables if row.path == "/psu/setpoint")
    device[setpoint.path].write(7.25)

    assert device.memory.read_struct(setpoint.address, "<f") == (7.25,)


def test_nan_is_put_back_by_its_bytes(client: ScrutinyClient, bench: Bench) -> None:
    outer, inner = Device(client, Journal()), Device(client, Journal())
    address = next(row.address for row in PLAIN.variables if row.path == "/psu/setpoint")
    outer.memory.write(address, NAN)
    inner["/psu/setpoint"].wait(math.isnan, timeout=TIMEOUT)
    if dialect_of(bench.release).watch_has_details:  # from 0.10.0 on
        inner["/alias/psu/setpoint"].write(3.0)
        inner["/psu/setpoint"].wait(3.0, timeout=TIMEOUT)
    else:
        with pytest.raises(ValueError, match="is nan, which could not be put back after the test"):
            inner["/psu/setpoint"].write(3.0)

    assert inner.journal is not None
    assert outer.journal is not None
    assert inner.journal.restore() == []
    assert outer.memory.read(address, 4) == NAN
    assert outer.journal.restore() == []


def test_the_regions_are_told(device: Device) -> None:
    assert device.info.forbidden_memory_regions == (FORBIDDEN,)
    assert device.info.readonly_memory_regions == (READONLY,)


def test_what_a_region_forbids_is_refused_by_its_name(device: Device) -> None:
    with pytest.raises(OperationFailure, match="it touches the forbidden region 0x1c00 to 0x1cff"):
        device.memory.read(FORBIDDEN.start - 8, 16)
    with pytest.raises(OperationFailure, match="it touches the read-only region 0x1d00 to 0x1dff"):
        device.memory.write(READONLY.start, b"x")

    assert device.memory.read(FORBIDDEN.start - 8, 8) == bytes(8)
    assert device.memory.read(READONLY.start, 8) == bytes(8)


def test_an_address_without_memory_is_refused_by_the_device(device: Device) -> None:
    with pytest.raises(OperationFailure, match="reading 4 bytes at 0x9000 failed: Device refused"):
        device.memory.read(0x9000, 4)


def test_a_read_only_variable_is_read_and_not_written(device: Device, bench: Bench) -> None:
    variable = device["/region/readonly"]
    assert variable.read() == 8

    with pytest.raises(OperationFailure, match=r"^the write of 1 to /region/readonly failed: ") as caught:
        variable.write(1)

    says_why = dialect_of(bench.release).completion_has_reason  # from 0.15.0 on
    assert caught.value.reason == ("Not allowed" if says_why else "the server gives no reason")
    assert variable.read() == 8


def test_a_forbidden_variable_has_no_value(device: Device, bench: Bench) -> None:
    variable = device["/region/forbidden"]
    if dialect_of(bench.release).update_tells_invalid:  # from 0.12.0 on
        with pytest.raises(InvalidValueError, match="it lies in a forbidden memory region"):
            variable.read()
        return

    with pytest.raises(TimeoutException, match=r"^no fresh value of /region/forbidden came within 0\.3 s"):
        variable.read(timeout=0.3)
    assert device["/motor/speed"].read() == -100  # it costs nobody else


# User commands


@pytest.mark.parametrize("data", [b"", b"ping", bytes(120)], ids=["nothing", "a word", "120 bytes"])
def test_a_user_command_is_answered(device: Device, data: bytes) -> None:
    assert device.command(1, data) == data


@pytest.mark.parametrize("size", [121, 124, 128, 129, 5000])
def test_more_than_the_device_can_receive_never_costs_its_session(
    device: Device, bench: Bench, size: int
) -> None:
    """A real server's emulated device takes 120 bytes of its 128; firmware, and the fake, take all."""
    if size <= 128 and bench.name.startswith("fake"):
        assert device.command(1, bytes(size)) == bytes(size)
    else:
        with pytest.raises(ValueError, match=f"^{size} bytes do not fit the device's receive buffer"):
            device.command(1, bytes(size))

    assert device.command(1, b"again") == b"again"


def test_a_user_command_that_is_none_is_refused_with_the_devices_reason(device: Device) -> None:
    with pytest.raises(OperationFailure) as caught:
        device.command(7)

    assert caught.value.reason == "Device responded with code FailureToProceed"


def test_a_user_command_without_the_feature_is_never_sent(device: Device, bench: Bench) -> None:
    try:
        with device.expect_reset(within=15):
            bench.switch_feature("user_command", False)

        with pytest.raises(OperationFailure, match="expected the feature user_command"):
            device.command(1)
    finally:
        with device.expect_reset(within=15):
            bench.switch_feature("user_command", True)
    assert device.command(1, b"again") == b"again"
