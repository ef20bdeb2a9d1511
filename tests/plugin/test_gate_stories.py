"""What the gate says when the device does not come: each story is played, and compared with docs/gate.md."""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.link import DEAD_LINK, NO_LINK, Timing
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.fakeserver.rows import Profile
from pytest_scrutiny.fakeserver.server import FakeServer
from tests.plugin.conftest import SilentPort
from tests.plugin.quick import quicken

PAGE = Path(__file__).parents[2] / "docs" / "gate.md"
TOLD = {
    story: (category, text)
    for story, category, text in re.findall(
        r"^\| (.+?) \| (\w+) \| `(.+)` \|$", PAGE.read_text("utf-8"), re.M
    )
}


class Story(NamedTuple):
    """What is wrong.

    :ivar server: the parameters of its FakeServer.
    :ivar before: done to it when the client is connected, before the gate.
    """

    server: Mapping[str, Any]
    before: Callable[[FakeServer], object] = lambda _: None
    mark: str = ""
    timeout: float = 0.2


PROBE, SFD = "@pytest.mark.scrutiny_ready(probe=True)", "@pytest.mark.scrutiny_ready(sfd=True)"
WORDLESS = Profile(firmware_id="0" * 32, display_name="Wordless", sfd=None)
# A real server with 60,000 variables and a response timeout of 1 s, somewhat faster.
TOO_SHORT = Timing(session=0.3, sfd=1.2, reconnect=0.6)
STORIES = {
    "no link configured": Story({"link": NO_LINK}),
    "link not operational": Story({"link": DEAD_LINK}),
    "no device": Story({"ready_delay": None}),
    "no device, releases up to 0.3": Story({"release": "0.3.0", "link": DEAD_LINK}),
    "device never ready": Story({"ready_delay": math.inf}),
    "SFD installed, never loaded": Story({"timing": Timing(sfd=math.inf)}),
    "SFD asked for, not installed": Story({"device": make_device("foreign")}, mark=SFD),
    "SFD asked for, no SFD at all": Story({"device": make_device("nameless")}, mark=SFD),
    "SFD loads for longer than the gate waits": Story(
        {"ready_delay": None, "timing": Timing(sfd=60)}, lambda server: server.plug(), timeout=1.0
    ),
    "sessions come and go": Story({"timing": Timing(session=0.2, sfd=math.inf)}, timeout=5.0),
    "sessions end when the SFD is loaded": Story(
        {"ready_delay": None, "timing": TOO_SHORT}, lambda server: server.plug(), timeout=10.0
    ),
    "the same, seen once": Story(
        {"ready_delay": None, "timing": attrs.evolve(TOO_SHORT, reconnect=60)},
        lambda server: server.plug(),
        timeout=2.0,
    ),
    "device silent, not yet noticed": Story(
        {"timing": Timing(response_timeout=60)}, lambda server: server.hang(), PROBE
    ),
    "nothing to probe": Story({"device": SimulatedDevice(WORDLESS)}, mark=PROBE),
    "server silent": Story({}, lambda server: server.stall()),
    "server lost, and not back": Story({}, lambda server: server.stop()),
}


class Bench:
    """A plugin for the pytest under test."""

    def __init__(self, server: FakeServer, story: Story) -> None:
        self._server = server
        self._story = story

    @pytest.fixture
    def bench(self, scrutiny_client: object) -> None:
        self._story.before(self._server)


def read_error(pytester: pytest.Pytester, *options: str, mark: str = "", **more: Any) -> tuple[str, str]:
    """Run a test; return the category and the line that its user reads."""
    pytester.makepyfile(test_psu=f"import pytest\n{mark}\ndef test_power_up({more.pop('fixtures')}): pass")

    result = pytester.runpytest_inprocess(*options, **more)

    result.assert_outcomes(errors=1)
    lines = result.outlines
    place = next(n for n, line in enumerate(lines) if "ERROR at setup of test_power_up" in line)
    assert lines[place + 2].endswith(" scrutiny ==================================="), "one line is all"
    category = re.fullmatch(r"failed: 1 by (\w+)", lines[place + 3])
    assert category is not None
    return category[1], lines[place + 1]


def as_on_the_page(text: str, port: int, timeout: float = 0) -> str:
    """Return the text with the page's port, times and session ids."""
    text = text.replace(f"127.0.0.1:{port}", "127.0.0.1:8765")
    text = text.replace(f"{timeout:g} s (--scrutiny-ready-timeout)", "10 s (default)")
    text = re.sub(r"after \d+\.\d s of", "after 1.3 s of", text)
    text = re.sub(r": \w{8}, \w{8}\.", ": 9a99f741, 0c33a1d5.", text)
    return re.sub(r"loaded: \w{8}\.", "loaded: 9a99f741.", text)


@pytest.mark.parametrize("story", STORIES)
def test_what_is_read_is_what_the_page_says(pytester: pytest.Pytester, story: str) -> None:
    played = STORIES[story]

    with FakeServer(**played.server) as server:
        category, text = read_error(
            pytester,
            f"--scrutiny-url={server.url}",
            f"--scrutiny-ready-timeout={played.timeout}",
            mark=played.mark,
            fixtures="bench, scrutiny_device",
            plugins=[Bench(server, played)],
        )

    assert (category, as_on_the_page(text, server.port, played.timeout)) == TOLD[story]


ADDRESS = "--scrutiny-host=127.0.0.1"


def test_no_server_is_on_the_page(pytester: pytest.Pytester, closed_port: int) -> None:
    category, text = read_error(
        pytester, ADDRESS, f"--scrutiny-port={closed_port}", fixtures="scrutiny_device"
    )

    assert (category, as_on_the_page(text, closed_port)) == TOLD["no server"]


def test_a_dead_bench_is_on_the_page(
    pytester: pytest.Pytester, silent_port: SilentPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicken(monkeypatch, 0.05)
    category, text = read_error(
        pytester, *silent_port.address, "--scrutiny-ready-timeout=0.1", fixtures="scrutiny_device"
    )

    text = as_on_the_page(text, silent_port.port, 0.1).replace("within 0.1 s", "within 10 s")
    text = text.replace("time: --scrutiny-ready-timeout", "time: default of --scrutiny-ready-timeout")
    assert (category, text) == TOLD["a bench that does not answer"]


def test_a_lack_that_is_an_error_is_on_the_page(pytester: pytest.Pytester) -> None:
    error = read_error(
        pytester,
        "--scrutiny-fake",
        "--scrutiny-profile=bare",
        "--scrutiny-no-skip=datalogging",
        mark="@pytest.mark.scrutiny_requires('datalogging')",
        fixtures="",
    )

    assert error == TOLD["a feature is lacking that may not"]


def test_the_page_tells_nothing_else() -> None:
    others = {"no server", "a bench that does not answer", "a feature is lacking that may not"}

    assert {*TOLD} == {*STORIES} | others
