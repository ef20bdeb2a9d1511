import math
from decimal import Decimal
from fractions import Fraction

import attrs
import pytest

from pytest_scrutiny.client.fit import check_data, check_value, is_same
from pytest_scrutiny.errors import BadEnumError
from pytest_scrutiny.model.values import (
    FLOAT32_MAX,
    FLOAT64_MAX,
    EmbeddedDataType,
    EmbeddedEnum,
    UnknownValue,
    WatchableType,
)
from pytest_scrutiny.model.watch import AliasDetails, VariableDetails, WatchableInfo

T = EmbeddedDataType


def info(
    datatype: EmbeddedDataType | UnknownValue,
    details: VariableDetails | AliasDetails | None = None,
    enum: EmbeddedEnum | None = None,
) -> WatchableInfo:
    return WatchableInfo("/v", WatchableType.Variable, datatype, "8", enum, details)


def alias(**scale: float) -> AliasDetails:
    return AliasDetails("/target", WatchableType.Variable, **scale)


HUGE = 10**400
FLOAT32_RANGE = f"{-FLOAT32_MAX} to {FLOAT32_MAX}"
FLOAT64_RANGE = f"{-FLOAT64_MAX} to {FLOAT64_MAX}"
MODE = EmbeddedEnum("Mode", {"IDLE": 0, "RUN": 1})


@pytest.mark.parametrize(
    ("watchable", "value", "sent"),
    [
        (info(T.uint8), 255, 255),
        (info(T.uint8), 2.0, 2),
        (info(T.uint8), True, True),
        (info(T.uint8), Decimal(7), 7),
        (info(T.float64), Fraction(1, 4), 0.25),
        (info(T.sint8), -128, -128),
        (info(T.uint64), 2**64 - 1, 2**64 - 1),
        (info(T.sint64), -(2**63), -(2**63)),
        (info(T.float32), FLOAT32_MAX, FLOAT32_MAX),
        (info(T.float32), 3, 3),
        (info(T.float64), 1e300, 1e300),
        (info(T.float64), -0.0, -0.0),
        (info(T.bool8), False, False),
        (info(T.bool8), 1, 1),
        (info(T.ptr32), 0x20000000, 0x20000000),
        (info(T.uint8, enum=MODE), "RUN", 1),
        (info(T.uint32, VariableDetails(0, 4, 3)), 7, 7),
        (info(T.sint32, VariableDetails(0, 4, 3)), -4, -4),
        (info(T.uint8, alias(gain=0.5, offset=1.0)), 128.5, 128.5),
        (info(T.uint8, alias(min=0.0, max=10.0)), 10, 10),
        (info(UnknownValue("uint512")), 5, 5),
        (info(T.float32), 3.4028235e38, FLOAT32_MAX),  # as FLT_MAX is usually written
        (info(T.float32), "-3.4028235e38", -FLOAT32_MAX),
        (info(T.uint8, alias(offset=-3.0)), -1.0, -1.0),
        (info(T.uint8, alias(offset=0.1)), 0.1 + 0.2 + 0.8, 0.1 + 0.2 + 0.8),
        (info(T.uint8, alias(gain=0.5)), 0.3, 0.3),  # in steps of the gain, as it is read
        (info(T.float32, alias(gain=100.0)), True, 1),  # no server scales true and false
        (info(T.uint8, alias(gain=100.0)), "true", 1),
        (info(T.bool8, alias(gain=100.0)), 1, True),
        (info(T.bool8, alias(gain=100.0, min=0.0)), False, False),
    ],
)
def test_what_fits_is_sent(watchable: WatchableInfo, value: object, sent: object) -> None:
    result = check_value(watchable, value)

    assert result == sent
    assert type(result) is type(sent)


