"""No reset goes unnoticed: in the middle of a test, or after its last look at the device."""

import re

import pytest

# Imported here, so that it is loaded before a run in this process, which forgets what it loaded itself.
from pytest_scrutiny.hil import device
from tests.clock import SECOND

SERVER = """
import pytest
from pytest_scrutiny import FakeServer

@pytest.fixture(scope="session")
def server():
    with FakeServer() as server:
        yield server

@pytest.fixture(scope="session")
def scrutiny_settings(scrutiny_settings, server):
    return scrutiny_settings._replace(host=server.host, port=server.port)

@pytest.fixture
def reset(server, scrutiny_client):
    def reset():
        before = scrutiny_client.get_server_status().device_session_id
        server.reset()
        scrutiny_client.wait_server_status(
            lambda status: status.device_session_id not in (None, before) and status.sfd, 5, "no new session"
        )
    return reset
"""


def test_a_reset_is_found_at_the_next_use_or_at_the_end_and_the_next_test_is_clean(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it="""
        def test_in_the_middle(scrutiny_device, reset):
            reset()
            scrutiny_device["/motor/speed"].read()

        def test_at_the_end(scrutiny_device, reset):
            scrutiny_device["/motor/speed"].read()
            reset()

        def test_expected(scrutiny_device, server):
            with scrutiny_device.expect_reset(within=5):
                server.reset()
            assert scrutiny_device["/motor/speed"].read() == -100

        def test_clean(scrutiny_device):
            assert scrutiny_device["/motor/speed"].read() == -100
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=3, failed=1, errors=1)
    text = "the device was reset: session ???????? ended *s into the test, and ???????? began *s later. *"
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_at_the_end*",
            text,
            f"*DeviceResetError: {text}",
            "failed: 2 by device",
        ]
    )


def test_a_test_that_uses_a_value_never_fails_for_a_reset_before_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        """
        def test_reset(reset): reset()

        def test_next(scrutiny_device):
            assert scrutiny_device["/motor/speed"].read() == -100
        """
    )

    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_a_block_that_was_never_entered_fails_the_end_of_its_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        def test_it(scrutiny_device):
            scrutiny_device["/motor/speed"].never(5)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--scrutiny-fake")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["/motor/speed: never(5) was never entered, so it did nothing; write: with never(...):"]
    )


PLACES = {
    "at the next use": "reset(); value.read()",
    "at the next write": "reset(); value.write(6)",
    "in a snapshot": "reset(); scrutiny_device.snapshot(value.path)",
    "in a batch": """
            with scrutiny_device.batch() as batch:
                reset()
                batch.write(value.path, 6)""",
    "in a never block": """
            with value.never(9):
                reset()""",
    "in an expect_change block": """
            with value.expect_change(5):
                reset()""",
    "in a wait": "later(); value.wait(9, timeout=60)",
    "while it stays": "later(); value.stays(5, for_=60)",
    "at the end": "reset()",
}


@pytest.mark.parametrize("place", PLACES)
def test_the_story_is_the_same_wherever_a_reset_is_noticed(pytester: pytest.Pytester, place: str) -> None:
    """In the middle of a call the device is gone first; who comes later finds the new session."""
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it=f"""
        import pytest, threading

        @pytest.fixture
        def later(server):
            timer = threading.Timer({0.1 * SECOND}, server.reset)
            yield timer.start
            timer.cancel()

        def test_it(scrutiny_device, reset, later):
            value = scrutiny_device["/motor/speed"]
            value.write(5)
            value.read()
            {PLACES[place]}
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    story = [line.removeprefix("E").strip() for line in result.outlines]
    heads = [
        line for line in story if "the device was reset" in line[:60] or "the device went away" in line[:60]
    ]
    assert heads
    place_of_head = story.index(heads[0])
    head, *lines = story[place_of_head : place_of_head + 4]
    assert re.search(r" \d\.\d\d s into the test and \d\.\d\d s after the last write", head)
    assert re.fullmatch(r"last +5   /motor/speed   \d+ ms before", lines[0])
    assert re.fullmatch(r"writes +-\d\.\d{3} s  /motor/speed  -100 → 5", lines[1])
    assert re.fullmatch(r"device +(Simulated PSU .*\(was \w{8}\)|gone \(session \w{8} ended\))", lines[2])


# Declared by a marker


def test_resets_that_were_declared_are_counted(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "RETURN_TIMEOUT", 0.5 * SECOND)  # what test_too_few waits for in vain
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.scrutiny_expect_reset
        def test_one(scrutiny_device, reset):
            scrutiny_device["/motor/speed"].write(5)
            reset()
            assert scrutiny_device["/motor/speed"].read() == -100

        @pytest.mark.scrutiny_expect_reset(count=2)
        def test_two_of_which_one_in_a_block(scrutiny_device, server, reset):
            with scrutiny_device.expect_reset(within=5):
                server.reset()
            reset()
            assert scrutiny_device["/motor/speed"].read() == -100

        @pytest.mark.scrutiny_expect_reset
        def test_without_the_device_in_hand(reset):
            reset()

        @pytest.mark.scrutiny_expect_reset
        def test_under_way_at_the_end(scrutiny_device, server):
            server.reset()

        @pytest.mark.scrutiny_expect_reset(count=2)
        def test_too_few(scrutiny_device, reset):
            reset()

        @pytest.mark.scrutiny_expect_reset
        def test_too_many(scrutiny_device, reset):
            reset()
            reset()

        def test_clean(scrutiny_device):
            assert scrutiny_device["/motor/speed"].read() == -100
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rA")

    result.assert_outcomes(passed=7, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_too_few*",
            "the device was reset once in the test; expected 2, as it is marked scrutiny_expect_reset(coun*",
            "*ERROR at teardown of test_too_many*",
            "the device was reset: session ???????? ended *",
        ]
    )


