"""Step 7: the end of the line: give a board its identity, and prove what is on its EEPROM.

The firmware has a small configurator: write the order's fields and, last, its command; when the command is
NONE again, the result tells how it went. Data pass through a buffer in the board's RAM. As for step 6, the
firmware is that of the fake server's profile ``production``.
"""

import struct

import pytest

from pytest_scrutiny import Device, requires

pytestmark = requires.memory_write  # for every test of this file

EEPROM = "/alias/eeprom"
NONE, READ, WRITE, WRITE_HEADER, ERASE = range(5)  # names can be written from server 0.3.0 on


class Eeprom:
    """The board's EEPROM, by way of the firmware's configurator."""

    def __init__(self, board: Device) -> None:
        self.board = board
        self.size = int(board[f"{EEPROM}/chip_size"].read())

    def order(self, command: int, **fields: int) -> int:
        """Have the firmware carry out a command; return its result, 0 for success."""
        with self.board.batch() as batch:  # one request; the order of the writes is kept
            for name, value in fields.items():
                batch.write(f"{EEPROM}/{name}", value)
            batch.write(f"{EEPROM}/command", command)
        self.board[f"{EEPROM}/command"].wait(NONE, timeout=2)
        return int(self.board[f"{EEPROM}/result"].read())

    def dump(self) -> bytes:
        """Return everything that is on the chip, one buffer after the other."""
        data = b""
        buffer, size = (int(self.board[f"{EEPROM}/buffer_{name}"].read()) for name in ("address", "size"))
        while len(data) < self.size:
            count = min(size, self.size - len(data))
            assert self.order(READ, address=len(data), size=count) == 0
            data += self.board.memory.read(buffer, count)
        return data


@pytest.fixture
def eeprom(board: Device) -> Eeprom:
    """The chip of the board."""
    return Eeprom(board)


def test_the_chip_is_erased(eeprom: Eeprom) -> None:
    assert eeprom.order(ERASE) == 0
    assert eeprom.dump() == b"\xff" * eeprom.size


def test_the_header_is_written(eeprom: Eeprom) -> None:
    header = {"header/model": 7, "header/version": 2, "header/revision": 1, "header/serial": 0x12345678}

    assert eeprom.order(WRITE_HEADER, address=0, **header) == 0
    assert struct.unpack_from("<3BxI", eeprom.dump()) == (7, 2, 1, 0x12345678)


def test_an_order_beyond_the_chip_is_refused(eeprom: Eeprom) -> None:
    assert eeprom.order(WRITE, address=eeprom.size - 1, size=2) == 2  # outside the chip


def test_what_the_test_wrote_is_put_back(board: Device) -> None:
    """The orders' fields are the device's own again; what is on the chip stays, as it is meant to."""
    names = ("command", "address", "size", "header/model", "header/serial")

    assert {board[f"{EEPROM}/{name}"].read() for name in names} == {0}
