from collections.abc import Iterator

import pytest

from tests.client.peer import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A session that reads, with a scripted peer at its other end."""
    bench = Bench()
    bench.session.start()
    yield bench
    bench.close()
