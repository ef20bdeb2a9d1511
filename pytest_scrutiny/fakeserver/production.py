"""What a firmware has that is made for the bench: a power-up sequence to start, an EEPROM to order about.

Two jobs that the documentation of Scrutiny's SDK shows too, in a firmware of our own.

Power-up: ``/sequencer/start`` brings two rails up, then a module behind them; ``/sequencer/phase`` tells how
far it is, ``/io/…`` what the board's inputs see. A step that is not done in ``/sequencer/limit_ms`` fails.

End of line: whoever writes ``/eeprom/address``, ``/eeprom/size`` and, last, ``/eeprom/command`` lets the
firmware carry out the command; it is done when the command is NONE again, and ``/eeprom/result`` tells how it
went. Data pass through a buffer in RAM, at ``/eeprom/buffer_address``.

Rule 1: all of it lies in the device's memory, so that it lives in the emulated device of a real server too.

PYTEST_DONT_REWRITE
"""

import math

import attrs

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.rows import Alias, Profile, Variable
from pytest_scrutiny.model.values import EmbeddedDataType as DataType
from pytest_scrutiny.model.values import EmbeddedEnum

PHASES = EmbeddedEnum("Phase", {"OFF": 0, "RAILS": 1, "MODULE": 2, "READY": 3, "FAILED": 4})
COMMANDS = EmbeddedEnum("EepromCommand", {"NONE": 0, "READ": 1, "WRITE": 2, "WRITE_HEADER": 3, "ERASE": 4})

SETTLING_TIME = 0.03
"""Seconds in which a rail comes 63 % nearer to where it is going."""
MODULE_BOOT_MS = 40
"""Milliseconds from the module's power to its word that it is ready."""

BUSY, DONE, NO_SUCH_COMMAND, OUTSIDE_CHIP, OUTSIDE_BUFFER = -1, 0, 1, 2, 3
"""What ``/eeprom/result`` can be."""

HEADER_ADDRESS, HEADER_SIZE = 0x1E30, 8
BUFFER_ADDRESS, BUFFER_SIZE = 0x1E40, 0x40
CHIP_ADDRESS, CHIP_SIZE = 0x1F00, 0x100
"""A chip of 2 kbit. No variable lies in it: on a board it hangs on a bus, out of the server's reach."""

VARIABLES = (
    Variable("/sequencer/start", DataType.bool8, 0x1E00),
    Variable("/sequencer/phase", DataType.uint8, 0x1E01, enum=PHASES),
    Variable("/sequencer/phase_ms", DataType.float32, 0x1E04),
    Variable("/sequencer/limit_ms", DataType.float32, 0x1E08, initial=500),
    Variable("/io/rails_good", DataType.bool8, 0x1E0C),
    Variable("/io/module_ready", DataType.bool8, 0x1E0D),
    Variable("/io/rail_5v", DataType.float32, 0x1E10),
    Variable("/io/rail_12v", DataType.float32, 0x1E14),
    Variable("/eeprom/command", DataType.uint8, 0x1E18, enum=COMMANDS),
    Variable("/eeprom/result", DataType.sint32, 0x1E1C),
    Variable("/eeprom/address", DataType.uint32, 0x1E20),
    Variable("/eeprom/size", DataType.uint32, 0x1E24),
    Variable("/eeprom/chip_size", DataType.uint16, 0x1E28, initial=CHIP_SIZE),
    Variable("/eeprom/buffer_size", DataType.uint16, 0x1E2A, initial=BUFFER_SIZE),
    Variable("/eeprom/buffer_address", DataType.uint32, 0x1E2C, initial=BUFFER_ADDRESS),
    Variable("/eeprom/header/model", DataType.uint8, HEADER_ADDRESS),
    Variable("/eeprom/header/version", DataType.uint8, HEADER_ADDRESS + 1),
    Variable("/eeprom/header/revision", DataType.uint8, HEADER_ADDRESS + 2),
    Variable("/eeprom/header/serial", DataType.uint32, HEADER_ADDRESS + 4),
)
ALIASES = tuple(Alias(f"/alias{row.path}", row.path) for row in VARIABLES)


