"""Typed values out of a JSON object; every error names the place as a dotted path.

This is where ``Any`` stops: whatever leaves this file has a type that was checked.

PYTEST_DONT_REWRITE
"""

import base64
import binascii
import reprlib
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

from pytest_scrutiny.errors import RemoteProtocolError

_LONGEST_SHOWN = 80  # characters of a wrong value in an error text

# The builtin repr would write out megabytes to show 80 characters, and overflow the stack of a caller who is
# deeper in it than the JSON decoder was.
_NOTHING = object()
_shown = reprlib.Repr()
_shown.maxlevel = 3
_shown.maxstring = _shown.maxlong = _shown.maxother = _LONGEST_SHOWN


class RequestFields(Protocol):
    """One request as a server reads it: a field of a wrong type is refused in that server's own words."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The JSON object itself."""

    def field(self, name: str, *types: type) -> Any:
        """Return a field of the request, of one of these types."""

    def field_of(self, data: object, name: str, *types: type) -> Any:
        """Return a field of an object in the request, of one of these types."""


class Fields:
    """One JSON object of a message.

    A reader without ``optional_`` wants the key and a value; with it, a missing key and ``null`` give None.
    All raise RemoteProtocolError for a value of another type.

    :ivar data: the object itself.
    :ivar where: its dotted path, beginning with the message's name.
    """

    __slots__ = ("data", "where")

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.data = data
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def first_of(self, *keys: str) -> str:
        """Return the first of these keys that is there, or the last one, for the error to name."""
        return next((key for key in keys if key in self.data), keys[-1])

    def value(self, key: str) -> object:
        """Return the value as it came; the key must be there."""
        if key not in self.data:
            self.refuse(key, "a value")
        value: object = self.data[key]
        return value

    def text(self, key: str) -> str:
        """Return a string."""
        value = self.data.get(key)
        return value if isinstance(value, str) else self.refuse(key, "a string")

    def optional_text(self, key: str) -> str | None:
        """Return a string or None."""
        return None if self.data.get(key) is None else self.text(key)

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self.data.get(key)
        return value if isinstance(value, bool) else self.refuse(key, "true or false")

    def optional_boolean(self, key: str) -> bool | None:
        """Return true, false or None."""
        return None if self.data.get(key) is None else self.boolean(key)

    def integer(self, key: str) -> int:
        """Return a whole number; true and false are none."""
        value = self.data.get(key)
        return value if type(value) is int else self.refuse(key, "a whole number")

    def optional_integer(self, key: str) -> int | None:
        """Return a whole number or None."""
        return None if self.data.get(key) is None else self.integer(key)

    def number(self, key: str) -> float:
        """Return a number as float; a server writes 0 and 1 for 0.0 and 1.0 at times."""
        value = self.data.get(key)
        if type(value) is float:
            return value
        if type(value) is not int or abs(value) >= 1 << 1023:
            self.refuse(key, "a number")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """Return a number as float, or None."""
        return None if self.data.get(key) is None else self.number(key)

    def bytes_of(self, key: str) -> bytes:
        """Return the bytes of a base64 string."""
        try:
            return base64.b64decode(self.text(key), validate=True)
        except (binascii.Error, ValueError):
            self.refuse(key, "base64")

    def child(self, key: str) -> "Fields":
        """Return an object."""
        value = self.data.get(key)
        return (
            Fields(value, f"{self.where}.{key}") if isinstance(value, dict) else self.refuse(key, "an object")
        )

    def optional_child(self, key: str) -> "Fields | None":
        """Return an object or None."""
        return None if self.data.get(key) is None else self.child(key)

    def children(self, key: str) -> "list[Fields]":
        """Return a list of objects."""
        return [self.entry(key, index) for index in range(len(self._list(key)))]

    def entries(self, key: str) -> list[Any]:
        """Return a list, unchecked what is in it."""
        return self._list(key)

    def entry(self, key: str, index: int) -> "Fields":
        """Return one item of a list, an object."""
        item, place = self._list(key)[index], f"{key}[{index}]"
        return (
            Fields(item, f"{self.where}.{place}")
            if isinstance(item, dict)
            else self._refuse(place, item, "an object")
        )

    def integers(self, key: str) -> list[int]:
        """Return a list of whole numbers; true and false are none."""
        return [
            item if type(item) is int else self._refuse(f"{key}[{index}]", item, "a whole number")
            for index, item in enumerate(self._list(key))
        ]

    def texts(self, key: str) -> list[str]:
        """Return a list of strings."""
        return [
            item if isinstance(item, str) else self._refuse(f"{key}[{index}]", item, "a string")
            for index, item in enumerate(self._list(key))
        ]

    def named_children(self, key: str) -> "dict[str, Fields]":
        """Return an object of objects as ``{name: object}``."""
        parent = self.child(key)
        return {name: parent.child(name) for name in parent.data}

    def integers_by_name(self, key: str) -> dict[str, int]:
        """Return an object of whole numbers as ``{name: number}``."""
        parent = self.child(key)
        return {name: parent.integer(name) for name in parent.data}

    def _list(self, key: str) -> list[Any]:
        value = self.data.get(key)
        return value if isinstance(value, list) else self.refuse(key, "a list")

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise the error for a field that is missing or of another type."""
        self._refuse(key, self.data.get(key, _NOTHING), expected)

    def _refuse(self, place: str, value: object, expected: str) -> NoReturn:
        where = f"{self.where}.{place}"
        came = "nothing" if value is _NOTHING else _shorten(_shown.repr(value))
        raise RemoteProtocolError(
            f"the server's message is wrong at {where}: {came}; expected {expected}", where
        )


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
