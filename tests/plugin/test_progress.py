"""What the terminal shows while a test waits: with and without -s, and only where somebody looks on."""

import contextlib
import os
import re
import sys
from collections.abc import Callable

import pytest

from pytest_scrutiny.fakeserver.server import FakeServer

BUSY = """
import pytest
from pytest_scrutiny.plugin.progress import Progress

@pytest.fixture
def progress(pytestconfig):
    print("before")
    shown = Progress(pytestconfig)
    shown.tell("waiting")
    shown.tell("waiting")
    shown.tell("ready")
    print("after")
    return shown

def test_it(progress):
    assert progress.has_told is {told}
    raise AssertionError("so that what was captured is shown")
"""


@pytest.mark.parametrize(
    ("options", "is_told"),
    [
        (["-v"], True),
        (["-v", "-s"], True),
        (["-v", "--capture=sys"], True),
        (["-v", "-p", "no:capture"], True),
        ([], False),
        (["-s"], False),
        (["-q"], False),
        (["-v", "-n1"], False),
    ],
)
def test_it_is_told_to_whoever_looks_on(pytester: pytest.Pytester, options: list[str], is_told: bool) -> None:
    pytester.makepyfile(test_it=BUSY.format(told=is_told))

    result = pytester.runpytest_subprocess(*options)

    shown = [line for line in result.outlines if line.startswith("scrutiny: ") and "ready within" not in line]
    assert shown == (["scrutiny: waiting", "scrutiny: ready"] if is_told else [])
    result.assert_outcomes(failed=1)
    if "-s" not in options and "no:capture" not in options:
        start = next(n for n, line in enumerate(result.outlines) if "Captured stdout setup" in line)
        assert result.outlines[start + 1 : start + 3] == ["before", "after"]


def test_without_a_terminal_plugin_nothing_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=BUSY.format(told=False).replace("raise AssertionError", "print"))

    result = pytester.runpytest_subprocess("-p", "no:terminal")

    assert result.ret is pytest.ExitCode.OK


SLOW = """
def test_first(scrutiny_settings): pass
def test_slow(scrutiny_device): pass
"""


def read_on_a_terminal(pytester: pytest.Pytester, *options: str, until: str, then: Callable[[], None]) -> str:
    """Return what pytest writes when its output is a terminal; once it wrote ``until``, do ``then``."""
    import pty

    read_end, write_end = pty.openpty()
    run = pytester.popen([sys.executable, "-m", "pytest", *options], stdout=write_end, stderr=write_end)
    os.close(write_end)
    output = b""
    is_done = False
    with contextlib.suppress(OSError):  # how Linux tells that nobody holds the other end any more
        while data := os.read(read_end, 4096):
            output += data
            if until.encode() in output and not is_done:
                then()
                is_done = True
    os.close(read_end)
    assert run.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", output.decode()).replace("\r\n", "\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
@pytest.mark.parametrize("options", [[], ["-s"], ["-v"]], ids=["captured", "not captured", "verbose"])
def test_a_device_that_appears_late_is_told_on_a_terminal(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    pytester.makepyfile(test_it=SLOW)

    with FakeServer(ready_delay=None) as server:
        output = read_on_a_terminal(
            pytester,
            *options,
            f"--scrutiny-url={server.url}",
            until="waiting for the device",
            then=server.plug,
        )

    text = (
        r"\nscrutiny: waiting for the device, 10 s at most \(default\): reached link operational; expected "
        r"handshake, but no device answers: UDP 127\.0\.0\.1:12345, Disconnected\n"
        r"scrutiny: device ready after [1-9]\.\d s\n"
    )
    assert re.search(text, output), output
