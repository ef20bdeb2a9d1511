"""Step 5: stimulate, wait for what has to come, watch for what may not.

Runs on the power supply of the examples; on another firmware these tests are skipped.
"""

import pytest

from pytest_scrutiny import Device, TimeoutException, above, below, between, requires

pytestmark = requires.memory_write  # for every test of this file


def test_power_up(psu: Device) -> None:
    # What a test before this one wrote was put back; what the firmware made of it takes its time.
    psu["/alias/ios/psu_voltage"].wait(below(0.5), timeout=2)
    psu["/alias/app/run"].write(True)
    psu["/alias/psu/state"].wait(2, timeout=2)  # DONE_OK, a number where a release tells no names
    psu["/alias/ios/psu_voltage"].wait(between(4.75, 5.25), timeout=0.5, hold=0.1)


def test_the_voltage_never_overshoots(psu: Device) -> None:
    with psu["/psu/voltage"].never(above(5.5)):
        psu["/app/run"].write(True)
        psu["/psu/voltage"].wait(above(4.9), timeout=2)


def test_a_setpoint_is_followed_up_and_down(psu: Device) -> None:
    voltage = psu["/psu/voltage"]
    psu["/app/run"].write(True)
    for setpoint in (3.3, 12.0, 1.8):
        psu["/psu/setpoint"].write(setpoint)
        voltage.wait(pytest.approx(setpoint, abs=0.05), timeout=2, hold=0.05)
    psu["/app/run"].write(False)
    voltage.wait(below(0.1), timeout=2)
    voltage.stays(below(0.1), for_=0.1)


def test_a_snapshot_is_of_one_moment(psu: Device) -> None:
    with psu.batch() as batch:
        batch.write("/psu/setpoint", 5.0)
        batch.write("/app/run", True)
    psu["/psu/voltage"].wait(above(4.9), timeout=2)
    now = psu.snapshot("/psu/voltage", "/alias/psu/voltage")

    assert now["/alias/psu/voltage"] == pytest.approx(now["/psu/voltage"], abs=0.1)


def test_an_override_lasts_for_a_block(psu: Device) -> None:
    before = psu["/motor/speed"].read()
    with psu.override({"/motor/speed": 250}):
        assert psu["/motor/speed"].read() == 250

    assert psu["/motor/speed"].read() == before


def test_memory_and_values_are_the_same_place(psu: Device) -> None:
    psu["/motor/speed"].write(-7)

    assert psu.memory.read_struct(0x101C, "<h") == (-7,)


@requires.user_command
def test_a_user_command_is_answered_by_the_firmware(psu: Device) -> None:
    assert psu.command(1, b"ping") == b"ping"  # command 1 of the examples' firmware is an echo


def test_a_wait_that_fails_tells_the_story(psu: Device) -> None:
    psu["/app/run"].write(True)
    with pytest.raises(TimeoutException) as caught:
        psu["/psu/voltage"].wait(above(6), timeout=0.3)

    print(f"\n{caught.value}")