@pytest.mark.parametrize(
    ("watchable", "value", "text"),
    [
        (info(T.uint8), 256, "value 256 does not fit /v: expected 0 to 255, the range of uint8"),
        (info(T.uint8), -1, "value -1 does not fit /v: expected 0 to 255, the range of uint8"),
        (info(T.uint8), 2.5, "value 2.5 does not fit /v: expected a whole number for uint8"),
        (
            info(T.float32),
            3.5e38,
            f"value 3.5e+38 does not fit /v: expected {-FLOAT32_MAX} to {FLOAT32_MAX}, the range of float32",
        ),
        (
            info(T.float32),
            HUGE,
            f"value of 1329 bits does not fit /v: expected {FLOAT32_RANGE}, the range of float32",
        ),
        (
            info(T.float128),
            HUGE,
            f"value of 1329 bits does not fit /v: expected {FLOAT64_RANGE}, the range of float128",
        ),
        (
            info(T.float64),
            float("nan"),
            "value nan does not fit /v: expected a finite number; a server takes no other",
        ),
        (info(T.bool8), 2, "value 2 does not fit /v: expected 0 to 1, the range of bool8"),
        (
            info(T.uint32, VariableDetails(0, 4, 3)),
            8,
            "value 8 does not fit /v: expected 0 to 7, the range of its 3 bits",
        ),
        (
            info(T.float32, alias(min=0.0, max=10.0)),
            10.5,
            "value 10.5 does not fit /v: expected 0.0 to 10.0, the alias' limits",
        ),
        (
            info(T.float32, alias(max=10.0)),
            11,
            "value 11 does not fit /v: expected -inf to 10.0, the alias' limits",
        ),
        (
            info(T.float32, alias(max=10.0)),
            "1e1 + 1",
            "value '1e1 + 1' does not fit /v: expected -inf to 10.0, the alias' limits",
        ),
        (
            info(T.float32, alias(gain=100.0, min=5.0)),
            True,
            "value True does not fit /v: expected 5.0 to inf, the alias' limits",
        ),
        (
            info(T.sint32, alias(gain=0.5)),
            2e9,
            "value 2000000000.0 does not fit /v: expected -1073741824.0 to 1073741823.5, the range of sint32",
        ),
        (
            info(T.uint8, alias(gain=-1.0, offset=5.0)),
            6,
            "value 6 does not fit /v: expected -250.0 to 5.0, the range of uint8",
        ),
        (
            info(T.float64, alias(gain=2.0)),
            HUGE,
            f"value of 1329 bits does not fit /v: expected {FLOAT64_RANGE}, the range of float64",
        ),
        (info(T.bool8), 0.5, "value 0.5 does not fit /v: expected a whole number for bool8"),
        (
            info(T.bool8),
            Decimal("0.1"),
            "value Decimal('0.1') does not fit /v: expected a whole number for bool8",
        ),
        (info(T.bool8, alias()), 0.5, "value 0.5 does not fit /v: expected a whole number for bool8"),
        (info(T.uint8, alias()), 1.7, "value 1.7 does not fit /v: expected a whole number for uint8"),
        (
            info(T.uint8, alias(gain=1.0, offset=-3.0)),
            1.7,
            "value 1.7 does not fit /v: expected a whole number from its offset of -3 on for uint8",
        ),
        (
            info(T.uint8),
            "1" * 4000,
            f"value of 4002 characters, '{38 * '1'}… does not fit /v: expected 0 to 255, the range of uint8",
        ),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_does_not_fit_is_refused_before_the_wire(
    watchable: WatchableInfo, value: object, text: str
) -> None:
    with pytest.raises(ValueError, match="does not fit") as caught:
        check_value(watchable, value)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    "details", [alias(gain=1e-10), alias(gain=0.0), alias(gain=1e-300), alias(gain=-1e-3, offset=1e38)]
)
def test_an_alias_cannot_store_more_than_its_target_holds(details: AliasDetails) -> None:
    """What is stored in a float32 behind the gain ends a real server if it is over FLT_MAX."""
    with pytest.raises(ValueError, match="the range of float32"):
        check_value(info(T.float32, details), 3e38)


@pytest.mark.parametrize("value", [None, [], object(), b"1", 1j])
def test_no_number_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="does not fit /v: expected a number, true or false"):
        check_value(info(T.float32), value)


