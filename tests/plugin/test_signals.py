"""Ctrl-C and SIGTERM: values put back, connection closed, the right exit code, within a second."""

import functools
import signal
import sys
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.plugin.signals import EXIT_CODE, Terminated, is_ending, orderly_termination
from tests.clock import SECOND
from tests.plugin.runs import Run

SOON = 3 * SECOND
"""On an idle machine it is 0.3 s, of which pytest by itself needs 0.25 (9.2.0, observed). What this would
find is a wait for a timeout: 4 s for a request, 5 s for a write, 60 s here."""

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no signals from outside on Windows")
WRITTEN = """
import pytest

def test_it(scrutiny_device, scrutiny_client):
    value = scrutiny_device["/psu/setpoint"]
    value.write(1)
    scrutiny_device["/motor/speed"].write(2)
    print("now", flush=True)
    {}
"""
IN_THE_GATE = """
import pytest

@pytest.fixture
def announced(scrutiny_client): print("now", flush=True)
def test_it(announced, scrutiny_device): raise AssertionError("it ran")
"""
WAITING = """
    for _ in range(2):
        try:
            scrutiny_client.wait_server_status(lambda _: False, 60, "never")
        except Exception:
            pass
"""


def start(pytester: pytest.Pytester, module: str, *options: str) -> Run:
    """Return a run whose test has come so far as to print ``now``."""
    pytester.makepyfile(module)
    run = Run(pytester, *options)
    run.read_until("now")
    return run


def assert_nobody_is_connected(server: FakeServer) -> None:
    end = monotonic() + 5 * SECOND
    while server.clients:  # the server notices a closed connection in its own time
        server.get("/psu/setpoint")
        assert monotonic() < end


CODES = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 2), (signal.SIGTERM, EXIT_CODE)], ids=["Ctrl-C", "SIGTERM"]
)


@POSIX
@CODES
def test_in_a_wait(pytester: pytest.Pytester, fake: FakeServer, number: int, code: int) -> None:
    """The test swallows what it can."""
    fake.set("/psu/setpoint", 12.5)
    run = start(pytester, WRITTEN.format(WAITING), "--scrutiny-url", fake.url)

    returned, seconds = run.end(number)

    assert returned == code
    assert seconds < SOON
    assert (fake.get("/psu/setpoint"), fake.get("/motor/speed")) == (12.5, -100)
    assert_nobody_is_connected(fake)
    assert "INTERNALERROR" not in run.output
    assert ("KeyboardInterrupt" if code == 2 else "Terminated: SIGTERM") in run.output


@POSIX
@CODES
def test_with_a_server_that_hangs(
    pytester: pytest.Pytester, fake: FakeServer, number: int, code: int
) -> None:
    run = start(pytester, WRITTEN.format("input()"), "--scrutiny-url", fake.url)
    fake.stall()

    returned, seconds = run.end(number)
    fake.resume_serving()

    assert returned == code
    assert seconds < 2 * SECOND
    assert "/motor/speed could not be put back to -100: " in run.output


@POSIX
@pytest.mark.parametrize("gap", [0.001, 0.03, 0.1, 0.2, 0.4])
def test_a_second_sigterm_changes_nothing(pytester: pytest.Pytester, fake: FakeServer, gap: float) -> None:
    run = start(pytester, WRITTEN.format("input()"), "--scrutiny-url", fake.url)
    run.send(signal.SIGTERM)
    threading.Timer(gap * SECOND, run.send, [signal.SIGTERM]).start()

    returned = run.wait()

    # The latter where nothing was left to do but to exit.
    assert returned in (EXIT_CODE, -signal.SIGTERM)
    assert fake.get("/psu/setpoint") == 5.0
    assert "Terminated: SIGTERM" in run.output


ALL_KINDS = """
import pytest

def test_it(scrutiny_device):
    scrutiny_device["/motor/speed"].write(2)
    with scrutiny_device.batch() as batch:
        batch.write("/psu/setpoint", 1)
        batch.write("/app/mode", "RUN")
    scrutiny_device.memory.write(0x1200, bytes([7, 8]))
    with scrutiny_device.override({"/motor/torque_limit": 0.5}):
        scrutiny_device.memory.write(0x1201, bytes([9]))
        print("now", flush=True)
        input()
"""


