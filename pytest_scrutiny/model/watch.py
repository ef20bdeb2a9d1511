"""What the server knows about a watchable, and one sample of its value.

PYTEST_DONT_REWRITE
"""

import attrs

from pytest_scrutiny.model.values import (
    EmbeddedDataType,
    EmbeddedEnum,
    UnknownValue,
    ValueStatus,
    WatchableType,
)


@attrs.frozen
class VariableDetails:
    """Where a variable lies in the device's memory.

    :ivar address: None behind a pointer that is not resolved.
    :ivar bitoffset: first bit of a bit field; None if it is none.
    :ivar bitsize: bits of a bit field; None if it is none.
    """

    address: int | None
    bitoffset: int | None = None
    bitsize: int | None = None


@attrs.frozen
class AliasDetails:
    """What an alias stands for: ``value = target * gain + offset``, clamped to ``min`` and ``max``."""

    target: str
    target_type: WatchableType | UnknownValue
    gain: float | None = None
    offset: float | None = None
    min: float | None = None
    max: float | None = None


@attrs.frozen
class RPVDetails:
    """The number of a runtime published value."""

    rpvid: int


@attrs.frozen
class WatchableInfo:
    """What the server told when a path was subscribed.

    :ivar server_id: the server's key for updates and writes; opaque, valid for this device session only.
    :ivar details: None on servers before 0.10, which do not tell.
    """

    path: str
    type: WatchableType | UnknownValue
    datatype: EmbeddedDataType | UnknownValue
    server_id: str
    enum: EmbeddedEnum | None = None
    details: VariableDetails | AliasDetails | RPVDetails | None = None


@attrs.frozen
class Sample:
    """One value as the server reported it.

    :ivar value: None unless ``status`` is Valid; an alias with a gain gives a float.
    :ivar server_time_us: microseconds on the server's own clock when it got the value from the device;
        None on servers 0.1 to 0.3.
    :ivar raw_data: the bytes in the device's memory, of the latest sample only; None on servers before 0.15
        and for RPVs.
    """

    value: bool | float | None
    status: ValueStatus
    server_time_us: float | None
    raw_data: bytes | None = None


ValueSnapshot = Sample
"""The official SDK's name of the class."""


def canonical_path(path: object) -> str:
    """Return a path as servers spell it: ``psu/voltage/`` is ``/psu/voltage``.

    Servers from 0.4 on take the other spellings too, from 0.9 on also ``//``: what they name is the same.

    :raises TypeError: if it is no string.
    """
    if not isinstance(path, str):
        raise TypeError(f"path {path!r} is no string; expected a server path, for example '/rpv/x1000'")
    return "/" + "/".join(segment for segment in path.strip().split("/") if segment)
