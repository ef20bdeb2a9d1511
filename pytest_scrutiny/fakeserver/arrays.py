"""Arrays of the simulated firmware: one row of data, an element for every index.

PYTEST_DONT_REWRITE
"""

import math
import re

import attrs

from pytest_scrutiny.model.listing import VariableFactoryInterface
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum

_INDICES = re.compile(r"((?:\[[0-9]+\])+)(?=/|$)")


@attrs.frozen
class Array:
    """An array of the firmware, of values or of structures.

    :ivar path: without indices; for a member of structures the whole path, ``/app/points/x``.
    :ivar dims: sizes, outermost first.
    :ivar initial: the elements' first values in memory's order; what is missing is 0.
    :ivar node: the part of the path that has the indices, ``/app/points``; None for all of it.
    :ivar stride: bytes from one element to the next; None for the size of the datatype.
    :ivar pointer: path of the pointer behind which it lies; ``address`` is counted from what that holds.
    :ivar pointers: or of an array of pointers of the same sizes: behind each of them lies one element.
    """

    path: str
    datatype: EmbeddedDataType
    address: int
    dims: tuple[int, ...]
    initial: tuple[bool | float, ...] = ()
    enum: EmbeddedEnum | None = None
    node: str | None = None
    stride: int | None = None
    pointer: str | None = None
    pointers: str | None = None

    @property
    def factory(self) -> VariableFactoryInterface:
        """What a server lists of it."""
        return VariableFactoryInterface(
            self.path, self.datatype, self.enum, {self.node or self.path: self.dims}
        )

    def number_of(self, path: str) -> int:
        """Return an element's place in memory's order.

        :raises IndexError: if the path has too few, too many or too large indices.
        """
        indices = indices_of(path)
        wanted = indices.get(self.node or self.path, ())
        fits = len(wanted) == len(self.dims) and all(
            index < size for index, size in zip(wanted, self.dims, strict=True)
        )
        if not fits or len(indices) != 1:
            raise IndexError(f"{path} is no element of {self.factory.describe_dims()}")
        return sum(
            index * math.prod(self.dims[place + 1 :]) for place, index in enumerate(wanted)
        )  # fmt: skip

    def address_of(self, number: int) -> int:
        """Return where an element lies; behind a pointer, how far from what that holds."""
        if self.pointers is not None:
            return self.address
        return self.address + number * (self.stride or self.datatype.get_size_bit() // 8)

    def pointer_of(self, number: int) -> str | None:
        """Return the path of the pointer behind which an element lies; None if there is none."""
        if self.pointers is None:
            return self.pointer
        indices = []
        for size in reversed(self.dims):
            number, index = divmod(number, size)
            indices.append(f"[{index}]")
        return self.pointers + "".join(reversed(indices))


def bare_path(path: str) -> str:
    """Return a path without its indices."""
    return _INDICES.sub("", path)


def indices_of(path: str) -> dict[str, tuple[int, ...]]:
    """Return ``{path of an array on the way: indices}``."""
    return {
        bare_path(path[: match.start()]): tuple(int(text) for text in match[0][1:-1].split("]["))
        for match in _INDICES.finditer(path)
    }
