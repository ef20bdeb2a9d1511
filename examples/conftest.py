"""Fixtures of the examples; a project's own would stand here."""

import pytest

from pytest_scrutiny import Device, NameNotFoundError


@pytest.fixture
def psu(scrutiny_device: Device) -> Device:
    """The power supply of the examples; tests that use it are skipped on another firmware."""
    try:
        _ = scrutiny_device["/psu/setpoint"].info
    except NameNotFoundError:
        pytest.skip(f"firmware {scrutiny_device.firmware_id} is not the power supply of the examples")
    return scrutiny_device
