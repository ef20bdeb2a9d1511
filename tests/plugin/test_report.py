"""What a run tells: the line at its head, who has to look into a failure, and the summary."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_scrutiny.fakeserver.server import FakeServer


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "scrutiny: localhost:8765 (default), ready within 10 s (default)"),
        (
            ["--scrutiny-url=ws://bench7:1", "--scrutiny-ready-timeout=2.5"],
            "scrutiny: bench7:1 (--scrutiny-url), ready within 2.5 s (--scrutiny-ready-timeout)",
        ),
        (
            ["--scrutiny-fake", "-o", "scrutiny_ready_timeout=3"],
            "scrutiny: fake server (plain) (--scrutiny-fake), ready within 3 s (-o scrutiny_ready_timeout)",
        ),
    ],
    ids=["default", "url", "fake"],
)
def test_the_header_says_what_is_tested_and_who_said_so(
    pytester: pytest.Pytester, options: list[str], line: str
) -> None:
    result = pytester.runpytest_inprocess(*options)

    assert line in result.outlines


# Categories


def categories_of(pytester: pytest.Pytester, *options: str) -> dict[str, list[str]]:
    """Run the tests; return ``{name: values of scrutiny_category}`` as the JUnit report has them."""
    pytester.runpytest_inprocess("--junitxml=report.xml", *options)
    root = ElementTree.parse(Path(pytester.path, "report.xml")).getroot()
    return {
        case.attrib["name"]: [
            entry.attrib["value"]
            for entry in case.iter("property")
            if entry.attrib["name"] == "scrutiny_category"
        ]
        for case in root.iter("testcase")
    }


def test_each_failure_says_who_has_to_look_into_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_scrutiny import ConnectionError, DeviceLostError, TimeoutException
        device = pytest.mark.usefixtures("scrutiny_device")

        @device
        def test_passes(): pass

        @device
        def test_asserts(): assert 1 == 2

        @device
        def test_device_lost(): raise DeviceLostError("gone")

        @device
        def test_raised_from():
            try:
                raise DeviceLostError("gone")
            except DeviceLostError as exc:
                raise AssertionError("no power") from exc

        @device
        def test_told_by_its_instance():
            error = TimeoutException("late")
            error.category = "bench"
            raise error

        def test_of_ours_by_its_error(): raise ConnectionError("lost")

        def test_of_somebody_else(): assert 1 == 2

        def test_asks_late(request):
            request.getfixturevalue("scrutiny_device")
            assert 1 == 2

        @device
        @pytest.mark.xfail(reason="known", strict=True)
        def test_expected_to_fail(): raise DeviceLostError("gone")

        @pytest.mark.scrutiny_requires("datalogging")
        def test_lacks(): pass
        """
    )

    found = categories_of(pytester, "--scrutiny-fake", "--scrutiny-profile=bare", "--scrutiny-no-skip=all")

    assert found == {
        "test_passes": [],
        "test_asserts": ["test"],
        "test_device_lost": ["device"],
        "test_raised_from": ["device"],
        "test_told_by_its_instance": ["bench"],
        "test_of_ours_by_its_error": ["server"],
        "test_of_somebody_else": [],
        "test_asks_late": ["test"],
        "test_expected_to_fail": [],
        "test_lacks": ["device"],
    }


def test_a_body_and_a_teardown_that_fail_both_count(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_scrutiny import DeviceLostError

        @pytest.fixture
        def falls(scrutiny_device):
            yield
            raise DeviceLostError("gone")

        def test_twice(falls): assert 1 == 2

        def test_twice_the_same(falls): raise DeviceLostError("gone")
        """
    )

    found = categories_of(pytester, "--scrutiny-fake")
    result = pytester.runpytest_inprocess("--scrutiny-fake")

    assert found == {"test_twice": ["test", "device"], "test_twice_the_same": ["device"]}
    result.assert_outcomes(failed=2, errors=2)
    result.stdout.fnmatch_lines(["failed: 3 by device, 1 by test"])


def test_what_a_client_of_the_conftest_raises_has_its_category(
    pytester: pytest.Pytester, closed_port: int
) -> None:
    pytester.makeconftest(
        f"""
        import pytest
        from pytest_scrutiny import ScrutinyClient

        @pytest.fixture(scope="session")
        def scrutiny_client():
            with ScrutinyClient().connect("127.0.0.1", {closed_port}) as client:
                yield client
        """
    )
    pytester.makepyfile("def test_a(scrutiny_device): pass\ndef test_b(scrutiny_device): pass")

    result = pytester.runpytest_inprocess("--tb=no")

    result.stdout.fnmatch_lines(["failed: 2 by server"])


def test_a_device_that_is_not_as_it_was_found_is_the_devices_or_the_servers(
    pytester: pytest.Pytester,
) -> None:
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

        def test_unplug(server, scrutiny_device):
            scrutiny_device["/psu/setpoint"].write(1)
            server.unplug()

        @pytest.fixture
        def plugged(server):
            server.plug()

        def test_kill(plugged, server, scrutiny_device):
            scrutiny_device["/psu/setpoint"].write(1)
            server.stop()
        """
    )

    assert categories_of(pytester) == {"test_unplug": ["device"], "test_kill": ["server"]}


