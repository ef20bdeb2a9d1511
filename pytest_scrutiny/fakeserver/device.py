"""A simulated device: rows of data, bytes in a memory, and plain functions that let time pass.

Rule 1: a device is data. What it offers are the rows of its profile; what it does are its behaviours.
Rule 2: no clock, thread or socket: whoever holds the device tells it what time it is.
Rule 3: the bench's side (``get``, ``set``) may do anything; the server's side (``read``, ``write``) only
    what the device's features and regions allow.

PYTEST_DONT_REWRITE
"""

import difflib
from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs

from pytest_scrutiny.errors import BadEnumError, NameNotFoundError
from pytest_scrutiny.fakeserver.arrays import Array, bare_path
from pytest_scrutiny.fakeserver.memory import (
    Memory,
    decode_value,
    encode_value,
    extract_bits,
    fit_value,
)
from pytest_scrutiny.model.datalog import DataloggingCapabilities
from pytest_scrutiny.model.sfd import SFDInfo
from pytest_scrutiny.model.status import DeviceInfo, MemoryRegion, SupportedFeatureMap
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum, ValueStatus

ALL_FEATURES = SupportedFeatureMap(
    memory_write=True, datalogging=True, user_command=True, sixtyfour_bits=True
)


@attrs.frozen
class Variable:
    """A variable of the firmware.

    :ivar bitoffset: first bit of a bit field; None, like ``bitsize``, if it is none.
    """

    path: str
    datatype: EmbeddedDataType
    address: int
    initial: bool | float = 0
    enum: EmbeddedEnum | None = None
    bitoffset: int | None = None
    bitsize: int | None = None


@attrs.frozen
class RPV:
    """A value that the firmware publishes under a number."""

    rpvid: int
    datatype: EmbeddedDataType
    initial: bool | float = 0

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


@attrs.frozen(kw_only=True)
class Profile:
    """A device as data.

    :ivar firmware_id: 32 hex digits.
    :ivar features: what the device can do unless told otherwise.
    :ivar sfd: None if no firmware description is installed for this firmware: then there are only RPVs.
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
    sfd: SFDInfo | None = None
    capabilities: DataloggingCapabilities | None = None
    user_command: Callable[[int, bytes], bytes] | None = None
    memory_start: int = 0x1000
    memory_size: int = 0x1000
    is_big_endian: bool = False
    forbidden: tuple[MemoryRegion, ...] = ()
    readonly: tuple[MemoryRegion, ...] = ()


@attrs.frozen
class Reading:
    """What a read gave.

    :ivar value: None unless ``status`` is Valid.
    :ivar data: the bytes in memory; None for RPVs.
    """

    value: bool | float | None
    data: bytes | None = None
    status: ValueStatus = ValueStatus.Valid


class WriteRefused(Exception):
    """The device does not take this write; the text is the server's ``failure_reason``."""


