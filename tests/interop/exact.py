"""When two values are the same, bit for bit."""

import math
import struct

from pytest_scrutiny.model.values import EmbeddedDataType


def stored(datatype: EmbeddedDataType, value: bool | float) -> bool | float:
    """Return what is left of a value in a variable of this type: only float32 rounds what we write."""
    if datatype is EmbeddedDataType.float32:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    return value


def exactly(value: bool | float) -> tuple[object, ...]:
    """Return what makes two values the same, sign of zero and all."""
    return isinstance(value, bool), value, math.copysign(1, value)
