"""Step 1, the main job: wait for the device, read a value, write it, have it put back.

Nothing here is special to one firmware but the path of the value: ``/rpv/x1001`` is the runtime published
value number 0x1001, which the fake server's device and the emulated devices of real servers have.
"""

import pytest

from pytest_scrutiny import Device

LEVEL = "/rpv/x1001"


@pytest.fixture(scope="module")
def level_before() -> dict[str, float]:
    """What the first test found, for the last one to compare with."""
    return {}


def test_the_device_is_ready(scrutiny_device: Device) -> None:
    print(f"\n{scrutiny_device.info.display_name}, firmware {scrutiny_device.firmware_id}")

    assert scrutiny_device.session_id is not None


def test_a_value_is_read_and_written(scrutiny_device: Device, level_before: dict[str, float]) -> None:
    level = scrutiny_device[LEVEL]
    level_before["value"] = level.read()
    level.write(42.5, verify=True)  # waits until it is in the device, then reads it back from there

    assert level.read() == 42.5


def test_the_value_was_put_back(scrutiny_device: Device, level_before: dict[str, float]) -> None:
    if not level_before:
        pytest.skip("the test before this one did not run")

    assert scrutiny_device[LEVEL].read() == level_before["value"]


def test_a_value_that_does_not_fit_is_refused_before_it_is_sent(scrutiny_device: Device) -> None:
    with pytest.raises(ValueError, match="does not fit /rpv/x1001"):
        scrutiny_device[LEVEL].write(1e39)  # more than a float32 can hold
