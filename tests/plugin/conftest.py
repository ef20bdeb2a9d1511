"""What the plugin's tests share: a clean environment, servers to talk to, and ports to watch."""

import socket
from collections.abc import Iterator

import pytest

import pytest_scrutiny
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.plugin import pool
from pytest_scrutiny.plugin.options import ROWS

# A pytest in this process forgets the modules that were first loaded in it: a public name would then be
# another object than the one in its module.
assert all(hasattr(pytest_scrutiny, name) for name in pytest_scrutiny.__all__)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs these tests reaches them."""
    for row in ROWS:
        monkeypatch.delenv(row.environment, raising=False)


@pytest.fixture(autouse=True)
def own_locks(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The locks of a pytest in this process are deleted with the tests' other files."""
    monkeypatch.setattr(pool, "shared_folder", tmp_path_factory.getbasetemp)


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A server with a ready device, outside of the pytest under test."""
    with FakeServer() as server:
        yield server


class SilentPort:
    """A port that takes connections and says nothing, and counts them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]

    @property
    def address(self) -> tuple[str, str]:
        """The options that name it."""
        return "--scrutiny-host=127.0.0.1", f"--scrutiny-port={self.port}"

    def count_connections(self) -> int:
        """Return how many came since the last call."""
        count = 0
        while True:
            try:
                peer, _ = self._listener.accept()
            except BlockingIOError:
                return count
            peer.close()
            count += 1

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def silent_port() -> Iterator[SilentPort]:
    """A port that counts who connects."""
    port = SilentPort()
    yield port
    port.close()


@pytest.fixture
def closed_port() -> int:
    """A port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
