"""What a test changed in the device, and how to change it back.

Rule 1: the original is taken before the first write to a path and kept, however often it is written after.
Rule 2: putting back runs in reverse order, and goes on when one of them fails.
Rule 3: what was not put back when somebody interrupts is still in the journal, so that it can be tried again.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from pytest_scrutiny.errors import TimeoutException

PutBack: TypeAlias = Callable[[float | None], None]
"""Writes an original within so many seconds; None leaves the time to the client."""


class WriteRecord(NamedTuple):
    """One write of the test, for the story of a failure.

    :ivar moment: on the monotonic clock.
    :ivar before: the value it replaced, as far as it was known.
    """

    moment: float
    path: str
    before: object
    after: object


class Journal:
    """The originals of what was written since it was made, or last restored."""

    def __init__(self) -> None:
        self._originals: dict[str, tuple[object, PutBack]] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._originals

    def __len__(self) -> int:
        return len(self._originals)

    def record(self, path: str, original: object, put_back: PutBack) -> None:
        """Remember an original; the first one of a path counts.

        :param put_back: writes it, and raises if that cannot be done.
        """
        self._originals.setdefault(path, (original, put_back))

    def restore(self, timeout: float | None = None) -> list[str]:
        """Put everything back, the last change first; return a text for each value that could not be.

        The journal is empty afterwards.

        :param timeout: seconds for each value, for whoever is in a hurry: once one was not put back in that
            time, the others are not tried. None takes the client's ``write_timeout`` for each.
        """
        failures = []
        is_hopeless = False
        while self._originals:
            path = next(reversed(self._originals))
            original, put_back = self._originals[path]
            try:
                if is_hopeless:
                    raise TimeoutException("not tried, because the one before took too long")
                put_back(timeout)
            except Exception as exc:  # whatever it is, the others are put back, and it is told
                failures.append(f"{path} could not be put back to {original!r}: {exc}")
                is_hopeless = timeout is not None and isinstance(exc, TimeoutException)
            del self._originals[path]
        return failures
