"""What passes between a server and its device: a value that is read, a value that is written.

Rule 1: only what the device's features and regions allow; the bench's side is in device.py.
Rule 2: what servers do wrong is done wrong here too, each with a comment that says so: a test that passes on
    the fake must not fail on hardware for a reason that one server has.
Rule 3: what lies behind a pointer lies where the *server* believes: at what it last read of the pointer. That
    is ``base``: None if it has read nothing yet, 0 if the pointer is null.

Source: scrutinydebugger 0.16.0, core/variable.py and core/alias.py; server/device/submodules/memory_reader.py
and memory_writer.py. All of it was observed, on the releases that the comments name.

PYTEST_DONT_REWRITE
"""

import attrs

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.memory import decode_value, extract_bits, fit_value
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Row, Variable
from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.model.values import EmbeddedDataType, ValueStatus
from pytest_scrutiny.protocol.dialect import Dialect


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


class Exchange:
    """One server's way to the values of its device."""

    def __init__(self, device: SimulatedDevice, dialect: Dialect) -> None:
        self._device = device
        self._dialect = dialect

    def knows(self, datatype: EmbeddedDataType) -> bool:
        """Return whether firmware descriptions made for this release have a word for a datatype."""
        if datatype.is_bool() and self._dialect.bool_word == "boolean":
            return datatype is EmbeddedDataType.bool8
        return self._dialect.knows_pointers or not datatype.is_pointer()

    def read(self, row: Row, base: int | None = None) -> Reading:
        """Return what a server reads.

        :raises LookupError: if there is no memory; the device refuses, and a server tells nobody anything.
        """
        target = self._device.target_of(row)
        reading = (
            Reading(self._device.rpv(target.rpvid))
            if isinstance(target, RPV)
            else self._read_variable(target, base)
        )
        return self.through_alias(row, reading) if isinstance(row, Alias) else reading

    def _read_variable(self, variable: Variable, base: int | None) -> Reading:
        if variable.pointer is not None and not base:
            return Reading(None, None, ValueStatus.NullPtrDereferenced)
        address = variable.address + (base or 0)
        if self._touches(self._device.profile.forbidden, variable, address):
            return Reading(None, None, ValueStatus.ForbiddenRegion)
        data = self._device.memory.read(self._truncated(address), variable.size)
        return Reading(self._decode(variable, data), data)

    def _decode(self, variable: Variable, data: bytes) -> bool | float:
        memory = self._device.memory
        if variable.bitoffset is None or variable.bitsize is None:
            return decode_value(variable.datatype, data, is_big_endian=memory.is_big_endian)
        first = variable.bitoffset
        if memory.is_big_endian and self._dialect.counts_bits_from_the_top:
            # From 0.14.1 on a big-endian device's bits are read from the top, and written from the bottom.
            first = variable.datatype.get_size_bit() - first - variable.bitsize
        field = extract_bits(int.from_bytes(data, memory.byte_order), first, variable.bitsize)
        return field != 0 if variable.datatype.is_bool() else field

    def through_alias(self, alias: Alias, reading: Reading) -> Reading:
        """Return what a server makes of its target's reading."""
        if reading.value is None:
            # Why there is none does not get through (0.12.0 to 0.16.0).
            return attrs.evolve(reading, status=ValueStatus.ServerSetInvalidWithoutReason)
        if self._dialect.alias_gives_floats:
            # Of whole numbers, true and false too, and with what a float loses of them (0.1.0 to 0.5.2).
            return attrs.evolve(reading, value=alias.to_user(float(reading.value)) + 0.0)
        return attrs.evolve(reading, value=alias.to_user(reading.value))

    def write(self, row: Row, value: bool | float, base: int | None = None) -> Reading:
        """Store a value and return its target's as the server then believes it: in range, not yet rounded.

        :raises WriteRefused: if the device does not take it.
        """
        target = self._device.target_of(row)
        if isinstance(row, Alias):
            value = row.to_target(float(value) if self._dialect.alias_gives_floats else value)
        if isinstance(target, RPV):
            return self._write_rpv(target, value)
        if target.pointer is not None and not base:
            raise WriteRefused("Not allowed")
        address = target.address + (base or 0)
        regions = (*self._device.profile.forbidden, *self._device.profile.readonly)
        if not self._device.features.memory_write or self._touches(regions, target, address):
            raise WriteRefused("Not allowed")
        return self._write_variable(target, self._truncated(address), value)

    def _write_rpv(self, target: RPV, value: bool | float) -> Reading:
        try:
            written = fit_value(target.datatype, value)
            self._device.store_rpv(target, written)
        except (ValueError, OverflowError) as exc:
            raise _not_encoded() from exc
        return Reading(written)

    def _write_variable(self, target: Variable, address: int, value: bool | float) -> Reading:
        try:
            written = fit_value(target.datatype, value, target.bitsize)
            # A true bool is 1, wherever its bit is: only a word's lowest bit can be set (0.1.0 to 0.16.0).
            is_lost = target.datatype.is_bool() and target.bitoffset
            self._device.store(target, address, False if is_lost else written)
        except (ValueError, OverflowError) as exc:
            raise _not_encoded() from exc
        except LookupError as exc:  # where real firmware may crash, the fake only refuses
            raise WriteRefused("Refused by the device") from exc
        is_whole = target.bitsize is None
        data = self._device.memory.read(address, target.size) if is_whole else None
        return Reading(written, data)

    def _touches(self, regions: tuple[MemoryRegion, ...], variable: Variable, address: int) -> bool:
        place = MemoryRegion(address, variable.size)
        return any(region.touches(place) for region in regions)

    def _truncated(self, address: int) -> int:
        # A pointer may hold more bits than the device's addresses have; the protocol drops them.
        return address & ((1 << self._device.profile.address_size_bits) - 1)


def _not_encoded() -> WriteRefused:
    # A real server ends here (a float32 beyond its range, 0.16.0, observed); we only refuse.
    return WriteRefused("Failed to encode")
