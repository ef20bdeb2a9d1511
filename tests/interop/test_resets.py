"""Resets as the plugin tells of them, on real servers too: they notice one up to a second after it."""

import re

import pytest

from pytest_scrutiny.plugin import pool
from pytest_scrutiny.plugin.options import ROWS
from tests.interop.benches import HOST, Bench
from tests.interop.conftest import TIMEOUT

FEW_ARE_ENOUGH = True
HEAD = f"""
import pytest

@pytest.fixture
def reset(bench, scrutiny_client):
    def reset():
        before = scrutiny_client.get_server_status().device_session_id
        bench.reset()
        scrutiny_client.wait_server_status(
            lambda status: status.sfd is not None and status.device_session_id not in (None, before),
            {TIMEOUT},
            "no new session",
        )

    return reset
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither the settings of whoever runs this nor others' turns matter."""
    for row in ROWS:
        monkeypatch.delenv(row.environment, raising=False)
    monkeypatch.setattr(pool, "shared_folder", tmp_path_factory.getbasetemp)


class Holder:
    """A plugin that gives the bench to the pytest under test."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @pytest.fixture(scope="session")
    def bench(self) -> Bench:
        return self._bench


def run(pytester: pytest.Pytester, bench: Bench, module: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=HEAD + module)
    options = (
        f"--scrutiny-host={HOST}",
        f"--scrutiny-port={bench.port}",
        f"--scrutiny-ready-timeout={TIMEOUT}",
    )
    return pytester.runpytest_inprocess(*options, "-p", "no:cacheprovider", plugins=[Holder(bench)])


def test_a_reset_nobody_declared_is_told_with_its_story(pytester: pytest.Pytester, bench: Bench) -> None:
    result = run(
        pytester,
        bench,
        f"""
def test_at_the_next_use(scrutiny_device, reset):
    speed = scrutiny_device["/motor/speed"]
    speed.write(5)
    speed.wait(5, timeout={TIMEOUT})
    reset()
    speed.read()

def test_in_a_wait(scrutiny_device, bench):
    speed = scrutiny_device["/motor/speed"]
    speed.write(5)
    speed.wait(5, timeout={TIMEOUT})
    bench.reset()
    speed.wait(9, timeout={TIMEOUT})

def test_clean(scrutiny_device):
    assert scrutiny_device["/motor/speed"].read() == -100
""",
    )

    assert result.parseoutcomes()["failed"] == 2
    assert result.parseoutcomes()["passed"] == 1
    lines = [line.removeprefix("E").strip() for line in result.outlines]
    heads = [
        n for n, line in enumerate(lines) if re.match(r"pytest_scrutiny\.Device(Reset|Lost)Error: ", line)
    ]
    assert len(heads) == 2
    for number in heads:
        head, last, writes, device = lines[number : number + 4]
        assert re.search(r"\d\.\d\d s into the test and \d\.\d\d s after the last write", head)
        assert re.fullmatch(r"last +5   /motor/speed   \d+ ms before", last)
        assert re.fullmatch(r"writes +-\d\.\d{3} s  /motor/speed  -100 → 5", writes)
        assert device.startswith("device ")


def test_resets_that_a_marker_declares_are_counted(pytester: pytest.Pytester, bench: Bench) -> None:
    result = run(
        pytester,
        bench,
        f"""
mark = pytest.mark.scrutiny_expect_reset

@mark
def test_in_the_middle(scrutiny_device, reset):
    reset()
    assert scrutiny_device["/motor/speed"].read() == -100

@mark
def test_at_the_last_line(bench, scrutiny_client):
    bench.reset()

@mark(count=2)
def test_with_a_block(scrutiny_device, bench, reset):
    with scrutiny_device.expect_reset(within={TIMEOUT}) as first:
        bench.reset()
    assert first.downtime < {TIMEOUT}
    reset()

@mark
def test_waited_for(scrutiny_device, bench):
    bench.reset()
    assert scrutiny_device.wait_reset({TIMEOUT}).after == scrutiny_device.session_id

@mark
def test_too_many(scrutiny_device, reset):
    reset()
    reset()

@mark
def test_too_few(scrutiny_device):
    pass

def test_clean(scrutiny_device):
    assert scrutiny_device["/motor/speed"].read() == -100
""",
    )

    result.assert_outcomes(passed=7, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_too_many*",
            "the device was reset: session * (2 resets). *",
            "*ERROR at teardown of test_too_few*",
            "the device was reset 0 times in the test; expected 1, *",
        ]
    )


def test_a_shared_device_tells_of_a_reset_between_two_tests_once(
    pytester: pytest.Pytester, bench: Bench
) -> None:
    result = run(
        pytester,
        bench,
        """
def test_writes(scrutiny_device_shared):
    scrutiny_device_shared["/motor/speed"].write(5)

def test_finds_it(scrutiny_device_shared):
    assert scrutiny_device_shared["/motor/speed"].read() == 5

def test_resets_without_the_device(reset):
    reset()

def test_is_told(scrutiny_device_shared):
    scrutiny_device_shared["/motor/speed"].read()

def test_writes_again(scrutiny_device_shared):
    scrutiny_device_shared["/motor/speed"].write(6)

def test_declares(scrutiny_device, bench):
    with scrutiny_device.expect_reset(within=15):
        bench.reset()

def test_need_not_be_told(scrutiny_device_shared):
    scrutiny_device_shared["/motor/speed"].write(7)
""",
    )
    result.assert_outcomes(passed=6, failed=1)
    after = run(
        pytester,
        bench,
        """
def test_after(scrutiny_device):
    assert scrutiny_device["/motor/speed"].read() == -100
""",
    )

    after.assert_outcomes(passed=1)
