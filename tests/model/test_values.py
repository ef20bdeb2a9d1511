"""Datatypes against the struct module; statuses, enums and unknown words."""

import ctypes
import struct

import pytest

from pytest_scrutiny.errors import BadEnumError
from pytest_scrutiny.model.listing import ServerDatastoreContentType
from pytest_scrutiny.model.values import (
    FLOAT16_MAX,
    FLOAT32_MAX,
    FLOAT64_MAX,
    EmbeddedDataType,
    EmbeddedEnum,
    UnknownValue,
    ValueStatus,
    WatchableType,
)

STRUCT_CODES = {
    "sint8": "b", "sint16": "h", "sint32": "i", "sint64": "q", "uint8": "B", "uint16": "H", "uint32": "I",
    "uint64": "Q", "float16": "e", "float32": "f", "float64": "d", "bool8": "?",
    "ptr8": "B", "ptr16": "H", "ptr32": "I", "ptr64": "Q",
}  # fmt: skip
FAMILIES = {
    "sint": ("is_integer", "is_signed"),
    "uint": ("is_integer",),
    "float": ("is_float", "is_signed"),
    "cfloat": ("is_float", "is_signed"),
    "bool": ("is_bool",),
    "ptr": ("is_pointer",),
}
QUESTIONS = {"is_integer", "is_float", "is_signed", "is_bool", "is_pointer"}
WITHOUT_SIZE = (EmbeddedDataType.struct, EmbeddedDataType.NA)
SIZED = [kind for kind in EmbeddedDataType if kind not in WITHOUT_SIZE]


def family(kind: EmbeddedDataType) -> str:
    return kind.name.rstrip("0123456789")


@pytest.mark.parametrize("kind", SIZED)
def test_the_size_is_what_the_name_says(kind: EmbeddedDataType) -> None:
    assert f"{family(kind)}{kind.get_size_bit()}" == kind.name


@pytest.mark.parametrize("kind", WITHOUT_SIZE)
def test_a_struct_and_nothing_have_no_size_and_no_limits(kind: EmbeddedDataType) -> None:
    assert kind.get_size_bit() == 0
    assert kind.limits() is None
    assert not any(getattr(kind, question)() for question in QUESTIONS)


@pytest.mark.parametrize("name", STRUCT_CODES)
def test_the_size_is_what_struct_says(name: str) -> None:
    assert EmbeddedDataType[name].get_size_bit() == 8 * struct.calcsize(f"<{STRUCT_CODES[name]}")


def test_there_are_six_families_of_six_sizes() -> None:
    names = {f"{name}{size}" for name in FAMILIES for size in (8, 16, 32, 64, 128, 256)}

    assert {kind.name for kind in SIZED} == names


@pytest.mark.parametrize("kind", SIZED)
def test_a_datatype_knows_its_family(kind: EmbeddedDataType) -> None:
    assert {question for question in QUESTIONS if getattr(kind, question)()} == set(FAMILIES[family(kind)])


@pytest.mark.parametrize("name", [name for name in STRUCT_CODES if name[0] in "sup"])
def test_the_limits_of_whole_numbers_are_structs(name: str) -> None:
    kind, code = EmbeddedDataType[name], f"<{STRUCT_CODES[name]}"
    limits = kind.limits()
    assert limits is not None
    low, high = limits

    assert struct.unpack(code, struct.pack(code, low)) == (low,)
    assert struct.unpack(code, struct.pack(code, high)) == (high,)
    for beyond in (low - 1, high + 1):
        with pytest.raises(struct.error):
            struct.pack(code, beyond)


@pytest.mark.parametrize("size", [128, 256])
def test_the_limits_of_numbers_larger_than_structs(size: int) -> None:
    assert EmbeddedDataType[f"uint{size}"].limits() == (0, 2**size - 1)
    assert EmbeddedDataType[f"ptr{size}"].limits() == (0, 2**size - 1)
    assert EmbeddedDataType[f"sint{size}"].limits() == (-(2 ** (size - 1)), 2 ** (size - 1) - 1)


