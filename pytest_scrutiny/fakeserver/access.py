"""The commands that reach into the device: its memory, byte by byte, and the firmware's user commands.

An access of memory is answered at once with a token; how it ended is told later, to its requester only. A
user command has one reply, once the device has answered.

PYTEST_DONT_REWRITE
"""

import base64
import binascii
import uuid
from collections.abc import Callable, Mapping

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.rows import Variable
from pytest_scrutiny.fakeserver.state import Command, Job, Refused, Request, State
from pytest_scrutiny.model.memory import MemoryCompletion
from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.protocol.command import decode_user_command, encode_user_command
from pytest_scrutiny.protocol.memory import (
    READ_COMPLETE,
    WRITE_COMPLETE,
    decode_read_memory,
    decode_write_memory,
    encode_memory_completion,
    encode_memory_reply,
)
from pytest_scrutiny.protocol.write import decode_write_data, decode_write_path, encode_write_single_reply

UNREACHABLE = "Stopping communication with device"


class AccessRefused(Exception):
    """The access does not take place; the text is the server's ``detail_msg``."""


def settle_jobs(state: State, now: float) -> None:
    """Let the device do what waits for it, if it answers at all."""
    while state.jobs and state.link.is_answering:
        state.jobs.pop(0).run(now)


def fail_jobs(state: State, now: float) -> None:
    """End all that waits: its device is gone."""
    while state.jobs:
        state.jobs.pop(0).fail(now)


def read_memory(request: Request) -> Mapping[str, object]:
    """Read bytes."""
    address, size = decode_read_memory(request)
    if address < 0 or size <= 0:
        raise Refused("Invalid address or size")
    return _begin(request, READ_COMPLETE, lambda device: _read(device, address, size))


def write_memory(request: Request) -> Mapping[str, object]:
    """Write bytes."""
    address, text = decode_write_memory(request)
    data = _base64(text)
    if address < 0 or not data:
        raise Refused("Invalid address or data")

    def write(device: SimulatedDevice) -> None:
        _write(device, address, data)

    return _begin(request, WRITE_COMPLETE, write)


def _begin(
    request: Request, name: str, access: Callable[[SimulatedDevice], bytes | None]
) -> Mapping[str, object]:
    """Queue an access and return its token; ``name`` is that of the push that tells its end."""
    state, token = request.state, uuid.uuid4().hex

    def tell(now: float, *, data: bytes | None = None, detail: str = "") -> None:
        completion = MemoryCompletion(token, not detail, data, detail, state.stamp(now))
        fields = encode_memory_completion(completion, state.dialect, is_read=name == READ_COMPLETE)
        request.client.push(name, fields)

    def run(now: float) -> None:
        try:
            data = access(state.device)
        except AccessRefused as exc:
            tell(now, detail=str(exc))
        else:
            tell(now, data=data)

    def fail(now: float) -> None:
        tell(now, detail=UNREACHABLE)

    _queue(state, Job(run, fail), request.now)
    return encode_memory_reply(token)


def _read(device: SimulatedDevice, address: int, size: int) -> bytes:
    if touches(device.profile.forbidden, address, size):
        raise AccessRefused("Forbidden region")
    try:
        return device.memory.read(address, size)
    except LookupError as exc:  # where real firmware may crash, the fake only refuses
        raise AccessRefused("Device refused the request") from exc


def _write(device: SimulatedDevice, address: int, data: bytes) -> None:
    if not device.features.memory_write or touches(device.profile.forbidden, address, len(data)):
        raise AccessRefused("Forbidden")
    if touches(device.profile.readonly, address, len(data)):
        raise AccessRefused("Read only")
    try:
        device.memory.write(address, data)
    except LookupError as exc:
        raise AccessRefused("Device refused the request") from exc


def write_single_watchable_by_data(request: Request) -> None:
    """Write one variable's bytes by its path, zeros before too few; the reply comes when that has ended."""
    state, path, data = request.state, decode_write_path(request), decode_write_data(request)
    entry = state.watchables.find(path)
    if entry is None:
        raise Refused(f"Unknown watchable ID {path}")
    given, target = _base64(data), entry.target
    if not given:
        raise Refused('"data" field is not valid')
    address = entry.address(state.dialect)
    if address is None or not isinstance(target, Variable):
        raise Refused(f"No memory address tied to watchable {path}")
    size = target.size
    if len(given) > size:
        raise Refused(f"Data too long. {size} required, got {len(given)}")

    def reply(reason: str = "") -> None:
        request.reply(encode_write_single_reply(state.dialect, success=not reason, reason=reason))

    def run(_now: float) -> None:
        try:
            _write(state.device, address, given.rjust(size, b"\0"))
        except AccessRefused as exc:
            reply(str(exc))
        else:
            reply()

    _queue(state, Job(run, lambda _now: reply(UNREACHABLE)), request.now)


def _queue(state: State, job: Job, now: float) -> None:
    """Let a job wait for the device; without one it has failed already."""
    state.jobs.append(job)
    if not state.link.is_ready:
        fail_jobs(state, now)


def touches(regions: tuple[MemoryRegion, ...], address: int, size: int) -> bool:
    """Return whether a range shares an address with one of the regions."""
    return any(region.start < address + size and address <= region.end for region in regions)


def user_command(request: Request) -> None:
    """Let the firmware answer a command of its own."""
    subfunction, text = decode_user_command(request)
    data = _base64(text)
    if not 0 <= subfunction <= 255:
        raise Refused("Invalid subfunction")
    _check_can_command(request, data)

    def run(_now: float) -> None:
        answer = request.state.device.profile.user_command
        assert answer is not None  # checked when the request came
        try:
            request.reply(encode_user_command(subfunction, answer(subfunction, data)))
        except LookupError:
            request.refuse("Device responded with code FailureToProceed")

    def fail(_now: float) -> None:
        request.refuse("Request failed")

    request.state.jobs.append(Job(run, fail))


def _check_can_command(request: Request, data: bytes) -> None:
    """Refuse what the device cannot do; a server before 0.16 has no words for it."""
    state, reason = request.state, ""
    if not state.link.is_ready:
        reason = "The connection to the device is not fully ready"
    elif not state.device.features.user_command or state.device.profile.user_command is None:
        reason = "The device does not support the user command feature"
    elif len(data) > state.device.describe(None).max_rx_data_size:
        reason = "The payload does not fit in the device receive buffer"
    if reason:
        tells = state.dialect.tells_why_no_command
        raise Refused(f"Failed to request User Command: {reason}" if tells else "Internal error")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise Refused("Given data is not a valid base64 data") from exc


COMMANDS: Mapping[str, Command] = {
    "read_memory": read_memory,
    "write_memory": write_memory,
    "user_command": user_command,
    "write_single_watchable_by_data": write_single_watchable_by_data,
}