@pytest.mark.parametrize(
    ("watchable", "text"),
    [
        (info(T.uint8), "value 'RNU' does not fit /v: it has no enum; expected a number"),
        (
            info(T.uint8, enum=MODE),
            "value 'RNU' does not fit /v: expected one of IDLE=0, RUN=1; did you mean 'RUN'?",
        ),
    ],
)
def test_a_word_that_is_no_member_is_refused(watchable: WatchableInfo, text: str) -> None:
    with pytest.raises(BadEnumError) as caught:
        check_value(watchable, "RNU")

    assert str(caught.value) == text


@pytest.mark.parametrize("gain", [0.01, 0.1, 1 / 3, -0.01, 2.5])
@pytest.mark.parametrize("offset", [0.0, -7.3])
def test_an_alias_of_a_whole_number_stores_the_one_that_is_meant(gain: float, offset: float) -> None:
    """A server truncates: 0.29 at a gain of 0.01 would be stored as 28."""
    details = alias(gain=gain, offset=offset)
    for number in range(0, 65536, 7):
        sent = check_value(info(T.uint16, details), number * gain + offset)

        assert int((sent - offset) / gain) == number


def unexplained(datatype: EmbeddedDataType | UnknownValue) -> WatchableInfo:
    """Servers before 0.10 do not tell what an alias stands for."""
    return WatchableInfo("/v", WatchableType.Alias, datatype, "8")


@pytest.mark.parametrize(
    ("datatype", "value", "sent"),
    [
        (T.uint8, 2.5, 2.5),  # may be 25 at a gain of 0.1
        (T.uint64, 2**64 - 1, 2**64 - 1),
        (T.sint8, 1e288, 1e288),
        (T.float32, -1e18, -1e18),
        (T.float64, 1e288, 1e288),
        (T.float32, True, 1),
        (T.bool8, 1, True),
    ],
)
def test_an_alias_nobody_explains_takes_what_no_gain_can_make_too_much(
    datatype: EmbeddedDataType, value: bool | float, sent: object
) -> None:
    result = check_value(unexplained(datatype), value)

    assert result == sent
    assert type(result) is type(sent)


@pytest.mark.parametrize(
    ("datatype", "value", "bound"),
    [
        (T.float32, 1e39, "1e+18"),
        (T.float32, -3e38, "1e+18"),
        (T.float32, HUGE, "1e+18"),
        (UnknownValue("float24"), 1e39, "1e+18"),
        (T.float64, 1.7e308, "1e+288"),
        (T.sint32, -HUGE, "1e+288"),
    ],
)
def test_an_alias_nobody_explains_takes_nothing_that_might_end_its_server(
    datatype: EmbeddedDataType | UnknownValue, value: float, bound: str
) -> None:
    with pytest.raises(ValueError, match="does not fit /v") as caught:
        check_value(unexplained(datatype), value)

    assert str(caught.value).partition(": ")[2] == (
        f"expected -{bound} to {bound}; this server does not tell the alias' gain (0.10 and later do) and "
        "may end if it has to store more. Write what the alias stands for instead"
    )


@pytest.mark.parametrize("value", [0.5, 2, -1])
def test_an_alias_nobody_explains_of_a_bool_takes_true_and_false_only(value: float) -> None:
    with pytest.raises(ValueError, match="does not fit /v"):
        check_value(unexplained(T.bool8), value)


# Text


@pytest.mark.parametrize(
    ("watchable", "text", "sent"),
    [
        (info(T.uint8), "0x10", 16),
        (info(T.uint64), "0xFFFFFFFFFFFFFFFF", 2**64 - 1),
        (info(T.bool8), " True ", True),
        (info(T.float32), "pi/2", math.pi / 2),
        (info(T.uint32), "floor(1.23e5*cos(radians(5^2)))", 111475),
        (info(T.uint8, enum=EmbeddedEnum("Odd", {"1+1": 7})), "1+1", 7),
        (info(T.uint8, enum=MODE), "1", 1),
    ],
)
def test_text_is_what_a_server_takes_it_for(watchable: WatchableInfo, text: str, sent: object) -> None:
    result = check_value(watchable, text)

    assert result == sent
    assert type(result) is type(sent)


