"""What a server lists: names with their kinds and datatypes, and arrays as factories of their elements.

PYTEST_DONT_REWRITE
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping

import attrs

from pytest_scrutiny.errors import BadEnumError
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum, UnknownValue, WatchableType, Word
from pytest_scrutiny.model.watch import AliasDetails, RPVDetails, VariableDetails, WatchableInfo


class ServerDatastoreContentType(Word):
    """What a server counts; a kind of watchable is equal to its member here."""

    Variable = "var"
    RuntimePublishedValue = "rpv"
    Alias = "alias"
    VariableFactory = "var_factory"


@attrs.frozen
class BriefWatchableConfiguration:
    """What a list tells about one name; equal ones of a list are the same object."""

    watchable_type: WatchableType
    datatype: EmbeddedDataType | UnknownValue
    enum: EmbeddedEnum | None = None


@attrs.frozen
class VariableFactoryInterface:
    """An array: one path with dimensions, standing for all its elements.

    :ivar access_path: the path without indices; it cannot be watched itself.
    :ivar array_dims: ``{path of an array on the way: its dimensions}``; ``{"/app/table": (2, 3)}`` makes
        ``/app/table[1][2]`` the last element.
    """

    access_path: str
    datatype: EmbeddedDataType | UnknownValue
    enum: EmbeddedEnum | None
    array_dims: Mapping[str, tuple[int, ...]] = attrs.field(hash=False)

    def count_possible_paths(self) -> int:
        """Return how many elements there are; 0 if the dimensions belong to another path."""
        return math.prod(itertools.chain(*self.array_dims.values())) if self._is_consistent() else 0

    def iterate_possible_paths(self) -> Iterator[tuple[str, BriefWatchableConfiguration]]:
        """Yield every element's path, the last index fastest, with what a list would tell about it."""
        brief = BriefWatchableConfiguration(WatchableType.Variable, self.datatype, self.enum)
        for path in self.element_paths():
            yield path, brief

    def element_paths(self) -> Iterator[str]:
        """Yield every element's path, the last index fastest; each is made when it is wanted."""
        sizes = [size for node in self._nodes() for size in self.array_dims[node]]
        template = self._with_suffixes(
            {node: "[{}]" * len(dims) for node, dims in self.array_dims.items()}, escape=_escape_braces
        )
        for number in range(self.count_possible_paths()):
            indices = []
            for size in reversed(sizes):
                number, index = divmod(number, size)  # noqa: PLW2901 - the digits of a mixed-radix number
                indices.append(index)
            yield template.format(*reversed(indices))

    def describe_dims(self) -> str:
        """Return the path with its dimensions in place of indices: ``/app/table[2][3]``."""
        return self._with_suffixes(
            {node: "".join(f"[{size}]" for size in dims) for node, dims in self.array_dims.items()}
        )

    def _nodes(self) -> list[str]:
        return sorted(self.array_dims, key=len)

    def _with_suffixes(
        self, suffixes: Mapping[str, str], escape: Callable[[str], str] = lambda text: text
    ) -> str:
        pieces, begin = [], 0
        for node in self._nodes():
            pieces += [escape(self.access_path[begin : len(node)]), suffixes[node]]
            begin = len(node)
        return "".join([*pieces, escape(self.access_path[begin:])])

    def _is_consistent(self) -> bool:
        """Return whether every array lies on the path, and has elements."""
        return bool(self.array_dims) and all(
            dims and min(dims) > 0 and f"{self.access_path}/".startswith(f"{node}/")
            for node, dims in self.array_dims.items()
        )


