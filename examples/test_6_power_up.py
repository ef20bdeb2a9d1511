"""Step 6: a power-up check: start the firmware's sequence, and let it prove each step.

Two rails come up, then a module behind them. The firmware is that of the fake server's profile
``production``, ``pytest examples --scrutiny-fake --scrutiny-profile production``; on another one these tests
are skipped.
"""

from pytest_scrutiny import Device, above, below, between, requires

pytestmark = requires.memory_write  # for every test of this file

START, PHASE = "/alias/sequencer/start", "/alias/sequencer/phase"
READY, FAILED = 3, 4  # from server 0.3.0 on their names can be written: wait("READY", timeout=2)

IO = "/alias/io"
DOWN = {"rails_good": False, "module_ready": False, "rail_5v": below(0.5), "rail_12v": below(0.5)}
UP = {
    "rails_good": True,
    "module_ready": True,
    "rail_5v": between(4.75, 5.25),
    "rail_12v": between(11.5, 12.5),
}


def test_power_up(board: Device) -> None:
    for name, expected in DOWN.items():
        board[f"{IO}/{name}"].wait(expected, timeout=2)
    board[START].write(True)
    board[PHASE].wait(READY, timeout=2)
    for name, expected in UP.items():
        board[f"{IO}/{name}"].wait(expected, timeout=0.5, hold=0.1)


def test_the_module_waits_for_its_rails(board: Device) -> None:
    board[f"{IO}/rail_12v"].wait(below(0.5), timeout=2)
    with board[f"{IO}/rail_12v"].never(above(13)):
        board[START].write(True)
        board[f"{IO}/module_ready"].wait(True, timeout=2)

    assert board[f"{IO}/rails_good"].read() is True


def test_rails_that_need_too_long_are_switched_off(board: Device) -> None:
    board[f"{IO}/rail_12v"].wait(below(0.5), timeout=2)
    board["/alias/sequencer/limit_ms"].write(5)
    with board[f"{IO}/module_ready"].never(True):
        board[START].write(True)
        board[PHASE].wait(FAILED, timeout=2)
        board[f"{IO}/rail_12v"].wait(below(0.5), timeout=2, hold=0.1)
