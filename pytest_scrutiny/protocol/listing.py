"""Lists, counts and descriptions of what can be watched, both directions.

Source: scrutinydebugger 0.1.0 to 0.16.0, server/api/API.py process_get_watchable_list; an example of 0.16.0:
``{"cmd":"get_watchable_list","reqid":7,"max_per_response":500,"filter":{"type":["var"],"name":"/app/*"}}``,
answered by one or more messages with this ``reqid``, the last one with ``done``:
``{"cmd":"response_get_watchable_list","reqid":7,"qty":{"rpv":0,"alias":0,"var":1,"var_factory":1},"content":
{"rpv":[],"alias":[],"var":[{"path":"/app/run","dtype":"bool8"}],"var_factory":[{"path":"/app/table","dtype":
"uint16","factory_params":{"array_nodes":{"/app/table":[2,3]}}}]},"done":true}``

Rule 1: a list can have 100,000 entries, so each becomes a path and an object shared by all of its kind at
    once; an entry costs two look-ups, and is looked at closely only when they fail.
Rule 2: a list ends: a page with nothing in it that is not the last, or more entries than any firmware has,
    is a fault of the server.

PYTEST_DONT_REWRITE
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.listing import (
    BriefWatchableConfiguration,
    ServerDatastoreContentType,
    VariableFactoryInterface,
    WatchableListContentPart,
)
from pytest_scrutiny.model.values import EmbeddedEnum, WatchableType
from pytest_scrutiny.model.watch import WatchableInfo
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.watch import (
    decode_datatype,
    decode_watchable,
    encode_datatype,
    encode_watchable,
)

GET_LIST = "get_watchable_list"
GET_COUNT = "get_watchable_count"
GET_INFO = "get_watchable_info"

MOST_ENTRIES = 1_000_000
"""Ten times the largest list seen (100,000 variables, 0.16.0)."""

_FACTORY = ServerDatastoreContentType.VariableFactory
_EnumKey: TypeAlias = tuple[str, tuple[tuple[str, int], ...]]


def encode_list_request(
    types: Iterable[WatchableType] = (), names: Sequence[str] = (), max_per_response: int | None = None
) -> dict[str, object]:
    """Return the fields of a ``get_watchable_list``.

    :param types: none for all.
    :param names: globs; none for all. Servers 0.1 to 0.3 take one only.
    """
    fields: dict[str, object] = {}
    wanted: dict[str, object] = {}
    kinds = [kind.value for kind in types]
    if kinds:
        wanted["type"] = kinds
    if names:
        wanted["name"] = names[0] if len(names) == 1 else list(names)
    if wanted:
        fields["filter"] = wanted  # an empty one is fine, but null is an "Internal error"
    if max_per_response is not None:
        if max_per_response < 1:
            raise ValueError(  # for 0 a real server sends empty pages for ever (all releases tried, observed)
                f"max_per_response {max_per_response} is out of range; expected 1 or more"
            )
        fields["max_per_response"] = max_per_response
    return fields


class PageReader:
    """What reads the pages of one list; equal descriptions become the same object across them.

    :ivar count: how many entries came so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._plain: dict[WatchableType, dict[str, BriefWatchableConfiguration]] = {
            kind: {} for kind in WatchableType
        }
        self._enums: dict[_EnumKey, EmbeddedEnum] = {}
        self._with_enum: dict[tuple[object, ...], BriefWatchableConfiguration] = {}

    def read(self, message: Fields, into: WatchableListContentPart) -> bool:
        """Add a page's entries; return whether it is the last page.

        :raises RemoteProtocolError: if it is malformed, or the list does not end (Rule 2).
        """
        content, is_last = message.child("content"), message.boolean("done")
        # A newer server may list kinds that we do not know: they are left out, but they are no empty page.
        came = sum(len(entries) for entries in content.data.values() if isinstance(entries, list))
        self.count += came
        self._read_kind(content, WatchableType.RuntimePublishedValue, into.rpv)
        self._read_kind(content, WatchableType.Alias, into.alias)
        self._read_kind(content, WatchableType.Variable, into.var)
        for entry in content.children("var_factory") if "var_factory" in content else ():
            factory = self._read_factory(entry)
            into.var_factory[factory.access_path] = factory
        if not is_last and not came:
            _refuse_endless(message, "a page has no entries and is not the last")
        if self.count > MOST_ENTRIES:
            _refuse_endless(message, f"there are more than {MOST_ENTRIES} entries")
        return is_last

    def _read_kind(
        self, content: Fields, kind: WatchableType, into: dict[str, BriefWatchableConfiguration]
    ) -> None:
        entries = content.entries(kind.value)
        plain = self._plain[kind]
        path_key, datatype_key = _keys_of(entries)
        for index, entry in enumerate(entries):
            try:  # Rule 1
                path = entry[path_key]
                brief = plain[entry[datatype_key]] if "enum" not in entry else None
            except (KeyError, TypeError):
                brief = None
            if brief is None or type(path) is not str:
                fields = content.entry(kind.value, index)
                path, brief = _decode_path(fields), self._read_brief(kind, fields)
            into[path] = brief

    def _read_brief(self, kind: WatchableType, fields: Fields) -> BriefWatchableConfiguration:
        word, enum = fields.text(fields.first_of("datatype", "dtype")), self._read_enum(fields)
        new = BriefWatchableConfiguration(kind, decode_datatype(fields), enum)
        if enum is None:
            return self._plain[kind].setdefault(word, new)
        return self._with_enum.setdefault((kind, word, id(enum)), new)

    def _read_enum(self, fields: Fields) -> EmbeddedEnum | None:
        embedded = fields.optional_child("enum")
        if embedded is None:
            return None
        name, values = embedded.text("name"), embedded.integers_by_name("values")
        return self._enums.setdefault((name, tuple(values.items())), EmbeddedEnum(name, values))

    def _read_factory(self, fields: Fields) -> VariableFactoryInterface:
        nodes = fields.child("factory_params").child("array_nodes")
        return VariableFactoryInterface(
            access_path=_decode_path(fields),
            datatype=decode_datatype(fields),
            enum=self._read_enum(fields),
            array_dims={node: tuple(nodes.integers(node)) for node in nodes.data},
        )


