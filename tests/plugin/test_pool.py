"""Turns: one device, one test at a time, on all of the machine."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from pytest_scrutiny.errors import ScrutinyError, TimeoutException
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.plugin import pool
from pytest_scrutiny.plugin.pool import Turn, place_of
from tests.clock import SECOND
from tests.plugin.runs import Run

HERE = socket.gethostname()
PLACES = [
    ("localhost", "localhost:1"),
    ("LocalHost.", "localhost:1"),
    ("127.0.0.1", "localhost:1"),
    ("127.1.2.3", "localhost:1"),
    ("::1", "localhost:1"),
    ("0:0::1", "localhost:1"),
    ("::ffff:127.0.0.1", "localhost:1"),
    ("0.0.0.0", "localhost:1"),
    (HERE, "localhost:1"),
    ("Bench7", "bench7:1"),
    ("bench7.lab", "bench7.lab:1"),
    ("10.0.0.7", "10.0.0.7:1"),
    ("FE80::0001", "fe80::1:1"),
]


@pytest.mark.parametrize(("host", "place"), PLACES)
def test_names_of_one_server_are_one_place(host: str, place: str) -> None:
    assert place_of(host, 1) == place


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has a folder for each user")
def test_the_locks_are_where_all_users_find_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the tests' own folder
    monkeypatch.setenv("TMPDIR", "/nowhere")

    assert pool.shared_folder() == Path("/tmp")


# The turn


MakeTurn = Callable[..., Turn]


@pytest.fixture
def make_turn(tmp_path: Path) -> Iterator[MakeTurn]:
    """Make turns at one place; those still taken are given back at the end."""
    turns = []

    def make(
        told: list[str] | None = None, given_up: dict[str, str] | None = None, longest: float = 9
    ) -> Turn:
        turn = Turn(
            "bench7:1",
            ([] if told is None else told).append,
            {} if given_up is None else given_up,
            longest=longest * SECOND,
            folder=tmp_path,
        )
        turns.append(turn)
        return turn

    yield make
    for turn in turns:
        turn.give_back()


def take_elsewhere(turn: Turn, test: str) -> None:
    """Take it as another process would: not in this thread, which would only wait for itself."""
    thread = threading.Thread(target=turn.take, args=[test])
    thread.start()
    thread.join()


def test_a_wait_is_told_and_ends(make_turn: MakeTurn) -> None:
    told: list[str] = []
    given_up: dict[str, str] = {}
    take_elsewhere(make_turn(), "test_psu.py::test_a")

    with pytest.raises(TimeoutException) as caught:
        make_turn(told, given_up, 0.1).take("test_psu.py::test_b")

    holder = make_turn().holder()
    assert holder.startswith(f"process {os.getpid()} of ")
    assert holder.endswith(", for test_psu.py::test_a)")
    assert told == [f"waiting for the turn at bench7:1: {holder} has it"]
    assert str(caught.value) == (
        f"no turn at bench7:1: {holder} has kept it for over {0.1 * SECOND:g} s; expected it back after each "
        "test. End that run, or give this one another server."
    )
    assert caught.value.category == "bench"
    assert given_up == {"bench7:1": holder}


def test_the_same_holder_is_not_waited_for_again(make_turn: MakeTurn) -> None:
    told: list[str] = []
    take_elsewhere(make_turn(), "test_a")
    given_up = {"bench7:1": make_turn().holder()}

    with pytest.raises(TimeoutException):
        make_turn(told, given_up, 3600).take("test_b")

    assert told == []


def test_another_holder_is_waited_for(make_turn: MakeTurn) -> None:
    """Who gave up once has the device again as soon as it is free, and counts anew."""
    given_up = {"bench7:1": "process 1 of jane"}

    make_turn(None, given_up).take("test_b")

    assert given_up == {}


def test_whoever_waits_comes_first(make_turn: MakeTurn) -> None:
    """The holder wants the next turn at once, as a run does between two tests."""
    order: list[str] = []

    def use(name: str) -> None:
        turn = make_turn()
        turn.take(name)
        order.append(name)
        turn.give_back()

    first = make_turn()
    take_elsewhere(first, "test_a")
    waiting, again = (threading.Thread(target=use, args=[name]) for name in ("waiting", "again"))
    waiting.start()
    while is_free(FileLock(first._door.lock_file, mode=0o666)):
        pass

    again.start()
    first.give_back()

    waiting.join()
    again.join()
    assert order == ["waiting", "again"]


def is_free(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    lock.release()
    return True


def test_a_name_cannot_reach_the_terminal_with_control_characters(
    make_turn: MakeTurn, tmp_path: Path
) -> None:
    turn = make_turn()
    turn.take("test_a")
    (holder_file,) = tmp_path.glob("*.holder")

    holder_file.write_bytes(b"\x1b[2Jme\xff\n" + b"x" * 1000)

    assert turn.holder().startswith("[2Jme\ufffdxxx")
    assert len(turn.holder()) <= 300


def test_a_name_that_cannot_be_left_is_no_reason_to_fail(make_turn: MakeTurn, tmp_path: Path) -> None:
    turn = make_turn()
    turn.take("test_a")
    turn.give_back()
    (holder_file,) = tmp_path.glob("*.holder")
    holder_file.unlink()
    holder_file.mkdir()

    turn.take("test_b")

    assert turn.holder() == "somebody who left no name"


def test_a_lock_that_cannot_be_taken_is_an_error(make_turn: MakeTurn, tmp_path: Path) -> None:
    turn = make_turn()
    turn.take("test_a")
    (lock,) = tmp_path.glob("*.turn")
    turn.give_back()
    lock.unlink(missing_ok=True)  # some releases of filelock have deleted it
    lock.mkdir()

    with pytest.raises(ScrutinyError) as caught:
        turn.take("test_b")

    text = str(caught.value)
    assert text.startswith("cannot take turns at bench7:1: ")
    assert text.endswith(
        f"; expected to lock {lock}. Check its permissions, or delete it while no test runs."
    )
    assert caught.value.category == "bench"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_every_user_may_use_the_files(make_turn: MakeTurn, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_turn().take("test_a")
    finally:
        os.umask(before)

    modes = {path.suffix: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes[".turn"] == modes[".holder"] == 0o666


# With pytest


NUMBERS = 8
TAKING_TURNS = f"""
import pytest

