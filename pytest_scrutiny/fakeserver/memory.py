"""The simulated device's memory and how values lie in it.

PYTEST_DONT_REWRITE
"""

import math
import struct
from collections.abc import Iterable
from typing import Literal

from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.model.values import EmbeddedDataType

_FLOAT_CODES = {
    EmbeddedDataType.float16: "e",
    EmbeddedDataType.float32: "f",
    EmbeddedDataType.float64: "d",
}


class Memory:
    """Bytes, all 0 at first, in regions that do not touch.

    :ivar is_big_endian: how the device's processor lays out a value.
    """

    def __init__(self, regions: Iterable[MemoryRegion], *, is_big_endian: bool = False) -> None:
        self.is_big_endian = is_big_endian
        self._blocks = {region: bytearray(region.size) for region in regions}

    @property
    def byte_order(self) -> Literal["big", "little"]:
        """The same in Python's words."""
        return "big" if self.is_big_endian else "little"

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes.

        :raises LookupError: if any of them is outside the memory.
        """
        block, offset = self._find(address, size)
        return bytes(block[offset : offset + size])

    def write(self, address: int, data: bytes) -> None:
        """Store bytes.

        :raises LookupError: if any of them would be outside the memory; nothing is stored then.
        """
        block, offset = self._find(address, len(data))
        block[offset : offset + len(data)] = data

    def write_bits(self, address: int, size: int, field: tuple[int, int], value: int) -> None:
        """Store the bits of a field, ``(first bit, bits)``, in a word of ``size`` bytes; its others stay."""
        word = insert_bits(int.from_bytes(self.read(address, size), self.byte_order), *field, value)
        self.write(address, word.to_bytes(size, self.byte_order))

    def _find(self, address: int, size: int) -> tuple[bytearray, int]:
        """Return the region that holds all these bytes, and where they begin in it."""
        for region, block in self._blocks.items():
            if region.start <= address and address + size <= region.start + region.size:
                return block, address - region.start
        ranges = " or ".join(f"{region.start:#x} to {region.end:#x}" for region in self._blocks)
        raise LookupError(f"{size} bytes at {address:#x} are outside the device's memory; expected {ranges}")


def encode_value(datatype: EmbeddedDataType, value: float, *, is_big_endian: bool = False) -> bytes:
    """Return a value as it lies in memory; the value must fit (see :func:`fit_value`).

    :raises OverflowError: if it does not fit.
    :raises ValueError: if nobody here knows the datatype's format; its zero is all zeros.
    """
    size = datatype.get_size_bit() // 8
    if not datatype.is_float():
        return int(value).to_bytes(size, "big" if is_big_endian else "little", signed=datatype.is_signed())
    if value == 0 and datatype not in _FLOAT_CODES:
        return bytes(size)
    return struct.pack(_float_format(datatype, is_big_endian=is_big_endian), value)


def decode_value(datatype: EmbeddedDataType, data: bytes, *, is_big_endian: bool = False) -> bool | float:
    """Return the value that lies in ``data``.

    :raises ValueError: if nobody here knows the datatype's format.
    """
    if datatype.is_float():
        (value,) = struct.unpack(_float_format(datatype, is_big_endian=is_big_endian), data)
        return float(value)
    number = int.from_bytes(data, "big" if is_big_endian else "little", signed=datatype.is_signed())
    return number != 0 if datatype.is_bool() else number


def _float_format(datatype: EmbeddedDataType, *, is_big_endian: bool) -> str:
    if datatype not in _FLOAT_CODES:
        known = ", ".join(kind.name for kind in _FLOAT_CODES)
        raise ValueError(f"no format of {datatype.name} is known here; expected one of {known}")
    return (">" if is_big_endian else "<") + _FLOAT_CODES[datatype]


def fit_value(datatype: EmbeddedDataType, value: float, bitsize: int | None = None) -> bool | float:
    """Return the value a server really stores: whole numbers are truncated, then saturated.

    scrutinydebugger 0.16.0, core/codecs.py make_value_valid; seen on a uint8: 1000 → 255, -5 → 0, 2.7 → 2.

    :raises ValueError: if it is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"value {value!r} is not finite; expected a number that can be stored")
    if datatype.is_bool():
        return int(value) != 0
    if datatype.is_float():
        return float(value)
    bits = min(datatype.get_size_bit(), bitsize or datatype.get_size_bit())
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if datatype.is_signed() else (0, (1 << bits) - 1)
    return max(low, min(high, int(value)))


def extract_bits(word: int, bitoffset: int, bitsize: int) -> int:
    """Return the bit field of a word; real servers read a signed one without its sign (0.16.0, observed)."""
    return word >> bitoffset & (1 << bitsize) - 1


def insert_bits(word: int, bitoffset: int, bitsize: int, value: int) -> int:
    """Return the word with ``value`` in its bit field."""
    mask = (1 << bitsize) - 1
    return word & ~(mask << bitoffset) | (value & mask) << bitoffset
