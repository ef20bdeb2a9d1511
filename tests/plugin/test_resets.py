"""No reset goes unnoticed: in the middle of a test, or after its last look at the device."""

import pytest

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


# Declared by a marker


def test_resets_that_were_declared_are_counted(pytester: pytest.Pytester) -> None:
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
