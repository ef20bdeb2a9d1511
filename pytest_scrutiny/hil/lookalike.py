"""What looks like a value and is not it: a test with it would be green whatever the device does."""

from typing import NoReturn


class Lookalike:
    """Refuses to be taken for a number or a truth value, and says what to write instead.

    :ivar path: of the value.
    """

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __bool__(self) -> bool:  # noqa: PLE0304 - there is none to return
        self._refuse("is no truth value", "read()")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lookalike):
            self._refuse(f"cannot be compared with {other!r}", f"read() == {other!r}")
        return self is other

    def __lt__(self, other: object) -> NoReturn:
        self._refuse(f"cannot be compared with {other!r}", "read()")

    __le__ = __gt__ = __ge__ = __lt__

    def __hash__(self) -> int:
        return id(self)

    def __float__(self) -> NoReturn:
        self._refuse("is no number", "read()")

    __int__ = __index__ = __abs__ = __neg__ = __float__

    def __round__(self, digits: int = 0) -> NoReturn:
        self._refuse("is no number", "read()")

    def __add__(self, other: object) -> NoReturn:
        self._refuse("is no number", "read()")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__

    def __format__(self, spec: str) -> str:
        if spec:
            self._refuse(f"cannot be formatted as {spec!r}", "read()")
        return repr(self)

    @property
    def value(self) -> NoReturn:
        """Refused, like setting it: a client's handle has a ``value``, this has ``read`` and ``write``."""
        self._refuse("has no attribute 'value'", "read()", AttributeError)

    @value.setter
    def value(self, value: object) -> NoReturn:
        self._refuse("has no attribute 'value'", f"write({value!r})", AttributeError)

    def _refuse(self, what: str, instead: str, error: type[Exception] = TypeError) -> NoReturn:
        hint = f"write dev[{self.path!r}].{instead}"
        raise error(f"{self.path} {what}: it is the way to a device's value; {hint}")
