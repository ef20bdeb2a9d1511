"""In company: pytest's strict modes, ways to load the plugin, and other plugins."""

import sys

import pytest

from pytest_scrutiny.fakeserver.server import FakeServer

MODULE = """
import pytest
from pytest_scrutiny import requires

@requires.datalogging
@pytest.mark.scrutiny_ready(timeout=5)
def test_device(scrutiny_device):
    scrutiny_device["/psu/setpoint"].write(1)

def test_next(scrutiny_device):
    assert scrutiny_device["/psu/setpoint"].read() == 5
"""


@pytest.mark.parametrize(
    ("options", "ini"),
    [
        pytest.param(["-Werror", "--strict-markers", "--strict-config"], "", id="options"),
        pytest.param(
            ["-Werror"],
            "strict = true",
            id="strict = true",
            marks=pytest.mark.skipif(pytest.version_tuple < (9,), reason="new in pytest 9"),
        ),
    ],
)
def test_strict(pytester: pytest.Pytester, options: list[str], ini: str) -> None:
    pytester.makeini(f"[pytest]\nscrutiny_fake = true\n{ini}\n")
    pytester.makepyfile(MODULE)

    pytester.runpytest_inprocess(*options).assert_outcomes(passed=2)


@pytest.mark.parametrize("name", ["scrutiny", "pytest_scrutiny.plugin"])
def test_loaded_by_name(pytester: pytest.Pytester, name: str) -> None:
    pytester.makepyfile(MODULE)

    result = pytester.runpytest_subprocess(
        "--disable-plugin-autoload", "-p", name, "--scrutiny-fake", "-Werror"
    )

    result.assert_outcomes(passed=2)


def test_loaded_by_name_though_it_is_loaded_anyway(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODULE)

    result = pytester.runpytest_inprocess("-p", "scrutiny", "--scrutiny-fake", "-Werror")

    result.assert_outcomes(passed=2)


def test_tests_in_any_order(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODULE)

    result = pytester.runpytest_inprocess("--random-order", "--scrutiny-fake", "-Werror")

    result.assert_outcomes(passed=2)


def test_a_test_that_runs_again_passes_the_gate_again(pytester: pytest.Pytester) -> None:
    """Each run has the device as it was found, and the features that it has then."""
    pytester.makepyfile(
        """
        from pytest_scrutiny import requires
        devices = []

        @requires.memory_write
        def test_it(scrutiny_device):
            assert scrutiny_device["/psu/setpoint"].read() == 5
            scrutiny_device["/psu/setpoint"].write(1)
            devices.append(scrutiny_device)
            assert len(devices) == 2
        """
    )

    result = pytester.runpytest_inprocess("--reruns=1", "--scrutiny-fake", "-Werror")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 passed, 1 rerun in*"])


TIMED = """
def test_wait(scrutiny_device, scrutiny_client):
    scrutiny_device["/psu/setpoint"].write(1)
    scrutiny_client.wait_server_status(lambda _: False, 60, "never")

def test_next(scrutiny_device):
    assert scrutiny_device["/psu/setpoint"].read() == 5
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGALRM")
def test_a_test_that_times_out_leaves_the_device_as_it_was_found(
    pytester: pytest.Pytester, fake: FakeServer
) -> None:
    pytester.makepyfile(TIMED)

    result = pytester.runpytest_inprocess(
        "--timeout=0.5", "--timeout-method=signal", "--scrutiny-url", fake.url
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Timeout*0.5*"])


def test_another_plugin_that_owns_host_and_port(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        web="""
        import pytest

        def pytest_addoption(parser):
            for name in ("host", "port", "url"):
                parser.addoption(f"--{name}")
                parser.addini(name, "of the web server")

        @pytest.fixture
        def host(request):
            return request.config.getoption("host")

        @pytest.fixture
        def client(host):
            return f"client of {host}"
        """
    )
    pytester.makepyfile(
        """
        def test_it(scrutiny_device, scrutiny_settings, host, client, request):
            assert (host, client) == ("web", "client of web")
            assert scrutiny_settings.host == "127.0.0.1"
            assert request.config.getini("port") == "80"
        """
    )
    pytester.makeini("[pytest]\nport = 80\n")
    pytester.syspathinsert()

    with FakeServer() as server:
        result = pytester.runpytest_inprocess(
            "-Werror", "-p", "web", "--host=web", "--port=1", "--scrutiny-host=127.0.0.1",
            f"--scrutiny-port={server.port}",
        )  # fmt: skip

    result.assert_outcomes(passed=1)
