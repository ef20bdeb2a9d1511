"""What a value is expected to be; a matcher prints itself as it was written.

A matcher is anything of these: a number (the value equals it), the name of a member of the value's enum,
``between``, ``above``, ``below``, what ``pytest.approx`` gives, or a function of the value.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import attrs

from pytest_scrutiny.client.fit import enum_value
from pytest_scrutiny.model.watch import WatchableInfo


@runtime_checkable
class Matcher(Protocol):
    """Something that tells whether a value is as expected."""

    def matches(self, value: bool | float) -> bool:
        """Return whether ``value`` is as expected."""


@attrs.frozen(repr=False)
class between:  # noqa: N801 - reads as a word: wait(between(4.75, 5.25))
    """At least ``low`` and at most ``high``."""

    low: float
    high: float

    def __attrs_post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(
                f"between({self.low!r}, {self.high!r}) matches nothing; expected the lower bound first"
            )

    def matches(self, value: bool | float) -> bool:
        """Return whether ``value`` lies between the bounds, or on one."""
        return self.low <= value <= self.high

    def __repr__(self) -> str:
        return f"between({self.low!r}, {self.high!r})"


@attrs.frozen(repr=False)
class above:  # noqa: N801 - reads as a word
    """More than ``bound``."""

    bound: float

    def matches(self, value: bool | float) -> bool:
        """Return whether ``value`` is more than the bound."""
        return value > self.bound

    def __repr__(self) -> str:
        return f"above({self.bound!r})"


@attrs.frozen(repr=False)
class below:  # noqa: N801 - reads as a word
    """Less than ``bound``."""

    bound: float

    def matches(self, value: bool | float) -> bool:
        """Return whether ``value`` is less than the bound."""
        return value < self.bound

    def __repr__(self) -> str:
        return f"below({self.bound!r})"


@attrs.frozen(repr=False)
class _Equal:
    """Equal to a number, or to what compares itself, like ``pytest.approx``."""

    expected: object

    def matches(self, value: bool | float) -> bool:
        return bool(value == self.expected)

    def __repr__(self) -> str:
        return repr(self.expected)


@attrs.frozen(repr=False)
class Changed:
    """Anything but what it was before."""

    before: bool | float

    def matches(self, value: bool | float) -> bool:
        """Return whether ``value`` is another one than before."""
        return value != self.before

    def __repr__(self) -> str:
        return f"anything but {self.before!r}"


@attrs.frozen(repr=False)
class _Member:
    """A member of an enum, by its name."""

    name: str
    number: int

    def matches(self, value: bool | float) -> bool:
        return value == self.number

    def __repr__(self) -> str:
        return f"{self.name!r} ({self.number})"


@attrs.frozen(repr=False)
class _Function:
    """Whatever a function of the user's says."""

    function: Callable[[bool | float], object]

    def matches(self, value: bool | float) -> bool:
        return bool(self.function(value))

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def as_matcher(expected: object, info: WatchableInfo) -> Matcher:
    """Return the matcher for whatever a test wrote.

    :raises BadEnumError: if it is a text, and no member's name of the value's enum.
    """
    if isinstance(expected, Matcher):
        return expected
    if isinstance(expected, str):
        return _Member(expected, enum_value(info, expected))
    if callable(expected):
        return _Function(expected)
    return _Equal(expected)
