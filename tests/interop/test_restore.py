"""What is put back after a test, or refused before it: the same on every server, byte by byte."""

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.fakeserver.datatypes import VARIABLES
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.protocol.dialect import dialect_of
from tests.interop.benches import Bench
from tests.interop.test_datatypes import BITS, since

BENCH_DEVICES = ("types", "types-big")

ROWS = {row.path: row for row in VARIABLES}


@pytest.fixture
def device(client: ScrutinyClient) -> Device:
    return Device(client, Journal())


def restore(device: Device) -> list[str]:
    assert device.journal is not None
    return device.journal.restore()


@pytest.mark.parametrize("path", [row.path for row in BITS if row.path != "/bits/stuck"])
def test_a_bit_field_is_put_back_or_not_written(device: Device, bench: Bench, path: str) -> None:
    row = ROWS[path]
    before = device.memory.read(row.address, row.size)
    # A big-endian one is written from the bottom and, from 0.14.1 on, read from the top. Two of them read as
    # little-endian ones would, so that nobody sees it.
    is_misplaced = bench.profile.is_big_endian and since(bench, "0.14.1")
    if is_misplaced and path in ("/bits/signed", "/bits/top"):
        return

    if is_misplaced:
        with pytest.raises(ValueError, match=f"{path} is .*, which could not be put back after the test"):
            device[path].write(1)
    else:
        device[path].write(1)
        assert restore(device) == []

    assert device.memory.read(row.address, row.size) == before


def test_a_signed_bit_field_is_overridden_and_put_back(device: Device, bench: Bench) -> None:
    if bench.profile.is_big_endian:
        return
    with device.override({"/bits/signed": 5}):
        assert device["/bits/signed"].read() == 5

    assert device["/bits/signed"].read() == 29
    assert restore(device) == []


def test_a_negative_value_of_a_bit_field_is_verified_where_its_size_is_known(
    device: Device, bench: Bench
) -> None:
    if bench.profile.is_big_endian:
        return
    if dialect_of(bench.release).watch_has_details:
        device["/bits/signed"].write(-16, verify=True)
        assert restore(device) == []
        device.raw.watch("/bits/signed").wait_value(-3, timeout=15)
    else:
        with pytest.raises(OperationFailure, match="or whether it is a signed bit field"):
            device["/bits/signed"].write(-16, verify=True)
        assert restore(device) == []
    assert device["/bits/signed"].read() == 29


@pytest.mark.parametrize("path", ["/alias/plain", "/alias/rpv64"])
def test_a_wide_alias_is_put_back_exactly_or_not_written(device: Device, bench: Bench, path: str) -> None:
    target = "/types/uint64" if path == "/alias/plain" else "/rpv/x1007"
    before = device[target].read()

    if since(bench, "0.6.0"):
        device[path].write(5)
        assert restore(device) == []
    else:
        with pytest.raises(ValueError, match="as a float, without the last bits"):
            device[path].write(5)

    assert device[target].read() == before == (1 << 53) + 1


@pytest.mark.parametrize("number", [3, 29, 57, 58, 115, 2047])
def test_an_alias_with_a_gain_is_put_back_to_the_same_whole_number(device: Device, number: int) -> None:
    """A server truncates what an alias stands for, and up to 0.9 does not tell its gain."""
    target = device["/types/sint16"]
    original = target.read()
    device.raw.write_watchable("/types/sint16", number)

    device["/alias/offset"].write(4)
    failures = restore(device)
    found = target.read()
    device.raw.write_watchable("/types/sint16", original)

    assert failures == []
    assert found == number
