"""Subscriptions and updates in every wire generation: the object, the dialect and the JSON fields."""

from typing import Any

import attrs
import pytest

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.values import (
    EmbeddedDataType,
    EmbeddedEnum,
    UnknownValue,
    ValueStatus,
    WatchableType,
)
from pytest_scrutiny.model.watch import AliasDetails, RPVDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.dialect import RELEASES, dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.watch import (
    INVALID_REASONS,
    decode_subscribed,
    decode_watchable,
    encode_datatype,
    encode_subscribe,
    encode_subscribed,
    encode_unsubscribe,
    encode_update,
    encode_watchable,
    update_records,
)

MODE = WatchableInfo(
    path="/app/mode",
    type=WatchableType.Variable,
    datatype=EmbeddedDataType.uint8,
    server_id="8",
    enum=EmbeddedEnum("Mode", {"Off": 0, "Run": 2}),
)
MODE_ENUM = {"name": "Mode", "values": {"Off": 0, "Run": 2}}
RUN = WatchableInfo("/app/run", WatchableType.Variable, EmbeddedDataType.bool8, "9")
FLAGS = attrs.evolve(MODE, enum=None, details=VariableDetails(0x1009, 4, 3))
POINTED = attrs.evolve(MODE, enum=None, details=VariableDetails(None))
VOLTAGE = WatchableInfo(
    path="/alias/voltage",
    type=WatchableType.Alias,
    datatype=EmbeddedDataType.sint16,
    server_id="a",
    details=AliasDetails("/adc/raw", WatchableType.Variable, 0.001, -0.5, 0.0, None),
)
RPV = WatchableInfo(
    "/rpv/x1001",
    WatchableType.RuntimePublishedValue,
    EmbeddedDataType.float32,
    "1",
    details=RPVDetails(0x1001),
)

WATCHABLES: list[tuple[tuple[str, ...], WatchableInfo, dict[str, Any]]] = [
    (("0.1.0",), attrs.evolve(MODE, enum=None), {"type": "var", "datatype": "uint8", "id": "8"}),
    (("0.3.0", "0.4.1"), MODE, {"type": "var", "datatype": "uint8", "id": "8", "enum": MODE_ENUM}),
    (
        ("0.5.2", "0.6.0", "0.8.0"),
        MODE,
        {"type": "var", "datatype": "uint8", "display_path": "/app/mode", "id": "8", "enum": MODE_ENUM},
    ),
    (
        ("0.9.2",),
        MODE,
        {"type": "var", "dtype": "uint8", "path": "/app/mode", "id": "8", "enum": MODE_ENUM},
    ),
    (
        ("0.10.0", "0.12.0", "0.14.0", "0.16.0"),
        FLAGS,
        {
            "type": "var",
            "dtype": "uint8",
            "path": "/app/mode",
            "id": "8",
            "address": 0x1009,
            "bitoffset": 4,
            "bitsize": 3,
        },
    ),
    (
        ("0.12.0", "0.16.0"),
        POINTED,
        {
            "type": "var",
            "dtype": "uint8",
            "path": "/app/mode",
            "id": "8",
            "address": None,
            "bitoffset": None,
            "bitsize": None,
        },
    ),
    (
        ("0.10.0", "0.16.0"),
        VOLTAGE,
        {
            "type": "alias",
            "dtype": "sint16",
            "path": "/alias/voltage",
            "id": "a",
            "target": "/adc/raw",
            "target_type": "var",
            "gain": 0.001,
            "bias": -0.5,
            "min": 0.0,
            "max": None,
        },
    ),
    (
        ("0.10.0", "0.16.0"),
        RPV,
        {"type": "rpv", "dtype": "float32", "path": "/rpv/x1001", "id": "1", "rpvid": 0x1001},
    ),
    (("0.3.0",), RUN, {"type": "var", "datatype": "boolean", "id": "9"}),
    (("0.9.2", "0.13.0"), RUN, {"type": "var", "dtype": "boolean", "path": "/app/run", "id": "9"}),
    (("0.14.0", "0.16.0"), RUN, {"type": "var", "dtype": "bool8", "path": "/app/run", "id": "9"}),
    (
        ("0.16.0",),
        attrs.evolve(RUN, type=UnknownValue("plugin"), datatype=UnknownValue("decimal64")),
        {"type": "plugin", "dtype": "decimal64", "path": "/app/run", "id": "9"},
    ),
]


@pytest.mark.parametrize(
    ("release", "entry", "fields"),
    [(release, entry, fields) for releases, entry, fields in WATCHABLES for release in releases],
)
def test_a_subscription_says_this_in_this_release(
    release: str, entry: WatchableInfo, fields: dict[str, Any]
) -> None:
    dialect = dialect_of(release)

    assert encode_watchable(entry, dialect) == fields
    assert decode_watchable(entry.path, Fields(fields, "entry")) == entry
    reply = encode_subscribed({entry.path: entry}, dialect)
    assert reply == {"subscribed": {entry.path: fields}}
    assert decode_subscribed(Fields(reply, "reply")) == {entry.path: entry}


def test_nothing_subscribed_is_no_error() -> None:
    assert decode_subscribed(Fields({"subscribed": {}}, "reply")) == {}


def test_an_aliases_offset_is_read_under_both_names() -> None:
    fields = {
        "type": "alias",
        "dtype": "uint8",
        "id": "a",
        "target": "/x",
        "target_type": "shadow",
        "offset": 2,
    }

    assert decode_watchable("/a", Fields(fields, "entry")).details == AliasDetails(
        "/x", UnknownValue("shadow"), None, 2.0, None, None
    )