def _keys_of(entries: list[Any]) -> tuple[str, str]:
    """Return how a page spells path and datatype: its first entry tells."""
    is_new = bool(entries) and isinstance(entries[0], dict) and "path" in entries[0]
    return ("path", "dtype") if is_new else ("display_path", "datatype")


def _decode_path(fields: Fields) -> str:
    return fields.text(fields.first_of("display_path", "path"))


def _refuse_endless(message: Fields, what: str) -> NoReturn:
    where = f"{message.where}.content"
    raise RemoteProtocolError(
        f"the server's list at {where} does not end: {what}; expected at most {MOST_ENTRIES} entries. "
        "Check the server's log, or ask for less by types or name_patterns.",
        where,
    )


def decode_watchable_count(message: Fields) -> dict[ServerDatastoreContentType, int]:
    """Return how many names of each kind there are; servers before 0.9 have no arrays."""
    quantity = message.child("qty")
    counts = {ServerDatastoreContentType(kind): quantity.integer(kind) for kind in WatchableType}
    counts[_FACTORY] = quantity.integer(_FACTORY) if _FACTORY in quantity else 0
    return counts


def encode_watchable_count(
    counts: Mapping[ServerDatastoreContentType, int], dialect: Dialect
) -> dict[str, object]:
    """Return the fields of a ``response_get_watchable_count``."""
    kinds = [*WatchableType, *([_FACTORY] if dialect.list_has_factories else [])]
    return {"qty": {kind.value: counts.get(ServerDatastoreContentType(kind), 0) for kind in kinds}}


def encode_watchable_list(
    page: Iterable[WatchableInfo | VariableFactoryInterface], dialect: Dialect, *, is_last: bool
) -> dict[str, object]:
    """Return the fields of one ``response_get_watchable_list`` as a server of this dialect writes it."""
    kinds = [*WatchableType, *([_FACTORY] if dialect.list_has_factories else [])]
    content: dict[str, list[dict[str, object]]] = {kind.value: [] for kind in kinds}
    for entry in page:
        if isinstance(entry, VariableFactoryInterface):
            content[_FACTORY].append(_encode_factory(entry, dialect))
        elif isinstance(entry.type, WatchableType):
            fields = _encode_entry(entry.path, entry, dialect)
            content[entry.type].append({**fields, "id": entry.server_id} if dialect.list_has_ids else fields)
    return {
        "qty": {kind: len(entries) for kind, entries in content.items()},
        "content": content,
        "done": is_last,
    }


def _encode_entry(
    path: str, entry: WatchableInfo | VariableFactoryInterface, dialect: Dialect
) -> dict[str, object]:
    fields: dict[str, object] = {
        dialect.path_key: path,
        dialect.datatype_key: encode_datatype(entry.datatype, dialect),
    }
    if entry.enum is not None:
        fields["enum"] = {"name": entry.enum.name, "values": dict(entry.enum.vals)}
    return fields


def _encode_factory(factory: VariableFactoryInterface, dialect: Dialect) -> dict[str, object]:
    nodes = {node: list(dims) for node, dims in factory.array_dims.items()}
    entry = _encode_entry(factory.access_path, factory, dialect)
    return {**entry, "factory_params": {"array_nodes": nodes}}


def encode_watchable_info_request(paths: Iterable[str]) -> dict[str, object]:
    """Return the fields of a ``get_watchable_info``."""
    return {"watchables": list(paths)}


def decode_watchable_info(message: Fields) -> dict[str, WatchableInfo]:
    """Return ``{path: what the server tells about it}`` of a ``response_get_watchable_info``."""
    return {path: decode_watchable(path, entry) for path, entry in message.named_children("info").items()}


def encode_watchable_info(entries: Mapping[str, WatchableInfo], dialect: Dialect) -> dict[str, object]:
    """Return the fields of a ``response_get_watchable_info`` as a server of this dialect writes it.

    :param entries: by their paths as they were asked for.
    """
    return {"info": {path: encode_watchable(entry, dialect) for path, entry in entries.items()}}
