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

from pytest_scrutiny.errors import BadEnumError, InvalidValueError
from pytest_scrutiny.model.values import (
    FLOAT32_MAX,
    FLOAT64_MAX,
    EmbeddedDataType,
    UnknownValue,
    WatchableType,
)
from pytest_scrutiny.model.watch import AliasDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.expression import read_number

UNEXPLAINED_FLOAT32 = 1e18
UNEXPLAINED = 1e288
"""The most that is written to an alias of a float32, or of anything else, whose gain is not known: at a gain
of 1e-20 they store 1e38 and 1e308, and no unit has a smaller one."""

_FLT_MAX = 3.4028235e38
"""How FLOAT32_MAX is usually written, a little too much: C compilers round it to that."""

_LONGEST_SHOWN = 80
_LONG_BITS = 256  # the widest datatype; Python refuses to print very long ones


def check_value(info: WatchableInfo, value: object) -> bool | float:
    """Return what to send for a caller's value: a number, true or false, an enum member's name or other text.

    :raises BadEnumError: if it is a text, and neither a member's name nor a number.
    :raises TypeError: if it is no number.
    :raises ValueError: if it does not fit.
    """
    number = _read_text(info, value) if isinstance(value, str) else plain_number(info, value)
    if isinstance(number, float) and not math.isfinite(number):
        raise _misfit(info, value, "expected a finite number; a server takes no other")
    alias = info.details if isinstance(info.details, AliasDetails) else None
    if alias is None and info.type is not WatchableType.Alias:
        return _check_stored(info, value, number)
    is_bool = isinstance(info.datatype, EmbeddedDataType) and info.datatype.is_bool()
    if isinstance(number, bool) and not is_bool:
        number = int(number)  # a server applies neither gain nor limits to true and false (0.9.2, 0.16.0)
    if alias is not None:
        _check_alias_limits(info, value, number, alias)
    if is_bool:
        return bool(_check_stored(info, value, number))  # as bool: no gain is applied to what is read either
    if alias is None:
        return _check_unexplained(info, value, number)
    return _check_scaled(info, value, number, alias)


def _check_stored(info: WatchableInfo, value: object, number: float) -> bool | float:
    """Return what to send to what is stored as it is written."""
    if info.datatype is EmbeddedDataType.float32 and abs(number) == _FLT_MAX:
        number = math.copysign(FLOAT32_MAX, number)
    low, high, what = _limits(info)
    if not low <= number <= high:
        raise _misfit(info, value, f"expected {low} to {high}, {what}")
    if not is_whole(info):
        return number
    if number != int(number):
        raise _misfit(info, value, f"expected a whole number for {info.datatype.name}")
    return number if isinstance(number, bool) else int(number)


def _check_scaled(info: WatchableInfo, value: object, number: float, alias: AliasDetails) -> float:
    """Return what to send to an alias, so that what it stands for can be stored."""
    stored = unscale(number, alias)
    low, high, what = _limits(info)
    if not low <= stored <= high:
        raise _misfit(info, value, f"expected {_in_units(low, high, alias)}, {what}")
    if not is_whole(info):
        return number
    # Only at a gain of 1: what is read through another one comes in its steps, and so goes what is written.
    tolerance = 1e-6 if alias.offset else 0.0
    has_steps_of_1 = abs(alias.gain or 1.0) == 1.0
    if has_steps_of_1 and not math.isclose(stored, round(stored), rel_tol=0.0, abs_tol=tolerance):
        offset = f" from its offset of {alias.offset:g} on" if alias.offset else ""
        raise _misfit(info, value, f"expected a whole number{offset} for {info.datatype.name}")
    return _away_from_the_edge(number, stored, alias)


def _check_unexplained(info: WatchableInfo, value: object, number: float) -> float:
    """Return what to send to an alias whose gain the server does not tell: before 0.10 none does.

    What fits is not known then. Refused is what may be too much for what it stands for: over FLT_MAX ends the
    server, and what leaves the range of a double keeps it from writing anything any more (0.3.0, 0.9.2).
    """
    is_narrow = isinstance(info.datatype, UnknownValue) or info.datatype is EmbeddedDataType.float32
    bound = UNEXPLAINED_FLOAT32 if is_narrow else UNEXPLAINED
    if not -bound <= number <= bound:
        raise _misfit(
            info,
            value,
            f"expected {-bound:g} to {bound:g}; this server does not tell the alias' gain (0.10 and later "
            "do) and may end if it has to store more. Write what the alias stands for instead",
        )
    return number


def is_whole(info: WatchableInfo) -> bool:
    """Return whether only whole numbers can be stored."""
    datatype = info.datatype
    return isinstance(datatype, EmbeddedDataType) and (
        datatype.is_integer() or datatype.is_pointer() or datatype.is_bool()
    )