def test_all_datatypes_are_written_and_read_by_their_name() -> None:
    newest = dialect_of("0.16.0")
    for datatype in EmbeddedDataType:
        fields = {"type": "var", "dtype": encode_datatype(datatype, newest), "id": "1"}

        assert fields["dtype"] == datatype.name
        assert decode_watchable("/x", Fields(fields, "entry")).datatype is datatype


@pytest.mark.parametrize("datatype", [kind for kind in EmbeddedDataType if kind.is_bool()])
def test_bools_of_any_size_had_one_word_until_0_13(datatype: EmbeddedDataType) -> None:
    assert encode_datatype(datatype, dialect_of("0.13.0")) == "boolean"
    assert encode_datatype(datatype, dialect_of("0.14.0")) == datatype.name


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": None}, "type"),
        ({"dtype": 8}, "dtype"),
        ({"id": 8}, "id"),
        ({"enum": []}, "enum"),
        ({"enum": {"values": {}}}, "enum.name"),
        ({"enum": {"name": "Mode"}}, "enum.values"),
        ({"enum": {"name": "Mode", "values": {"Off": "0"}}}, "enum.values.Off"),
        ({"address": "0x10"}, "address"),
        ({"address": 1, "bitsize": 1.5}, "bitsize"),
        ({"type": "alias", "target": 1, "target_type": "var"}, "target"),
        ({"type": "alias", "target": "/x"}, "target_type"),
        ({"type": "alias", "target": "/x", "target_type": "var", "bias": True}, "bias"),
        ({"type": "rpv", "rpvid": "x1001"}, "rpvid"),
    ],
)
def test_a_wrong_entry_is_named_at_its_place(change: dict[str, Any], where: str) -> None:
    fields = {"subscribed": {"/a/b": {"type": "var", "dtype": "uint8", "id": "1", **change}}}

    with pytest.raises(RemoteProtocolError) as info:
        decode_subscribed(Fields(fields, "response_subscribe_watchable"))

    assert info.value.where == f"response_subscribe_watchable.subscribed./a/b.{where}"


# Requests


def test_a_subscription_is_asked_for_like_this() -> None:
    assert encode_subscribe(iter(["/a", "/b"])) == {"watchables": ["/a", "/b"]}
    assert encode_subscribe(["/a"], 2.5) == {"watchables": ["/a"], "rate": 2.5}
    assert encode_unsubscribe(iter(["/a", "/b"])) == {"watchables": ["/a", "/b"]}


# Updates

NULLPTR, FORBIDDEN, SILENT = (
    ValueStatus.NullPtrDereferenced,
    ValueStatus.ForbiddenRegion,
    ValueStatus.ServerSetInvalidWithoutReason,
)
UPDATES: list[tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]] = [
    (("0.1.0", "0.3.0"), {"data": "AADAPw=="}, {"id": "8", "value": 1.5}),
    (
        ("0.4.1", "0.5.2", "0.6.0", "0.8.0", "0.9.2", "0.10.0", "0.12.0", "0.14.0"),
        {"data": "AADAPw=="},
        {"id": "8", "v": 1.5, "t": 81234.5},
    ),
    (("0.15.0", "0.16.0"), {"data": "AADAPw=="}, {"id": "8", "v": 1.5, "t": 81234.5, "d": "AADAPw=="}),
    (("0.16.0",), {}, {"id": "8", "v": 1.5, "t": 81234.5}),
    (("0.3.0",), {"status": NULLPTR}, {"id": "8", "value": 1.5}),
    (("0.10.0",), {"status": NULLPTR}, {"id": "8", "v": 1.5, "t": 81234.5}),
    (("0.12.0", "0.16.0"), {"status": NULLPTR}, {"id": "8", "v": None, "t": 81234.5, "r": "nullptr"}),
    (("0.12.0", "0.16.0"), {"status": FORBIDDEN}, {"id": "8", "v": None, "t": 81234.5, "r": "forbidden"}),
    (("0.16.0",), {"status": SILENT, "data": "AADAPw=="}, {"id": "8", "v": None, "t": 81234.5}),
]


@pytest.mark.parametrize(
    ("release", "options", "record"),
    [(release, options, record) for releases, options, record in UPDATES for release in releases],
)
def test_an_update_says_this_in_this_release(
    release: str, options: dict[str, Any], record: dict[str, Any]
) -> None:
    assert encode_update("8", 1.5, dialect_of(release), server_time_us=81234.5, **options) == record
    if "r" in record:
        assert INVALID_REASONS[record["r"]] is options["status"]


def test_every_generation_writes_a_good_value_under_its_own_key() -> None:
    for release in RELEASES:
        dialect = dialect_of(release)

        assert encode_update("8", True, dialect, server_time_us=0.0)[dialect.value_key] is True


def test_records_are_handed_on_as_they_came() -> None:
    records = [{"id": "8", "v": 1}, "even this"]

    assert update_records({"cmd": "watchable_update", "updates": records}) is records


@pytest.mark.parametrize("message", [{}, {"updates": None}, {"updates": {}}, {"updates": "x"}])
def test_an_update_without_a_list_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError, match=r"at watchable_update\.updates: .*expected a list") as info:
        update_records(message)

    assert info.value.where == "watchable_update.updates"