def test_the_limits_of_floats_are_structs() -> None:
    assert EmbeddedDataType.float32.limits() == (-FLOAT32_MAX, FLOAT32_MAX)
    assert struct.unpack("<f", struct.pack("<f", FLOAT32_MAX)) == (FLOAT32_MAX,)
    assert struct.pack("<f", FLOAT32_MAX) == b"\xff\xff\x7f\x7f"
    with pytest.raises(OverflowError):
        struct.pack("<f", FLOAT32_MAX * 1.0000001)
    assert EmbeddedDataType.float64.limits() == (-FLOAT64_MAX, FLOAT64_MAX)
    assert struct.pack("<d", FLOAT64_MAX) == b"\xff\xff\xff\xff\xff\xff\xef\x7f"
    assert ctypes.c_double(FLOAT64_MAX * 1.0000001).value == float("inf")
    assert EmbeddedDataType.float16.limits() == (-FLOAT16_MAX, FLOAT16_MAX)
    assert struct.pack("<e", FLOAT16_MAX) == b"\xff\x7b"
    with pytest.raises(OverflowError):
        struct.pack("<e", FLOAT16_MAX + 16)


def test_servers_support_whole_numbers_of_64_bits_at_most_and_two_floats() -> None:
    """What they do with the others, tests/interop/test_datatypes.py asks them."""
    supported = {kind.name for kind in EmbeddedDataType if kind.is_supported()}

    assert supported == {
        *(f"{word}{bits}" for word in ("sint", "uint", "bool", "ptr") for bits in (8, 16, 32, 64)),
        "float32", "float64",
    }  # fmt: skip


def test_what_has_no_order_or_no_known_format_has_no_limits() -> None:
    unlimited = {kind.name for kind in SIZED if kind.limits() is None}

    assert unlimited == {
        *(kind.name for kind in SIZED if family(kind) in ("bool", "cfloat")),
        "float8", "float128", "float256",
    }  # fmt: skip


def test_the_numbers_are_the_official_ones() -> None:
    pinned = {
        "sint8": 0x00,
        "uint64": 0x13,
        "float32": 0x22,
        "bool8": 0x30,
        "cfloat256": 0x45,
        "ptr8": 0x60,
        "NA": 0xFF,
    }

    assert {name: EmbeddedDataType[name].value for name in pinned} == pinned


# The rest


def test_the_words_for_watchables_are_the_wires() -> None:
    assert [(kind.name, str(kind)) for kind in WatchableType] == [
        ("Variable", "var"),
        ("RuntimePublishedValue", "rpv"),
        ("Alias", "alias"),
    ]


def test_every_status_but_valid_says_why() -> None:
    assert [status.value for status in ValueStatus] == list(range(1, 10))
    assert [status.name for status in ValueStatus if not status.reason] == ["Valid"]


def test_an_enum_finds_the_first_name_of_a_value() -> None:
    mode = EmbeddedEnum("Mode", {"Off": 0, "Run": 2, "Go": 2})

    assert mode.get_first_value_name_match(2) == "Run"
    assert mode.get_first_value_name_match(3) is None
    assert {mode: 1}[EmbeddedEnum("Mode", {"Off": 0, "Run": 2, "Go": 2})] == 1


def test_an_enum_answers_in_the_official_sdks_ways() -> None:
    mode = EmbeddedEnum("Mode", {"Off": 0, "Back": -1})

    assert (mode.get_name(), mode.get_value("Back"), mode.has_value("Off")) == ("Mode", -1, True)
    assert not mode.has_value("off")
    assert mode.has_signed_value()
    assert not EmbeddedEnum("Empty").has_signed_value()
    assert EmbeddedEnum.from_def(mode.get_def()) == mode
    with pytest.raises(BadEnumError, match="'off' is no member of Mode; expected one of Off, Back") as caught:
        mode.get_value("off")
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("words", [WatchableType, ServerDatastoreContentType])
def test_a_word_goes_both_ways(words: type[WatchableType]) -> None:
    assert words.all() == [*words]
    assert [words.from_str(word.to_str()) for word in words] == [*words]
    with pytest.raises(ValueError, match="'x'"):
        words.from_str("x")


def test_an_unknown_word_can_be_named_like_a_member() -> None:
    assert UnknownValue("quantum").name == "quantum"
    assert UnknownValue("a") == UnknownValue("a")
    assert UnknownValue("a") != UnknownValue("A")
