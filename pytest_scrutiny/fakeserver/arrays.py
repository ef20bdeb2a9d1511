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
    """

    path: str
    datatype: EmbeddedDataType
    address: int
    dims: tuple[int, ...]
    initial: tuple[bool | float, ...] = ()
    enum: EmbeddedEnum | None = None
    node: str | None = None
    stride: int | None = None

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
        """Return where an element lies."""
        return self.address + number * (self.stride or self.datatype.get_size_bit() // 8)


def bare_path(path: str) -> str:
    """Return a path without its indices."""
    return _INDICES.sub("", path)


def indices_of(path: str) -> dict[str, tuple[int, ...]]:
    """Return ``{path of an array on the way: indices}``."""
    return {
        bare_path(path[: match.start()]): tuple(int(text) for text in match[0][1:-1].split("]["))
        for match in _INDICES.finditer(path)
    }
