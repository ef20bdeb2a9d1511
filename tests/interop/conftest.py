"""The benches of the contract tests. Those with real servers take part with ``--interop`` only.

Each bench's tests are one group for pytest-xdist (``-n 2 --dist loadgroup``), so that a worker has one
server at a time.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.protocol.dialect import RELEASES
from tests.interop.benches import HOST, Bench, FakeBench, RealBench
from tests.interop.servers import GENERATIONS

MARK = "real_server"
TIMEOUT = 15.0
"""Seconds that anything may take; a device is back 2 s after a loss, on a busy machine later."""

FEW = ("0.1.0", "0.4.1", "0.9.2", "0.16.0")
"""Whom the fake speaks as without ``--interop``, so that the whole suite stays quick. A slow module
about the plugin more than the protocol says ``FEW_ARE_ENOUGH = True``; ``--interop=all`` tries all."""

_deselected = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    # Known only when this folder is named on the command line: pytest reads this file too late otherwise.
    parser.addoption(
        "--interop",
        nargs="?",
        const="generations",
        choices=("generations", "all"),
        help="run the contract tests on real servers too: one of each generation, or every release",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{MARK}: needs a released server or SDK; see tests/interop/servers.py"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    if _asked(config) is not None:
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
    # Not as the fixtures' params: those are made before options and marks are known.
    releases = {"all": RELEASES, "generations": GENERATIONS, None: FEW}[_asked(metafunc.config)]
    if getattr(metafunc.module, "FEW_ARE_ENOUGH", False) and releases is GENERATIONS:
        releases = FEW
    if "bench" in metafunc.fixturenames:
        devices = getattr(metafunc.module, "BENCH_DEVICES", ("contract",))
        benches = [bench for release in releases for bench in _benches_of(release, devices)]
        metafunc.parametrize("bench", benches, indirect=True, scope="session")
    if "sdk_release" in metafunc.fixturenames:
        groups = [
            pytest.param(release, marks=pytest.mark.xdist_group(f"sdk-{release}")) for release in releases
        ]
        metafunc.parametrize("sdk_release", groups)


def _asked(config: pytest.Config) -> str | None:
    asked: str | None = config.getoption("--interop", default=None)
    return asked


def _benches_of(release: str, devices: Sequence[str]) -> Iterator[Any]:
    """Return the benches with each of the devices, which a module names in ``BENCH_DEVICES``."""
    for kind, word, marks in ((FakeBench, "fake", []), (RealBench, "real", [pytest.mark.real_server])):
        for device in devices:
            name = f"{word}-{release}" if device == "contract" else f"{word}-{release}-{device}"
            group = pytest.mark.xdist_group(name)
            yield pytest.param((kind, name, release, device), id=name, marks=[*marks, group])


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A running bench; its device may still be connecting."""
    kind, name, release, device = request.param
    with kind(name, release, device, tmp_path_factory.mktemp(f"home-{name}-")) as running:
        yield running


@pytest.fixture
def client(bench: Bench) -> Iterator[ScrutinyClient]:
    """A client of the bench whose device is ready, with its firmware description loaded."""
    with ScrutinyClient(timeout=TIMEOUT, write_timeout=TIMEOUT).connect(HOST, bench.port) as connected:
        wait_usable(connected)
        yield connected


@pytest.fixture
def device(client: ScrutinyClient) -> Iterator[Device]:
    """The bench's device; what the test wrote is put back."""
    journal = Journal()
    yield Device(client, journal)
    assert journal.restore() == []


def wait_usable(client: ScrutinyClient, *, other_than: str | None = None) -> str:
    """Wait until every path can be watched, in another session than the given one; return its id."""
    info = client.wait_server_status(
        lambda info: info.sfd is not None and info.device_session_id not in (None, other_than),
        TIMEOUT,
        "the device did not come (back) with its firmware description",
    )
    assert info.device_session_id is not None
    return info.device_session_id


def renew(client: ScrutinyClient, bench: Bench) -> None:
    """Let the device begin anew, and its server forget what it knew of it."""
    before = client.get_server_status().device_session_id
    bench.reset()
    wait_usable(client, other_than=before)
