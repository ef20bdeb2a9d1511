"""Reading and writing the device's memory, and user commands.

Rule 1: what a region forbids is refused here, by its name: a server lets a read run into a border, and an
    unmapped address behind it can end the firmware.
Rule 2: any size works. Servers up to 0.11 lose the device over a read whose answer is larger than the device
    can send (0.4.1 to 0.11.3, observed), so it is split here, for all of them: later ones split it as well.

PYTEST_DONT_REWRITE
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.fit import as_bytes
from pytest_scrutiny.client.request import Message
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.status import StatusBoard
from pytest_scrutiny.client.tokens import TokenInbox
from pytest_scrutiny.client.write import Completed
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.model.link import DeviceLinkType
from pytest_scrutiny.model.memory import MemoryCompletion, UserCommandResponse
from pytest_scrutiny.model.status import DeviceInfo, MemoryRegion
from pytest_scrutiny.protocol.command import USER_COMMAND, decode_user_command_reply, encode_user_command
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.memory import (
    READ_COMPLETE,
    READ_MEMORY,
    WRITE_COMPLETE,
    WRITE_MEMORY,
    decode_memory_completion,
    decode_memory_reply,
    encode_read_memory,
    encode_write_memory,
)

FRAME_OVERHEAD = 16
"""Bytes of a device's message that are not data: 2 + 8 for a block's size and a 64-bit address, and what the
emulated device counts besides (0.3.0 to 0.16.0, observed)."""

EMULATED_OVERHEAD = 8
"""Bytes of header and CRC, which a server's own emulated device counts into its buffer, unlike the firmware
library. Over a larger request it falls silent, and its session ends (0.1.0 to 0.16.0, observed)."""

SMALLEST_BUFFER = 32
"""Bytes: what the firmware library lets its users choose at least."""


class MemoryBoard:
    """The memory accesses under way on one connection.

    :param on_write: called after each write, on the reader thread with the lock held.
    """

    def __init__(self, session: Session, on_write: Completed = lambda *_: None) -> None:
        self._inbox: TokenInbox[MemoryCompletion] = TokenInbox(session)
        self._on_write = on_write
        session.handlers[READ_COMPLETE] = session.handlers[WRITE_COMPLETE] = self._digest

    def access(self, command: str, fields: Mapping[str, object], deadline: Deadline, what: str) -> bytes:
        """Return what was read; ``b""`` for a write.

        :param what: what is accessed, for error texts.
        """
        [completion] = self._inbox.run(
            command, fields, decode_memory_reply, deadline, count=1, what=f"{what} was not done"
        )
        if not completion.success:
            raise OperationFailure(
                f"{what} failed: {completion.detail or 'the server gives no reason'}; "
                "check the address and that the device is connected and allows it",
                command,
                completion.detail,
            )
        return completion.data or b""

    def _digest(self, message: Message) -> None:
        completion = decode_memory_completion(Fields(message, message["cmd"]))
        if completion.success and message["cmd"] == WRITE_COMPLETE:
            self._on_write(None, completion.server_time_us, None)  # it may have been any value's memory
        self._inbox.put(completion.token, completion)


class _Client(Protocol):
    """What the memory commands need of the client that inherits them."""

    timeout: float

    @property
    def session(self) -> Session: ...

    @property
    def board(self) -> StatusBoard: ...

    @property
    def memory(self) -> MemoryBoard: ...


class MemoryCommands:
    """The doors of ScrutinyClient to the device's memory and to user commands."""

    def read_memory(self: _Client, address: int, size: int, timeout: float | None = None) -> bytes:
        """Return ``size`` bytes of the device's memory.

        :param timeout: seconds for all of it; None takes the client's for each piece that is sent at once.
        :raises ValueError: if the range is none of the device's address space.
        :raises OperationFailure: if a region forbids it, or the device or the server refuses.
        :raises TimeoutException: if it is not done in time.
        """
        device = _device_of(self.board, READ_MEMORY)
        check_range(address, size, device)
        check_regions(READ_MEMORY, address, size, device.forbidden_memory_regions, "forbidden")
        deadline = _deadlines(timeout, self.timeout)
        pieces = [
            self.memory.access(
                READ_MEMORY,
                encode_read_memory(start, count),
                deadline(),
                f"reading {count} bytes at {start:#x}",
            )
            for start, count in split(address, size, device.max_tx_data_size)
        ]
        return b"".join(pieces)

    def write_memory(self: _Client, address: int, data: bytes, timeout: float | None = None) -> None:
        """Write bytes into the device's memory and wait until they are there.

        :param timeout: seconds for all of it; None takes the client's for each piece that is sent at once.
        :raises ValueError: if there is no data, or the range is none of the device's address space.
        :raises OperationFailure: if a region forbids it, or the device or the server refuses.
        :raises TimeoutException: if it is not done in time.
        """
        data = as_bytes(data)
        device = _device_of(self.board, WRITE_MEMORY)
        check_range(address, len(data), device)
        check_regions(WRITE_MEMORY, address, len(data), device.forbidden_memory_regions, "forbidden")
        check_regions(WRITE_MEMORY, address, len(data), device.readonly_memory_regions, "read-only")
        deadline = _deadlines(timeout, self.timeout)
        for start, count in split(address, len(data), device.max_rx_data_size):
            piece = data[start - address : start - address + count]
            what = f"writing {count} bytes at {start:#x}"
            self.memory.access(WRITE_MEMORY, encode_write_memory(start, piece), deadline(), what)

    def user_command(
        self: _Client, subfunction: int, data: bytes = b"", timeout: float | None = None
    ) -> UserCommandResponse:
        """Return what the firmware answers to a user command.

        :param subfunction: 0 to 255; its meaning is the firmware's own.
        :raises ValueError: if it is out of range, or the data does not fit the device's receive buffer.
        :raises OperationFailure: if the firmware handles no user commands, or refuses this one.
        """
        if isinstance(subfunction, bool) or not isinstance(subfunction, int):
            raise TypeError(f"subfunction {subfunction!r} is no whole number; expected 0 to 255")
        if not 0 <= subfunction <= 255:
            raise ValueError(f"subfunction {subfunction} is out of range; expected 0 to 255")
        data = as_bytes(data)
        device = _device_of(self.board, USER_COMMAND)
        largest = _largest_command(self.board, device)
        if len(data) > largest:
            raise ValueError(
                f"{len(data)} bytes do not fit the device's receive buffer; "
                f"expected {largest} at most. Send them in pieces."
            )
        if not device.supported_features.user_command:
            reason = "the firmware has no user command callback"
            raise OperationFailure(
                f"user command {subfunction} failed: {reason}; expected the feature user_command. "
                "Mark the test @requires.user_command, or set a callback in the firmware.",
                USER_COMMAND,
                reason,
            )
        deadline = Deadline(self.timeout if timeout is None else check_timeout(timeout))
        fields = encode_user_command(subfunction, data)
        return self.session.request(USER_COMMAND, fields, decode_user_command_reply, deadline)


