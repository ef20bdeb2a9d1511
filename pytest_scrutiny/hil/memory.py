"""The device's memory as a test uses it: slices, bytes, structures; writes are put back after the test."""

import struct
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_scrutiny.client.fit import as_bytes
from pytest_scrutiny.client.memory import check_whole
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.hil.journal import PutBack, WriteRecord

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device


class DeviceMemory:
    """The memory of a device, by address in bytes."""

    def __init__(self, device: "Device") -> None:
        self._device = device

    def __getitem__(self, place: slice) -> bytes:
        """Return the bytes from ``start`` up to and without ``stop``.

        :raises TypeError: if it is no slice with both ends and without a step.
        :raises OperationFailure: if a region forbids it, or the device refuses.
        """
        match place:
            case slice(start=int(start), stop=int(stop), step=None):
                return self.read(start, stop - start)
        raise TypeError(f"memory[{place!r}] is no range; expected both ends, like memory[0x1000:0x1010]")

    def __setitem__(self, place: object, data: object) -> NoReturn:
        """Refuse what looks like a write and is none.

        :raises TypeError: always.
        """
        address = place.start if isinstance(place, slice) else place
        shown = f"{address:#x}" if isinstance(address, int) else repr(address)
        raise TypeError(f"memory is not set like this; write: memory.write({shown}, {data!r})")

    def read(self, address: int, size: int, timeout: float | None = None) -> bytes:
        """Return ``size`` bytes; any size.

        :param timeout: seconds for all of it; None takes the client's for each piece.
        """
        check_whole("address", address)
        return self._device.guarded(
            lambda: self._device.raw.read_memory(address, size, timeout), f"memory at {address:#x} was read"
        )

    def write(self, address: int, data: bytes, timeout: float | None = None) -> None:
        """Write bytes and wait until they are in the device; they are put back after the test.

        :raises OperationFailure: if a region forbids it, or the device refuses.
        """
        check_whole("address", address)
        data = as_bytes(data)
        place = f"memory {address:#x} to {address + len(data) - 1:#x}"
        original, put_back = self.way_back(address, len(data), timeout)
        if self._device.journal is not None:
            self._device.journal.record(place, original.hex(" "), put_back)
        self._device.guarded(
            lambda: self._device.raw.write_memory(address, data, timeout),
            f"memory at {address:#x} was written",
        )
        self._device.writes.append(WriteRecord(monotonic(), place, original.hex(" "), data.hex(" ")))

    def way_back(self, address: int, size: int, timeout: float | None = None) -> tuple[bytes, PutBack]:
        """Return the present bytes, and what puts them back; after a reset it does nothing.

        :raises OperationFailure: if a region forbids to read them, or the device refuses.
        """
        original, session_id = self.read(address, size, timeout), self._device.session_id

        def put_back(limit: float | None) -> None:
            if self._device.session_id != session_id:
                return  # after a reset the memory is another one, and so may the firmware be
            try:
                self._device.raw.write_memory(address, original, limit)
            except OperationFailure:
                if self._device.raw.read_memory(address, len(original), limit) != original:
                    raise

        return original, put_back

    def read_struct(self, address: int, layout: str, timeout: float | None = None) -> tuple[Any, ...]:
        """Return the values of a structure.

        :param layout: as for the module ``struct``; begin it with ``<`` or ``>``, the device's byte order.
        :raises ValueError: if the layout is none, or does not say the byte order.
        """
        if not isinstance(layout, str):
            raise TypeError(
                f"layout {layout!r} is no string; expected one as for the module struct, like '<If'"
            )
        if layout[:1] not in ("<", ">"):
            raise ValueError(
                f"layout {layout!r} does not say the byte order; expected it to begin with '<' or '>'"
            )
        try:
            size = struct.calcsize(layout)
        except struct.error as exc:
            raise ValueError(f"layout {layout!r} is none ({exc}); expected one of the module struct") from exc
        return struct.unpack(layout, self.read(address, size, timeout))
