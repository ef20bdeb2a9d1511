"""What callers give besides values: refused where nothing was sent yet.

PYTEST_DONT_REWRITE
"""

from pytest_scrutiny.model.values import FLOAT64_MAX


def check_counter(counter: object) -> None:
    """Check a caller's ``previous_counter``; None is none.

    :raises TypeError: if it is no whole number.
    :raises ValueError: if it is negative.
    """
    if counter is not None and (isinstance(counter, bool) or not isinstance(counter, int)):
        raise TypeError(f"previous_counter {counter!r} is no whole number; expected an update_counter")
    if counter is not None and counter < 0:
        raise ValueError(f"previous_counter {counter} is negative; expected an update_counter")


def check_rate(rate: object) -> float | None:
    """Return a caller's update rate in hertz.

    :raises TypeError: if it is no number and not None.
    :raises ValueError: if it is not more than 0, or not finite: a server refuses it with "Internal error".
    """
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise TypeError(f"update_rate {rate!r} is no number; expected updates per second, or None for all")
    if not 0 < rate <= FLOAT64_MAX:
        raise ValueError(
            f"update_rate {rate!r} is out of range; expected more than 0 updates per second, or None for all"
        )
    return float(rate)