@pytest.mark.parametrize("number", range({NUMBERS}))
def test_it(scrutiny_device, number):
    value = scrutiny_device["/psu/setpoint"]
    assert value.read() == 5
    value.write(number)
    for _ in range(3):
        assert value.read() == number
"""
WITHOUT_TURNS = """
import pytest

@pytest.fixture
def scrutiny_gate(request):
    from pytest_scrutiny.plugin.gate import pass_gate
    return pass_gate(request)
"""


def test_four_workers_are_as_good_as_one(pytester: pytest.Pytester, fake: FakeServer) -> None:
    """Without turns (WITHOUT_TURNS in a conftest) most of these tests fail."""
    pytester.makepyfile(TAKING_TURNS)

    run = Run(pytester, "-p", "xdist", "-n4", "--scrutiny-url", fake.url)

    assert run.wait() == 0, run.output
    assert f"{NUMBERS} passed" in run.output
    assert fake.get("/psu/setpoint") == 5


HOLDING = "def test_it(scrutiny_device):\n    print('now', flush=True)\n    input()\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no signals from outside on Windows")
def test_two_runs_take_turns_and_the_death_of_one_frees_the_other(
    pytester: pytest.Pytester, fake: FakeServer
) -> None:
    pytester.makepyfile(test_holding=HOLDING, test_waiting="def test_it(scrutiny_gate): pass")
    holding = Run(pytester, "test_holding.py", "--scrutiny-url", fake.url)
    holding.read_until("now")
    # Less time for the device than the wait takes.
    options = (
        "-v",
        "--scrutiny-ready-timeout=0.5",
        "--scrutiny-host=localhost",
        f"--scrutiny-port={fake.port}",
    )
    waiting = Run(pytester, "test_waiting.py", *options)

    waiting.read_until("for test_holding.py::test_it) has it")
    holding.send(signal.SIGKILL)

    assert waiting.wait() == 0
    assert (
        f"scrutiny: waiting for the turn at localhost:{fake.port}: process {holding.pid} of "
        in waiting.output
    )
    assert holding.wait() == -signal.SIGKILL


def test_a_turn_that_does_not_come_is_an_error_of_the_bench(
    pytester: pytest.Pytester, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "LONGEST_TURN", 0.1)
    pytester.makepyfile("def test_a(scrutiny_device): pass\ndef test_b(scrutiny_gate): pass")
    told: list[str] = []
    turn = Turn(f"localhost:{fake.port}", told.append, {}, longest=1)
    take_elsewhere(turn, "test_psu.py::test_c")

    result = pytester.runpytest_inprocess("--scrutiny-url", fake.url)

    turn.give_back()
    result.assert_outcomes(errors=2)
    text = (
        f"no turn at localhost:{fake.port}: process * for test_psu.py::test_c) has kept it for over 0.1 s; *"
    )
    result.stdout.fnmatch_lines([text, text, "failed: 2 by bench"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_fake_of_the_run_is_not_shared(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "Turn", None)
    pytester.makepyfile("def test_it(scrutiny_device): pass")

    pytester.runpytest_inprocess("--scrutiny-fake").assert_outcomes(passed=1)
