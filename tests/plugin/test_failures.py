"""What the commonest failures look like: each screen as a whole, in tests/golden and on docs/failures.md.

SCRUTINY_TEST_GOLDEN=rewrite writes both anew instead of comparing. Then read the difference as somebody who
stands at a bench does, and commit it if it is for the better.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.fakeserver.server import FakeServer

GOLDEN = Path(__file__).parents[1] / "golden"
PAGE = Path(__file__).parents[2] / "docs" / "failures.md"
IS_REWRITING = os.environ.get("SCRUTINY_TEST_GOLDEN") == "rewrite"


pytestmark = pytest.mark.skipif(pytest.version_tuple < (9,), reason="the screens are those of pytest 9")


class Failure(NamedTuple):
    """A test that fails.

    :ivar module: ``test_psu.py``; its fixture ``bench`` is the server.
    :ivar server: the parameters of the FakeServer.
    :ivar before: done to the server before the run.
    """

    module: str
    server: Mapping[str, Any] = {}
    before: Callable[[FakeServer], object] = lambda _: None
    options: tuple[str, ...] = ()


FAILURES = {
    "a value that does not come": Failure(
        """
        from pytest_scrutiny import between

        def test_power_up(scrutiny_device):
            scrutiny_device["/psu/setpoint"].write(3.3)
            scrutiny_device["/app/run"].write(True)
            scrutiny_device["/psu/voltage"].wait(between(4.75, 5.25), timeout=0.5)
        """
    ),
    "a value that does not hold": Failure(
        """
        from pytest_scrutiny import above

        def test_power_up(scrutiny_device):
            scrutiny_device["/psu/setpoint"].write(3.3)
            scrutiny_device["/app/run"].write(True)
            scrutiny_device["/psu/voltage"].wait(above(3.2), timeout=0.5, hold=0.45)
        """
    ),
    "a path misspelt": Failure(
        """
        def test_power_up(scrutiny_device):
            scrutiny_device["/psu/voltag"].read()
        """
    ),
    "a value out of range": Failure(
        """
        def test_setpoint(scrutiny_device):
            scrutiny_device["/alias/psu/setpoint"].write(24.5)
        """
    ),
    "a member misspelt": Failure(
        """
        def test_calibration(scrutiny_device):
            scrutiny_device["/app/mode"].write("CALIBRATION")
        """
    ),
    "a write refused": Failure(
        """
        def test_power_up(scrutiny_device):
            scrutiny_device["/app/run"].write(True)
        """,
        {"device": make_device("sealed")},
    ),
    "a feature misspelt": Failure(
        """
        import pytest

        @pytest.mark.scrutiny_requires("dataloging")
        def test_inrush_current(scrutiny_device):
            ...
        """
    ),
    "no server": Failure(
        """
        def test_power_up(scrutiny_device):
            ...
        """,
        before=lambda server: server.stop(),
    ),
    "no device": Failure(
        """
        def test_power_up(scrutiny_device):
            ...
        """,
        {"ready_delay": None},
        options=("--scrutiny-ready-timeout=0.2",),
    ),
    "a device lost": Failure(
        """
        def test_power_up(scrutiny_device, bench):
            bench.hang()
            scrutiny_device["/psu/state"].wait("DONE_OK", timeout=5)
        """,
        {"timing": Timing(response_timeout=0.2)},
    ),
    "a reset nobody declared": Failure(
        """
        def test_power_up(scrutiny_device, scrutiny_client, bench):
            speed, session = scrutiny_device["/motor/speed"], scrutiny_device.session_id
            speed.write(250)
            speed.wait(250, timeout=5)
            bench.reset()
            scrutiny_client.wait_server_status(
                lambda status: status.device_session_id not in (None, session) and status.sfd, 5, "no reset"
            )
            speed.read()
        """
    ),
    "a value that could not be put back": Failure(
        """
        def test_power_up(scrutiny_device, bench):
            scrutiny_device["/psu/setpoint"].write(3.3)
            scrutiny_device["/app/run"].write(True)
            bench.unplug()
            scrutiny_device.raw.wait_server_status(lambda status: not status.device_session_id, 5, "there")
        """
    ),
}


# What varies from run to run


SESSIONS = ("9a99f741", "0c33a1d5")
"""What stands for the first and the second session id of a screen."""

VARYING = (
    (r"127\.0\.0\.1:\d+(?=[>: ])", "127.0.0.1:8765"),
    (r"(?<=last     )\d+\.\d+", "3.299"),
    (r"[\d.e-]+ \.\. [\d.]+(?=   )", "0.685 .. 3.299"),
    (r"\d+(\.\d)? m?s old", "9 ms old"),
    (r"\d+ updates seen", "47 updates seen"),
    ("[▁▂▃▄▅▆▇█]+", "▁▃▅▆▇▇▇█████████████████"),
    (r"[-+]0\.\d{3} s  /", "-0.012 s  /"),
    (r"the last 0\.\d\d s", "the last 0.31 s"),
    (r"\d\.\d\d s into the test and \d\.\d\d s after", "1.32 s into the test and 0.29 s after"),
    (r"\d\.\d\d s into the test;", "0.31 s into the test;"),
    (r"began \d\.\d\d s later", "began 0.75 s later"),
    (r"\d+ ms before", "9 ms before"),
)


def as_kept(screen: str) -> str:
    """Return a screen with what varies replaced by an example of it."""
    for pattern, example in VARYING:
        screen = re.sub(pattern, example, screen)
    found = dict.fromkeys(re.findall(r"session (\w{8})", screen))
    for session, example in zip(found, SESSIONS, strict=False):
        screen = screen.replace(session, example)
    return screen


class Bench:
    """A plugin for the pytest under test."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    @pytest.fixture
    def bench(self) -> FakeServer:
        return self._server


