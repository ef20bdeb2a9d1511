"""What a simulated device is made of: rows of data.

PYTEST_DONT_REWRITE
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import attrs

from pytest_scrutiny.fakeserver.arrays import Array
from pytest_scrutiny.model.datalog import DataloggingCapabilities
from pytest_scrutiny.model.sfd import SFDInfo, SFDMetadata
from pytest_scrutiny.model.status import MemoryRegion, SupportedFeatureMap
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum

if TYPE_CHECKING:
    from pytest_scrutiny.fakeserver.device import SimulatedDevice

ALL_FEATURES = SupportedFeatureMap(
    memory_write=True, datalogging=True, user_command=True, sixtyfour_bits=True
)


@attrs.frozen
class Variable:
    """A variable of the firmware.

    :ivar address: where it lies; behind a pointer, counted from the address that the pointer holds.
    :ivar initial: what it starts as; what is behind a pointer has none of its own.
    :ivar bitoffset: first bit of a bit field, from the lowest; None, like ``bitsize``, if it is none.
    :ivar pointer: path of the pointer behind which it lies: another variable, or an array's element.
    """

    path: str
    datatype: EmbeddedDataType
    address: int
    initial: bool | float = 0
    enum: EmbeddedEnum | None = None
    bitoffset: int | None = None
    bitsize: int | None = None
    pointer: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what no server would survive.

        :raises ValueError: for a bit field that is none.
        """
        if self.bitoffset is None or self.bitsize is None:
            return
        word = self.datatype.get_size_bit()
        if self.datatype.is_float() or not 0 < self.bitsize < 64 or self.bitoffset + self.bitsize > word:
            raise ValueError(
                f"{self.path} is no bit field of a {self.datatype.name} ({self.bitsize} bits from bit "
                f"{self.bitoffset}); expected 1 to 63 bits that fit in a whole number or a bool"
            )

    @property
    def size(self) -> int:
        """Bytes that it takes; of a bit field, those of its word."""
        return self.datatype.get_size_bit() // 8


@attrs.frozen
class RPV:
    """A value that the firmware publishes under a number."""

    rpvid: int
    datatype: EmbeddedDataType
    initial: bool | float = 0

    def __attrs_post_init__(self) -> None:
        """Refuse what no server would survive: each ends when such a device connects (0.3.0 to 0.16.0).

        :raises ValueError: if the datatype is none that servers support.
        """
        if not self.datatype.is_supported():
            raise ValueError(
                f"{self.path} is a {self.datatype.name}, which ends any server as an RPV; "
                "expected a datatype of up to 64 bits that servers support, or a variable"
            )

    @property
    def path(self) -> str:
        """The path under which every server lists it."""
        return f"/rpv/x{self.rpvid:04X}"

    @property
    def enum(self) -> None:
        """No RPV has an enum."""


@attrs.frozen
class Alias:
    """Another name for a variable or RPV, scaled: ``value = target * gain + offset``.

    :ivar min: what a write is raised to; ``max`` is what it is lowered to. Reads are not clamped.
    :ivar enum: None takes the target's.
    """

    path: str
    target: str
    gain: float | None = None
    offset: float | None = None
    min: float | None = None
    max: float | None = None
    enum: EmbeddedEnum | None = None

    def to_user(self, value: bool | float) -> bool | float:
        """Return the alias's value for its target's; true and false stay what they are."""
        if isinstance(value, bool):
            return value
        if self.gain is not None and self.gain != 1:
            value *= self.gain
        return value + self.offset if self.offset else value

    def to_target(self, value: bool | float) -> bool | float:
        """Return the target's value for the alias's, clamped first."""
        if isinstance(value, bool):
            return value
        if self.max is not None:
            value = min(value, self.max)
        if self.min is not None:
            value = max(value, self.min)
        if self.offset:
            value -= self.offset
        return value / self.gain if self.gain is not None and self.gain != 1 else value


Row: TypeAlias = Variable | RPV | Alias
Behaviour: TypeAlias = Callable[["SimulatedDevice", float, float], None]
"""Called with the device, the time until which it has lived, and the time it is now, in seconds."""


def _make_up_sfd(profile: "Profile") -> SFDInfo:
    return SFDInfo(profile.firmware_id, SFDMetadata(project_name=profile.display_name))


@attrs.frozen(kw_only=True)
class Profile:
    """A device as data.

    :ivar firmware_id: 32 hex digits.
    :ivar features: what the device can do unless told otherwise.
    :ivar sfd: the firmware description on the server, made up unless given; None if none is installed for
        this firmware: then there are only RPVs.
    :ivar capabilities: what the datalogger can do, where the device has one.
    :ivar user_command: what answers a user command: subfunction and data in, data out, LookupError to refuse.
    """

    firmware_id: str
    display_name: str
    variables: tuple[Variable, ...] = ()
    aliases: tuple[Alias, ...] = ()
    rpvs: tuple[RPV, ...] = ()
    arrays: tuple[Array, ...] = ()
    behaviours: tuple[Behaviour, ...] = ()
    features: SupportedFeatureMap = ALL_FEATURES
    sfd: SFDInfo | None = attrs.field(default=attrs.Factory(_make_up_sfd, takes_self=True))
    capabilities: DataloggingCapabilities | None = None
    user_command: Callable[[int, bytes], bytes] | None = None
    memory: tuple[MemoryRegion, ...] = (MemoryRegion(0x1000, 0x1000),)
    is_big_endian: bool = False
    address_size_bits: int = 32
    forbidden: tuple[MemoryRegion, ...] = ()
    readonly: tuple[MemoryRegion, ...] = ()
