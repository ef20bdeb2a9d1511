"""What has to be written to have a value back, and whether it is had back then.

Rule 1: what could not be put back is not written either: ``find_original`` raises before it is.
Rule 2: whether an original was put back is seen in what the server itself says it stored, which it tells
    before the completion (client/feed.py, Rule 3). A read would see what the firmware made of it meanwhile.
"""

import math
from collections.abc import Callable, Iterator

from pytest_scrutiny.client.feed import usable_value
from pytest_scrutiny.client.fit import check_value, is_whole, unscale
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.model.values import EmbeddedDataType, WatchableType
from pytest_scrutiny.model.watch import AliasDetails, Sample, VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.write import WRITE

LOOKS = 3
"""How often a bit field and the word it lies in are compared, if they are not of one moment."""

EXACT = 1 << 53
"""From here on a float is not every whole number; with a gain between, four bits earlier."""

_PLAIN = AliasDetails("", WatchableType.Variable)


def find_original(
    info: WatchableInfo, look: Callable[[], Sample], read_memory: Callable[[int, int], bytes]
) -> bool | float:
    """Return what has to be written to have the present value back.

    :param look: returns a fresh sample.
    :param read_memory: returns so many bytes at an address.
    :raises InvalidValueError: if the value is unusable, with the reason.
    :raises ValueError: if there is nothing that could be written.
    """
    value: bool | float = False
    for _ in range(LOOKS):
        sample = look()
        value = usable_value(info.path, sample)
        word = _find_word(info, sample, read_memory)
        if word is None or is_where_it_is_written(info, value, word):
            return restorable(info, value)
    raise _lost(
        info, value, "this server reads a big-endian device's bit field from other bits than it writes to"
    )


def _find_word(info: WatchableInfo, sample: Sample, read_memory: Callable[[int, int], bytes]) -> bytes | None:
    """Return the word that a bit field lies in; None if it is none, or nobody knows where it is."""
    details = info.details
    if not isinstance(details, VariableDetails) or details.bitsize is None:
        return None
    if sample.raw_data is not None or not isinstance(info.datatype, EmbeddedDataType):
        return sample.raw_data
    if details.address is None or "*" in info.path:  # a pointer may have moved on
        return None
    return read_memory(details.address, info.datatype.get_size_bit() // 8)


def is_where_it_is_written(info: WatchableInfo, value: bool | float, word: bytes) -> bool:
    """Return whether a bit field is read from where a server writes it.

    From 0.14.1 on a big-endian device's bit fields are read from the top of their word, and written from the
    bottom (observed): a write changes other values. No server tells the byte order; so either is taken.
    """
    details = info.details
    if not isinstance(details, VariableDetails) or details.bitsize is None:
        return True
    first, mask = details.bitoffset or 0, (1 << details.bitsize) - 1
    fields = (int.from_bytes(word, "little") >> first & mask, int.from_bytes(word, "big") >> first & mask)
    is_bool = isinstance(info.datatype, EmbeddedDataType) and info.datatype.is_bool()
    return any((field != 0 if is_bool else field) == value for field in fields)


def restorable(info: WatchableInfo, original: bool | float) -> bool | float:
    """Return what has to be written to have a value back.

    :raises ValueError: if there is nothing that could be written: then the value is not changed either.
    """
    details = info.details
    if isinstance(details, VariableDetails) and details.bitsize is not None:
        # A server reads a signed bit field without its sign (0.16.0, observed).
        is_signed = isinstance(info.datatype, EmbeddedDataType) and info.datatype.is_signed()
        if is_signed and original >= 1 << details.bitsize - 1:
            original = original - (1 << details.bitsize)
        if original is True and details.bitoffset:
            raise _lost(info, original, "a server sets no bit but a word's lowest one through a bool")
    if isinstance(original, float) and _is_blurred(info, original):
        raise _lost(info, original, "the server gives this alias as a float, without the last bits")
    try:
        return check_value(info, original)
    except ValueError as exc:
        raise _lost(info, original, str(exc)) from exc


def _is_blurred(info: WatchableInfo, original: float) -> bool:
    datatype = info.datatype
    if info.type is not WatchableType.Alias or not isinstance(datatype, EmbeddedDataType):
        return False
    if datatype.get_size_bit() < 64 or not (datatype.is_integer() or datatype.is_pointer()):
        return False
    alias = info.details if isinstance(info.details, AliasDetails) else _PLAIN
    is_scaled = alias.gain not in (None, 1.0) or bool(alias.offset)
    return abs(unscale(original, alias)) >= (EXACT >> 4 if is_scaled else EXACT)


def _lost(info: WatchableInfo, original: bool | float, why: str) -> ValueError:
    return ValueError(
        f"{info.path} is {original!r}, which could not be put back after the test ({why}); bring it into "
        "range first, or write it through the device's raw client, which puts nothing back"
    )


def put_back(
    info: WatchableInfo, original: bool | float, write: Callable[[bool | float], bool | float | None]
) -> None:
    """Write an original; if the server stored another value, write what makes it store the original.

    :param write: writes, and returns what the server says it stored; None if it says nothing.
    :raises OperationFailure: if it cannot be had back.
    """
    stored = write(original)
    if _is_as(info, stored, original):
        return
    assert stored is not None
    for other, told in _others(info, original, stored):
        if _is_as(info, write(other), told):
            return
    raise OperationFailure(
        f"{info.path} was written as {original!r}, but the server stored {stored!r}; expected what had been "
        "read. It may have limits, or a gain, that the server does not tell: write what it stands for",
        WRITE,
        "another value was stored",
    )


def _is_as(info: WatchableInfo, stored: bool | float | None, wanted: bool | float) -> bool:
    """Return whether what the server says it stored is what was meant; if it says nothing, it may be."""
    if stored is None or stored == wanted:
        return True
    if isinstance(stored, int) and isinstance(wanted, int):
        return False
    if isinstance(info.details, AliasDetails) and is_whole(info):
        # What is sent to it lies between two steps of its gain; see client/fit.py.
        return round(unscale(stored, info.details)) == int(unscale(wanted, info.details))
    # An alias' value is computed there and back; nothing else is rounded before it reaches the device.
    return math.isclose(stored, wanted, rel_tol=1e-9, abs_tol=1e-9)


def _others(
    info: WatchableInfo, original: bool | float, stored: bool | float
) -> Iterator[tuple[bool | float, bool | float]]:
    """Yield what may have to be written instead, and what the server says it stored if that was right."""
    datatype = info.datatype
    if not isinstance(datatype, EmbeddedDataType) or not datatype.is_integer():
        return
    alias = info.details if isinstance(info.details, AliasDetails) else _PLAIN
    top, meant = unscale(stored, alias), unscale(original, alias)
    bits = int(top + 1).bit_length() if 0 <= top < math.inf else 0
    if bits and datatype.is_signed() and top + 1 == 1 << bits - 1 <= meant < 1 << bits:
        # A signed bit field is read without its sign (0.1.0 to 0.16.0), and what is too much is made its top.
        signed = original - (1 << bits) * (1 if alias.gain is None else alias.gain)
        yield signed, signed
    if info.type is WatchableType.Alias and isinstance(original, float):
        # What is stored behind a gain is truncated: a quarter of a step more is the same step again.
        yield original + (original - stored) / 4, original
