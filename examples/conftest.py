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


@pytest.fixture
def board(scrutiny_device: Device) -> Device:
    """The board with a power-up sequence and an EEPROM; tests that use it are skipped on another firmware."""
    try:
        _ = scrutiny_device["/alias/eeprom/command"].info
    except NameNotFoundError:
        pytest.skip(
            f"firmware {scrutiny_device.firmware_id} is not the board of the examples; "
            "the fake server has it with --scrutiny-profile production"
        )
    return scrutiny_device