def test_a_test_that_did_not_pass_owes_no_resets(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it="""
        import pytest
        pytestmark = pytest.mark.scrutiny_expect_reset

        def test_skips(scrutiny_device): pytest.skip("no relay")
        def test_fails(scrutiny_device): raise AssertionError("on purpose")
        @pytest.mark.xfail
        def test_fails_as_expected(scrutiny_device): raise AssertionError("on purpose")

        def test_fails_after_too_many(scrutiny_device, reset):
            reset()
            reset()
            raise AssertionError("on purpose")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(skipped=1, failed=2, xfailed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_fails_after_too_many*", "the device was reset: session * (2 resets). *"]
    )


def test_a_reset_that_the_server_notices_after_the_last_line_is_waited_for(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it=f"""
        import pytest, threading

        @pytest.fixture
        def reset_later(server):
            timer = threading.Timer({0.2 * SECOND}, server.reset)
            yield timer.start
            timer.join()

        @pytest.mark.scrutiny_expect_reset
        def test_it(scrutiny_client, reset_later):
            reset_later()
        """
    )

    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize(("in_the_block", "after_it"), [("reset()", "pass"), ("pass", "reset()")])
def test_a_block_that_fails_has_declared_its_reset_all_the_same(
    pytester: pytest.Pytester, in_the_block: str, after_it: str
) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it=f"""
        import pytest

        @pytest.fixture
        def after(scrutiny_device, reset):
            yield
            {after_it}

        def test_it(scrutiny_device, reset, after):
            with scrutiny_device.expect_reset(within=5):
                {in_the_block}
                raise AssertionError("on purpose")
        """
    )

    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("mark", "text"),
    [
        (
            "scrutiny_expect_reset(count=0)",
            "scrutiny_expect_reset got 0: expected a whole number of resets*",
        ),
        ("scrutiny_expect_reset(counts=2)", "*does not take the keyword 'counts': *did you mean 'count'?"),
        ("scrutiny_expect_reset(True)", "scrutiny_expect_reset got True: expected a whole number*"),
        (
            "scrutiny_restore('of')",
            "scrutiny_restore got 'of': expected 'auto' or 'off'; write for*",
        ),
        ("scrutiny_restore", "scrutiny_restore got nothing: expected 'auto' or 'off'; write *"),
    ],
)
def test_a_mistake_in_a_marker_is_an_error_of_the_collection(
    pytester: pytest.Pytester, mark: str, text: str
) -> None:
    pytester.makepyfile(
        test_it=f"""
        import pytest

        @pytest.mark.{mark}
        def test_it(scrutiny_device): pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--scrutiny-fake")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"test_it.py::test_it: {text}"])
