"""Step 2: tests that need something of the device are skipped where it lacks it.

Each skip points at the test and says which feature of which device is missing. Try it:
``pytest examples --scrutiny-fake --scrutiny-profile bare -rs``
"""

import pytest

from pytest_scrutiny import Device, SupportedFeatureMap, requires


@requires.memory_write
def test_needs_a_device_that_can_be_written(scrutiny_device: Device) -> None:
    assert scrutiny_device.features.memory_write


@pytest.mark.scrutiny_requires("datalogging", "sixtyfour_bits")
def test_needs_two_features_and_says_so_by_their_names(scrutiny_features: SupportedFeatureMap) -> None:
    assert scrutiny_features.datalogging
    assert scrutiny_features.sixtyfour_bits


@requires.user_command
@pytest.mark.scrutiny_ready(timeout=20, sfd=False)
def test_a_marker_alone_waits_for_the_device() -> None:
    """No fixture is needed; this one gives the device 20 s, and does not care for the names of variables."""


def test_features_can_be_asked_for(scrutiny_features: SupportedFeatureMap) -> None:
    if not scrutiny_features.datalogging:
        pytest.skip("nothing to see without a datalogger")

    assert isinstance(scrutiny_features.datalogging, bool)
