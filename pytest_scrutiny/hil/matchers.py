"""What a value is expected to be; a matcher prints itself as it was written.

A matcher is anything of these: a number (the value equals it, within the rounding of its datatype), the name
of a member of the value's enum, ``between``, ``above``, ``below``, what ``pytest.approx`` gives, a function
of the value. What no value can be is refused: ``never`` with it would be green whatever the device does.
"""

import operator
from collections.abc import Callable, Sized
from typing import NoReturn, Protocol, SupportsFloat, SupportsIndex, runtime_checkable

import attrs

from pytest_scrutiny.client.fit import enum_value, is_same
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
        _check_bounds(repr(self), self.low, self.high)
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

    def __attrs_post_init__(self) -> None:
        _check_bounds(repr(self), self.bound)

    def matches(self, value: bool | float) -> bool:
        """Return whether ``value`` is more than the bound."""
        return value > self.bound

    def __repr__(self) -> str:
        return f"above({self.bound!r})"


@attrs.frozen(repr=False)
class below:  # noqa: N801 - reads as a word
    """Less than ``bound``."""

    bound: float

    def __attrs_post_init__(self) -> None:
        _check_bounds(repr(self), self.bound)

    def matches(self, value: bool | float) -> bool:
        """Return whether ``value`` is less than the bound."""
        return value < self.bound

    def __repr__(self) -> str:
        return f"below({self.bound!r})"


def _check_bounds(call: str, *bounds: object) -> None:
    for bound in bounds:
        if isinstance(bound, str) or not isinstance(bound, SupportsFloat | SupportsIndex):
            raise TypeError(
                f"{call} has the bound {bound!r}, which is no number; "
                "expected one, for a member of an enum its number"
            )
        if _is_nan(bound):
            raise ValueError(
                f"{call} matches nothing, for no number is more or less than NaN; expected a number"
            )


def _is_nan(number: object) -> bool:
    return isinstance(number, SupportsFloat) and bool(number != number)  # noqa: PLR0124 - math.isnan(10**400) raises


@attrs.frozen(repr=False)
class _Number:
    """Equal to a number, within the rounding of how the value is stored."""

    expected: float
    info: WatchableInfo

    def matches(self, value: bool | float) -> bool:
        return is_same(self.info, self.expected, value)

    def __repr__(self) -> str:
        return repr(self.expected)


@attrs.frozen(repr=False)
class _Equal:
    """Equal to what compares itself, like ``pytest.approx``."""

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
        return value != self.before and not (_is_nan(value) and _is_nan(self.before))

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


def bounds_of(matcher: Matcher) -> tuple[float, ...]:
    """Return the numbers that decide whether a value matches, as far as they are known."""
    kind = type(matcher)
    values = [getattr(matcher, field.name) for field in attrs.fields(kind)] if attrs.has(kind) else []
    return tuple(value for value in values if isinstance(value, int | float))


def as_matcher(expected: object, info: WatchableInfo) -> Matcher:
    """Return the matcher for whatever a test wrote.

    :raises BadEnumError: if it is a text, and no member's name of the value's enum.
    :raises TypeError: if it is nothing that a value could be.
    :raises ValueError: if it is NaN, which equals nothing.
    """
    if isinstance(expected, type) and hasattr(expected, "matches"):
        name = expected.__name__
        bounds = "(4, 6)" if expected is between else "(5)"
        raise TypeError(f"{name} is no matcher yet; expected its bounds, for example {name}{bounds}")
    if isinstance(expected, Matcher):
        return expected
    if isinstance(expected, str):
        return _Member(expected, enum_value(info, expected))
    if callable(expected):
        return _Function(expected)
    return _as_equal(expected, info)


def _as_equal(expected: object, info: WatchableInfo) -> Matcher:
    inner = getattr(expected, "expected", expected)  # what pytest.approx is about
    if inner is None or isinstance(inner, Sized) or type(inner).__eq__ is object.__eq__:
        _refuse(expected, info)
    if _is_nan(inner) and not getattr(expected, "nan_ok", False):
        raise ValueError(
            f"{expected!r} is expected of {info.path}, but nothing equals NaN; "
            "give the function math.isnan instead"
        )
    if isinstance(expected, int | float):
        return _Number(expected, info)
    # Numbers of other libraries (numpy, Decimal, Fraction) count by what they can turn into.
    if isinstance(expected, SupportsIndex):
        return _Number(operator.index(expected), info)
    return _Number(float(expected), info) if isinstance(expected, SupportsFloat) else _Equal(expected)


def _refuse(expected: object, info: WatchableInfo) -> NoReturn:
    example = "above(5)"
    if isinstance(expected, tuple | list) and len(expected) == 2:
        example = f"between({expected[0]!r}, {expected[1]!r})"
    raise TypeError(
        f"{expected!r} is nothing that {info.path} could be; expected a number, a member's name of its enum, "
        f"a matcher or a function, for example {example}"
    )
