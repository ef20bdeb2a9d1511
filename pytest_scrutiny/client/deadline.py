"""A moment by which something must have happened.

PYTEST_DONT_REWRITE
"""

from time import monotonic

from pytest_scrutiny.model.values import FLOAT64_MAX

LONGEST_WAIT = 1e6
"""Seconds, eleven days: the longest single wait, so that no platform's timers overflow."""


class Deadline:
    """A moment on the monotonic clock, ``timeout`` seconds from now.

    :ivar timeout: the seconds it was made with, for error texts.
    """

    __slots__ = ("_at", "timeout")

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._at = monotonic() + timeout

    def remaining(self) -> float:
        """Return the seconds that are left, 0.0 when the moment has passed, LONGEST_WAIT at most."""
        return min(max(0.0, self._at - monotonic()), LONGEST_WAIT)

    @property
    def has_passed(self) -> bool:
        """Whether no time is left."""
        return monotonic() >= self._at


def check_timeout(timeout: object, name: str = "timeout") -> float:
    """Return a caller's timeout as float seconds.

    :raises TypeError: if it is no number.
    :raises ValueError: if it is negative or not finite.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"{name} {timeout!r} is no number; expected seconds, for example 2.5")
    if not 0 <= timeout <= FLOAT64_MAX:
        given = (
            f"of {timeout.bit_length()} bits" if isinstance(timeout, int) and timeout > 0 else repr(timeout)
        )
        raise ValueError(f"{name} {given} is out of range; expected 0 or more seconds, finite")
    return float(timeout)
