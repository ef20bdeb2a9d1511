"""What a value is: its datatype and range, its enum, whether it is valid.

PYTEST_DONT_REWRITE
"""

import enum
from collections.abc import Mapping
from typing import Any, Self

import attrs

from pytest_scrutiny.errors import BadEnumError

FLOAT16_MAX = 65504.0
FLOAT32_MAX = 3.4028234663852886e38
"""The largest finite float32. A real server ends when it has to store more (0.16.0, observed)."""
FLOAT64_MAX = 1.7976931348623157e308


@attrs.frozen
class UnknownValue:
    """A word on the wire that no release we know uses, kept so that the rest of the message is not lost.

    :ivar text: the word as it came.
    """

    text: str

    @property
    def name(self) -> str:
        """The word again, so that a message can name it like an enum's member."""
        return self.text


class EmbeddedDataType(enum.Enum):
    """How a value is stored in the device; names and numbers as in the official SDK 0.16.0."""

    sint8 = 0x00
    sint16 = 0x01
    sint32 = 0x02
    sint64 = 0x03
    sint128 = 0x04
    sint256 = 0x05
    uint8 = 0x10
    uint16 = 0x11
    uint32 = 0x12
    uint64 = 0x13
    uint128 = 0x14
    uint256 = 0x15
    float8 = 0x20
    float16 = 0x21
    float32 = 0x22
    float64 = 0x23
    float128 = 0x24
    float256 = 0x25
    bool8 = 0x30
    bool16 = 0x31
    bool32 = 0x32
    bool64 = 0x33
    bool128 = 0x34
    bool256 = 0x35
    cfloat8 = 0x40
    cfloat16 = 0x41
    cfloat32 = 0x42
    cfloat64 = 0x43
    cfloat128 = 0x44
    cfloat256 = 0x45
    struct = 0x5F
    ptr8 = 0x60
    ptr16 = 0x61
    ptr32 = 0x62
    ptr64 = 0x63
    ptr128 = 0x64
    ptr256 = 0x65
    NA = 0xFF

    def get_size_bit(self) -> int:
        """Return the size in bits; 0 for ``struct`` and ``NA``."""
        exponent = self.value & 0xF
        return 0 if exponent == 0xF else 8 << exponent

    def get_size_8bits(self) -> int:
        """Return the size in bytes of 8 bits; 0 for ``struct`` and ``NA``."""
        return self.get_size_bit() // 8

    def is_integer(self) -> bool:
        """Return whether values are whole numbers (``sint`` or ``uint``)."""
        return self.value >> 4 in (0, 1)

    def is_float(self) -> bool:
        """Return whether values are floating point numbers (``float`` or ``cfloat``)."""
        return self.value >> 4 in (2, 4)

    def is_signed(self) -> bool:
        """Return whether a value can be negative."""
        return self.value >> 4 in (0, 2, 4)

    def is_bool(self) -> bool:
        """Return whether values are true or false."""
        return self.value >> 4 == 3

    def is_pointer(self) -> bool:
        """Return whether values are addresses."""
        return self.value >> 4 == 6

    def is_supported(self) -> bool:
        """Return whether servers can read and write such a value: nothing of more than 64 bits, few floats.

        All servers know the other words too, and leave variables of theirs out; an RPV of theirs ends the
        server when the device connects (0.1.0 to 0.16.0, observed).
        """
        if self.value >> 4 == 2:
            return self in (EmbeddedDataType.float32, EmbeddedDataType.float64)
        return (self.is_integer() or self.is_bool() or self.is_pointer()) and self.get_size_bit() <= 64

    def limits(self) -> tuple[int | float, int | float] | None:
        """Return the smallest and the largest value that can be stored; None if there is no such order."""
        size = self.get_size_bit()
        if self.is_integer() or self.is_pointer():
            return (-(1 << size - 1), (1 << size - 1) - 1) if self.is_signed() else (0, (1 << size) - 1)
        if self is EmbeddedDataType.float16:
            return -FLOAT16_MAX, FLOAT16_MAX
        if self is EmbeddedDataType.float32:
            return -FLOAT32_MAX, FLOAT32_MAX
        if self is EmbeddedDataType.float64:
            return -FLOAT64_MAX, FLOAT64_MAX
        return None


class Word(enum.StrEnum):
    """A word of the wire, with the official SDK's ways from and to it."""

    @classmethod
    def all(cls) -> list[Self]:
        """Return all members."""
        return list(cls)

    @classmethod
    def from_str(cls, v: str) -> Self:
        """Return the member of a word.

        :raises ValueError: if there is none.
        """
        return cls(v)

    def to_str(self) -> str:
        """Return the word."""
        return self.value


class WatchableType(Word):
    """What kind of thing a path names on the server."""

    Variable = "var"
    RuntimePublishedValue = "rpv"
    Alias = "alias"


class ValueStatus(enum.Enum):
    """Whether a watched value can be used and, if not, why; numbers as in the official SDK 0.16.0."""

    Valid = 1
    NeverSet = 2
    ServerGone = 3
    DeviceGone = 4
    SFDUnloaded = 5
    NotWatched = 6
    NullPtrDereferenced = 7
    ForbiddenRegion = 8
    ServerSetInvalidWithoutReason = 9

    @property
    def reason(self) -> str:
        """Why the value is unusable, in words; ``""`` for ``Valid``."""
        return _REASONS.get(self, "")


_REASONS: Mapping[ValueStatus, str] = {
    ValueStatus.NeverSet: "no update has arrived yet",
    ValueStatus.ServerGone: "the connection to the server is gone",
    ValueStatus.DeviceGone: "the device is gone",
    ValueStatus.SFDUnloaded: "the firmware description was unloaded",
    ValueStatus.NotWatched: "it is no longer watched",
    ValueStatus.NullPtrDereferenced: "it is behind a null pointer",
    ValueStatus.ForbiddenRegion: "it lies in a forbidden memory region",
    ValueStatus.ServerSetInvalidWithoutReason: "the server gives no value and no reason",
}


@attrs.frozen
class EmbeddedEnum:
    """The names a firmware gives to an integer's values.

    :ivar name: the enum's name in the firmware.
    :ivar vals: ``{member name: value}``.
    """

    name: str
    vals: Mapping[str, int] = attrs.field(factory=dict, hash=False)

    @classmethod
    def from_def(cls, enum_def: Mapping[str, Any]) -> Self:
        """Return the enum that ``get_def`` describes."""
        return cls(enum_def["name"], enum_def["values"])

    def get_def(self) -> dict[str, Any]:
        """Return the enum as JSON holds it: ``{"name": …, "values": {member name: value}}``."""
        return {"name": self.name, "values": dict(self.vals)}

    def get_name(self) -> str:
        """Return the enum's name."""
        return self.name

    def has_value(self, name: str) -> bool:
        """Return whether a member has this name."""
        return name in self.vals

    def get_value(self, name: str) -> int:
        """Return the value of the member of this name.

        :raises BadEnumError: if there is none; a ValueError too.
        """
        if name not in self.vals:
            raise BadEnumError(
                f"{name!r} is no member of {self.name}; expected one of {', '.join(self.vals)}"
            )
        return self.vals[name]

    def has_signed_value(self) -> bool:
        """Return whether a member's value is negative."""
        return any(value < 0 for value in self.vals.values())

    def get_first_value_name_match(self, wanted_val: int) -> str | None:
        """Return the first member that has this value; None if no member has."""
        return next((name for name, value in self.vals.items() if value == wanted_val), None)