def all_kinds(server: FakeServer) -> list[object]:
    """Return what ALL_KINDS changes."""
    paths = ("/motor/speed", "/psu/setpoint", "/app/mode", "/motor/torque_limit")
    return [*map(server.get, paths), server.device.memory.read(0x1200, 2)]


@POSIX
@CODES
def test_in_a_block_after_every_kind_of_write(
    pytester: pytest.Pytester, fake: FakeServer, number: int, code: int
) -> None:
    """The memory was written twice, at one place: only in reverse does it end as it was."""
    before = all_kinds(fake)
    run = start(pytester, ALL_KINDS, "--scrutiny-url", fake.url)
    assert all_kinds(fake) == [2, 1.0, 1, 0.5, b"\x07\x09"]

    returned, _ = run.end(number)

    assert returned == code
    assert all_kinds(fake) == before == [-100, 5.0, 0, 1.5, b"\0\0"]
    assert "INTERNALERROR" not in run.output


@POSIX
def test_in_a_block_of_a_device_that_takes_nothing_back(pytester: pytest.Pytester, fake: FakeServer) -> None:
    run = start(pytester, ALL_KINDS, "--scrutiny-url", fake.url)
    fake.device.change_features(memory_write=False)

    returned, _ = run.end(signal.SIGTERM)

    assert returned == EXIT_CODE
    lines = [line for line in run.output.splitlines() if " could not be put back to " in line]
    assert [line.partition(" could not be put back to ")[0] for line in lines[-6:]] == [
        "memory 0x1201 to 0x1201",
        "/motor/torque_limit",
        "memory 0x1200 to 0x1201",
        "/app/mode",
        "/psu/setpoint",
        "/motor/speed",
    ]


SHARED_AND_KEPT = """
import pytest

def test_earlier(scrutiny_device_shared):
    scrutiny_device_shared["/psu/setpoint"].write(1)

@pytest.mark.scrutiny_restore("off")
def test_it(scrutiny_device):
    scrutiny_device["/motor/speed"].write(2)
    print("now", flush=True)
    input()
"""


@POSIX
@CODES
def test_with_a_shared_device_and_what_is_to_stay(
    pytester: pytest.Pytester, fake: FakeServer, number: int, code: int
) -> None:
    run = start(pytester, SHARED_AND_KEPT, "--scrutiny-url", fake.url)
    assert fake.get("/psu/setpoint") == 1.0

    returned, _ = run.end(number)

    assert returned == code
    assert (fake.get("/psu/setpoint"), fake.get("/motor/speed")) == (5.0, 2)
    assert "INTERNALERROR" not in run.output


@POSIX
def test_in_the_gate(pytester: pytest.Pytester) -> None:
    with FakeServer(ready_delay=None) as server:
        run = start(pytester, IN_THE_GATE, "--scrutiny-ready-timeout=60", "--scrutiny-url", server.url)

        returned, seconds = run.end(signal.SIGTERM)

        assert returned == EXIT_CODE
        assert seconds < SOON
        assert_nobody_is_connected(server)


@pytest.fixture
def patient_fake() -> Iterator[FakeServer]:
    """A server that does not give a silent device up."""
    with FakeServer(timing=Timing(response_timeout=3600)) as server:
        yield server


@POSIX
def test_in_a_read_that_never_comes(pytester: pytest.Pytester, patient_fake: FakeServer) -> None:
    """The device hangs, so that nothing can be put back; that is said, and nobody waits for it."""
    module = WRITTEN.format("input(); value.read(timeout=60)")
    run = start(pytester, module, "--scrutiny-url", patient_fake.url)
    patient_fake.hang()
    run.go_on()

    returned, seconds = run.end(signal.SIGTERM)

    assert returned == EXIT_CODE
    assert seconds < SOON
    assert_nobody_is_connected(patient_fake)
    lines = run.output.splitlines()
    place = lines.index(
        "the device is not as it was found; expected every write to be undone. Reset it first of all."
    )
    assert lines[place + 1].startswith("/motor/speed could not be put back to -100: the write of ")
    assert lines[place + 2] == (
        "/psu/setpoint could not be put back to 5.0: not tried, because the one before took too long"
    )
    assert "INTERNALERROR" not in run.output


