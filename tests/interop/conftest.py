"""The benches of the contract tests. Those with real servers take part with ``--interop`` only."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from tests.interop.benches import HOST, Bench, FakeBench, RealBench
from tests.interop.servers import RELEASES

MARK = "real_server"
TIMEOUT = 15.0
"""Seconds that anything may take; a device is back 2 s after a loss, on a busy machine later."""

_deselected = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    # Known only when this folder is named on the command line: pytest reads this file too late otherwise.
    parser.addoption("--interop", action="store_true", help="run the contract tests on real servers too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{MARK}: needs a released server or SDK; see tests/interop/servers.py"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--interop", default=False):
        return
    real = [item for item in items if item.get_closest_marker(MARK)]
    config.stash[_deselected] = len(real)
    if real:
        items[:] = [item for item in items if not item.get_closest_marker(MARK)]
        config.hook.pytest_deselected(items=real)


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    count = config.stash.get(_deselected, 0)
    return f"{count} tests need released servers and were deselected: tox run -e interop" if count else ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the server's side of a failure."""
    report = yield
    bench = getattr(item, "funcargs", {}).get("bench")
    if report.failed and bench is not None:
        report.sections.append((f"log of {bench.name}", bench.log()[-4000:]))
    return report


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Not as the fixture's params: those are made before the marker is known.
    if "bench" in metafunc.fixturenames:
        benches = [bench for release in RELEASES for bench in _benches_of(release)]
        metafunc.parametrize("bench", benches, indirect=True, scope="session")


def _benches_of(release: str) -> Iterator[Any]:
    yield pytest.param((FakeBench, release), id=f"fake-{release}")
    yield pytest.param((RealBench, release), id=f"real-{release}", marks=pytest.mark.real_server)


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A running bench; its device may still be connecting."""
    kind, release = request.param
    with kind(release, tmp_path_factory.mktemp(f"home-{release}-")) as running:
        yield running


@pytest.fixture
def client(bench: Bench) -> Iterator[ScrutinyClient]:
    """A client of the bench whose device is ready, with its firmware description loaded."""
    with ScrutinyClient(timeout=TIMEOUT, write_timeout=TIMEOUT).connect(HOST, bench.port) as connected:
        wait_usable(connected)
        yield connected


def wait_usable(client: ScrutinyClient, *, other_than: str | None = None) -> str:
    """Wait until every path can be watched, in another session than the given one; return its id."""
    info = client.wait_server_status(
        lambda info: info.sfd is not None and info.device_session_id not in (None, other_than),
        TIMEOUT,
        "the device did not come (back) with its firmware description",
    )
    assert info.device_session_id is not None
    return info.device_session_id
