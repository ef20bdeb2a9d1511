"""The journal by itself: order, what fails, haste, and whoever interrupts."""

import functools

import pytest

from pytest_scrutiny.errors import OperationFailure, TimeoutException
from pytest_scrutiny.hil.journal import Journal


class Bench:
    """Where originals are put back, and what happens then."""

    def __init__(self, **raised: BaseException) -> None:
        self.journal = Journal()
        self.back: list[tuple[str, float | None]] = []
        self.raised = raised
        for path in ("a", "b", "c"):
            self.journal.record(path, path.upper(), functools.partial(self._put_back, path))

    def _put_back(self, path: str, timeout: float | None) -> None:
        self.back.append((path, timeout))
        if path in self.raised:
            raise self.raised.pop(path)


def test_the_last_change_is_put_back_first() -> None:
    bench = Bench()

    assert bench.journal.restore() == []

    assert bench.back == [("c", None), ("b", None), ("a", None)]
    assert len(bench.journal) == 0


def test_one_that_fails_keeps_no_other_from_its_place() -> None:
    bench = Bench(b=TimeoutException("too late"))

    failures = bench.journal.restore()

    assert failures == ["b could not be put back to 'B': too late"]
    assert [path for path, _ in bench.back] == ["c", "b", "a"]


def test_in_haste_one_that_takes_too_long_is_the_last_that_is_tried() -> None:
    bench = Bench(b=TimeoutException("too late"))

    failures = bench.journal.restore(0.5)

    assert bench.back == [("c", 0.5), ("b", 0.5)]
    assert failures == [
        "b could not be put back to 'B': too late",
        "a could not be put back to 'A': not tried, because the one before took too long",
    ]
    assert len(bench.journal) == 0


def test_in_haste_a_refusal_keeps_no_other_from_its_place() -> None:
    bench = Bench(b=OperationFailure("read-only"))

    failures = bench.journal.restore(0.5)

    assert failures == ["b could not be put back to 'B': read-only"]
    assert [path for path, _ in bench.back] == ["c", "b", "a"]


def test_what_was_interrupted_can_be_tried_again() -> None:
    bench = Bench(b=KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        bench.journal.restore()

    assert bench.journal.restore(0.5) == []
    assert bench.back == [("c", None), ("b", None), ("b", 0.5), ("a", 0.5)]
