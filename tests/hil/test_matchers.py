import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import attrs
import pytest

from pytest_scrutiny.errors import BadEnumError
from pytest_scrutiny.hil.matchers import Changed, Matcher, above, as_matcher, below, between
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum, WatchableType
from pytest_scrutiny.model.watch import WatchableInfo

INFO = WatchableInfo(
    "/mode", WatchableType.Variable, EmbeddedDataType.uint8, "1", EmbeddedEnum("Mode", {"IDLE": 0, "RUN": 1})
)


NAN = float("nan")


def is_even(value: float) -> bool:
    return value % 2 == 0


@pytest.mark.parametrize(
    ("expected", "right", "wrong", "text"),
    [
        (between(4.75, 5.25), 5.0, 5.3, "between(4.75, 5.25)"),
        (between(1, 1), 1, 2, "between(1, 1)"),
        (above(3), 3.5, 3, "above(3)"),
        (below(3), 2.5, 3, "below(3)"),
        (Changed(3), 4, 3, "anything but 3"),
        (7, 7, 8, "7"),
        (True, True, False, "True"),
        (pytest.approx(0.1), 0.10000000149, 0.2, "0.1 ± 1.0e-07"),
        ("RUN", 1, 0, "'RUN' (1)"),
        (is_even, 4, 5, "is_even"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_each_kind_matches_and_prints_itself(expected: object, right: float, wrong: float, text: str) -> None:
    matcher = as_matcher(expected, INFO)

    assert isinstance(matcher, Matcher)
    assert matcher.matches(right)
    assert not matcher.matches(wrong)
    assert repr(matcher) == text


def test_nothing_is_between_nan_or_above_it() -> None:
    nan = float("nan")

    assert not between(0, 1).matches(nan)
    assert not above(0).matches(nan)
    assert not below(0).matches(nan)


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^between\(2, 1\) matches nothing; expected the lower bound first$"
    ):
        between(2, 1)


@pytest.mark.parametrize(
    "make", [above, below, lambda bound: between(bound, 1), lambda bound: between(1, bound)]
)
def test_bounds_are_numbers(make: Callable[[object], Matcher]) -> None:
    with pytest.raises(ValueError, match=r"nan.* matches nothing, for no number is more or less than NaN"):
        make(NAN)
    with pytest.raises(
        TypeError, match=r"'OFF'.* has the bound 'OFF', which is no number; expected one, for a m"
    ):
        make("OFF")
    with pytest.raises(TypeError, match=r"has the bound None, which is no number"):
        make(None)


@pytest.mark.parametrize(
    ("expected", "hint"),
    [
        (None, "None is nothing that /mode could be; expected a number, a member's name of its enum, a matc"),
        ([], "a matcher or a function, for example above(5)"),
        ([7], "[7] is nothing that /mode could be"),
        ((4, 6), "for example between(4, 6)"),
        ({7}, "{7} is nothing that /mode could be"),
        (b"7", "b'7' is nothing that /mode could be"),
        (object(), "is nothing that /mode could be"),
        (pytest.approx([7]), "approx([7 ± 7.0e-06]) is nothing that /mode could be"),
        (above, "above is no matcher yet; expected its bounds, for example above(5)"),
        (between, "between is no matcher yet; expected its bounds, for example between(4, 6)"),
    ],
)
def test_what_no_value_can_be_is_refused(expected: object, hint: str) -> None:
    with pytest.raises(TypeError, match=re.escape(hint)):
        as_matcher(expected, INFO)


@pytest.mark.parametrize("expected", [NAN, Decimal("nan"), pytest.approx(NAN)], ids=repr)
def test_nan_is_asked_for_with_a_function(expected: object) -> None:
    with pytest.raises(
        ValueError, match=r"is expected of /mode, but nothing equals NaN; give the function math"
    ):
        as_matcher(expected, INFO)
    assert as_matcher(math.isnan, INFO).matches(NAN)
    assert as_matcher(pytest.approx(NAN, nan_ok=True), INFO).matches(NAN)


@pytest.mark.parametrize("expected", [0.1, Decimal("0.1"), Fraction(1, 10)], ids=repr)
def test_a_number_is_compared_as_the_value_is_stored(expected: object) -> None:
    stored = 0.10000000149011612

    assert as_matcher(expected, attrs.evolve(INFO, datatype=EmbeddedDataType.float32)).matches(stored)
    assert not as_matcher(expected, attrs.evolve(INFO, datatype=EmbeddedDataType.float64)).matches(stored)


def test_nan_that_stays_has_not_changed() -> None:
    assert not Changed(NAN).matches(float("nan"))
    assert Changed(NAN).matches(1.0)
    assert Changed(1.0).matches(NAN)


def test_a_word_that_is_no_member_is_refused() -> None:
    with pytest.raises(BadEnumError, match=r"expected one of IDLE=0, RUN=1; did you mean 'RUN'\?"):
        as_matcher("RUNN", INFO)
