"""Arrays as factories of paths, parts of a list, and details by kind."""

import itertools

import pytest

from pytest_scrutiny.errors import BadEnumError
from pytest_scrutiny.model.listing import (
    BaseDetailedWatchableConfiguration,
    BriefWatchableConfiguration,
    DetailedAliasWatchableConfiguration,
    DetailedRPVWatchableConfiguration,
    DetailedVarWatchableConfiguration,
    ServerDatastoreContentType,
    VariableFactoryInterface,
    WatchableListContentPart,
    detailed,
)
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum, UnknownValue, WatchableType
from pytest_scrutiny.model.watch import AliasDetails, RPVDetails, VariableDetails, WatchableInfo

MODES = EmbeddedEnum("Mode", {"Off": 0, "Run": 2})


def array(path: str, dims: dict[str, tuple[int, ...]]) -> VariableFactoryInterface:
    return VariableFactoryInterface(path, EmbeddedDataType.uint8, MODES, dims)


@pytest.mark.parametrize(
    ("path", "dims", "shown", "elements"),
    [
        ("/t", {"/t": (3,)}, "/t[3]", ["/t[0]", "/t[1]", "/t[2]"]),
        ("/t", {"/t": (2, 2)}, "/t[2][2]", ["/t[0][0]", "/t[0][1]", "/t[1][0]", "/t[1][1]"]),
        ("/a/b/c", {"/a/b": (2,)}, "/a/b[2]/c", ["/a/b[0]/c", "/a/b[1]/c"]),
        (
            "/a/b/c",
            {"/a/b/c": (1, 2), "/a": (2,)},
            "/a[2]/b/c[1][2]",
            ["/a[0]/b/c[0][0]", "/a[0]/b/c[0][1]", "/a[1]/b/c[0][0]", "/a[1]/b/c[0][1]"],
        ),
        ("/{x}/{}", {"/{x}": (1,)}, "/{x}[1]/{}", ["/{x}[0]/{}"]),
    ],
)
def test_an_array_yields_its_elements(
    path: str, dims: dict[str, tuple[int, ...]], shown: str, elements: list[str]
) -> None:
    factory = array(path, dims)

    assert list(factory.element_paths()) == elements
    assert factory.count_possible_paths() == len(elements)
    assert factory.describe_dims() == shown
    brief = BriefWatchableConfiguration(WatchableType.Variable, EmbeddedDataType.uint8, MODES)
    assert dict(factory.iterate_possible_paths()) == dict.fromkeys(elements, brief)


@pytest.mark.parametrize(
    "dims", [{}, {"/t": ()}, {"/t": (2, 0)}, {"/t": (-1,)}, {"/other": (2,)}, {"/a": (2,), "/tab": (2,)}]
)
def test_dimensions_of_another_path_give_no_elements(dims: dict[str, tuple[int, ...]]) -> None:
    factory = array("/table", dims)

    assert (factory.count_possible_paths(), list(factory.element_paths())) == (0, [])


def test_elements_are_made_when_they_are_wanted() -> None:
    """A server may name any dimensions; nobody has to have that much memory."""
    factory = array("/t", {"/t": (10**9, 10**9, 10**9)})

    first = list(itertools.islice(factory.element_paths(), 2))

    assert first == ["/t[0][0][0]", "/t[0][0][1]"]
    assert factory.count_possible_paths() == 10**27


def test_parts_are_laid_together() -> None:
    brief = BriefWatchableConfiguration(WatchableType.Variable, EmbeddedDataType.uint8)
    whole = WatchableListContentPart(var={"/a": brief})

    whole.extend(
        WatchableListContentPart(
            {"/b": brief}, {"/c": brief}, {"/d": brief}, {"/t": array("/t", {"/t": (2,)})}
        )
    )

    assert ([*whole.var], [*whole.alias], [*whole.rpv], [*whole.var_factory]) == (
        ["/a", "/b"],
        ["/c"],
        ["/d"],
        ["/t"],
    )
    assert whole.count() == 5
    assert WatchableListContentPart().count() == 0


def test_a_count_is_found_by_either_enum() -> None:
    counts = {ServerDatastoreContentType.Variable: 3}

    assert counts[WatchableType.Variable] == 3  # type: ignore[index]  # what scripts for 0.4 to 0.8 do


def info(kind: WatchableType | UnknownValue, details: object) -> WatchableInfo:
    return WatchableInfo("/a/mode", kind, EmbeddedDataType.uint8, "8", MODES, details)  # type: ignore[arg-type]


def test_a_variables_details_are_its_own_fields() -> None:
    found = detailed(info(WatchableType.Variable, VariableDetails(0x1000, 4, 3)))

    assert isinstance(found, DetailedVarWatchableConfiguration)
    assert (found.address, found.bitoffset, found.bitsize) == (0x1000, 4, 3)
    assert (found.server_path, found.name, found.server_id) == ("/a/mode", "mode", "8")
    assert (found.watchable_type, found.datatype) == (WatchableType.Variable, EmbeddedDataType.uint8)


def test_an_aliass_details_are_its_own_fields() -> None:
    found = detailed(
        info(WatchableType.Alias, AliasDetails("/b", WatchableType.Variable, 2.0, 1.0, 0.0, 9.0))
    )

    assert isinstance(found, DetailedAliasWatchableConfiguration)
    assert (found.target, found.target_type) == ("/b", WatchableType.Variable)
    assert (found.gain, found.offset, found.min, found.max) == (2.0, 1.0, 0.0, 9.0)


def test_an_rpvs_details_are_its_own_fields() -> None:
    found = detailed(info(WatchableType.RuntimePublishedValue, RPVDetails(0x1000)))

    assert isinstance(found, DetailedRPVWatchableConfiguration)
    assert found.rpvid == 0x1000


def test_a_kind_of_a_newer_server_keeps_what_is_known() -> None:
    found = detailed(info(UnknownValue("new"), None))

    assert type(found) is BaseDetailedWatchableConfiguration
    assert found.watchable_type == UnknownValue("new")


def test_the_names_of_values_can_be_looked_up() -> None:
    found = detailed(info(WatchableType.Variable, VariableDetails(0)))

    assert found.has_enum()
    assert found.get_enum() is MODES
    assert found.parse_enum_val("Run") == 2
    with pytest.raises(BadEnumError, match=r"^'Fly' is no value of /a/mode; expected one of Off, Run$"):
        found.parse_enum_val("Fly")


def test_what_has_no_enum_says_so() -> None:
    plain = WatchableInfo("/a", WatchableType.Variable, EmbeddedDataType.uint8, "8", None, VariableDetails(0))

    assert not detailed(plain).has_enum()
    with pytest.raises(BadEnumError, match=r"^/a has no enum; use its number$"):
        detailed(plain).get_enum()
