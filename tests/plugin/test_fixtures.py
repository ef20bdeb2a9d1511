"""Fixtures: what they give, and that nothing connects before it must."""

import pytest

from pytest_scrutiny.fakeserver.server import FakeServer
from tests.plugin.conftest import SilentPort

USERS = """
import pytest
from pytest_scrutiny import requires

def test_client(scrutiny_client): pass
def test_device(scrutiny_device): pass
@requires.datalogging
def test_marked(): pass
"""
SKIPPED = """
import pytest, unittest
from pytest_scrutiny import requires

@pytest.mark.skip
@requires.datalogging
def test_skip(): pass

@pytest.mark.skipif(True, reason="so")
def test_skipif(scrutiny_device): pass

@unittest.skip("so")
@requires.datalogging
class TestSkipped(unittest.TestCase):
    def test_it(self): pass

@requires.datalogging
class TestOneSkipped(unittest.TestCase):
    @unittest.skip("so")
    def test_it(self): pass
"""
OTHERS = """
def test_settings(scrutiny_settings): pass
def test_fake(scrutiny_fake): pass
def test_plain(): pass
"""


@pytest.mark.parametrize(
    ("module", "options"),
    [
        pytest.param(USERS, ["--collect-only"], id="--collect-only"),
        pytest.param(USERS, ["--help"], id="--help"),
        pytest.param(USERS, ["--markers"], id="--markers"),
        pytest.param(USERS, ["--fixtures"], id="--fixtures"),
        pytest.param(USERS, ["--setup-plan"], id="--setup-plan"),
        pytest.param(USERS, ["-k", "absent"], id="deselected"),
        pytest.param(SKIPPED, [], id="skipped"),
        pytest.param(OTHERS, [], id="tests that do not use the server"),
    ],
)
def test_nothing_connects(
    pytester: pytest.Pytester, silent_port: SilentPort, module: str, options: list[str]
) -> None:
    pytester.makepyfile(module)

    result = pytester.runpytest_inprocess(*silent_port.address, "--scrutiny-connect-timeout=0.1", *options)

    assert silent_port.count_connections() == 0
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def test_all_tests_share_one_client(pytester: pytest.Pytester, fake: FakeServer) -> None:
    pytester.makepyfile(
        """
        from pytest_scrutiny import ScrutinyClient, ServerState
        clients = []

        def test_one(scrutiny_client):
            assert isinstance(scrutiny_client, ScrutinyClient)
            assert scrutiny_client.server_state is ServerState.Connected
            clients.append(scrutiny_client)

        def test_two(scrutiny_client, scrutiny_device):
            assert clients == [scrutiny_client]
            assert scrutiny_device.raw is scrutiny_client
        """
    )

    result = pytester.runpytest_inprocess(
        "-Werror", "--scrutiny-host", fake.host, f"--scrutiny-port={fake.port}"
    )

    result.assert_outcomes(passed=2)


def test_a_client_of_the_conftest_is_honoured(pytester: pytest.Pytester, fake: FakeServer) -> None:
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
        from pytest_scrutiny import requires

        def test_device(scrutiny_device):
            assert scrutiny_device.raw.name == "mine"

        @requires.memory_write
        def test_marker(request):
            assert request.getfixturevalue("scrutiny_client").name == "mine"
        """
    )

    pytester.runpytest_inprocess("--scrutiny-host=unused.invalid").assert_outcomes(passed=2)


def test_the_device_is_left_as_it_was_found(pytester: pytest.Pytester, fake: FakeServer) -> None:
    fake.set("/psu/setpoint", 12.5)
    pytester.makepyfile(
        """
        def test_write(scrutiny_device):
            scrutiny_device["/psu/setpoint"].write(1)
            scrutiny_device["/psu/setpoint"].write(2)
            assert scrutiny_device["/psu/setpoint"].read() == 2

        def test_fail(scrutiny_device):
            assert scrutiny_device["/psu/setpoint"].read() == 12.5
            scrutiny_device["/psu/setpoint"].write(3)
            raise AssertionError("on purpose")
        """
    )

    result = pytester.runpytest_inprocess("--scrutiny-url", fake.url)

    result.assert_outcomes(passed=1, failed=1)
    assert fake.get("/psu/setpoint") == 12.5


def test_what_cannot_be_put_back_is_an_error_of_the_teardown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_scrutiny import FakeServer

        @pytest.fixture(scope="session")
        def server():
            with FakeServer() as server:
                yield server

        @pytest.fixture(scope="session")
        def scrutiny_settings(scrutiny_settings, server):
            return scrutiny_settings._replace(host=server.host, port=server.port)

        def test_it(server, scrutiny_device):
            scrutiny_device["/psu/setpoint"].write(1)
            scrutiny_device["/motor/speed"].write(2)
            server.stop()
        """
    )

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([
        "*ERROR at teardown of test_it*",
        "the device is not as it was found; expected every write to be undone. Reset it first of all.",
        "/motor/speed could not be put back to -100: *",
        "/psu/setpoint could not be put back to 5.0: *",
    ])  # fmt: skip
    result.stdout.no_fnmatch_line("*exception*")


