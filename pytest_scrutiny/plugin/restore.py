"""The end of a test that used a device: what it wrote is put back, what it watched is released.

Rule 1: a test that ends is torn down before the next; what cannot be put back fails its teardown.
Rule 2: when the run is interrupted, all is put back before anything else is torn down. Pytest forgets the
    other fixtures of a test when Ctrl-C comes during its teardown, so their teardown cannot be relied on.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_scrutiny.plugin.report import fail
from pytest_scrutiny.plugin.signals import is_ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_scrutiny.hil.device import Device

HASTE = 0.5
"""Seconds for a write when the run was interrupted: ten times what one takes (0.16.0 over UDP, observed), and
little enough that a device or server that hangs keeps nobody from leaving within a second."""

_devices_key = pytest.StashKey[list["Device"]]()


def watch_over(config: pytest.Config, device: Device) -> None:
    """Have the device's values put back if the run is interrupted."""
    config.stash.setdefault(_devices_key, []).append(device)


def leave_as_found(config: pytest.Config, device: Device, *, has_passed: bool = True) -> None:
    """Put back what the test wrote; fail, naming each value for which that is not possible.

    :param has_passed: the test did; one that did not owes no resets it declared.
    """
    try:
        device.await_declared_resets(all_of_them=has_passed)
        complaints = device.journal.restore() if device.journal is not None else []
    except BaseException:  # Ctrl-C, SIGTERM or pytest-timeout: what is left gets one more try
        _put_back(config, device)
        raise
    finally:
        config.stash[_devices_key].remove(device)
    try:
        if complaints:
            fail(config, _text(complaints), _category_of_failure(device))
        if not is_ending(config):  # then nobody reads it, and a server that hangs would cost seconds
            _check_nothing_forgotten(config, device)
            _check_resets(config, device, has_passed=has_passed)
    finally:
        if not is_ending(config):
            device.release()


def _category_of_failure(device: Device) -> str:
    """Return whose fault it is that a value could not be put back: the server's if it does not answer."""
    from pytest_scrutiny.errors import ScrutinyError
    from pytest_scrutiny.hil.resets import STATUS_PATIENCE

    try:
        device.raw.wait_server_status(lambda _: True, STATUS_PATIENCE, "no server status came")
    except ScrutinyError:
        return "server"
    return "device"


def _check_nothing_forgotten(config: pytest.Config, device: Device) -> None:
    """Fail if the test made a block and never entered it: it would be green for having checked nothing."""
    if device.unentered:
        text = "\n".join(block.complaint() for block in device.unentered)
        device.unentered.clear()
        fail(config, text, "test")


def _check_resets(config: pytest.Config, device: Device, *, has_passed: bool) -> None:
    """Fail if the device was reset without anybody's noticing: it may have begun where the test ended."""
    from pytest_scrutiny.errors import DeviceLostError, DeviceResetError, ScrutinyError
    from pytest_scrutiny.plugin.connect import is_lost

    if is_lost(device.raw) or device.sessions.has_told:
        return  # the next gate tells, or the test did
    complaint = ""
    try:
        device.check_session(is_fresh=True)
    except (DeviceResetError, DeviceLostError) as exc:
        complaint = str(exc)
    except ScrutinyError:
        return  # likewise
    if has_passed:
        complaint = complaint or device.sessions.complaint()
    if complaint:
        fail(config, complaint, "device")


def declare_resets(config: pytest.Config, count: int | None) -> None:
    """Let a shared device know how many resets the test declared; None at the test's end."""
    for device in config.stash.get(_devices_key, ()):
        device.sessions.declare(count)


def end_test(config: pytest.Config) -> None:
    """Do at the end of each test what a shared device would otherwise do at the end of the run."""
    for device in config.stash.get(_devices_key, ()):
        _check_nothing_forgotten(config, device)


def put_all_back(config: pytest.Config) -> None:
    """Put back what interrupted tests wrote."""
    for device in config.stash.get(_devices_key, ()):
        _put_back(config, device)


def _put_back(config: pytest.Config, device: Device) -> None:
    """Put back in haste; write to the terminal what could not be, for no test can fail with it any more."""
    complaints = [] if device.journal is None else device.journal.restore(HASTE)
    if complaints:
        _tell(config, _text(complaints))


def _text(complaints: Sequence[str]) -> str:
    return "\n".join((
        "the device is not as it was found; expected every write to be undone. Reset it first of all.",
        *complaints,
    ))  # fmt: skip


def _tell(config: pytest.Config, text: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of pytest-xdist
        sys.stderr.write(f"\n{text}\n")
        return
    reporter.ensure_newline()
    for line in text.splitlines():
        reporter.write_line(line, red=True)