def play(pytester: pytest.Pytester, failure: Failure) -> str:
    """Return what a run has to say about its failure: from the first heading to the short summary."""
    pytester.makepyfile(test_psu=failure.module)
    with FakeServer(**failure.server) as server:
        failure.before(server)
        options = (f"--scrutiny-url={server.url}", *failure.options)
        result = pytester.runpytest_inprocess(*options, "-p", "no:cacheprovider", plugins=[Bench(server)])
    assert result.ret != 0
    headings = r"=+ (FAILURES|ERRORS) =+"
    lines = itertools.dropwhile(lambda line: not re.fullmatch(headings, line), result.outlines)
    return as_kept("\n".join([*lines][:-1]) + "\n")


def golden(story: str) -> Path:
    """Return the file that keeps a story's screen."""
    return GOLDEN / f"{story.replace(' ', '-')}.txt"


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 100 columns; where CI is set, pytest does not cut its lines."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("story", FAILURES)
def test_the_screen_is_as_it_is_kept(pytester: pytest.Pytester, story: str) -> None:
    screen = play(pytester, FAILURES[story])
    if IS_REWRITING:
        golden(story).write_text(screen, "utf-8")

    assert screen == golden(story).read_text("utf-8")


# The page


def blocks(page: str) -> Iterator[re.Match[str]]:
    """Yield the stories of a page: ``story`` is a heading, ``screen`` the first block of text below it."""
    return re.finditer(r"^## (?P<story>.+)\n(?:(?!^#).*\n)*?```text\n(?P<screen>(?:.*\n)*?)```$", page, re.M)


def test_the_page_shows_the_screens() -> None:
    page = PAGE.read_text("utf-8")
    if IS_REWRITING:
        for match in reversed([*blocks(page)]):
            screen = golden(match["story"].lower()).read_text("utf-8")
            page = page[: match.start("screen")] + screen + page[match.end("screen") :]
        PAGE.write_text(page, "utf-8")
    shown = {match["story"].lower(): match["screen"] for match in blocks(page)}

    assert shown == {story: golden(story).read_text("utf-8") for story in FAILURES}


def test_no_screen_is_kept_that_nobody_plays() -> None:
    assert {*GOLDEN.iterdir()} == {golden(story) for story in FAILURES}
