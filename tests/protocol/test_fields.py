"""Every reader of Fields, with what it takes and what it refuses."""

import json
import sys
from typing import Any

import pytest

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.protocol.fields import Fields

MISSING = object()
HUGE = 10**400
TAKES: list[tuple[str, Any, Any]] = [
    ("value", 1, 1),
    ("value", None, None),
    ("text", "a", "a"),
    ("text", "", ""),
    ("optional_text", "a", "a"),
    ("optional_text", None, None),
    ("optional_text", MISSING, None),
    ("boolean", True, True),
    ("boolean", False, False),
    ("optional_boolean", False, False),
    ("optional_boolean", None, None),
    ("optional_boolean", MISSING, None),
    ("integer", 0, 0),
    ("integer", -1, -1),
    ("integer", HUGE, HUGE),
    ("optional_integer", 7, 7),
    ("optional_integer", None, None),
    ("optional_integer", MISSING, None),
    ("number", 1, 1.0),
    ("number", 0, 0.0),
    ("number", -2.5, -2.5),
    ("number", float("inf"), float("inf")),
    ("number", (1 << 1023) - 1, float(1 << 1023)),
    ("optional_number", 1.5, 1.5),
    ("optional_number", None, None),
    ("optional_number", MISSING, None),
    ("bytes_of", "", b""),
    ("bytes_of", "AAEC", b"\0\1\2"),
    ("bytes_of", "gD8=", b"\x80\x3f"),
    ("entries", [], []),
    ("entries", [1, None], [1, None]),
    ("integers", [], []),
    ("integers", [2, -3], [2, -3]),
    ("texts", [], []),
    ("texts", ["a", ""], ["a", ""]),
    ("integers_by_name", {}, {}),
    ("integers_by_name", {"Off": 0, "": -1}, {"Off": 0, "": -1}),
    ("optional_child", None, None),
    ("optional_child", MISSING, None),
    ("children", [], []),
    ("named_children", {}, {}),
]
REFUSES: list[tuple[str, Any, str, str]] = [
    # reader, value, the place, the rest of the text
    ("value", MISSING, "", "nothing; expected a value"),
    ("text", MISSING, "", "nothing; expected a string"),
    ("text", None, "", "None; expected a string"),
    ("text", 1, "", "1; expected a string"),
    ("text", ["a"], "", "['a']; expected a string"),
    ("optional_text", 1.5, "", "1.5; expected a string"),
    ("optional_text", False, "", "False; expected a string"),
    ("boolean", MISSING, "", "nothing; expected true or false"),
    ("boolean", None, "", "None; expected true or false"),
    ("boolean", 1, "", "1; expected true or false"),
    ("boolean", "true", "", "'true'; expected true or false"),
    ("optional_boolean", 0, "", "0; expected true or false"),
    ("integer", MISSING, "", "nothing; expected a whole number"),
    ("integer", None, "", "None; expected a whole number"),
    ("integer", True, "", "True; expected a whole number"),
    ("integer", 1.0, "", "1.0; expected a whole number"),
    ("integer", "1", "", "'1'; expected a whole number"),
    ("optional_integer", False, "", "False; expected a whole number"),
    ("optional_integer", {}, "", "{}; expected a whole number"),
    ("number", MISSING, "", "nothing; expected a number"),
    ("number", None, "", "None; expected a number"),
    ("number", True, "", "True; expected a number"),
    ("number", "nan", "", "'nan'; expected a number"),
    ("number", HUGE, "", "1" + "0" * 37),
    ("number", 1 << 1024, "", "1797693134"),
    ("optional_number", -HUGE, "", "-1" + "0" * 36),
    ("optional_number", [], "", "[]; expected a number"),
    ("bytes_of", MISSING, "", "nothing; expected a string"),
    ("bytes_of", 1, "", "1; expected a string"),
    ("bytes_of", "A", "", "'A'; expected base64"),
    ("bytes_of", "AA-_", "", "'AA-_'; expected base64"),
    ("bytes_of", "AAEC\n", "", "'AAEC\\n'; expected base64"),
    ("bytes_of", "\u00e9\u00e9\u00e9\u00e9", "", "'\u00e9\u00e9\u00e9\u00e9'; expected base64"),
    ("child", MISSING, "", "nothing; expected an object"),
    ("child", None, "", "None; expected an object"),
    ("child", [], "", "[]; expected an object"),
    ("optional_child", 1, "", "1; expected an object"),
    ("children", MISSING, "", "nothing; expected a list"),
    ("children", None, "", "None; expected a list"),
    ("children", {}, "", "{}; expected a list"),
    ("children", [{}, None], "[1]", "None; expected an object"),
    ("entries", {}, "", "{}; expected a list"),
    ("integers", MISSING, "", "nothing; expected a list"),
    ("integers", [1, True], "[1]", "True; expected a whole number"),
    ("integers", [1.0], "[0]", "1.0; expected a whole number"),
    ("texts", "ab", "", "'ab'; expected a list"),
    ("texts", ["a", 2], "[1]", "2; expected a string"),
    ("named_children", [], "", "[]; expected an object"),
    ("named_children", {"/a/b": 1}, "./a/b", "1; expected an object"),
    ("integers_by_name", {"Off": 0, "On": True}, ".On", "True; expected a whole number"),
    ("integers_by_name", None, "", "None; expected an object"),
]