@POSIX
def test_in_a_write(pytester: pytest.Pytester, patient_fake: FakeServer) -> None:
    """The write is under way, because the device is silent; then it answers again."""
    run = start(pytester, WRITTEN.format("input(); value.write(3)"), "--scrutiny-url", patient_fake.url)
    patient_fake.hang()
    run.go_on()
    resuming = threading.Timer(0.1 * SECOND, patient_fake.resume)
    resuming.start()

    returned, seconds = run.end(signal.SIGTERM)

    resuming.join()
    assert returned == EXIT_CODE
    assert seconds < SOON
    assert (patient_fake.get("/psu/setpoint"), patient_fake.get("/motor/speed")) == (5.0, -100)


IN_TEARDOWN = """
import pytest

@pytest.fixture
def before(scrutiny_device):
    yield
    {}

@pytest.fixture
def after(scrutiny_device):
    yield
    {}

def test_it(before, scrutiny_device, after):
    scrutiny_device["/psu/setpoint"].write(1)
    scrutiny_device["/motor/speed"].write(2)
"""
ANNOUNCED = "print('now', flush=True); input()"


@POSIX
def test_in_the_teardown_of_another_fixture(pytester: pytest.Pytester, fake: FakeServer) -> None:
    """Pytest then forgets the test's other fixtures, and so ours."""
    run = start(pytester, IN_TEARDOWN.format("pass", ANNOUNCED), "--scrutiny-url", fake.url)

    returned, seconds = run.end(signal.SIGINT)

    assert returned == 2
    assert seconds < SOON
    assert (fake.get("/psu/setpoint"), fake.get("/motor/speed")) == (5.0, -100)


@POSIX
def test_while_values_are_put_back(pytester: pytest.Pytester, patient_fake: FakeServer) -> None:
    """The test is over, and its teardown waits for a silent device."""
    run = start(pytester, IN_TEARDOWN.format(ANNOUNCED, "pass"), "--scrutiny-url", patient_fake.url)
    patient_fake.hang()
    run.go_on()
    timers = [
        threading.Timer(0.1 * SECOND, run.send, [signal.SIGINT]),
        threading.Timer(0.2 * SECOND, patient_fake.resume),
    ]
    for timer in timers:
        timer.start()

    returned = run.wait()

    assert returned == 2
    assert (patient_fake.get("/psu/setpoint"), patient_fake.get("/motor/speed")) == (5.0, -100)


# The handler


@pytest.fixture
def config(pytester: pytest.Pytester) -> pytest.Config:
    return pytester.parseconfig()


@POSIX
def test_the_handler_is_there_only_inside(config: pytest.Config) -> None:
    before = signal.getsignal(signal.SIGTERM)

    with orderly_termination(config):
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before


@POSIX
def test_the_handler_of_a_terminated_run_stays_until_the_run_is_over(config: pytest.Config) -> None:
    before = signal.getsignal(signal.SIGTERM)

    with orderly_termination(config), pytest.raises(Terminated):
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    config._ensure_unconfigure()

    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def calls() -> Iterator[list[int]]:
    """The calls of a handler that was there before."""
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: calls.append(number))
    yield calls
    signal.signal(signal.SIGTERM, before)


@POSIX
def test_an_earlier_handler_is_called_first(config: pytest.Config, calls: list[int]) -> None:
    with orderly_termination(config), pytest.raises(Terminated):
        signal.raise_signal(signal.SIGTERM)

    assert calls == [signal.SIGTERM]


@POSIX
def test_a_later_handler_stays_and_ours_keeps_quiet_behind_it(
    config: pytest.Config, calls: list[int]
) -> None:
    with orderly_termination(config):
        ours = signal.getsignal(signal.SIGTERM)
        assert callable(ours)
        later = functools.partial(ours)
        signal.signal(signal.SIGTERM, later)

    assert signal.getsignal(signal.SIGTERM) is later
    signal.raise_signal(signal.SIGTERM)
    assert calls == [signal.SIGTERM]


@POSIX
def test_a_run_that_ignores_sigterm_goes_on_ignoring_it(config: pytest.Config, calls: list[int]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    with orderly_termination(config):
        signal.raise_signal(signal.SIGTERM)

        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


@POSIX
def test_another_thread_leaves_signals_alone(config: pytest.Config) -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def connect() -> None:
        with orderly_termination(config):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()

    assert seen == [before]
    assert not is_ending(config)
