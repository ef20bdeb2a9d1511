"""What pytest loads: options, markers, fixtures and the header line.

Loading it must stay cheap for every pytest run on the machine: no attrs, no websockets, no asyncio and
nothing of the client is imported here; ``gate`` is, by the first fixture that needs it.
"""

from collections.abc import Sequence

import pytest

from pytest_scrutiny.plugin.fixtures import (
    scrutiny_client,
    scrutiny_device,
    scrutiny_device_shared,
    scrutiny_fake,
    scrutiny_features,
    scrutiny_gate,
    scrutiny_settings,
)
from pytest_scrutiny.plugin.markers import (
    SHARED,
    has_wishes,
    insert_gate,
    pytest_make_collect_report,
    register_markers,
)
from pytest_scrutiny.plugin.options import add_options, read_settings, settings_key
from pytest_scrutiny.plugin.report import header, is_ours, summarize, watch_reports
from pytest_scrutiny.plugin.restore import put_all_back
from pytest_scrutiny.plugin.signals import begin_to_end

__all__ = [
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_make_collect_report",
    "pytest_report_header",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "scrutiny_client",
    "scrutiny_device",
    "scrutiny_device_shared",
    "scrutiny_fake",
    "scrutiny_features",
    "scrutiny_gate",
    "scrutiny_settings",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini keys."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and check the settings before anything is collected."""
    register_markers(config)
    if not config.getoption("help"):  # help is what somebody with a mistake in the settings looks for
        config.stash[settings_key] = read_settings(config)


def pytest_report_header(config: pytest.Config) -> str:
    """Return the line for the head of the run."""
    return header(config.stash[settings_key])


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Put back what an interrupted test wrote, before pytest tears down the rest of it."""
    begin_to_end(session)
    put_all_back(session.config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Let each test with one of our markers pass the gate, whatever fixtures it asks for.

    Last, so that it sees the markers a conftest added, and only what was not deselected.
    """
    for item in items:
        if isinstance(item, pytest.Function) and (has_wishes(item) or SHARED in item.fixturenames):
            insert_gate(item)
    if any(is_ours(item) for item in items):
        watch_reports(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write who has to look into what failed, and what skipped tests lacked."""
    summarize(terminalreporter)
