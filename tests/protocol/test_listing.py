"""Lists, counts and descriptions in every wire generation, both ways; and lists that are wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.listing import (
    BriefWatchableConfiguration,
    ServerDatastoreContentType,
    VariableFactoryInterface,
    WatchableListContentPart,
)
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum, UnknownValue, WatchableType
from pytest_scrutiny.model.watch import VariableDetails, WatchableInfo
from pytest_scrutiny.protocol import listing
from pytest_scrutiny.protocol.dialect import RELEASES, dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.listing import (
    PageReader,
    decode_watchable_count,
    decode_watchable_info,
    encode_list_request,
    encode_watchable_count,
    encode_watchable_info,
    encode_watchable_list,
)
from tests import strategies

NAME = "response_get_watchable_list"
MODES = EmbeddedEnum("Mode", {"Off": 0, "Run": 2})
MODES_FIELDS = {"name": "Mode", "values": {"Off": 0, "Run": 2}}
SPEED = WatchableInfo("/speed", WatchableType.Variable, EmbeddedDataType.sint16, "8")
MODE = WatchableInfo("/mode", WatchableType.Alias, EmbeddedDataType.uint8, "9", MODES)
TABLE = VariableFactoryInterface("/p/table", EmbeddedDataType.uint8, MODES, {"/p": (4,), "/p/table": (2, 3)})

PAGES: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        ("0.1.0", "0.3.0", "0.4.1", "0.8.0"),
        {
            "qty": {"var": 1, "alias": 1, "rpv": 0},
            "content": {
                "var": [{"display_path": "/speed", "datatype": "sint16", "id": "8"}],
                "alias": [{"display_path": "/mode", "datatype": "uint8", "id": "9", "enum": MODES_FIELDS}],
                "rpv": [],
            },
            "done": True,
        },
    ),
    (
        ("0.9.0", "0.12.0", "0.16.0"),
        {
            "qty": {"var": 1, "alias": 1, "rpv": 0, "var_factory": 1},
            "content": {
                "var": [{"path": "/speed", "dtype": "sint16"}],
                "alias": [{"path": "/mode", "dtype": "uint8", "enum": MODES_FIELDS}],
                "rpv": [],
                "var_factory": [
                    {
                        "path": "/p/table",
                        "dtype": "uint8",
                        "enum": MODES_FIELDS,
                        "factory_params": {"array_nodes": {"/p": [4], "/p/table": [2, 3]}},
                    }
                ],
            },
            "done": True,
        },
    ),
]
ROWS = [(release, fields) for releases, fields in PAGES for release in releases]


def read(fields: dict[str, Any], reader: PageReader | None = None) -> tuple[WatchableListContentPart, bool]:
    part = WatchableListContentPart()
    is_last = (reader or PageReader()).read(Fields(fields, NAME), part)
    return part, is_last


def page(*, done: bool = True, **kinds: Any) -> dict[str, Any]:
    return {"qty": {}, "content": {"var": [], "alias": [], "rpv": [], **kinds}, "done": done}


# Both ways


@pytest.mark.parametrize(("release", "fields"), ROWS)
def test_a_page_is_written_as_the_release_writes_it(release: str, fields: dict[str, Any]) -> None:
    dialect = dialect_of(release)
    entries: list[WatchableInfo | VariableFactoryInterface] = [SPEED, MODE]
    entries += [TABLE] if dialect.list_has_factories else []

    assert encode_watchable_list(entries, dialect, is_last=True) == fields


@pytest.mark.parametrize(("release", "fields"), ROWS)
def test_a_page_of_any_release_is_read(release: str, fields: dict[str, Any]) -> None:
    part, is_last = read(fields)

    assert part == WatchableListContentPart(
        var={"/speed": BriefWatchableConfiguration(WatchableType.Variable, EmbeddedDataType.sint16)},
        alias={"/mode": BriefWatchableConfiguration(WatchableType.Alias, EmbeddedDataType.uint8, MODES)},
        var_factory={"/p/table": TABLE} if dialect_of(release).list_has_factories else {},
    )
    assert is_last


@given(dialect=strategies.DIALECTS, data=st.data(), is_last=st.booleans())
def test_a_page_survives_the_wire(dialect: Any, data: st.DataObject, is_last: bool) -> None:
    entries = data.draw(
        st.lists(strategies.watchables(dialect), min_size=1, max_size=5, unique_by=lambda entry: entry.path)
    )

    listed = [entry for entry in entries if isinstance(entry.type, WatchableType)]
    is_last = is_last or not listed
    reader = PageReader()
    part, came_last = read(encode_watchable_list(entries, dialect, is_last=is_last), reader)

    assert {**part.var, **part.alias, **part.rpv} == {
        entry.path: BriefWatchableConfiguration(entry.type, entry.datatype, entry.enum) for entry in listed
    }
    assert (reader.count, came_last) == (len(listed), is_last)


def test_equal_entries_are_one_object_across_pages() -> None:
    """That is what keeps a list of 100,000 small."""
    reader = PageReader()
    entries: list[dict[str, Any]] = [
        {"path": "/a", "dtype": "boolean"},
        {"path": "/b", "dtype": "uint8", "enum": MODES_FIELDS},
    ]
    first, _ = read(page(var=entries, alias=[entries[1]], done=False), reader)
    second, _ = read(page(var=[{**entry, "path": entry["path"] * 2} for entry in entries]), reader)

    assert first.var["/a"] is second.var["/a/a"]
    assert first.var["/b"] is second.var["/b/b"]
    assert first.alias["/b"].enum is first.var["/b"].enum
    assert first.alias["/b"] is not first.var["/b"]


def test_enums_of_one_name_may_differ() -> None:
    other = {"name": "Mode", "values": {"Off": 1}}
    part, _ = read(
        page(
            var=[
                {"path": "/a", "dtype": "uint8", "enum": MODES_FIELDS},
                {"path": "/b", "dtype": "uint8", "enum": other},
            ]
        )
    )

    assert [entry.enum and entry.enum.vals for entry in part.var.values()] == [MODES.vals, {"Off": 1}]


def test_a_datatype_of_a_newer_server_is_kept() -> None:
    part, _ = read(page(var=[{"path": "/a", "dtype": "posit16"}, {"path": "/b", "dtype": "posit16"}]))

    assert part.var["/b"].datatype == UnknownValue("posit16")


@pytest.mark.parametrize("release", RELEASES)
def test_counts_survive_the_wire(release: str) -> None:
    dialect = dialect_of(release)
    counts = {kind: number for number, kind in enumerate(ServerDatastoreContentType, 1)}

    fields = encode_watchable_count(counts, dialect)
    decoded = decode_watchable_count(Fields(fields, "response_get_watchable_count"))

    expected = (
        {**counts}
        if dialect.list_has_factories
        else {**counts, ServerDatastoreContentType.VariableFactory: 0}
    )
    assert decoded == expected


def test_info_survives_the_wire() -> None:
    known = WatchableInfo(
        "/a", WatchableType.Variable, EmbeddedDataType.uint8, "8", MODES, VariableDetails(16)
    )

    fields = encode_watchable_info({known.path: known}, dialect_of("0.10.0"))

    assert decode_watchable_info(Fields(fields, "response_get_watchable_info")) == {"/a": known}


# Requests


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({}, {}),
        ({"max_per_response": 500}, {"max_per_response": 500}),
        ({"types": [WatchableType.Alias]}, {"filter": {"type": ["alias"]}}),
        ({"names": ["/a/*"]}, {"filter": {"name": "/a/*"}}),  # what all releases take
        ({"names": ["/a/*", "/b"]}, {"filter": {"name": ["/a/*", "/b"]}}),
        (
            {"types": [WatchableType.Variable], "names": ["*"]},
            {"filter": {"type": ["var"], "name": "*"}},
        ),
    ],
)
def test_a_request_says_what_is_wanted(arguments: dict[str, Any], fields: dict[str, object]) -> None:
    assert encode_list_request(**arguments) == fields


@pytest.mark.parametrize("size", [0, -1])
def test_a_page_size_that_never_ends_is_not_written(size: int) -> None:
    with pytest.raises(ValueError, match=rf"^max_per_response {size} is out of range; expected 1 or more$"):
        encode_list_request(max_per_response=size)


# What is wrong

VAR = f"{NAME}.content.var"
WRONG: list[tuple[Any, str, str]] = [
    ({"done": True}, f"{NAME}.content", "nothing; expected an object"),
    ({"content": {}, "done": True}, f"{NAME}.content.rpv", "nothing; expected a list"),
    ({**page(), "done": None}, f"{NAME}.done", "None; expected true or false"),
    (page(var={}), VAR, "{}; expected a list"),
    (page(var=[1]), f"{VAR}[0]", "1; expected an object"),
    (page(var=["path"]), f"{VAR}[0]", "'path'; expected an object"),
    (page(var=[["path"]]), f"{VAR}[0]", "['path']; expected an object"),
    (page(var=[None]), f"{VAR}[0]", "None; expected an object"),
    (page(var=[{}]), f"{VAR}[0].path", "nothing; expected a string"),
    (page(var=[{"path": "/a"}]), f"{VAR}[0].dtype", "nothing; expected a string"),
    (page(var=[{"path": 5, "dtype": "uint8"}]), f"{VAR}[0].path", "5; expected a string"),
    (page(var=[{"path": [], "dtype": "uint8"}]), f"{VAR}[0].path", "[]; expected a string"),
    (page(var=[{"path": "/a", "dtype": []}]), f"{VAR}[0].dtype", "[]; expected a string"),
    (
        page(var=[{"path": "/a", "dtype": "uint8"}, {"path": 5, "dtype": "uint8"}]),
        f"{VAR}[1].path",
        "5; expected a string",
    ),
    (
        page(var=[{"path": "/a", "dtype": "uint8", "enum": {"name": "E", "values": {"a": "1"}}}]),
        f"{VAR}[0].enum.values.a",
        "'1'; expected a whole number",
    ),
    (
        page(var_factory=[{"path": "/a", "dtype": "uint8"}]),
        f"{NAME}.content.var_factory[0].factory_params",
        "nothing",
    ),
    (
        page(
            var_factory=[{"path": "/a", "dtype": "uint8", "factory_params": {"array_nodes": {"/a": ["2"]}}}]
        ),
        f"{NAME}.content.var_factory[0].factory_params.array_nodes./a[0]",
        "'2'; expected a whole number",
    ),
]


@pytest.mark.parametrize(("fields", "where", "text"), WRONG)
def test_a_malformed_page_is_refused_by_its_place(fields: dict[str, Any], where: str, text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(fields)

    assert caught.value.where == where
    assert str(caught.value).startswith(f"the server's message is wrong at {where}: {text}")


@given(content=strategies.JSON, done=strategies.JSON, entry=strategies.JSON)
def test_garbage_is_read_or_refused(content: Any, done: Any, entry: Any) -> None:
    for fields in ({"content": content, "done": done}, page(var=[entry], var_factory=[entry])):
        where = NAME
        try:
            read(fields)
        except RemoteProtocolError as exc:
            where = exc.where
        assert where.startswith(NAME)


def test_an_empty_page_that_is_not_the_last_is_refused() -> None:
    """A real server sends them for ever when it was asked for pages of no entries."""
    with pytest.raises(RemoteProtocolError, match="does not end: a page has no entries and is not the last"):
        read(page(done=False))


def test_kinds_of_a_newer_server_are_left_out() -> None:
    fields = page(done=False, struct=[{"path": "/new"}])

    assert read(fields) == (WatchableListContentPart(), False)


def test_an_empty_list_is_none_of_it() -> None:
    assert read(page()) == (WatchableListContentPart(), True)


def test_a_list_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_ENTRIES", 3)
    reader = PageReader()
    entries = [{"path": f"/{number}", "dtype": "uint8"} for number in range(2)]
    read(page(var=entries, done=False), reader)

    with pytest.raises(RemoteProtocolError, match="does not end: there are more than 3 entries"):
        read(page(var=entries, done=False), reader)
