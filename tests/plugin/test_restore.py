"""What tests write: put back after each, kept where a marker says so, shared until the end of the run."""

import pytest

from pytest_scrutiny.fakeserver.server import FakeServer
from tests.clock import SECOND
from tests.plugin.test_resets import SERVER

WRITES = """
        def write_all(device):
            device["/motor/speed"].write(1)
            with device.batch() as batch:
                batch.write("/psu/setpoint", 2.0)
                batch.write("/app/mode", "RUN")
            device.memory.write(0x1200, b"\\x07")
            with device.override({"/motor/torque_limit": 0.5}):
                pass

        def found(server):
            paths = ("/motor/speed", "/psu/setpoint", "/app/mode", "/motor/torque_limit")
            return [*map(server.get, paths), server.device.memory.read(0x1200, 1)]
"""
BEFORE = [-100, 5.0, 0, 1.5, b"\0"]


@pytest.mark.parametrize("ending", ["pass", "raise ValueError"], ids=["passed", "failed"])
def test_everything_is_put_back_whatever_the_test_ends_with(pytester: pytest.Pytester, ending: str) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it=f"""{WRITES}
        def test_writes(scrutiny_device):
            write_all(scrutiny_device)
            {ending}

        def test_after(server):
            assert found(server) == {BEFORE}
        """
    )
    failed = ending != "pass"

    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(
        passed=2 - failed, failed=int(failed)
    )


def test_what_was_written_stays_where_a_marker_says_so(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it=f"""{WRITES}
        import pytest

        @pytest.mark.scrutiny_restore("off")
        class TestIt:
            def test_writes(self, scrutiny_device, server):
                write_all(scrutiny_device)

            @pytest.mark.scrutiny_restore("auto")
            def test_closer(self, scrutiny_device):
                scrutiny_device["/motor/speed"].write(99)

        def test_after(server):
            assert found(server) == [1, 2.0, 1, 1.5, b"\\x07"]
        """
    )

    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=3)


def test_each_value_that_could_not_be_put_back_is_named_at_the_test_that_wrote_it(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it=f"""{WRITES}
        def test_innocent(scrutiny_device):
            scrutiny_device["/motor/speed"].write(5)

        def test_writes(scrutiny_device, server):
            write_all(scrutiny_device)
            server.device.change_features(memory_write=False)

        def test_after(scrutiny_device): pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_writes*",
            "the device is not as it was found; expected every write to be undone. Reset it first of all.",
            "memory 0x1200 to 0x1200 could not be put back to '00': *",
            "/app/mode could not be put back to 0: *",
            "/psu/setpoint could not be put back to 5.0: *",
            "/motor/speed could not be put back to -100: *",
        ]
    )
    result.stdout.no_fnmatch_line("/motor/torque_limit could not be put back*")  # the block had done it


def test_a_shared_device_keeps_what_was_written_until_the_end_of_the_run(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        SERVER.replace("yield server", "yield server\n        assert server.get('/motor/speed') == -100")
    )
    pytester.makepyfile(
        test_it="""
        def test_writes(scrutiny_device_shared):
            scrutiny_device_shared["/motor/speed"].write(5)

        def test_finds(scrutiny_device_shared):
            assert scrutiny_device_shared["/motor/speed"].read() == 5

        def test_is_told_of_a_reset_once(scrutiny_device_shared, reset):
            reset()
            scrutiny_device_shared["/motor/speed"].read()

        def test_goes_on(scrutiny_device_shared):
            scrutiny_device_shared["/motor/speed"].write(6)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        ["E *DeviceResetError: the device was reset: session *after it was first used*"]
    )


def test_a_server_that_hangs_at_the_end_is_to_blame_for_what_it_does_not_take_back(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it=f"""
        def test_writes(scrutiny_device, server):
            scrutiny_device["/motor/speed"].write(5)
            scrutiny_device.raw.timeout = scrutiny_device.raw.write_timeout = {0.2 * SECOND}
            server.stall()
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["/motor/speed could not be put back to -100: *", "failed: 1 by server"])


def test_a_test_with_a_shared_device_passes_the_gate(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SERVER.replace("FakeServer()", "FakeServer(ready_delay=None)"))
    pytester.makepyfile(
        test_it="""
        def test_it(scrutiny_device_shared): raise AssertionError("it ran")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--scrutiny-ready-timeout=0.1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["device not ready within 0.1 s*"])


def test_resets_that_a_test_declared_surprise_no_shared_device(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it="""
        import pytest

        def test_first(scrutiny_device_shared):
            scrutiny_device_shared["/motor/speed"].read()

        @pytest.mark.scrutiny_expect_reset
        def test_marked(scrutiny_device_shared, reset):
            reset()
            assert scrutiny_device_shared["/motor/speed"].read() == -100

        def test_block(scrutiny_device, server):
            with scrutiny_device.expect_reset(within=5):
                server.reset()

        def test_marked_alone(scrutiny_device_shared):
            assert scrutiny_device_shared["/motor/speed"].read() == -100

        @pytest.mark.scrutiny_expect_reset
        def test_one_too_many(scrutiny_device_shared, reset):
            reset()
            reset()
            scrutiny_device_shared["/motor/speed"].read()

        def test_last(scrutiny_device_shared):
            assert scrutiny_device_shared["/motor/speed"].read() == -100
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["E *DeviceResetError: the device was reset: session *"])


def test_a_block_of_a_shared_device_that_was_never_entered_fails_its_own_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        test_it="""
        def test_forgets(scrutiny_device_shared):
            scrutiny_device_shared["/motor/speed"].never(5)

        def test_innocent(scrutiny_device_shared): pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--scrutiny-fake")

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_forgets*",
            "/motor/speed: never(5) was never entered, so it did nothing*",
        ]
    )


def test_what_a_shared_device_wrote_is_put_back_through_a_client_of_the_conftest(
    pytester: pytest.Pytester, fake: FakeServer
) -> None:
    pytester.makeconftest(
        f"""
        import pytest
        from pytest_scrutiny import ScrutinyClient

        @pytest.fixture(scope="session")
        def scrutiny_client():
            with ScrutinyClient("mine").connect({fake.host!r}, {fake.port}) as client:
                yield client
        """
    )
    pytester.makepyfile(
        """
        def test_writes(scrutiny_device_shared):
            scrutiny_device_shared["/motor/speed"].write(5)

        def test_plain(): pass
        """
    )
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-Werror", "--scrutiny-host=unused.invalid"
    )

    result.assert_outcomes(passed=2)
    assert fake.get("/motor/speed") == -100


def test_what_a_shared_device_could_not_put_back_is_named_at_the_end_of_the_run(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(SERVER)
    pytester.makepyfile(
        test_it="""
        def test_writes(scrutiny_device_shared, server):
            scrutiny_device_shared["/motor/speed"].write(5)
            server.device.change_features(memory_write=False)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["/motor/speed could not be put back to -100: *"])