@pytest.mark.parametrize(("profile", "expected"), [("plain", True), ("bare", False)])
def test_the_session_runs_on_the_fake(pytester: pytest.Pytester, profile: str, expected: bool) -> None:
    pytester.makepyfile(
        f"""
        def test_features(scrutiny_features, scrutiny_device):
            assert scrutiny_features.memory_write
            assert scrutiny_features.datalogging is {expected}
            assert scrutiny_device.features == scrutiny_features
        """
    )

    result = pytester.runpytest_inprocess("-Werror", "--scrutiny-fake", f"--scrutiny-profile={profile}")

    result.assert_outcomes(passed=1)


def test_each_test_has_a_fake_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_scrutiny import ScrutinyClient
        servers = []

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(scrutiny_fake, n):
            with ScrutinyClient().connect(scrutiny_fake.host, scrutiny_fake.port) as client:
                client.wait_device_ready(5)
            assert scrutiny_fake not in servers
            servers.append(scrutiny_fake)

        def test_beside_the_sessions(scrutiny_client, scrutiny_fake):
            assert scrutiny_client.port != scrutiny_fake.port
        """
    )

    pytester.runpytest_inprocess("-Werror", "--scrutiny-fake").assert_outcomes(passed=3)


def test_fixtures_are_explained(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--fixtures")

    lines = result.outlines
    names = ("settings", "client", "gate", "device", "features", "fake")
    for name in names:
        place = next(n for n, line in enumerate(lines) if line.startswith(f"scrutiny_{name} "))
        assert lines[place + 1].startswith("    ")
        assert lines[place + 1].endswith(".")


# Beside other plugins


def test_without_the_plugin_nothing_is_left(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(scrutiny_client): pass")

    result = pytester.runpytest_subprocess("-p", "no:scrutiny")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'scrutiny_client' not found*"])
    result.stdout.no_fnmatch_line("scrutiny:*")


def test_settings_reach_the_workers_of_xdist(pytester: pytest.Pytester, fake: FakeServer) -> None:
    fake.set_features(datalogging=False)
    pytester.makepyfile(
        """
        import pytest
        from pytest_scrutiny import requires

        @pytest.mark.parametrize("n", range(4))
        def test_settings(scrutiny_settings, scrutiny_device, n):
            assert scrutiny_settings.sources["address"] == "--scrutiny-url"
            assert scrutiny_settings.ready_timeout == 7

        @requires.datalogging
        def test_skipped(): raise AssertionError("it ran")
        """
    )
    pytester.makeini("[pytest]\nscrutiny_ready_timeout = 7\n")

    result = pytester.runpytest_subprocess(
        "-n2", "-rs", "-Werror", "--strict-markers", "--scrutiny-url", fake.url
    )

    result.assert_outcomes(passed=4, skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED * test_settings_reach_the_workers_of_xdist.py:9: device * lacks datalogging"]
    )
    assert sum(line.startswith("scrutiny:") for line in result.outlines) == 1
