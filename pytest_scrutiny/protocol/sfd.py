"""Which firmware description is loaded, both directions.

Source: scrutinydebugger, server/api/API.py process_get_loaded_sfd: 0.1 to 0.3 ``{"firmware_id":…}``,
0.4 to 0.7 ``{"firmware_id":…,"metadata":{…}}``, from 0.8
``{"sfd":{"firmware_id":…,"metadata":{…},"filesize":…}}``.

PYTEST_DONT_REWRITE
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pytest_scrutiny.model.sfd import SFDGenerationInfo, SFDInfo, SFDMetadata
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields

GET_LOADED_SFD = "get_loaded_sfd"
GET_INSTALLED_SFDS = "get_installed_sfd"


def decode_loaded_sfd_reply(message: Fields) -> SFDInfo | None:
    """Return the SFD of a ``response_get_loaded_sfd``; None if none is loaded."""
    if "sfd" in message:
        nested = message.optional_child("sfd")
        return None if nested is None else decode_embedded_sfd(nested)
    return None if message.optional_text("firmware_id") is None else decode_embedded_sfd(message)


def encode_loaded_sfd_reply(sfd: SFDInfo | None, dialect: Dialect) -> dict[str, object]:
    """Return the fields of a ``response_get_loaded_sfd`` as a server of this dialect writes it."""
    if dialect.loaded_sfd == "nested":
        return {"sfd": None if sfd is None else {**encode_sfd(sfd), "filesize": sfd.filesize}}
    flat: dict[str, object] = {"firmware_id": None, "metadata": None} if sfd is None else encode_sfd(sfd)
    return flat if dialect.loaded_sfd == "flat" else {"firmware_id": flat["firmware_id"]}


def decode_installed_sfds_reply(message: Fields) -> dict[str, SFDInfo]:
    """Return ``{firmware id: SFD}`` of a ``response_get_installed_sfd``: an object until 0.7, then a list."""
    if isinstance(message.value("sfd_list"), dict):
        metadata = message.named_children("sfd_list")
        return {
            firmware_id: SFDInfo(firmware_id, _decode_metadata(fields))
            for firmware_id, fields in metadata.items()
        }
    installed = [decode_embedded_sfd(fields) for fields in message.children("sfd_list")]
    return {sfd.firmware_id: sfd for sfd in installed}


def encode_installed_sfds_reply(sfds: Iterable[SFDInfo], dialect: Dialect) -> dict[str, object]:
    """Return the fields of a ``response_get_installed_sfd`` as a server of this dialect writes it."""
    if dialect.installed_sfds == "dict":
        return {"sfd_list": {sfd.firmware_id: encode_sfd(sfd)["metadata"] for sfd in sfds}}
    return {"sfd_list": [{**encode_sfd(sfd), "filesize": sfd.filesize} for sfd in sfds]}


def decode_embedded_sfd(fields: Fields) -> SFDInfo:
    """Return the SFD that an object with ``firmware_id`` and ``metadata`` describes."""
    metadata = fields.optional_child("metadata")
    return SFDInfo(
        firmware_id=fields.text("firmware_id"),
        metadata=None if metadata is None else _decode_metadata(metadata),
        filesize=fields.optional_integer("filesize"),
    )


def encode_sfd(sfd: SFDInfo) -> dict[str, object]:
    """Return ``{"firmware_id":…, "metadata":{…}}``."""
    metadata = sfd.metadata or SFDMetadata()
    made = metadata.generation_info
    return {
        "firmware_id": sfd.firmware_id,
        "metadata": {
            "project_name": metadata.project_name,
            "author": metadata.author,
            "version": metadata.version,
            "generation_info": {
                "time": None if made.timestamp is None else int(made.timestamp.timestamp()),
                "python_version": made.python_version,
                "scrutiny_version": made.scrutiny_version,
                "system_type": made.system_type,
            },
        },
    }


def _decode_metadata(fields: Fields) -> SFDMetadata:
    # Releases 0.1 to 0.3 hand on what is in somebody's file, so a wrong type here is not the peer's fault.
    made = fields.data.get("generation_info")
    return SFDMetadata(
        project_name=_text(fields.data, "project_name"),
        author=_text(fields.data, "author"),
        version=_text(fields.data, "version"),
        generation_info=_decode_generation(made if isinstance(made, dict) else {}),
    )


def _decode_generation(made: Mapping[str, Any]) -> SFDGenerationInfo:
    return SFDGenerationInfo(
        timestamp=_timestamp(made.get("time")),
        python_version=_text(made, "python_version"),
        scrutiny_version=_text(made, "scrutiny_version"),
        system_type=_text(made, "system_type"),
    )


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) else None


def _timestamp(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):  # somebody's file may say anything
        return None
