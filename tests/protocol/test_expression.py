"""Numbers as text. What servers make of the same texts: tests/interop/test_values.py."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_scrutiny.protocol.expression import LONGEST, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0xFFFFFFFFFFFFFFFF", 2**64 - 1),
        ("-0x8000000000000000", -(2**63)),
        ("0b101", 5),
        ("007", 7),
        ("+12", 12),
        (" 9007199254740993 ", 2**53 + 1),
        ("1.5e-2", 0.015),
        (".5", 0.5),
        ("5.", 5.0),
        ("TRUE", True),
        ("false", False),
        ("-2^2", -4.0),
        ("2^3^2", 512.0),
        ("2^-1", 0.5),
        ("1 - -1", 2.0),
        ("((1+2))*3", 9.0),
        ("PI/2", math.pi / 2),
        ("atan2(1, 1)", math.pi / 4),
        ("round(2.567, 1)", 2.6),
        ("mod(-7, 4)", -3.0),
    ],
)
def test_what_a_server_takes_is_read(text: str, number: object) -> None:
    result = read_number(text)

    assert result == number
    assert type(result) is type(number)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "abc", "nan", "inf", "1e", "0x", "--", "1+", "1 2", "(1", "1)", "1_000", "2**3", "7//2",
        "7%2", "1,2", "e", "pi()", "sqrt", "sqrt()", "sqrt(-1)", "log(0)", "1/0", "9^9^9", "exp(1000)",
        "round(1, 0.5)", "__import__('os')", "().__class__", "lambda: 1", "1j", "'1'", "[1]", "x:=1",
        "1 if 1 else 2", "\0", "sqrt(x=4)", "(" * 240 + "1" + ")" * 240, "1+" * LONGEST + "1", "True+1",
    ],
)  # fmt: skip
def test_what_is_none_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no number|is no math|too long"):
        read_number(text)


@given(st.text(alphabet="0123456789.+-*/^() epixsqrtcoln,", max_size=40) | st.text(max_size=40))
def test_any_text_gives_a_number_or_a_value_error(text: str) -> None:
    try:
        number = read_number(text)
    except ValueError:
        return

    assert isinstance(number, bool | int | float)


@given(st.integers(-(2**70), 2**70))
def test_whole_numbers_keep_every_bit(number: int) -> None:
    assert read_number(str(number)) == number
    assert read_number(hex(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_exact(number: float) -> None:
    assert read_number(repr(number)) == number
