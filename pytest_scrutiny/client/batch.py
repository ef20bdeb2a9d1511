"""Writes that go to the server as one request, in their order.

Rule 1: a batch collects what its own thread writes through handles while its block runs; another thread's
    writes are sent at once, as ever.
Rule 2: a value is checked where it is written, so that the error points there. Nothing is sent if the block
    raises.

PYTEST_DONT_REWRITE
"""

from collections.abc import Callable, Sequence
from threading import get_ident
from types import TracebackType
from typing import Self

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.write import Update, WriteBoard
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.model.watch import WatchableInfo
from pytest_scrutiny.model.write import WriteCompletion
from pytest_scrutiny.protocol.write import WRITE

LARGEST = 500
"""Writes in one request, as the official SDK's; more are sent as several, one after the other."""


class BatchWriteContext:
    """The block of ``ScrutinyClient.batch_write``.

    :ivar timeout: seconds for all of its writes, from the end of the block on.
    """

    def __init__(self, board: WriteBoard, batches: "Batches", timeout: float) -> None:
        self.timeout = timeout
        self._board = board
        self._batches = batches
        self._updates: list[Update] = []

    def __enter__(self) -> Self:
        self._batches.begin(self)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._batches.end()
        if exc_type is None and self._updates:
            completions = send_batch(self._board, self._updates, Deadline(self.timeout))
            check_batch(self._updates, completions)

    def add(self, update: Update) -> None:
        """Take a write for the end of the block."""
        self._updates.append(update)


class Batches:
    """The batches whose blocks run at present, one a thread at most."""

    def __init__(self) -> None:
        self._by_thread: dict[int, BatchWriteContext] = {}

    @property
    def current(self) -> BatchWriteContext | None:
        """The calling thread's batch."""
        return self._by_thread.get(get_ident()) if self._by_thread else None

    def begin(self, batch: BatchWriteContext) -> None:
        """Make it the calling thread's batch.

        :raises OperationFailure: if there is one already.
        """
        if self.current is not None:
            reason = "a batch is being written already"
            raise OperationFailure(
                f"a batch cannot be begun in another one: {reason}; end it first, or write into that one",
                WRITE,
                reason,
            )
        self._by_thread[get_ident()] = batch

    def end(self) -> None:
        """End the calling thread's batch."""
        self._by_thread.pop(get_ident(), None)


def send_batch(board: WriteBoard, updates: Sequence[Update], deadline: Deadline) -> list[WriteCompletion]:
    """Send writes in their order, and return how each ended."""
    completions = []
    for start in range(0, len(updates), LARGEST):
        part = updates[start : start + LARGEST]
        completions += board.write(part, deadline, f"a batch of {len(updates)} values")
    return completions


def check_batch(
    updates: Sequence[Update],
    completions: Sequence[WriteCompletion],
    cause_of: Callable[[WatchableInfo], str] = lambda _: "",
) -> None:
    """Raise if not all of a batch is in the device.

    :param cause_of: returns why a write of it may have failed, if more is known than what the server says.
    :raises OperationFailure: naming each write that failed; the others are in the device.
    """
    failures = [
        f"{update.info.path} = {update.wanted!r}: "
        + (cause_of(update.info) or completion.failure_reason or "no reason given")
        for update, completion in zip(updates, completions, strict=True)
        if not completion.success
    ]
    if failures:
        raise OperationFailure(
            f"{len(failures)} of {len(updates)} writes of a batch failed, the others are in the device: "
            + "; ".join(failures),
            WRITE,
            failures[0],
        )