# The summary


MIXED = """
import pytest
from pytest_scrutiny import DeviceLostError, requires

def test_passes(scrutiny_device): pass
def test_asserts(scrutiny_device): assert 1 == 2
@pytest.mark.parametrize("n", range(3))
def test_lost(scrutiny_device, n): raise DeviceLostError("gone")
@pytest.mark.parametrize("n", range(4))
@requires.datalogging
def test_lacks(n): pass
@requires.user_command
@requires.sixtyfour_bits
def test_lacks_two(): pass
@pytest.mark.skip(reason="not ours")
def test_skipped(scrutiny_device): pass
def test_somebody_elses(): assert 1 == 2
"""
BARE = "(Simulated PSU, bare)"
SUMMARY = [
    "failed: 3 by device, 1 by test",
    f"skipped: 4 for lack of datalogging {BARE}, 1 for lack of user_command, sixtyfour_bits {BARE}",
]


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_failures_and_skips_are_counted(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makepyfile(MIXED)

    result = pytester.runpytest_inprocess("--scrutiny-fake", "--scrutiny-profile=bare", workers)

    result.assert_outcomes(passed=1, failed=5, skipped=6)
    place = next(n for n, line in enumerate(result.outlines) if re.fullmatch("=+ scrutiny =+", line))
    assert sorted(result.outlines[place + 1 : place + 3]) == SUMMARY


@pytest.mark.parametrize(
    "module",
    ["def test_it(scrutiny_device): pass", "def test_it(): assert 1 == 2", ""],
    ids=["all is well", "not ours", "nothing"],
)
def test_nothing_to_tell_is_not_told(pytester: pytest.Pytester, module: str) -> None:
    pytester.makepyfile(module)

    result = pytester.runpytest_inprocess("--scrutiny-fake")

    result.stdout.no_fnmatch_line("=* scrutiny =*")


def test_skips_without_a_server_are_counted(pytester: pytest.Pytester, closed_port: int) -> None:
    pytester.makepyfile("def test_a(scrutiny_device): pass\ndef test_b(scrutiny_client): pass")

    result = pytester.runpytest_inprocess(
        "--scrutiny-missing=skip", f"--scrutiny-url=tcp://127.0.0.1:{closed_port}"
    )

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines([f"skipped: 2 for lack of a server (127.0.0.1:{closed_port})"])


def test_a_test_that_is_run_again_begins_anew(pytester: pytest.Pytester) -> None:
    """As plugins do that run failed tests again; the JUnit report is of the last run."""
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            runtestprotocol(item, nextitem=nextitem, log=False)
            runtestprotocol(item, nextitem=nextitem)
            return True
        """
    )
    pytester.makepyfile(
        """
        from pytest_scrutiny import DeviceLostError
        runs = []

        def test_at_second_try(scrutiny_device):
            runs.append(1)
            if len(runs) == 1:
                raise DeviceLostError("gone")
        """
    )

    assert categories_of(pytester, "--scrutiny-fake") == {"test_at_second_try": []}


def test_other_tests_pay_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(pytestconfig, scrutiny_settings):
            assert not pytestconfig.pluginmanager.has_plugin("scrutiny-reports")
        """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


# Features that may not lack


def test_what_may_not_lack_is_an_error(pytester: pytest.Pytester, fake: FakeServer) -> None:
    fake.set_features(datalogging=False, user_command=False)
    pytester.makepyfile(
        """
        from pytest_scrutiny import requires

        @requires.datalogging
        @requires.user_command
        def test_both(): raise AssertionError("it ran")

        @requires.user_command
        def test_command(): raise AssertionError("it ran")

        @requires.memory_write
        def test_has_it(): pass
        """
    )

    result = pytester.runpytest_inprocess("--scrutiny-url", fake.url, "--scrutiny-no-skip=datalogging")

    result.assert_outcomes(passed=1, skipped=1, errors=1)
    text = (
        "device Simulated PSU lacks datalogging, user_command; expected it, because to lack datalogging is "
        "an error (--scrutiny-no-skip). Check that the right device runs the right firmware."
    )
    result.stdout.fnmatch_lines([
        text,
        "failed: 1 by device",
        "skipped: 1 for lack of user_command (Simulated PSU)",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("missing", "outcomes"), [("auto", {"errors": 1}), ("skip", {"skipped": 1})], ids=["auto", "skip"]
)
def test_nothing_may_lack_not_even_a_server(
    pytester: pytest.Pytester, closed_port: int, missing: str, outcomes: dict[str, int]
) -> None:
    """Unless somebody said that it may."""
    pytester.makeconftest(
        f"""
        import pytest

        @pytest.fixture(scope="session")
        def scrutiny_settings(scrutiny_settings):
            return scrutiny_settings._replace(host="127.0.0.1", port={closed_port})
        """
    )
    pytester.makepyfile("def test_it(scrutiny_device): pass")

    result = pytester.runpytest_inprocess("--scrutiny-no-skip=all", f"--scrutiny-missing={missing}")

    result.assert_outcomes(**outcomes)