def settle_rails(device: SimulatedDevice, before: float, now: float) -> None:
    """Bring the rails nearer to where they are going, and let the board's inputs see it."""
    is_on = device.get("/sequencer/phase") in (1, 2, 3)
    is_good = True
    for path, nominal in (("/io/rail_5v", 5.0), ("/io/rail_12v", 12.0)):
        goal = nominal if is_on else 0.0
        level = goal + (device.get(path) - goal) * math.exp((before - now) / SETTLING_TIME)
        device.set(path, level)
        is_good = is_good and level > 0.97 * nominal
    device.set("/io/rails_good", is_good)
    is_booted = device.get("/sequencer/phase_ms") >= MODULE_BOOT_MS
    device.set("/io/module_ready", device.get("/sequencer/phase") in (2, 3) and is_booted)


def run_sequencer(device: SimulatedDevice, before: float, now: float) -> None:
    """Go on to the next phase as soon as the inputs allow it."""
    phase = PHASES.get_first_value_name_match(int(device.get("/sequencer/phase")))
    waited_ms = device.get("/sequencer/phase_ms") + (now - before) * 1000
    following = phase
    if not device.get("/sequencer/start"):
        following = "OFF"
    elif phase == "OFF":
        following = "RAILS"
    elif phase == "RAILS" and device.get("/io/rails_good"):
        following = "MODULE"
    elif phase == "MODULE" and device.get("/io/module_ready"):
        following = "READY"
    elif phase in ("RAILS", "MODULE") and waited_ms > device.get("/sequencer/limit_ms"):
        following = "FAILED"
    if following is not None and following != phase:
        device.set("/sequencer/phase", following)
        # The module goes on running from one phase to the next.
        waited_ms = waited_ms if following == "READY" else 0.0
    device.set("/sequencer/phase_ms", waited_ms)


def serve_eeprom(device: SimulatedDevice, _before: float, _now: float) -> None:
    """Take a command, and carry it out in the next round: a chip takes its time."""
    command = COMMANDS.get_first_value_name_match(int(device.get("/eeprom/command")))
    if command == "NONE":
        return
    if device.get("/eeprom/result") != BUSY:
        device.set("/eeprom/result", BUSY)
        return
    device.set("/eeprom/result", _carry_out(device, command))
    device.set("/eeprom/command", "NONE")


def _carry_out(device: SimulatedDevice, command: str | None) -> int:
    """Do what a command says, and return how it went."""
    address, size = int(device.get("/eeprom/address")), int(device.get("/eeprom/size"))
    if command == "ERASE":
        address, size = 0, CHIP_SIZE
    elif command == "WRITE_HEADER":
        size = HEADER_SIZE
    if address + size > CHIP_SIZE:
        return OUTSIDE_CHIP
    if command in ("READ", "WRITE") and size > BUFFER_SIZE:
        return OUTSIDE_BUFFER
    match command:
        case "READ":
            device.memory.write(BUFFER_ADDRESS, read_chip(device, address, size))
        case "WRITE":
            _burn(device, address, device.memory.read(BUFFER_ADDRESS, size))
        case "WRITE_HEADER":
            _burn(device, address, device.memory.read(HEADER_ADDRESS, size))
        case "ERASE":
            _burn(device, address, b"\xff" * size)
        case _:
            return NO_SUCH_COMMAND
    return DONE


def read_chip(device: SimulatedDevice, address: int = 0, size: int = CHIP_SIZE) -> bytes:
    """Return what is on the chip; one that nobody wrote to is erased, all 0xFF."""
    return _inverted(device.memory.read(CHIP_ADDRESS + address, size))


def _burn(device: SimulatedDevice, address: int, data: bytes) -> None:
    device.memory.write(CHIP_ADDRESS + address, _inverted(data))


def _inverted(data: bytes) -> bytes:
    """Return the bytes as the memory has them: its zeros at power-on are an erased chip's ones."""
    return bytes(byte ^ 0xFF for byte in data)


def equip(profile: Profile) -> Profile:
    """Return a device with the sequence and the EEPROM besides what it is and does."""
    return attrs.evolve(
        profile,
        variables=(*profile.variables, *VARIABLES),
        aliases=(*profile.aliases, *ALIASES),
        behaviours=(*profile.behaviours, settle_rails, run_sequencer, serve_eeprom),
    )
