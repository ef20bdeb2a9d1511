import pytest

from pytest_scrutiny.client.deadline import LONGEST_WAIT, Deadline, check_timeout


def test_remaining_time_shrinks_to_zero_and_not_below() -> None:
    assert 0 < Deadline(100).remaining() <= 100
    assert Deadline(0).remaining() == 0
    assert Deadline(0).has_passed
    assert not Deadline(100).has_passed


def test_a_single_wait_never_overflows_a_timer() -> None:
    assert Deadline(1e18).remaining() == LONGEST_WAIT


@pytest.mark.parametrize("timeout", [0, 1, 2.5])
def test_numbers_are_timeouts(timeout: float) -> None:
    assert check_timeout(timeout) == timeout


@pytest.mark.parametrize(
    ("timeout", "error", "text"),
    [
        (True, TypeError, "timeout True is no number; expected seconds, for example 2.5"),
        ("5", TypeError, "timeout '5' is no number; expected seconds, for example 2.5"),
        (None, TypeError, "timeout None is no number; expected seconds, for example 2.5"),
        (-1, ValueError, "timeout -1 is out of range; expected 0 or more seconds, finite"),
        (float("nan"), ValueError, "timeout nan is out of range; expected 0 or more seconds, finite"),
        (10**400, ValueError, "timeout of 1329 bits is out of range; expected 0 or more seconds, finite"),
        (float("inf"), ValueError, "timeout inf is out of range; expected 0 or more seconds, finite"),
    ],
)
def test_other_things_are_refused(timeout: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        check_timeout(timeout)

    assert str(caught.value) == text
