"""Step 3: a firmware with names: variables, aliases and enums of a small power supply.

While ``/app/run`` is true the supply brings its voltage to the setpoint. The fake server's device is such a
supply; on another firmware these tests are skipped.
"""

import pytest

from pytest_scrutiny import Device, Value, requires

pytestmark = requires.memory_write  # for every test of this file


@pytest.fixture
def mode(psu: Device) -> Value:
    """A value whose numbers have names."""
    if psu["/app/mode"].info.enum is None:
        pytest.skip("servers before 0.3.0 do not tell the names of a value's numbers")
    return psu["/app/mode"]


def test_an_enum_is_written_by_name(mode: Value) -> None:
    mode.write("CALIBRATE")

    assert mode.read() == 2
    assert mode.read_enum() == "CALIBRATE"


def test_an_alias_is_scaled(psu: Device) -> None:
    psu["/alias/psu/setpoint_mv"].write(3300)  # millivolts, on a variable that holds volts

    assert psu["/psu/setpoint"].read() == pytest.approx(3.3)


def test_a_wide_integer_is_exact(psu: Device) -> None:
    wide = 2**53 + 1  # one more than a float could tell

    psu["/stats/cycles"].write(wide)

    assert psu["/stats/cycles"].read() - wide in (0, 1)  # it counts the seconds


def test_a_bit_field_has_its_own_range(psu: Device) -> None:
    psu["/app/flags/limit"].write(7, verify=True)  # three bits

    assert psu["/app/flags/limit"].read() == 7


def test_a_wrong_name_is_answered_with_the_right_ones(mode: Value) -> None:
    with pytest.raises(ValueError, match="expected one of IDLE=0, RUN=1, CALIBRATE=2; did you mean 'RUN'"):
        mode.write("RUNN")