def _device_of(board: StatusBoard, command: str) -> DeviceInfo:
    device = None if board.latest is None else board.latest.device
    if device is None:
        reason = "no device is connected to the server"
        raise OperationFailure(f"{command} failed: {reason}; wait until one is ready", command, reason)
    return device


def _largest_command(board: StatusBoard, device: DeviceInfo) -> int:
    """Return how many bytes of data a user command may have."""
    link = None if board.latest is None else board.latest.device_link
    if link is not None and link.type is DeviceLinkType.Dummy:
        return device.max_rx_data_size - EMULATED_OVERHEAD
    return device.max_rx_data_size


def _deadlines(timeout: float | None, default: float) -> Callable[[], Deadline]:
    """Return what gives each piece its deadline: one for all if the caller set a time, else one each."""
    if timeout is None:
        return lambda: Deadline(default)
    shared = Deadline(check_timeout(timeout))
    return lambda: shared


def check_whole(name: str, number: object) -> None:
    """Refuse what is no whole number.

    :raises TypeError: naming it.
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} {number!r} is no whole number; expected one, for example 0x20000000")


def check_range(address: int, size: int, device: DeviceInfo) -> None:
    """Refuse a range that the device's address space cannot hold.

    :raises TypeError: if address or size is no whole number.
    :raises ValueError: if the range is empty, or leaves the address space.
    """
    check_whole("address", address)
    check_whole("size", size)
    if size < 1:
        raise ValueError(f"size {size} is out of range; expected 1 or more bytes")
    end = 1 << device.address_size_bits
    if address < 0 or address + size > end:
        raise ValueError(
            f"{size} bytes at {address:#x} leave the device's address space; "
            f"expected 0 to {end - 1:#x} ({device.address_size_bits} bits)"
        )


def check_regions(
    command: str, address: int, size: int, regions: tuple[MemoryRegion, ...], kind: str
) -> None:
    """Refuse a range that touches a region.

    :raises OperationFailure: naming the region.
    """
    for region in regions:
        if address <= region.end and region.start < address + size:
            reason = f"{kind} region {region.start:#x} to {region.end:#x}"
            raise OperationFailure(
                f"{command} of {size} bytes at {address:#x} failed: it touches the {reason}; "
                "choose another range",
                command,
                reason,
            )


def split(address: int, size: int, buffer_size: int) -> Iterator[tuple[int, int]]:
    """Yield ``(address, size)`` of pieces that fit a device's buffer."""
    piece = max(buffer_size, SMALLEST_BUFFER) - FRAME_OVERHEAD
    for start in range(address, address + size, piece):
        yield start, min(piece, address + size - start)
