"""Subscriptions and the values they bring, both directions.

Source: scrutinydebugger 0.1.0 to 0.16.0, server/api/API.py process_subscribe_watchable; examples of 0.16.0:
``{"cmd":"response_subscribe_watchable","reqid":4,"subscribed":{"/a/b":{"type":"var","dtype":"float32",
"id":"8","path":"/a/b","address":4100,"bitoffset":null,"bitsize":null}}}`` and
``{"cmd":"watchable_update","reqid":null,"updates":[{"id":"8","v":1.5,"t":81234.5,"d":"AADAPw=="}]}``

Rule 1: update records are digested on the hot path, so they are checked by their reader, one ``type()``
    each, and stay the dicts that the JSON decoder made.

PYTEST_DONT_REWRITE
"""

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import Any

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.values import (
    EmbeddedDataType,
    EmbeddedEnum,
    UnknownValue,
    ValueStatus,
    WatchableType,
)
from pytest_scrutiny.model.watch import AliasDetails, RPVDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields, RequestFields

SUBSCRIBE = "subscribe_watchable"
UNSUBSCRIBE = "unsubscribe_watchable"
CHANGE_RATE = "change_subscription_update_rate"
UPDATE = "watchable_update"
SET_THROTTLING = "set_throttling"

_TYPES: Mapping[str, WatchableType] = {kind.value: kind for kind in WatchableType}
_DATATYPES: Mapping[str, EmbeddedDataType] = {
    **{kind.name: kind for kind in EmbeddedDataType},
    "boolean": EmbeddedDataType.bool8,  # releases 0.1 to 0.13
}
INVALID_REASONS: Mapping[str | None, ValueStatus] = {
    "nullptr": ValueStatus.NullPtrDereferenced,
    "forbidden": ValueStatus.ForbiddenRegion,
    None: ValueStatus.ServerSetInvalidWithoutReason,
}
"""What ``r`` of an update without a value says; a word we do not know counts as no reason."""

_INVALID_WORDS = {status: word for word, status in INVALID_REASONS.items()}


def encode_subscribe(paths: Iterable[str], rate_hz: float | None = None) -> dict[str, object]:
    """Return the fields of a ``subscribe_watchable``; servers before 0.13 ignore the rate."""
    fields: dict[str, object] = {"watchables": list(paths)}
    if rate_hz is not None:
        fields["rate"] = rate_hz
    return fields


def decode_paths(request: RequestFields) -> list[Any]:
    """Return the paths of a ``subscribe_watchable``, ``unsubscribe_watchable`` or ``get_watchable_info``.

    Unchecked: what a path must be differs from release to release.
    """
    paths: list[Any] = request.field("watchables", list)
    return paths


def decode_rate(request: RequestFields) -> float | None:
    """Return the rate of a ``subscribe_watchable``; None for as fast as possible."""
    rate: float | None = request.field("rate", NoneType, float, int) if "rate" in request.data else None
    return rate


def decode_subscribed(message: Fields) -> dict[str, WatchableInfo]:
    """Return ``{path: what the server told about it}`` of a ``response_subscribe_watchable``."""
    return {
        path: decode_watchable(path, entry) for path, entry in message.named_children("subscribed").items()
    }


def encode_subscribed(entries: Mapping[str, WatchableInfo], dialect: Dialect) -> dict[str, object]:
    """Return the fields of a ``response_subscribe_watchable`` as a server of this dialect writes it.

    :param entries: by their paths as they were asked for.
    """
    return {"subscribed": {path: encode_watchable(entry, dialect) for path, entry in entries.items()}}


def decode_watchable(path: str, fields: Fields) -> WatchableInfo:
    """Return what the server told about one path."""
    kind = fields.text("type")
    embedded = fields.optional_child("enum")
    watchable_type = _TYPES.get(kind) or UnknownValue(kind)
    return WatchableInfo(
        path=path,
        type=watchable_type,
        datatype=decode_datatype(fields),
        server_id=fields.text("id"),
        enum=None
        if embedded is None
        else EmbeddedEnum(embedded.text("name"), embedded.integers_by_name("values")),
        details=_decode_details(watchable_type, fields),
    )


def decode_datatype(fields: Fields) -> EmbeddedDataType | UnknownValue:
    """Return the datatype of a path; from 0.9 on its key is ``dtype``."""
    word = fields.text(fields.first_of("datatype", "dtype"))
    return _DATATYPES.get(word) or UnknownValue(word)


def _decode_details(
    kind: WatchableType | UnknownValue, fields: Fields
) -> VariableDetails | AliasDetails | RPVDetails | None:
    if kind is WatchableType.Variable and "address" in fields:
        return VariableDetails(
            fields.optional_integer("address"),
            fields.optional_integer("bitoffset"),
            fields.optional_integer("bitsize"),
        )
    if kind is WatchableType.Alias and "target" in fields:
        target_type = fields.text("target_type")
        return AliasDetails(
            target=fields.text("target"),
            target_type=_TYPES.get(target_type) or UnknownValue(target_type),
            gain=fields.optional_number("gain"),
            offset=fields.optional_number(fields.first_of("offset", "bias")),  # servers write "bias"
            min=fields.optional_number("min"),
            max=fields.optional_number("max"),
        )
    if kind is WatchableType.RuntimePublishedValue and "rpvid" in fields:
        return RPVDetails(fields.integer("rpvid"))
    return None


