import gc
import threading
from collections.abc import Iterator

import pytest

from tests.client.peer import Bench
from tests.client.trouble import open_files


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A session that reads, with a scripted peer at its other end."""
    bench = Bench()
    bench.session.start()
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def _collected() -> None:
    """Nothing that earlier tests forgot is closed from here on."""
    gc.collect()


@pytest.fixture
def leaves_nothing(_collected: None) -> Iterator[None]:
    """A test after which there is no more thread and no more open file than before."""
    threads, files = set(threading.enumerate()), open_files()
    yield
    assert set(threading.enumerate()) == threads
    assert open_files() == files
