"""What a run does about a server that is lost, a bench that is dead, and a device that does not come."""

import re
from time import monotonic

import pytest

from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.server import FakeServer

# Imported here, so that it is loaded before a run in this process, which forgets what it loaded itself.
from pytest_scrutiny.plugin import connect, gate
from tests.clock import SECOND
from tests.plugin.conftest import SilentPort
from tests.plugin.quick import quicken

RESTARTABLE = """
import pytest
from pytest_scrutiny import FakeServer

@pytest.fixture(scope="session")
def server():
    with FakeServer() as server:
        yield server

@pytest.fixture(scope="session")
def scrutiny_settings(scrutiny_settings, server):
    return scrutiny_settings._replace(host=server.host, port=server.port)
"""
REFUSED = (
    r"cannot connect to 127\.0\.0\.1:\d+: refused; expected a Scrutiny server there\. Start one, or check "
    r"host and port\. \(address: --scrutiny-port; --scrutiny-fake needs no server\)"
)


def test_a_server_that_was_restarted_between_tests_is_connected_to_again(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(RESTARTABLE)
    pytester.makepyfile(
        """
        from pytest_scrutiny import requires
        clients = set()

        def test_restart(scrutiny_device, server):
            clients.add(scrutiny_device.raw)
            server.stop()
            server.start()

        def test_next(scrutiny_device):
            assert scrutiny_device["/psu/setpoint"].read() == 5.0
            assert clients == {scrutiny_device.raw}

        @requires.memory_write
        def test_marked(server):
            server.stop()
            server.start()

        def test_last(scrutiny_client, scrutiny_features):
            assert scrutiny_client.get_server_status().device.supported_features == scrutiny_features
        """
    )

    result = pytester.runpytest_inprocess("-Werror")

    result.assert_outcomes(passed=4)


def test_a_server_that_is_away_for_a_while_costs_the_tests_meanwhile(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(RESTARTABLE)
    pytester.makepyfile(
        """
        import pytest

        def test_kill(scrutiny_features, server):
            server.stop()

        def test_away(scrutiny_features): raise AssertionError("it ran")
        def test_away_too(scrutiny_device): raise AssertionError("it ran")

        @pytest.fixture
        def repaired(server):
            server.start()

        def test_back(repaired, scrutiny_device):
            assert scrutiny_device["/psu/setpoint"].read() == 5.0
        """
    )

    result = pytester.runpytest_inprocess("--scrutiny-port=1", "--scrutiny-ready-timeout=600")

    result.assert_outcomes(passed=2, errors=2)
    lines = [line for line in result.outlines if line.startswith("the server was lost")]
    assert len(lines) == 2
    assert all(re.fullmatch(f"the server was lost and is not back: {REFUSED}", line) for line in lines)
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.fnmatch_lines(["failed: 2 by server"])


def test_a_server_that_restarts_under_the_gate_is_connected_to_again(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(RESTARTABLE)
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def restart_soon(scrutiny_client, server, monkeypatch):
            wait = scrutiny_client.wait_server_status
            def restart_first(*args):
                monkeypatch.undo()
                server.stop()
                server.start()
                return wait(*args)
            monkeypatch.setattr(scrutiny_client, "wait_server_status", restart_first)

        @pytest.mark.scrutiny_ready
        def test_it(restart_soon, scrutiny_client):
            assert scrutiny_client.get_server_status().device is not None
        """
    )

    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=1)


def test_a_server_that_dies_of_each_question_is_not_asked_for_ever(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(RESTARTABLE)
    pytester.makepyfile(
        """
        import pytest
        from pytest_scrutiny import ConnectionError

        @pytest.fixture
        def broken(scrutiny_client, monkeypatch):
            def die(*args):
                raise ConnectionError("the server closed the connection")
            monkeypatch.setattr(scrutiny_client, "wait_server_status", die)

        @pytest.mark.scrutiny_ready
        def test_it(broken): raise AssertionError("it ran")
        """
    )

    result = pytester.runpytest_inprocess("--scrutiny-port=1")

    result.assert_outcomes(errors=1)
    text = "the server is lost: the server closed the connection; expected it to stay at 127.0.0.1:* "
    result.stdout.fnmatch_lines([f"{text}(--scrutiny-port). Look into its log.", "failed: 1 by server"])


def test_a_client_of_the_conftest_is_connected_to_its_own_server_again(
    pytester: pytest.Pytester, fake: FakeServer
) -> None:
    """Also twice, with a failure in between: a client that failed to connect forgets its address."""
    pytester.makeconftest(
        """
        import pytest
        from pytest_scrutiny import FakeServer, ScrutinyClient

        @pytest.fixture(scope="session")
        def server():
            with FakeServer() as server:
                yield server

        @pytest.fixture(scope="session")
        def scrutiny_client(server):
            with ScrutinyClient("mine").connect(server.host, server.port) as client:
                yield client
        """
    )
    pytester.makepyfile(
        """
        def test_kill(scrutiny_device, server): server.stop()
        def test_away(scrutiny_device): raise AssertionError("it ran")
        def test_back(server, request):
            server.start()
            device = request.getfixturevalue("scrutiny_device")
            assert (device.raw.name, device.raw.port) == ("mine", server.port)
        """
    )

    pytester.runpytest_inprocess("--scrutiny-url", fake.url).assert_outcomes(passed=2, errors=1)


THREE = "".join(f"def test_{n}(scrutiny_client): raise AssertionError('it ran')\n" for n in "abc")


def test_a_dead_bench_costs_one_connect_timeout_a_run(
    pytester: pytest.Pytester, silent_port: SilentPort
) -> None:
    pytester.makepyfile(test_dead=THREE + "def test_d(scrutiny_device): raise AssertionError('it ran')\n")

    result = pytester.runpytest_inprocess(*silent_port.address, *SHORT)

    result.assert_outcomes(errors=4)
    assert silent_port.count_connections() == 1
    text = (
        "cannot connect to 127.0.0.1:*: it accepted the connection and says nothing within 0.2 s; expected a "
        "Scrutiny server there. * (address: --scrutiny-host, --scrutiny-port; time: "
        "--scrutiny-connect-timeout; tried once, by test_dead.py::test_a; --scrutiny-fake needs no server)"
    )
    result.stdout.fnmatch_lines([*[text] * 4, "failed: 4 by server"])
    result.stdout.no_fnmatch_line("*Traceback*")


SHORT = ("--scrutiny-connect-timeout=0.2", "--scrutiny-ready-timeout=0.1")
SILENT = """
    import pytest, socket

    def test_kill(scrutiny_features, server):
        server.stop()

    @pytest.fixture(scope="session")
    def silent(server):
        with socket.create_server((server.host, server.port)) as listener:
            listener.setblocking(False)
            yield listener
"""


def test_a_bench_that_hangs_during_the_run_costs_one_connect_timeout_and_a_look(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(RESTARTABLE)
    pytester.makepyfile(
        test_dies=SILENT
        + """
    def test_pays(silent, scrutiny_features): raise AssertionError("it ran")

    @pytest.mark.parametrize("number", range(100))
    def test_b(silent, scrutiny_device, number): raise AssertionError("it ran")

    def test_two_came(silent):
        for _ in range(2):
            silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
        """
    )

    result = pytester.runpytest_inprocess(*SHORT)

    result.assert_outcomes(passed=2, errors=101)
    text = (
        "the server was lost and is not back: cannot connect to 127.0.0.1:* says nothing within 0.2 s; *"
        "(address: default; time: --scrutiny-connect-timeout; tried once, by test_dies.py::test_pays; "
        "--scrutiny-fake needs no server)"
    )
    result.stdout.fnmatch_lines([text] * 3)


def test_a_server_that_was_busy_is_found_by_a_second_look(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "LOOK", 5 * SECOND)
    pytester.makeconftest(RESTARTABLE)
    pytester.makepyfile(
        test_busy=SILENT
        + """
    def test_pays(silent, scrutiny_features): raise AssertionError("it ran")

    @pytest.fixture
    def relieved(silent, server):
        silent.close()
        server.start()

    def test_back(relieved, scrutiny_device):
        assert scrutiny_device["/psu/setpoint"].read() == 5.0
        """
    )

    pytester.runpytest_inprocess(*SHORT).assert_outcomes(passed=2, errors=1)


def test_a_server_that_loads_an_sfd_at_the_start_of_the_run_is_waited_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as long as the gate would wait for its device, and the terminal tells."""
    quicken(monkeypatch, 0.1)
    pytester.makepyfile("def test_it(scrutiny_device): assert scrutiny_device.info\n")

    with FakeServer(timing=Timing(sfd=1.3)) as server:
        result = pytester.runpytest_inprocess("-v", f"--scrutiny-url={server.url}")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([
        "scrutiny: waiting for the server, 10 s at most (default of --scrutiny-ready-timeout): it accepted *",
        "scrutiny: connected after 1.? s",
    ])  # fmt: skip


def test_a_connect_timeout_that_somebody_gave_is_the_whole_time(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(scrutiny_device): pass")

    with FakeServer() as server:
        server.stall()
        start = monotonic()
        result = pytester.runpytest_inprocess(
            f"--scrutiny-url={server.url}", f"--scrutiny-connect-timeout={0.2 * SECOND}"
        )
        took = monotonic() - start

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*it accepted the connection and says nothing within 0.2 s;*"])
    assert took < 2 * SECOND


def test_a_device_that_does_not_come_costs_its_time_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "SHORT", 0.1)
    pytester.makepyfile(
        test_it="".join(f"def test_{n}(scrutiny_device): raise AssertionError('it ran')\n" for n in "abc")
    )

    with FakeServer(ready_delay=None) as server:
        result = pytester.runpytest_inprocess("--scrutiny-url", server.url, "--scrutiny-ready-timeout=0.3")

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines([
        "device not ready within 0.3 s (--scrutiny-ready-timeout): reached link operational; *",
        "device not ready within 0.1 s (instead of 0.3 s, for test_it.py::test_a waited 0.3 s in vain): *",
        "device not ready within 0.1 s (instead of 0.3 s, for test_it.py::test_a waited 0.3 s in vain): *",
        "failed: 3 by device",
    ])  # fmt: skip


def test_the_own_fake_is_found_again_after_a_disconnect(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_disconnect(scrutiny_client): scrutiny_client.disconnect()
        def test_next(scrutiny_device): assert scrutiny_device["/psu/setpoint"].read() == 5.0
        """
    )

    pytester.runpytest_inprocess("--scrutiny-fake", "-Werror").assert_outcomes(passed=2)