def _escape_braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@attrs.define
class WatchableListContentPart:
    """A list of names, or a part of it.

    Unlike the other facts it can grow: a list comes in parts, which whoever gathers them lays together.

    :ivar var: ``{path: what is known of it}``, as ``alias`` and ``rpv``.
    :ivar var_factory: ``{path without indices: array}``; empty on servers before 0.9, which know no arrays.
    """

    var: dict[str, BriefWatchableConfiguration] = attrs.field(factory=dict)
    alias: dict[str, BriefWatchableConfiguration] = attrs.field(factory=dict)
    rpv: dict[str, BriefWatchableConfiguration] = attrs.field(factory=dict)
    var_factory: dict[str, VariableFactoryInterface] = attrs.field(factory=dict)

    def extend(self, other: "WatchableListContentPart") -> None:
        """Add another part."""
        self.var.update(other.var)
        self.alias.update(other.alias)
        self.rpv.update(other.rpv)
        self.var_factory.update(other.var_factory)

    def count(self) -> int:
        """Return how many names there are, an array as one."""
        return len(self.var) + len(self.alias) + len(self.rpv) + len(self.var_factory)


@attrs.frozen
class BaseDetailedWatchableConfiguration(WatchableInfo):
    """What a server tells about one path in answer to ``get_watchable_info``."""

    @property
    def watchable_type(self) -> WatchableType | UnknownValue:
        """Variable, alias or RPV; the same as ``type``."""
        return self.type

    @property
    def server_path(self) -> str:
        """The path it was asked by; the same as ``path``."""
        return self.path

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    def has_enum(self) -> bool:
        """Return whether its values have names."""
        return self.enum is not None

    def get_enum(self) -> EmbeddedEnum:
        """Return the names of its values.

        :raises BadEnumError: if they have none.
        """
        if self.enum is None:
            raise BadEnumError(f"{self.path} has no enum; use its number")
        return self.enum

    def parse_enum_val(self, val: str) -> int:
        """Return the value of a member's name.

        :raises BadEnumError: if there is no enum, or no such member.
        """
        members = self.get_enum().vals
        if val not in members:
            raise BadEnumError(f"{val!r} is no value of {self.path}; expected one of {', '.join(members)}")
        return members[val]


@attrs.frozen
class DetailedVarWatchableConfiguration(BaseDetailedWatchableConfiguration):
    """A variable and where it lies."""

    details: VariableDetails = attrs.field(kw_only=True)

    @property
    def address(self) -> int | None:
        """Where it lies in the device's memory; None behind a pointer that is not resolved."""
        return self.details.address

    @property
    def bitoffset(self) -> int | None:
        """First bit of a bit field; None if it is none."""
        return self.details.bitoffset

    @property
    def bitsize(self) -> int | None:
        """Bits of a bit field; None if it is none."""
        return self.details.bitsize


@attrs.frozen
class DetailedAliasWatchableConfiguration(BaseDetailedWatchableConfiguration):
    """An alias and what it stands for."""

    details: AliasDetails = attrs.field(kw_only=True)

    @property
    def target(self) -> str:
        """The path of the variable or RPV behind it."""
        return self.details.target

    @property
    def target_type(self) -> WatchableType | UnknownValue:
        """What is behind it."""
        return self.details.target_type

    @property
    def gain(self) -> float | None:
        """``value = target * gain + offset``; None for 1."""
        return self.details.gain

    @property
    def offset(self) -> float | None:
        """``value = target * gain + offset``; None for 0."""
        return self.details.offset

    @property
    def min(self) -> float | None:
        """What a write is raised to; None if nothing."""
        return self.details.min

    @property
    def max(self) -> float | None:
        """What a write is lowered to; None if nothing."""
        return self.details.max


@attrs.frozen
class DetailedRPVWatchableConfiguration(BaseDetailedWatchableConfiguration):
    """A runtime published value and its number."""

    details: RPVDetails = attrs.field(kw_only=True)

    @property
    def rpvid(self) -> int:
        """Its number."""
        return self.details.rpvid


_DETAILED: Mapping[type, type[BaseDetailedWatchableConfiguration]] = {
    VariableDetails: DetailedVarWatchableConfiguration,
    AliasDetails: DetailedAliasWatchableConfiguration,
    RPVDetails: DetailedRPVWatchableConfiguration,
}


def detailed(info: WatchableInfo) -> BaseDetailedWatchableConfiguration:
    """Return what is known of a path in the class that its kind has; the base class for an unknown kind."""
    fields = {field.name: getattr(info, field.name) for field in attrs.fields(WatchableInfo)}
    return _DETAILED.get(type(info.details), BaseDetailedWatchableConfiguration)(**fields)