class SimulatedDevice:
    """One device, alive.

    :ivar profile: what it is made of.
    :ivar features: what it can do; a server asks when it connects.
    :ivar memory: its bytes, without regard to regions.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.features = profile.features
        self.memory = Memory(profile.memory_start, profile.memory_size, is_big_endian=profile.is_big_endian)
        self._rpvs: dict[int, bool | float] = {}
        rows: tuple[Row, ...] = (*profile.rpvs, *profile.aliases, *profile.variables)
        self._rows: Mapping[str, Row] = {row.path: row for row in rows}
        self._arrays = {array.path: array for array in profile.arrays}
        self._lived_until: float | None = None
        self.reboot()

    def reboot(self) -> None:
        """Put every value back to where it starts."""
        for row in self._rows.values():
            if not isinstance(row, Alias):
                self._store(row, row.initial)
        for array in self._arrays.values():
            for element in array.factory.element_paths():
                variable = self.element(element)
                self._store(variable, variable.initial)

    def advance(self, now: float) -> None:
        """Let time pass; seconds on any clock that does not go back."""
        before, self._lived_until = self._lived_until, now
        if before is not None and now > before:
            for behave in self.profile.behaviours:
                behave(self, before, now)

    def change_features(self, **features: bool) -> None:
        """Switch features on or off.

        :raises NameNotFoundError: if there is no such feature.
        """
        known = [field.name for field in attrs.fields(SupportedFeatureMap)]
        for name in features:
            if name not in known:
                raise NameNotFoundError(f"there is no feature {name!r}; expected one of {', '.join(known)}")
        self.features = attrs.evolve(self.features, **features)

    def describe(self, session_id: str | None) -> DeviceInfo:
        """Return what the device says of itself when a server connects to it."""
        return DeviceInfo(
            device_id=self.profile.firmware_id,
            display_name=self.profile.display_name,
            max_tx_data_size=256,
            max_rx_data_size=128,
            max_bitrate_bps=None,
            rx_timeout_us=50000,
            heartbeat_timeout=5.0,
            address_size_bits=32,
            protocol_major=1,
            protocol_minor=0,
            supported_features=self.features,
            forbidden_memory_regions=self.profile.forbidden,
            readonly_memory_regions=self.profile.readonly,
            session_id=session_id,
            datalogging_capabilities=self.profile.capabilities if self.features.datalogging else None,
            char_bit=8,
        )

    def rpvs(self) -> tuple[RPV, ...]:
        """Return the RPVs a server finds: those of 64 bits only with the feature for it."""
        return tuple(
            rpv
            for rpv in self.profile.rpvs
            if self.features.sixtyfour_bits or rpv.datatype.get_size_bit() <= 32
        )

    # The bench's side

    def get(self, path: str) -> bool | float:
        """Return the value as it is in the device, whatever a server may see of it."""
        row = self.row(path)
        value = self._load(self.target_of(row)).value
        assert value is not None  # only a server is kept out of a region
        return row.to_user(value) if isinstance(row, Alias) else value

    def set(self, path: str, value: float | str) -> None:
        """Change a value in the device, as the world around it would.

        :param value: or the name of an enum's member.
        :raises BadEnumError: if there is no such member.
        """
        row = self.row(path)
        number = self._member(row, value) if isinstance(value, str) else value
        target = self.target_of(row)
        self._store(target, row.to_target(number) if isinstance(row, Alias) else number)

    def row(self, path: str) -> Row:
        """Return what a path names.

        :raises NameNotFoundError: if it names nothing.
        """
        try:
            return self._rows[path] if path in self._rows else self.element(path)
        except LookupError:
            known = (*self._rows, *self._arrays)
            close = difflib.get_close_matches(path, known, n=3) or known[:3]
            raise NameNotFoundError(
                f"there is no {path!r} in the simulated device; did you mean {', '.join(close)}?"
            ) from None

    def element(self, path: str) -> Variable:
        """Return the variable that an array's element is.

        :raises KeyError: if there is no such array; IndexError if the indices do not fit.
        """
        array = self._arrays[bare_path(path)]
        number = array.number_of(path)
        initial = array.initial[number] if number < len(array.initial) else 0
        return Variable(path, array.datatype, array.address_of(number), initial, array.enum)

    def target_of(self, row: Row) -> Variable | RPV:
        """Return the variable or RPV behind an alias, or the row itself."""
        while isinstance(row, Alias):
            row = self.row(row.target)
        return row

    def enum_of(self, row: Row) -> EmbeddedEnum | None:
        """Return the names of a row's values; an alias has its target's unless it brings its own."""
        return row.enum or self.target_of(row).enum

    def _member(self, row: Row, name: str) -> int:
        enum = self.enum_of(row)
        if enum is None or name not in enum.vals:
            members = "nothing: it has no enum" if enum is None else ", ".join(enum.vals)
            raise BadEnumError(f"{name!r} is no value of {row.path}; expected one of {members}")
        return enum.vals[name]

    # The server's side

    def read(self, row: Row) -> Reading:
        """Return what a server reads."""
        target = self.target_of(row)
        if isinstance(target, Variable) and self._touches(self.profile.forbidden, target):
            return Reading(None, None, ValueStatus.ForbiddenRegion)
        reading = self._load(target)
        if isinstance(row, Alias) and reading.value is not None:
            return attrs.evolve(reading, value=row.to_user(reading.value))
        return reading

    def write(self, row: Row, value: bool | float) -> Reading:
        """Store a value and return it as the server then believes it: in range, but not yet rounded.

        :raises WriteRefused: if the device does not take it.
        """
        target = self.target_of(row)
        if isinstance(target, Variable):
            self._check_may_write(target)
        wanted = row.to_target(value) if isinstance(row, Alias) else value
        try:
            written = fit_value(target.datatype, wanted, getattr(target, "bitsize", None))
            self._store(target, written)
        except (ValueError, OverflowError) as exc:
            # A real server ends here (a float32 beyond its range, 0.16.0, observed); we only refuse.
            raise WriteRefused("Failed to encode") from exc
        is_whole = isinstance(target, Variable) and target.bitsize is None
        return Reading(written, self._load(target).data if is_whole else None)

    def _check_may_write(self, target: Variable) -> None:
        regions = (*self.profile.forbidden, *self.profile.readonly)
        if not self.features.memory_write or self._touches(regions, target):
            raise WriteRefused("Not allowed")

    @staticmethod
    def _touches(regions: tuple[MemoryRegion, ...], variable: Variable) -> bool:
        end = variable.address + variable.datatype.get_size_bit() // 8 - 1
        return any(region.start <= end and variable.address <= region.end for region in regions)

    # Where values lie

    def _load(self, target: Variable | RPV) -> Reading:
        if isinstance(target, RPV):
            return Reading(self._rpvs[target.rpvid])
        data = self.memory.read(target.address, target.datatype.get_size_bit() // 8)
        value = decode_value(target.datatype, data, is_big_endian=self.memory.is_big_endian)
        if target.bitoffset is not None and target.bitsize is not None:
            field = extract_bits(int(value), target.bitoffset, target.bitsize)
            value = field != 0 if target.datatype.is_bool() else field
        return Reading(value, data)

    def _store(self, target: Variable | RPV, value: bool | float) -> None:
        bitsize = None if isinstance(target, RPV) else target.bitsize
        value = fit_value(target.datatype, value, bitsize)
        is_big_endian = self.memory.is_big_endian
        if isinstance(target, RPV):
            data = encode_value(target.datatype, value, is_big_endian=is_big_endian)
            self._rpvs[target.rpvid] = decode_value(target.datatype, data, is_big_endian=is_big_endian)
            return
        if target.bitoffset is not None and bitsize is not None:
            self.memory.write_bits(
                target.address, target.datatype.get_size_bit() // 8, (target.bitoffset, bitsize), int(value)
            )
            return
        self.memory.write(target.address, encode_value(target.datatype, value, is_big_endian=is_big_endian))