def encode_watchable(entry: WatchableInfo, dialect: Dialect) -> dict[str, object]:
    """Return one entry of ``subscribed`` as a server of this dialect writes it."""
    fields: dict[str, object] = {
        "type": entry.type.text if isinstance(entry.type, UnknownValue) else entry.type.value,
        dialect.datatype_key: encode_datatype(entry.datatype, dialect),
        "id": entry.server_id,
    }
    if dialect.watch_has_path:
        fields[dialect.path_key] = entry.path
    if dialect.watch_has_enum and entry.enum is not None:
        fields["enum"] = {"name": entry.enum.name, "values": dict(entry.enum.vals)}
    if dialect.watch_has_details:
        fields.update(_encode_details(entry.details))
    return fields


def _encode_details(details: VariableDetails | AliasDetails | RPVDetails | None) -> dict[str, object]:
    match details:
        case VariableDetails():
            return {"address": details.address, "bitoffset": details.bitoffset, "bitsize": details.bitsize}
        case AliasDetails():
            target_type = details.target_type
            return {
                "target": details.target,
                "target_type": target_type.text
                if isinstance(target_type, UnknownValue)
                else target_type.value,
                "gain": details.gain,
                "bias": details.offset,
                "min": details.min,
                "max": details.max,
            }
        case RPVDetails():
            return {"rpvid": details.rpvid}
    return {}


def encode_datatype(datatype: EmbeddedDataType | UnknownValue, dialect: Dialect) -> str:
    """Return a datatype's word; releases 0.1 to 0.13 have one word for all sizes of bool."""
    if isinstance(datatype, UnknownValue):
        return datatype.text
    return "boolean" if datatype.is_bool() and dialect.bool_word == "boolean" else datatype.name


def encode_change_rate(rates: Mapping[str, float | None]) -> dict[str, object]:
    """Return the fields of a ``change_subscription_update_rate``.

    :param rates: ``{server id: updates per second}``; None is as fast as possible.
    """
    return {"changes": [{"id": server_id, "rate": rate} for server_id, rate in rates.items()]}


def decode_change_rate(request: RequestFields) -> Iterator[tuple[str, float | None]]:
    """Give ``(server id, updates per second)`` pairs; None is as fast as possible."""
    for change in request.field("changes", list):
        server_id = request.field_of(change, "id", str)
        yield server_id, request.field_of(change, "rate", NoneType, float, int)


def encode_effective_rates(rates: Mapping[str, float | None]) -> dict[str, object]:
    """Return the fields of a ``response_change_subscription_update_rate``."""
    return {"effective_rates": dict(rates)}


def decode_effective_rates(message: Fields) -> dict[str, float | None]:
    """Return ``{server id: updates per second}`` of the fastest watchers; None is as fast as possible."""
    rates = message.child("effective_rates")
    return {server_id: rates.optional_number(server_id) for server_id in rates.data}


def encode_throttling(rate_hz: float) -> dict[str, object]:
    """Return the fields of a ``set_throttling``.

    :param rate_hz: updates per second of all values together; 0 is no limit.
    """
    return {"update_rate": rate_hz}


def decode_throttling(request: RequestFields) -> float | None:
    """Return the limit of a ``set_throttling``; None and 0 are none."""
    rate: float | None = request.field("update_rate", float, int, NoneType)
    return rate


def encode_throttling_reply(rate_hz: float | None) -> dict[str, object]:
    """Return the fields of a ``response_set_throttling``."""
    return {"enabled": bool(rate_hz), "update_rate": rate_hz}


def encode_unsubscribe(paths: Iterable[str]) -> dict[str, object]:
    """Return the fields of an ``unsubscribe_watchable``."""
    return {"watchables": list(paths)}


def encode_unsubscribed(paths: Iterable[str]) -> dict[str, object]:
    """Return the fields of the reply to an ``unsubscribe_watchable``."""
    return {"unsubscribed": list(paths)}


def update_records(message: Mapping[str, Any]) -> list[Any]:
    """Return the records of a ``watchable_update``, unchecked (Rule 1)."""
    records = message.get("updates")
    if type(records) is not list:
        raise RemoteProtocolError(
            "the server's message is wrong at watchable_update.updates: expected a list",
            "watchable_update.updates",
        )
    return records


def encode_update(
    server_id: str,
    value: bool | float | None,
    dialect: Dialect,
    *,
    server_time_us: float,
    status: ValueStatus = ValueStatus.Valid,
    data: str | None = None,
) -> dict[str, object]:
    """Return one record of a ``watchable_update`` as a server of this dialect writes it.

    :param data: the raw bytes in base64; None for RPVs.
    """
    record: dict[str, object] = {"id": server_id, dialect.value_key: value}
    if dialect.update_has_time:
        record["t"] = server_time_us
    if dialect.update_tells_invalid and status is not ValueStatus.Valid:
        record[dialect.value_key] = None
        word = _INVALID_WORDS.get(status)
        if word is not None:
            record["r"] = word
    if dialect.update_has_data and data is not None and status is ValueStatus.Valid:
        record["d"] = data
    return record