@pytest.mark.parametrize("text", ["1e39", "4e38", "2^200", "-exp(100)", "9^9^9", "1/0", "nan", "inf"])
def test_text_cannot_carry_more_to_a_server_than_it_survives(text: str) -> None:
    with pytest.raises(ValueError, match="does not fit /v"):
        check_value(info(T.float32), text)


# Bytes


def test_as_many_bytes_as_the_variable_has_are_sent() -> None:
    assert check_data(info(T.float32), bytearray(4)) == bytes(4)
    assert check_data(info(UnknownValue("uint512")), bytes(64)) == bytes(64)


@pytest.mark.parametrize("data", [b"", b"12", b"12345"])
def test_other_numbers_of_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"bytes do not fit /v: expected 4, the size of float32, in the"):
        check_data(info(T.float32), data)


@pytest.mark.parametrize("data", [4, "1234", None])
def test_what_is_no_bytes_is_a_type_error(data: object) -> None:
    with pytest.raises(TypeError, match="is no bytes; expected for example"):
        check_data(info(T.float32), data)


ALIAS = WatchableInfo("/alias", WatchableType.Alias, T.sint16, "9", None, alias(gain=10.0, offset=-5.0))
TINY = attrs.evolve(ALIAS, details=alias(gain=0.01))
WIDE = attrs.evolve(ALIAS, datatype=T.uint64, details=alias())
FLOAT = attrs.evolve(ALIAS, datatype=T.float32, details=alias(gain=0.1))
UNTOLD = attrs.evolve(ALIAS, details=None)


@pytest.mark.parametrize(
    ("watchable", "written", "found", "same"),
    [
        (info(T.float32), 0.1, 0.10000000149011612, True),
        (info(T.float64), 0.1, 0.10000000149011612, False),
        (info(T.float32), 1e39, FLOAT32_MAX, False),
        (info(T.float32), math.inf, math.inf, True),
        (info(T.float32), math.nan, math.nan, False),
        (info(T.uint64), 2**53 + 1, 2**53, False),
        (info(T.uint8), HUGE, 255, False),
        (ALIAS, 45.0, 45.0, True),
        (ALIAS, 45.0, 55.0, False),
        (ALIAS, 45.0, 35.0, False),
        (ALIAS, 53.0, 45.0, True),  # truncated
        (ALIAS, 53.0, 55.0, True),  # rounded
        (ALIAS, 53.0, 65.0, False),
        (ALIAS, HUGE, 45.0, False),
        (TINY, 0.29, 0.29, True),
        (TINY, 0.29, 0.28, False),
        (WIDE, 2**53 + 1, float(2**53), True),
        (attrs.evolve(ALIAS, details=alias(gain=0.0)), 5.0, 0.0, False),
        (FLOAT, 0.3, 0.30000000447034836, True),
        (FLOAT, 0.3, 0.31, False),
        (UNTOLD, 0.3, 0.3000000001, True),
        (UNTOLD, 5.0, 6.0, False),
    ],
)
def test_what_is_read_back_is_compared_as_it_is_stored(
    watchable: WatchableInfo, written: float, found: float, same: bool
) -> None:
    assert is_same(watchable, written, found) is same


# What is read back


@pytest.mark.parametrize(
    ("watchable", "written", "found", "is_the_same"),
    [
        (info(T.sint16, VariableDetails(0, 2, 5)), -16, 16, True),  # a server reads it without its sign
        (info(T.sint16, VariableDetails(0, 2, 5)), -16, -16, True),
        (info(T.sint16, VariableDetails(0, 2, 5)), -16, 15, False),
        (info(T.sint16), -16, 16, False),
        (info(T.float32), 0.1, 0.10000000149011612, True),
    ],
)
def test_a_value_read_back_is_the_one_written_as_far_as_a_server_tells(
    watchable: WatchableInfo, written: float, found: float, is_the_same: bool
) -> None:
    assert is_same(watchable, written, found) is is_the_same
