"""Whether a value fits a watchable, before it is sent.

Rule 1: what does not fit is refused here. A server clamps integers in silence, and one that must store more
    than a float32 can hold ends its process (0.16.0, observed).
Rule 2: a text is a member of the watchable's enum, or what a server would take it for: a number or an
    expression (protocol/expression.py). It is sent as the number that it means, so that Rule 1 holds for it.

PYTEST_DONT_REWRITE
"""

import contextlib
import difflib
import math
import operator
import struct
from typing import SupportsFloat, SupportsIndex

from pytest_scrutiny.errors import BadEnumError
from pytest_scrutiny.model.values import (
    FLOAT32_MAX,
    FLOAT64_MAX,
    EmbeddedDataType,
    UnknownValue,
    WatchableType,
)
from pytest_scrutiny.model.watch import AliasDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.expression import read_number


def check_value(info: WatchableInfo, value: object) -> bool | float:
    """Return what to send for a caller's value: a number, true or false, an enum member's name or other text.

    :raises BadEnumError: if it is a text, and neither a member's name nor a number.
    :raises TypeError: if it is no number.
    :raises ValueError: if it does not fit.
    """
    number = _read_text(info, value) if isinstance(value, str) else _plain_number(info, value)
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError(
            f"value {value!r} does not fit {info.path}: expected a finite number; a server takes no other"
        )
    alias = info.details if isinstance(info.details, AliasDetails) else None
    if alias is not None:
        _check_alias_limits(info, number, alias)
    stored = number if alias is None else _unscale(number, alias)
    if info.type is WatchableType.Alias and alias is None:
        return number  # before 0.10 nobody tells what it stands for, so nobody knows what fits
    low, high, what = _limits(info)
    if not low <= stored <= high:
        raise ValueError(f"value {value!r} does not fit {info.path}: expected {low} to {high}, {what}")
    is_whole = isinstance(info.datatype, EmbeddedDataType) and (
        info.datatype.is_integer() or info.datatype.is_pointer()
    )
    if alias is None and is_whole and number != int(number):
        raise ValueError(
            f"value {value!r} does not fit {info.path}: expected a whole number for {info.datatype.name}"
        )
    if alias is not None and is_whole:
        return _away_from_the_edge(number, stored, alias)
    return int(number) if is_whole and not isinstance(number, bool) else number


def _away_from_the_edge(number: float, stored: float, alias: AliasDetails) -> float:
    """Return what to send to an alias of a whole number, so that the server stores the one that is meant.

    It truncates what the alias stands for: 0.29 at a gain of 0.01 is 28.999999999999996 and would be 28.
    """
    near = round(stored) if math.isfinite(stored) else stored
    if int(stored) == near or not math.isclose(stored, near, rel_tol=1e-9, abs_tol=1e-6):
        return number
    nudged = (near + math.copysign(0.25, near)) * (alias.gain or 1.0) + (alias.offset or 0.0)
    low = -math.inf if alias.min is None else alias.min
    high = math.inf if alias.max is None else alias.max
    return nudged if low <= nudged <= high else number


def _read_text(info: WatchableInfo, text: str) -> bool | int | float:
    if info.enum is None or text not in info.enum.vals:
        with contextlib.suppress(ValueError):  # so it is meant for a name, as the error says then
            return read_number(text)
    return enum_value(info, text)


def enum_value(info: WatchableInfo, name: str) -> int:
    """Return the number of a member of the watchable's enum.

    :raises BadEnumError: if it has no enum, or no such member.
    """
    if info.enum is None:
        raise BadEnumError(f"value {name!r} does not fit {info.path}: it has no enum; expected a number")
    if name in info.enum.vals:
        return info.enum.vals[name]
    near = difflib.get_close_matches(name, info.enum.vals, 1, 0.5)
    members = ", ".join(f"{member}={number}" for member, number in info.enum.vals.items())
    hint = f"did you mean {near[0]!r}?" if near else "write a name or its number."
    raise BadEnumError(f"value {name!r} does not fit {info.path}: expected one of {members}; {hint}")


def _plain_number(info: WatchableInfo, value: object) -> bool | int | float:
    if isinstance(value, bool | int | float):
        return value
    # Numbers of other libraries (numpy, Decimal, Fraction) count by what they can turn into.
    if isinstance(value, SupportsIndex):
        return operator.index(value)
    if isinstance(value, SupportsFloat):
        return float(value)
    raise TypeError(f"value {value!r} does not fit {info.path}: expected a number, true or false")


