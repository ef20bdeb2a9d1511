"""How values lie in the simulated device's memory."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_scrutiny.fakeserver.memory import (
    Memory,
    decode_value,
    encode_value,
    extract_bits,
    fit_value,
    insert_bits,
)
from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.model.values import EmbeddedDataType as DataType

INTEGERS = [kind for kind in DataType if kind.is_integer()]


@pytest.mark.parametrize(
    ("datatype", "value", "little"),
    [
        (DataType.uint8, 7, b"\x07"),
        (DataType.sint16, -2, b"\xfe\xff"),
        (DataType.uint32, 0x01020304, b"\x04\x03\x02\x01"),
        (DataType.uint64, 1 << 40, b"\x00\x00\x00\x00\x00\x01\x00\x00"),
        (DataType.float32, 1.5, struct.pack("<f", 1.5)),
        (DataType.float64, 1.1, struct.pack("<d", 1.1)),
        (DataType.bool8, True, b"\x01"),
        (DataType.bool32, True, b"\x01\x00\x00\x00"),
    ],
)
def test_values_lie_in_memory_as_the_processor_has_them(
    datatype: DataType, value: float, little: bytes
) -> None:
    assert encode_value(datatype, value) == little
    assert encode_value(datatype, value, is_big_endian=True) == little[::-1]
    assert decode_value(datatype, little) == value
    assert decode_value(datatype, little[::-1], is_big_endian=True) == value


@given(st.sampled_from(INTEGERS), st.integers(-(1 << 300), 1 << 300), st.booleans())
def test_any_whole_number_that_fits_comes_back(datatype: DataType, value: int, is_big_endian: bool) -> None:
    fitting = fit_value(datatype, value)

    assert decode_value(
        datatype,
        encode_value(datatype, fitting, is_big_endian=is_big_endian),
        is_big_endian=is_big_endian,
    ) == max(datatype.limits()[0], min(datatype.limits()[1], value))  # type: ignore[index]


def test_a_float32_is_rounded_by_the_memory_only() -> None:
    assert fit_value(DataType.float32, 1.1) == 1.1
    assert decode_value(DataType.float32, encode_value(DataType.float32, 1.1)) == 1.100000023841858


@pytest.mark.parametrize(
    ("datatype", "value", "bits", "fitting"),
    [
        (DataType.uint8, 1000, None, 255),
        (DataType.uint8, -5, None, 0),
        (DataType.uint8, 2.7, None, 2),
        (DataType.sint8, -1000, None, -128),
        (DataType.sint8, -2.7, None, -2),
        (DataType.uint32, 9, 3, 7),
        (DataType.bool8, 2, None, True),
        (DataType.bool8, 0.5, None, False),
        (DataType.uint8, True, None, 1),
        (DataType.float64, 3, None, 3.0),
    ],
)
def test_whole_numbers_are_truncated_and_saturated_as_servers_do(
    datatype: DataType, value: float, bits: int | None, fitting: float
) -> None:
    fitted = fit_value(datatype, value, bits)

    assert fitted == fitting
    assert type(fitted) is type(fitting)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_stored_nowhere(value: float) -> None:
    with pytest.raises(ValueError, match=r"value -?(nan|inf) is not finite; expected a number"):
        fit_value(DataType.float32, value)


def test_a_bit_field_leaves_its_neighbours_alone() -> None:
    assert insert_bits(0xFFFF, 4, 3, 0b010) == 0xFFAF
    assert extract_bits(0xFFAF, 4, 3) == 0b010


@pytest.mark.parametrize(("address", "size"), [(0xFFF, 1), (0x100F, 2), (0x1010, 1)])
def test_there_is_nothing_outside_the_memory(address: int, size: int) -> None:
    memory = Memory([MemoryRegion(0x1000, 16)])

    with pytest.raises(LookupError, match="outside the device's memory; expected 0x1000 to 0x100f"):
        memory.read(address, size)
    with pytest.raises(LookupError):
        memory.write(address, bytes(size))
    assert memory.read(0x1000, 16) == bytes(16)


def test_a_memory_may_have_gaps() -> None:
    memory = Memory([MemoryRegion(0x2000_0000, 4), MemoryRegion(0x4000_0000, 4)])

    memory.write(0x4000_0001, b"abc")

    assert (memory.read(0x2000_0000, 4), memory.read(0x4000_0000, 4)) == (bytes(4), b"\0abc")
    with pytest.raises(LookupError, match="expected 0x20000000 to 0x20000003 or 0x40000000 to 0x40000003"):
        memory.read(0x2000_0002, 4)
