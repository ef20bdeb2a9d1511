"""The fixtures a test asks for. None is autouse, and nothing connects before the first test that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_scrutiny.plugin.markers import read_wishes
from pytest_scrutiny.plugin.options import Settings, settings_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_scrutiny.client.client import ScrutinyClient
    from pytest_scrutiny.fakeserver.server import FakeServer
    from pytest_scrutiny.hil.device import Device
    from pytest_scrutiny.model.status import ServerInfo, SupportedFeatureMap


@pytest.fixture(scope="session")
def scrutiny_settings(pytestconfig: pytest.Config) -> Settings:
    """The settings of this run, each with its source: address, timeouts, what to do without a server."""
    return pytestconfig.stash[settings_key]


@pytest.fixture(scope="session")
def scrutiny_client(pytestconfig: pytest.Config, scrutiny_settings: Settings) -> Iterator[ScrutinyClient]:
    """The ScrutinyClient, connected when the first test asks for it; its device need not be ready."""
    # What this raises is remembered by pytest like a value: a dead server costs one connect timeout a run.
    from pytest_scrutiny.plugin.connect import connected_client
    from pytest_scrutiny.plugin.signals import orderly_termination

    with orderly_termination(pytestconfig), connected_client(pytestconfig, scrutiny_settings) as client:
        yield client


@pytest.fixture
def scrutiny_gate(request: pytest.FixtureRequest) -> Iterator[ServerInfo]:
    """The server's status, once the device is ready and has what the test's markers ask for.

    A marker of ours inserts this fixture by itself. Until its end no other run uses the device.
    """
    from pytest_scrutiny.plugin.gate import pass_gate
    from pytest_scrutiny.plugin.pool import turn_of
    from pytest_scrutiny.plugin.restore import end_test

    with turn_of(request):
        yield pass_gate(request)
        end_test(request.config)


@pytest.fixture
def scrutiny_device(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    scrutiny_client: ScrutinyClient,
    scrutiny_gate: ServerInfo,
) -> Iterator[Device]:
    """The ready Device: dev[path].read() and .write(value); every write is undone after the test."""
    from pytest_scrutiny.hil.device import Device
    from pytest_scrutiny.hil.journal import Journal
    from pytest_scrutiny.plugin.report import has_passed
    from pytest_scrutiny.plugin.restore import declare_resets, leave_as_found, watch_over

    wishes = read_wishes(request.node)
    declare_resets(pytestconfig, wishes.resets)
    device = Device(scrutiny_client, Journal() if wishes.restores else None, resets=wishes.resets)
    watch_over(pytestconfig, device)
    yield device
    try:
        leave_as_found(pytestconfig, device, has_passed=has_passed(request.node))
    finally:
        declare_resets(pytestconfig, None)


@pytest.fixture(scope="session")
def scrutiny_device_shared(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    scrutiny_settings: Settings,  # for the turn at the end: a conftest's own client may not ask for them
    scrutiny_client: ScrutinyClient,
) -> Iterator[Device]:
    """The Device for all tests that ask for it: what they write is undone at the end of the run.

    Each of these tests passes the gate; a reset between two of them is told by the next.
    """
    from pytest_scrutiny.hil.device import Device
    from pytest_scrutiny.hil.journal import Journal
    from pytest_scrutiny.plugin.pool import turn_of
    from pytest_scrutiny.plugin.restore import leave_as_found, watch_over

    device = Device(scrutiny_client, Journal())
    device.since_what = "after it was first used"
    watch_over(pytestconfig, device)
    yield device
    with turn_of(request):
        leave_as_found(pytestconfig, device)


@pytest.fixture
def scrutiny_features(scrutiny_gate: ServerInfo) -> SupportedFeatureMap:
    """The SupportedFeatureMap of the ready device, asked afresh for this test."""
    assert scrutiny_gate.device is not None, "the gate lets nobody through without a device"
    return scrutiny_gate.device.supported_features


@pytest.fixture
def scrutiny_fake() -> Iterator[FakeServer]:
    """A FakeServer in this process with a simulated device, to test test code against."""
    from pytest_scrutiny.fakeserver.server import FakeServer

    with FakeServer() as server:
        yield server
