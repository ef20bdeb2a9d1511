"""What a run tells its user: the line at its head, who has to look into a failure, and the summary.

Rule 1: every failure and every skip of ours is noted as a user property of its test, so that it is in the
    JUnit report and travels from the workers of pytest-xdist to whoever writes the summary.
Rule 2: what costs time for every test is registered only when a test of ours was collected or runs.
"""

from collections import Counter
from collections.abc import Generator, Iterable
from typing import NoReturn

import pytest

from pytest_scrutiny.plugin.markers import GATE
from pytest_scrutiny.plugin.options import Settings
from pytest_scrutiny.plugin.traces import without_our_frames

CATEGORY = "scrutiny_category"
"""The user property that says who has to look into a failure: test, device, server, bench or config."""

LACK = "scrutiny_lack"
"""The user property that says what a skipped test lacked."""

CLIENT = "scrutiny_client"
"""The fixture that whoever uses us asks for, knowingly or not."""

_NAME = "scrutiny-reports"
_verdicts_key = pytest.StashKey[dict[str, tuple[str, str]]]()
"""``{text of a failure or skip: its user property}``: pytest remembers what a session's fixture raised."""

_ours_key = pytest.StashKey[bool]()
_passed_key = pytest.StashKey[bool]()


def header(settings: Settings) -> str:
    """Return the line that says what this run will talk to, and who said so."""
    sources = settings.sources
    return (
        f"scrutiny: {settings.address} ({sources['address']}), "
        f"ready within {settings.ready_timeout:g} s ({sources['ready_timeout']})"
    )


def fail(config: pytest.Config, message: str, category: str) -> NoReturn:
    """Fail with one line.

    :param category: who has to look into it.
    """
    config.stash.setdefault(_verdicts_key, {})[message] = (CATEGORY, category)
    pytest.fail(message, pytrace=False)


def skip(config: pytest.Config, message: str, lack: str) -> NoReturn:
    """Skip for want of something.

    :param lack: what is wanting, for the summary.
    """
    config.stash.setdefault(_verdicts_key, {})[message] = (LACK, lack)
    pytest.skip(message)


def claim(item: pytest.Item) -> None:
    """Note that a test is one of ours, though its fixtures and markers do not say so."""
    item.stash[_ours_key] = True
    watch_reports(item.config)


def is_ours(item: pytest.Item) -> bool:
    """Return whether a test uses a server."""
    names = getattr(item, "fixturenames", ())
    return GATE in names or CLIENT in names or _ours_key in item.stash


def has_passed(item: pytest.Item) -> bool:
    """Return whether the test itself passed, in its teardown."""
    return item.stash.get(_passed_key, False)


def watch_reports(config: pytest.Config) -> None:
    """Have every failure and skip of ours noted from now on."""
    if not config.pluginmanager.has_plugin(_NAME):
        config.pluginmanager.register(Reports(config), _NAME)


class Reports:
    """The hooks that cost time for every test."""

    def __init__(self, config: pytest.Config) -> None:
        self._verdicts = config.stash.setdefault(_verdicts_key, {})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note who has to look into a failure, and what a skip lacked."""
        if call.when == "setup":  # a test that is run again begins anew
            item.user_properties[:] = [
                entry for entry in item.user_properties if entry[0] not in (CATEGORY, LACK)
            ]
        if call.excinfo is None or item.config.getoption("fulltrace"):
            report = yield
        else:
            with without_our_frames(call.excinfo):
                report = yield
        item.stash[_passed_key] = call.when == "call" and report.passed
        found = None if call.excinfo is None else self._judge(item, call.excinfo.value, report)
        if found is not None:
            for properties in (report.user_properties, item.user_properties):
                if found in properties:
                    properties.remove(found)
                properties.append(found)  # the last is the report's own
        return report

    def _judge(
        self, item: pytest.Item, exc: BaseException, report: pytest.TestReport
    ) -> tuple[str, str] | None:
        if hasattr(report, "wasxfail"):
            return None
        verdict = self._verdicts.get(str(exc)) if isinstance(exc, _OUTCOMES) else None
        if report.failed:
            category = _category(exc)
            if category is not None or is_ours(item):
                return verdict or (CATEGORY, category or "test")
        return verdict if report.skipped else None


_OUTCOMES = (pytest.fail.Exception, pytest.skip.Exception)


def _category(exc: BaseException | None) -> str | None:
    """Return the category of the error of ours that this is, or was raised from."""
    from pytest_scrutiny.errors import ScrutinyError

    while exc is not None and not isinstance(exc, ScrutinyError):
        exc = exc.__cause__
    return None if exc is None else exc.category


# The summary


def summarize(terminal: pytest.TerminalReporter) -> None:
    """Write who has to look into what failed, and what skipped tests lacked; nothing if there is neither."""
    failed = _count([*terminal.getreports("failed"), *terminal.getreports("error")], CATEGORY)
    skipped = _count(terminal.getreports("skipped"), LACK)
    if not failed and not skipped:
        return
    terminal.section("scrutiny")
    if failed:
        terminal.line(f"failed: {_listing(failed, 'by ')}")
    if skipped:
        terminal.line(f"skipped: {_listing(skipped, 'for lack of ')}")


def _count(reports: Iterable[pytest.TestReport], name: str) -> Counter[str]:
    """Return how often each value of a property comes; of several in a report, the last is its own."""
    found: Counter[str] = Counter()
    for report in reports:
        values = [str(value) for key, value in getattr(report, "user_properties", ()) if key == name]
        found.update(values[-1:])
    return found


def _listing(counts: Counter[str], word: str) -> str:
    return ", ".join(f"{count} {word}{name}" for name, count in counts.most_common())
