"""``python -m pytest_scrutiny.fakeserver``."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pytest_scrutiny.fakeserver.cli import main
from pytest_scrutiny.fakeserver.server import FakeServer
from tests.clock import SECOND
from tests.fakeserver.wire import Wire


class Served:
    """A server in a process of its own, and what it said."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest_scrutiny.fakeserver", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        while not self.lines or not self.lines[-1].startswith("listening"):
            self.lines.append(self.process.stdout.readline().rstrip())
            assert self.lines[-1], "it ended without a word"

    def twin(self, release: str) -> FakeServer:
        """Return what :class:`Wire` needs to know of it."""
        return FakeServer(release, port=int(re.findall(r":(\d+) ", self.lines[-1])[0]))

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        _stdout, stderr = self.process.communicate(timeout=10 * SECOND)
        return self.process.returncode, stderr

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def served() -> Iterator[list[Served]]:
    started: list[Served] = []
    yield started
    for one in started:
        one.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no way to send these signals to a process")
@pytest.mark.parametrize(("release", "number"), [("0.3.0", signal.SIGTERM), ("0.16.0", signal.SIGINT)])
def test_a_served_device_is_there_and_goes_quietly(served: list[Served], release: str, number: int) -> None:
    one = Served("--release", release, "--without", "datalogging,user_command", "--profile", "plain")
    served.append(one)
    with Wire(one.twin(release)) as wire:
        status = wire.wait_status("connected_ready")
        device = status.get("device_info") or wire.ask("get_device_info")["device_info"]
        ended = one.end(number)

    scheme = "ws" if release == "0.3.0" else "tcp"
    assert len(one.lines) == 1
    assert re.fullmatch(
        rf"listening on {scheme}://127\.0\.0\.1:\d+ as release {release}, profile plain", one.lines[0]
    )
    assert device["supported_feature_map"] == {
        "memory_write": True,
        "datalogging": False,
        "user_command": False,
        "_64bits": True,
    }
    assert ended == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_others_on_the_network_are_warned_of(served: list[Served]) -> None:
    one = Served("--host", "0.0.0.0", "--unplugged")
    served.append(one)

    with Wire(one.twin("0.16.0")) as wire:
        assert wire.ask("get_server_status")["device_status"] == "disconnected"
    assert one.lines[0] == "warning: 0.0.0.0 is not the loopback: others on the network can connect"


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_a_link_and_faults_can_be_chosen(served: list[Served]) -> None:
    one = Served("--link", "none", "--fault", "internal_error:echo", "--fault", "one_byte")
    served.append(one)

    with Wire(one.twin("0.16.0")) as wire:
        assert wire.ask("echo", payload="x")["msg"] == "Internal error"
        assert wire.ask("get_server_status")["device_comm_link"]["link_type"] == "none"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--release", "9.9.9"], "argument --release: invalid choice: '9.9.9' (choose from"),
        (
            ["--profile", "plan"],
            "argument --profile: there is no profile 'plan' of the fake server; expected one of plain, ",
        ),
        (["--profile", "board.py"], "board.py; expected a Python file with a PROFILE"),
        (["--port", "70000"], "argument --port: '70000' is no port; expected 0 to 65535"),
        (["--delay-ready", "soon"], "argument --delay-ready: 'soon' is no time; expected seconds, 0 or more"),
        (["--delay-ready", "inf"], "argument --delay-ready: 'inf' is no time; expected seconds, 0 or more"),
        (
            ["--without", "datalog"],
            "argument --without: 'datalog' is no feature; expected some of memory_write, datalogging, ",
        ),
        (["--link", "usb"], "argument --link: invalid choice: 'usb' (choose from"),
        (
            ["--fault", "garbel"],
            "argument --fault: there is no fault 'garbel'; expected one of delay, ",
        ),
        (["--fault", "cut:x"], "with base 10: 'x'); expected cut:AFTER"),
        (["--release", "0.3.0", "--fault", "bomb"], "fault 'bomb' cannot happen on websocket; expected one "),
    ],
)
def test_a_wrong_argument_is_answered_with_what_is_right(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert text in capsys.readouterr().err


def test_a_taken_port_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer() as server:
        code = main(["--port", str(server.port)])

    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert captured.err.startswith(f"the fake server cannot listen on 127.0.0.1:{server.port}: ")
    assert captured.err.count("\n") == 1
