"""A simulated device: rows of data, bytes in a memory, and plain functions that let time pass.

Rule 1: a device is data. What it offers are the rows of its profile; what it does are its behaviours.
Rule 2: no clock, thread or socket: whoever holds the device tells it what time it is.
Rule 3: the bench's side (``get``, ``set``) may do anything; the server's side (exchange.py) only what the
    device's features and regions allow.

PYTEST_DONT_REWRITE
"""

import difflib
import math
from collections.abc import Mapping

import attrs

from pytest_scrutiny.errors import BadEnumError, InvalidValueError, NameNotFoundError
from pytest_scrutiny.fakeserver.arrays import bare_path
from pytest_scrutiny.fakeserver.memory import (
    Memory,
    decode_value,
    encode_value,
    extract_bits,
    fit_value,
)
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Profile, Row, Variable
from pytest_scrutiny.fakeserver.soundness import check_profile
from pytest_scrutiny.model.status import DeviceInfo, SupportedFeatureMap
from pytest_scrutiny.model.values import EmbeddedEnum


class SimulatedDevice:
    """One device, alive.

    :ivar profile: what it is made of.
    :ivar features: what it can do; a server asks when it connects.
    :ivar memory: its bytes, without regard to regions.
    """

    def __init__(self, profile: Profile) -> None:
        check_profile(profile)
        self.profile = profile
        self.features = profile.features
        self.memory = Memory(profile.memory, is_big_endian=profile.is_big_endian)
        self._rpvs: dict[int, bool | float] = {}
        rows: tuple[Row, ...] = (*profile.rpvs, *profile.aliases, *profile.variables)
        self._rows: Mapping[str, Row] = {row.path: row for row in rows}
        self._arrays = {array.path: array for array in profile.arrays}
        self._lived_until: float | None = None
        pointers = [row.pointer for row in profile.variables]
        for pointer in (*pointers, *(array.pointer_of(0) for array in profile.arrays)):
            if pointer is not None:
                self.row(pointer)  # a wrong one is found here, not by whoever watches what is behind it
        self.reboot()

    def reboot(self) -> None:
        """Put every value back to where it starts."""
        for row in self._rows.values():
            if not isinstance(row, Alias):
                self._start(row)
        for array in self._arrays.values():
            for element in array.factory.element_paths():
                self._start(self.element(element))

    def _start(self, target: Variable | RPV) -> None:
        if isinstance(target, RPV) or target.pointer is None:
            self._store(target, target.initial)

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
            address_size_bits=self.profile.address_size_bits,
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
        """Return the value as it is in the device, whatever a server may see of it.

        :raises InvalidValueError: if it is behind a null pointer.
        """
        row = self.row(path)
        target = self.target_of(row)
        value = self._rpvs[target.rpvid] if isinstance(target, RPV) else self._load(target)
        return row.to_user(value) if isinstance(row, Alias) else value

    def set(self, path: str, value: float | str) -> None:
        """Change a value in the device, as the world around it would; a float may become NaN or infinite.

        :param value: or the name of an enum's member.
        :raises ValueError: if it is not finite, and the value no float.
        :raises BadEnumError: if there is no such member.
        :raises InvalidValueError: if it is behind a null pointer.
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
        return Variable(
            path,
            array.datatype,
            array.address_of(number),
            array.initial[number] if number < len(array.initial) else 0,
            array.enum,
            pointer=array.pointer_of(number),
        )

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

    # Where values lie

    def _address(self, variable: Variable) -> int:
        if variable.pointer is None:
            return variable.address
        base = int(self.get(variable.pointer))
        if base == 0:
            raise InvalidValueError(f"{variable.path} has no value: {variable.pointer} is null")
        return base + variable.address

    def _load(self, variable: Variable) -> bool | float:
        data = self.memory.read(self._address(variable), variable.size)
        value = decode_value(variable.datatype, data, is_big_endian=self.memory.is_big_endian)
        if variable.bitoffset is None or variable.bitsize is None:
            return value
        word = int.from_bytes(data, self.memory.byte_order)
        field = extract_bits(word, variable.bitoffset, variable.bitsize)
        if variable.datatype.is_signed() and field >> variable.bitsize - 1:
            field -= 1 << variable.bitsize  # the firmware knows its sign
        return field != 0 if variable.datatype.is_bool() else field

    def _store(self, target: Variable | RPV, value: bool | float) -> None:
        if math.isfinite(value) or not target.datatype.is_float():
            value = fit_value(target.datatype, value, getattr(target, "bitsize", None))
        if isinstance(target, RPV):
            self.store_rpv(target, value)
            return
        self.store(target, self._address(target), value)

    def rpv(self, rpvid: int) -> bool | float:
        """Return an RPV's value."""
        return self._rpvs[rpvid]

    def store_rpv(self, target: RPV, value: bool | float) -> None:
        """Change an RPV's value, rounded as its datatype does; it must fit.

        :raises OverflowError: if it does not.
        """
        self._rpvs[target.rpvid] = decode_value(target.datatype, encode_value(target.datatype, value))

    def store(self, variable: Variable, address: int, value: bool | float) -> None:
        """Change a variable's bytes, or bits, at an address; the value must fit.

        :raises OverflowError: if it does not.
        :raises LookupError: if there is no memory.
        """
        if variable.bitoffset is not None and variable.bitsize is not None:
            field = (variable.bitoffset, variable.bitsize)
            self.memory.write_bits(address, variable.size, field, int(value))
            return
        data = encode_value(variable.datatype, value, is_big_endian=self.memory.is_big_endian)
        self.memory.write(address, data)