def holding(value: object) -> Fields:
    return Fields({} if value is MISSING else {"key": value}, "some_message.inner")


def ids(rows: list[Any]) -> list[str]:
    return [f"{row[0]}-{'missing' if row[1] is MISSING else repr(row[1])[:20]}" for row in rows]


@pytest.mark.parametrize(("reader", "value", "expected"), TAKES, ids=ids(TAKES))
def test_a_reader_takes(reader: str, value: object, expected: object) -> None:
    result = getattr(holding(value), reader)("key")

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(("reader", "value", "place", "text"), REFUSES, ids=ids(REFUSES))
def test_a_reader_refuses(reader: str, value: object, place: str, text: str) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        getattr(holding(value), reader)("key")

    where = f"some_message.inner.key{place}"
    assert info.value.where == where
    assert str(info.value).startswith(f"the server's message is wrong at {where}: {text}")


def test_every_reader_is_in_the_tables() -> None:
    # What is no reader: "first_of" looks for keys, "refuse" raises; "entry" is the one that "children" uses.
    readers = {name for name in vars(Fields) if not name.startswith("_")} - {
        "data",
        "where",
        "first_of",
        "refuse",
        "entry",
    }

    assert readers - {"child"} == {row[0] for row in TAKES}
    assert readers == {row[0] for row in REFUSES} | {"optional_child"}


def test_children_know_their_place() -> None:
    fields = Fields({"a": {"b": [{"c": {"/x": {"d": "no number"}}}]}}, "status")
    inner = fields.child("a").children("b")[0].named_children("c")["/x"]

    assert inner.where == "status.a.b[0].c./x"
    with pytest.raises(RemoteProtocolError, match=r"at status\.a\.b\[0\]\.c\./x\.d: 'no number'") as info:
        inner.integer("d")
    assert info.value.where == "status.a.b[0].c./x.d"


def test_the_first_spelling_that_is_there_counts_and_the_last_is_named() -> None:
    fields = Fields({"dtype": "uint8", "path": None}, "entry")

    assert fields.first_of("datatype", "dtype") == "dtype"
    assert fields.first_of("path", "display_path") == "path"
    assert fields.first_of("offset", "bias") == "bias"
    assert "dtype" in fields
    assert "datatype" not in fields


@pytest.mark.parametrize(
    "value",
    ["x" * 5000, list(range(5000)), {str(n): n for n in range(5000)}, 10**4000],
    ids=lambda value: type(value).__name__,
)
def test_a_long_value_is_shown_shortened(value: object) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        holding(value).boolean("key")

    assert len(str(info.value)) < 220


def test_a_value_that_is_nested_deeper_than_the_stack_is_refused_like_any_other() -> None:
    def decode_with_all_of_the_stack() -> object:
        for depth in range(sys.getrecursionlimit(), 0, -10):
            try:
                return json.loads("[" * depth + "]" * depth)
            except RecursionError:
                continue
        raise AssertionError("one bracket always fits")

    def deeper(frames: int, value: object) -> None:
        if frames:
            deeper(frames - 1, value)
        else:
            holding(value).text("key")

    value = decode_with_all_of_the_stack()

    with pytest.raises(RemoteProtocolError, match=r"expected a string"):
        deeper(50, value)
