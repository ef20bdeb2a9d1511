"""What a test changed in the device, and how to change it back.

Rule 1: the original is taken before the first write to a path and kept, however often it is written after.
Rule 2: putting back runs in reverse order, and goes on when one of them fails.
"""

from collections.abc import Callable

from pytest_scrutiny.errors import ScrutinyError


class Journal:
    """The originals of what was written since it was made, or last restored."""

    def __init__(self) -> None:
        self._originals: dict[str, tuple[object, Callable[[], None]]] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._originals

    def __len__(self) -> int:
        return len(self._originals)

    def record(self, path: str, original: object, put_back: Callable[[], None]) -> None:
        """Remember an original; the first one of a path counts.

        :param put_back: writes it, and raises if that cannot be done.
        """
        self._originals.setdefault(path, (original, put_back))

    def forget(self, path: str) -> None:
        """Drop an original, because the write it was taken for was refused."""
        self._originals.pop(path, None)

    def restore(self) -> list[str]:
        """Put everything back, the last change first; return a text for each value that could not be.

        The journal is empty afterwards.
        """
        failures = []
        while self._originals:
            path, (original, put_back) = self._originals.popitem()
            try:
                put_back()
            except (ScrutinyError, ValueError, TypeError) as exc:
                failures.append(f"{path} could not be put back to {original!r}: {exc}")
        return failures
