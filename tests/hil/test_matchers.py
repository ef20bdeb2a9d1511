import pytest

from pytest_scrutiny.errors import BadEnumError
from pytest_scrutiny.hil.matchers import Changed, Matcher, above, as_matcher, below, between
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum, WatchableType
from pytest_scrutiny.model.watch import WatchableInfo

INFO = WatchableInfo(
    "/mode", WatchableType.Variable, EmbeddedDataType.uint8, "1", EmbeddedEnum("Mode", {"IDLE": 0, "RUN": 1})
)


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


@pytest.mark.parametrize(("low", "high"), [(2, 1), (float("nan"), 1)])
def test_bounds_in_the_wrong_order_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"expected the lower bound first"):
        between(low, high)


def test_a_word_that_is_no_member_is_refused() -> None:
    with pytest.raises(BadEnumError, match=r"expected one of IDLE=0, RUN=1; did you mean 'RUN'\?"):
        as_matcher("RUNN", INFO)