def _limits(info: WatchableInfo) -> tuple[float, float, str]:
    """Return the smallest and the largest stored value, and what sets them."""
    datatype = info.datatype
    if isinstance(datatype, UnknownValue):
        return -FLOAT32_MAX, FLOAT32_MAX, f"which any server survives (datatype {datatype.text} is unknown)"
    if datatype.is_bool():
        return 0, 1, f"the range of {datatype.name}"
    if (
        isinstance(info.details, VariableDetails)
        and info.details.bitsize is not None
        and datatype.is_integer()
    ):
        bits = info.details.bitsize
        if datatype.is_signed():
            return -(1 << bits - 1), (1 << bits - 1) - 1, f"the range of its {bits} bits"
        return 0, (1 << bits) - 1, f"the range of its {bits} bits"
    low, high = datatype.limits() or (-FLOAT64_MAX, FLOAT64_MAX)
    return low, high, f"the range of {datatype.name}"


def _check_alias_limits(info: WatchableInfo, number: float, alias: AliasDetails) -> None:
    low = -math.inf if alias.min is None else alias.min
    high = math.inf if alias.max is None else alias.max
    if not low <= number <= high:
        raise ValueError(
            f"value {number!r} does not fit {info.path}: expected {low} to {high}, the alias' limits"
        )


def _unscale(number: float, alias: AliasDetails) -> float:
    """Return what the server will store for a value written to an alias."""
    if alias.gain in (None, 1.0) and not alias.offset:
        return number  # a float would lose the last bits of a wide integer
    gain = 1.0 if alias.gain is None else alias.gain
    try:
        return (number - (alias.offset or 0.0)) / gain
    except (ZeroDivisionError, OverflowError):
        return math.inf


def check_data(info: WatchableInfo, data: object) -> bytes:
    """Return the bytes to store as they are.

    :raises TypeError: if it is nothing like bytes; a number is none, for it would mean so many zeros.
    :raises ValueError: if there are not as many as the datatype has: a server puts zeros before too few
        (0.15.0, 0.16.0, observed), which in a little-endian device makes another number of them.
    """
    found = as_bytes(data)
    size = info.datatype.get_size_bit() // 8 if isinstance(info.datatype, EmbeddedDataType) else 0
    if size and len(found) != size:
        raise ValueError(
            f"{len(found)} bytes do not fit {info.path}: expected {size}, the size of {info.datatype.name}, "
            "in the device's byte order"
        )
    return found


def as_bytes(data: object) -> bytes:
    """Return what a caller gave as data.

    :raises TypeError: if it is nothing like bytes; a number is none, for it would mean so many zeros.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data {data!r} is no bytes; expected for example b'\\x01\\x02'")
    return bytes(data)


def is_same(info: WatchableInfo, written: float, found: float) -> bool:
    """Return whether a value read back is the one written, within the rounding of how it is stored."""
    if written == found:
        return True
    if not abs(written) <= FLOAT64_MAX:
        return False
    datatype = info.datatype
    if info.type is WatchableType.Alias:
        is_whole = isinstance(datatype, EmbeddedDataType) and datatype.is_integer()
        if isinstance(info.details, AliasDetails) and is_whole:
            return _is_same_whole(_unscale(written, info.details), _unscale(found, info.details))
        return math.isclose(written, found, rel_tol=1e-6)  # a float is rounded twice
    if datatype is EmbeddedDataType.float32 and abs(written) <= FLOAT32_MAX:
        return bool(struct.unpack("<f", struct.pack("<f", written))[0] == found)
    return False


def _is_same_whole(written: float, found: float) -> bool:
    """Return whether a stored whole number is the one meant; the server truncates what lies between two."""
    if not (math.isfinite(written) and math.isfinite(found)):  # an alias may have a gain of 0
        return False
    near = round(written)
    is_exact = math.isclose(written, near, rel_tol=1e-9, abs_tol=1e-6)
    # A number of 64 bits loses the last of them on its way as a float.
    return round(found) in ((near,) if is_exact else (near, int(written))) or math.isclose(
        written, found, rel_tol=1e-12
    )
