"""What a run tells its user: the header line, and where a skipped test is."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from pytest_scrutiny.plugin.options import Settings

_HERE = Path(__file__).parent
_NAME = "scrutiny-skips"


def header(settings: Settings) -> str:
    """Return the line that says what this run will talk to, and who said so."""
    sources = settings.sources
    return (
        f"scrutiny: {settings.address} ({sources['address']}), "
        f"ready within {settings.ready_timeout:g} s ({sources['ready_timeout']})"
    )


def show_skips_at_tests(config: pytest.Config) -> None:
    """From now on, show our skips at the tests they skip; called by the first fixture that may skip.

    Registered that late because a hook on every report costs every test some 20 us, also in runs without us.
    """
    if not config.pluginmanager.has_plugin(_NAME):
        config.pluginmanager.register(_SkipPlaces(), _NAME)


class _SkipPlaces:
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        place = report.longrepr
        if report.skipped and isinstance(place, tuple) and Path(place[0]).parent == _HERE:
            path, line, _ = item.reportinfo()
            report.longrepr = (os.fspath(path), (line or 0) + 1, place[2])
        return report