def _in_units(low: float, high: float, alias: AliasDetails) -> str:
    """Return the range of what is stored, as the alias gives it."""
    if alias.gain in (None, 1.0) and not alias.offset:
        return f"{low} to {high}"
    ends = sorted(limit * (alias.gain or 1.0) + (alias.offset or 0.0) for limit in (low, high))
    return " to ".join(str(min(max(end, -FLOAT64_MAX), FLOAT64_MAX)) for end in ends)


def _misfit(info: WatchableInfo, value: object, expected: str) -> ValueError:
    return ValueError(f"value {shown(value)} does not fit {info.path}: {expected}")


def shown(value: object) -> str:
    """Return a caller's value for an error text: what fits in a line of it."""
    if isinstance(value, int) and value.bit_length() > _LONG_BITS:
        return f"of {value.bit_length()} bits"
    text = repr(value)
    if len(text) <= _LONGEST_SHOWN:
        return text
    return f"of {len(text)} characters, {text[: _LONGEST_SHOWN // 2 - 1]}…"


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


def enum_name(info: WatchableInfo, value: float) -> str:
    """Return the member's name that a value has in the watchable's enum; of several, the first by alphabet.

    :raises BadEnumError: if there is no enum.
    :raises InvalidValueError: if no member has the value.
    """
    if info.enum is None:
        raise BadEnumError(f"{info.path} has no enum; use its number")
    names = sorted(name for name, number in info.enum.vals.items() if number == value)
    if not names:
        members = ", ".join(f"{member}={number}" for member, number in info.enum.vals.items())
        raise InvalidValueError(
            f"{info.path} is {value!r}, which is no member of its enum; expected one of {members}"
        )
    return names[0]


def enum_value(info: WatchableInfo, name: str) -> int:
    """Return the number of a member of the watchable's enum.

    :raises BadEnumError: if it has no enum, or no such member.
    """
    if info.enum is None:
        raise BadEnumError(f"value {shown(name)} does not fit {info.path}: it has no enum; expected a number")
    if name in info.enum.vals:
        return info.enum.vals[name]
    near = difflib.get_close_matches(name, info.enum.vals, 1, 0.5)
    members = ", ".join(f"{member}={number}" for member, number in info.enum.vals.items())
    hint = f"did you mean {near[0]!r}?" if near else "write a name or its number."
    raise BadEnumError(f"value {shown(name)} does not fit {info.path}: expected one of {members}; {hint}")


def plain_number(info: WatchableInfo, value: object) -> bool | int | float:
    """Return a caller's value as one of Python's own numbers.

    :raises TypeError: if it is none.
    """
    if isinstance(value, bool | int | float):
        return value
    # Numbers of other libraries (numpy, Decimal, Fraction) count by what they can turn into.
    if isinstance(value, SupportsIndex):
        return operator.index(value)
    if isinstance(value, SupportsFloat):
        return float(value)
    raise TypeError(f"value {shown(value)} does not fit {info.path}: expected a number, true or false")


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


def _check_alias_limits(info: WatchableInfo, value: object, number: float, alias: AliasDetails) -> None:
    low = -math.inf if alias.min is None else alias.min
    high = math.inf if alias.max is None else alias.max
    if not low <= number <= high:
        raise _misfit(info, value, f"expected {low} to {high}, the alias' limits")


def unscale(number: float, alias: AliasDetails) -> float:
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


def is_beyond(info: WatchableInfo, number: float) -> bool:
    """Return whether a number is too large for a value ever to be it; infinity is not."""
    is_narrow = info.datatype is EmbeddedDataType.float32 and info.type is not WatchableType.Alias
    return (FLOAT32_MAX if is_narrow else FLOAT64_MAX) < abs(number) < math.inf


def is_same(info: WatchableInfo, written: float, found: float) -> bool:
    """Return whether a value read back is the one written, within the rounding of how it is stored."""
    if written == found:
        return True
    if not abs(written) <= FLOAT64_MAX:
        return False
    if info.type is WatchableType.Alias:
        return _is_same_alias(info, written, found)
    details = info.details
    if isinstance(details, VariableDetails) and details.bitsize is not None and written < 0:
        return found - written == 1 << details.bitsize  # a server reads a bit field without its sign
    if info.datatype is EmbeddedDataType.float32 and not is_beyond(info, written):
        return bool(struct.unpack("<f", struct.pack("<f", written))[0] == found)
    return False


def _is_same_alias(info: WatchableInfo, written: float, found: float) -> bool:
    if isinstance(info.details, AliasDetails) and is_whole(info):
        return _is_same_whole(unscale(written, info.details), unscale(found, info.details))
    return math.isclose(written, found, rel_tol=1e-6)  # a float is rounded twice


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
