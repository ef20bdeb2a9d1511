"""The firmware for the bench by itself: its power-up sequence, and its EEPROM."""

import itertools

import pytest

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.production import (
    BUFFER_ADDRESS,
    BUFFER_SIZE,
    BUSY,
    CHIP_ADDRESS,
    CHIP_SIZE,
    DONE,
    HEADER_ADDRESS,
    NO_SUCH_COMMAND,
    OUTSIDE_BUFFER,
    OUTSIDE_CHIP,
    read_chip,
)
from pytest_scrutiny.fakeserver.profiles import make_device

ERASED = b"\xff" * CHIP_SIZE


class Board:
    """A board whose clock the test moves, a round of the firmware's main loop at a time."""

    def __init__(self) -> None:
        self.device: SimulatedDevice = make_device("production")
        self._clock = itertools.count()
        self.device.advance(0.0)
        self.go_on(1)

    def go_on(self, rounds: int) -> None:
        """Let so many rounds of 10 ms pass."""
        for _ in range(rounds):
            self.device.advance(next(self._clock) / 100 + 0.01)

    def phases(self, rounds: int) -> list[float]:
        """Return the phases that come, each once."""
        seen = []
        for _ in range(rounds):
            self.go_on(1)
            seen.append(self.device.get("/sequencer/phase"))
        return [phase for phase, _ in itertools.groupby(seen)]

    def order(self, command: float | str, address: int = 0, size: int = 0) -> float:
        """Have a command carried out, and return its result."""
        self.device.set("/eeprom/address", address)
        self.device.set("/eeprom/size", size)
        self.device.set("/eeprom/command", command)
        self.go_on(1)
        assert self.device.get("/eeprom/result") == BUSY
        self.go_on(1)
        assert self.device.get("/eeprom/command") == 0
        return self.device.get("/eeprom/result")


@pytest.fixture
def board() -> Board:
    """A board that has just been switched on."""
    return Board()


def test_a_started_board_goes_through_its_phases(board: Board) -> None:
    board.device.set("/sequencer/start", True)

    assert board.phases(60) == [1, 2, 3]
    assert board.device.get("/io/rail_12v") == pytest.approx(12, abs=0.01)
    assert board.device.get("/io/rail_5v") == pytest.approx(5, abs=0.01)
    assert board.device.get("/io/module_ready") is True


def test_the_module_has_no_power_before_the_rails_are_good(board: Board) -> None:
    board.device.set("/sequencer/start", True)
    while board.device.get("/sequencer/phase") != 2:
        assert board.device.get("/io/module_ready") is False
        board.go_on(1)

    assert board.device.get("/io/rails_good") is True


def test_a_step_that_takes_too_long_fails_and_switches_off(board: Board) -> None:
    board.device.set("/sequencer/limit_ms", 20)
    board.device.set("/sequencer/start", True)

    assert board.phases(60) == [1, 4]
    assert board.device.get("/io/rail_12v") == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("limit_ms", [20, 500])
def test_a_stopped_board_is_off_and_can_be_started_again(board: Board, limit_ms: int) -> None:
    board.device.set("/sequencer/limit_ms", limit_ms)
    board.device.set("/sequencer/start", True)
    board.go_on(60)
    board.device.set("/sequencer/start", False)
    board.device.set("/sequencer/limit_ms", 500)

    assert board.phases(60)[-1] == 0
    assert board.device.get("/io/rails_good") is False
    board.device.set("/sequencer/start", True)
    assert board.phases(60) == [1, 2, 3]


def test_a_new_chip_is_erased(board: Board) -> None:
    assert read_chip(board.device) == ERASED


def test_the_header_is_written_as_it_lies_in_memory(board: Board) -> None:
    for name, value in {"model": 1, "version": 2, "revision": 3, "serial": 0x0A0B0C0D}.items():
        board.device.set(f"/eeprom/header/{name}", value)

    assert board.order("WRITE_HEADER", address=16) == DONE
    assert read_chip(board.device, 16, 8) == bytes((1, 2, 3, 0, 13, 12, 11, 10))
    assert board.device.memory.read(HEADER_ADDRESS, 8) == read_chip(board.device, 16, 8)


def test_data_pass_through_the_buffer(board: Board) -> None:
    board.device.memory.write(BUFFER_ADDRESS, bytes(range(BUFFER_SIZE)))

    assert board.order("WRITE", address=CHIP_SIZE - BUFFER_SIZE, size=BUFFER_SIZE) == DONE
    board.device.memory.write(BUFFER_ADDRESS, bytes(BUFFER_SIZE))
    assert board.order("READ", address=CHIP_SIZE - 4, size=4) == DONE
    assert board.device.memory.read(BUFFER_ADDRESS, 5) == bytes((60, 61, 62, 63, 0))
    assert board.order("ERASE") == DONE
    assert read_chip(board.device) == ERASED


@pytest.mark.parametrize(
    ("command", "address", "size", "result"),
    [
        ("READ", CHIP_SIZE - 1, 2, OUTSIDE_CHIP),
        ("WRITE", CHIP_SIZE, 1, OUTSIDE_CHIP),
        ("WRITE_HEADER", CHIP_SIZE - 7, 0, OUTSIDE_CHIP),
        ("READ", 0, BUFFER_SIZE + 1, OUTSIDE_BUFFER),
        ("WRITE", 0, BUFFER_SIZE + 1, OUTSIDE_BUFFER),
        (9, 0, 1, NO_SUCH_COMMAND),
    ],
)
def test_an_order_that_cannot_be_carried_out_changes_nothing(
    board: Board, command: float | str, address: int, size: int, result: int
) -> None:
    assert board.order(command, address, size) == result
    assert read_chip(board.device) == ERASED


def test_what_is_on_the_chip_survives_a_reset(board: Board) -> None:
    board.device.set("/eeprom/header/serial", 7)
    board.order("WRITE_HEADER")
    board.device.reboot()

    assert board.device.get("/eeprom/header/serial") == 0
    assert read_chip(board.device, 4, 4) == bytes((7, 0, 0, 0))


def test_nothing_of_it_shares_memory(board: Board) -> None:
    taken = {*range(BUFFER_ADDRESS, BUFFER_ADDRESS + BUFFER_SIZE)}
    assert not taken & {*range(CHIP_ADDRESS, CHIP_ADDRESS + CHIP_SIZE)}
    taken |= {*range(CHIP_ADDRESS, CHIP_ADDRESS + CHIP_SIZE)}
    for row in board.device.profile.variables:
        places = {*range(row.address, row.address + row.datatype.get_size_bit() // 8)}
        assert not places & taken, row.path
        taken |= places
