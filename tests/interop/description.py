"""The firmware description (SFD) of a simulated device, as the tools of one release make it.

Run by the Python of an environment that holds a release of scrutinydebugger (see servers.py).

Rule 1: what the release has no word for is left out: datatypes, arrays before 0.9, pointers before 0.11. A
    description with a datatype that a server does not know ends the server (0.3.0 to 0.16.0, observed);
    an alias to nothing ends 0.8.0.
Rule 2: what it has a word for is in it, supported or not: what becomes of it is the server's.
"""

import importlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import scrutiny
from scrutiny.core.basic_types import EmbeddedDataType

from pytest_scrutiny.fakeserver.arrays import Array, bare_path
from pytest_scrutiny.fakeserver.rows import Alias, Profile, Variable
from pytest_scrutiny.model.values import EmbeddedDataType as DataType
from pytest_scrutiny.model.values import EmbeddedEnum

RELEASE = tuple(int(part) for part in scrutiny.__version__.split(".")[:2])
_HAS_ARRAYS = RELEASE >= (0, 9)
_HAS_POINTERS = RELEASE >= (0, 11)


def type_word(datatype: DataType) -> str:
    """Return what the release calls a datatype; bool8 was called boolean until 0.13."""
    return "boolean" if datatype is DataType.bool8 and RELEASE < (0, 14) else datatype.name


def install_sfd(profile: Profile, folder: Path) -> None:
    """Put the description where the server looks for it once the device has connected."""
    file = folder / "emulated.sfd"
    known = {row.path for row in (*_expressible(profile), *profile.rpvs)}
    aliases = {row.path: _alias(row) for row in profile.aliases if bare_path(row.target) in known}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("firmwareid", profile.firmware_id)
        archive.writestr("metadata.json", json.dumps(_metadata(profile)))
        archive.writestr("varmap.json", json.dumps(_variable_map(profile)))
        archive.writestr("alias.json", json.dumps(aliases))
    place = "scrutiny.core.sfd_storage" if RELEASE < (0, 4) else "scrutiny.server.sfd_storage"
    importlib.import_module(place).SFDStorage.install(str(file), ignore_exist=True)


def _metadata(profile: Profile) -> dict[str, Any]:
    assert profile.sfd is not None
    assert profile.sfd.metadata is not None
    fields = attrs.asdict(profile.sfd.metadata)
    timestamp = fields["generation_info"].pop("timestamp")
    fields["generation_info"]["time"] = timestamp and int(timestamp.timestamp())
    return fields


def _alias(row: Alias) -> dict[str, Any]:
    enum = None if row.enum is None else _enum(row.enum)
    return _without_none(
        target=row.target, gain=row.gain, offset=row.offset, min=row.min, max=row.max, enum=enum
    )


def _variable_map(profile: Profile) -> dict[str, Any]:
    """Return the part of the description that says where variables lie; each brings a type of its own."""
    rows = list(_expressible(profile))
    return {
        "version": 1,
        "endianness": "big" if profile.is_big_endian else "little",
        "type_map": {
            str(i): {"name": f"type_{i}", "type": type_word(row.datatype)} for i, row in enumerate(rows)
        },
        "variables": {
            row.path: _without_none(
                type_id=str(i),
                enum=None if row.enum is None else i,
                **(_array(row) if isinstance(row, Array) else _variable(row)),
            )
            for i, row in enumerate(rows)
        },
        "enums": {str(i): _enum(row.enum) for i, row in enumerate(rows) if row.enum is not None},
    }


def _expressible(profile: Profile) -> Iterator[Variable | Array]:
    words = {"boolean", *EmbeddedDataType.__members__}
    rows: tuple[Variable | Array, ...] = (*profile.variables, *(profile.arrays if _HAS_ARRAYS else ()))
    for row in rows:
        pointer = row.pointer_of(0) if isinstance(row, Array) else row.pointer
        if type_word(row.datatype) in words and (_HAS_POINTERS or pointer is None):
            yield row


def _variable(row: Variable) -> dict[str, Any]:
    place: dict[str, Any] = {"addr": row.address}
    if row.pointer is not None:
        place = {"pointer": {"path": row.pointer, "offset": row.address}}
    return {**place, "bitoffset": row.bitoffset, "bitsize": row.bitsize}


def _array(row: Array) -> dict[str, Any]:
    if row.pointers is not None:  # the indices choose the pointer
        size = row.datatype.get_size_bit() // 8
        pointers = {row.pointers: {"dims": list(row.dims), "byte_size": size}}
        return {"pointer": {"path": row.pointers, "offset": row.address, "array_segments": pointers}}
    stride = row.stride or row.datatype.get_size_bit() // 8
    segments = {row.node or row.path: {"dims": list(row.dims), "byte_size": stride}}
    place: dict[str, Any] = {"addr": row.address}
    if row.pointer is not None:
        place = {"pointer": {"path": row.pointer, "offset": row.address}}
    return {**place, "array_segments": segments}


def _enum(enum: EmbeddedEnum) -> dict[str, Any]:
    return {"name": enum.name, "values": dict(enum.vals)}


def _without_none(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
