"""Reads and writes of the device's memory, both directions.

Source: scrutinydebugger 0.1.0 to 0.16.0, server/api/API.py process_read_memory; an example of 0.16.0:
``{"cmd":"read_memory","reqid":6,"address":4096,"size":4}``, at once ``{"cmd":"response_read_memory",
"reqid":6,"request_token":"41af…"}``, later ``{"cmd":"inform_memory_read_complete","reqid":null,
"request_token":"41af…","success":true,"data":"AAAAAA==","detail_msg":null,"completion_server_time_us":81.5}``

PYTEST_DONT_REWRITE
"""

import base64

from pytest_scrutiny.model.memory import MemoryCompletion
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields, RequestFields

READ_MEMORY = "read_memory"
WRITE_MEMORY = "write_memory"
READ_COMPLETE = "inform_memory_read_complete"
WRITE_COMPLETE = "inform_memory_write_complete"


def encode_read_memory(address: int, size: int) -> dict[str, object]:
    """Return the fields of a ``read_memory``; the size in bytes."""
    return {"address": address, "size": size}


def decode_read_memory(request: RequestFields) -> tuple[int, int]:
    """Return address and size of a ``read_memory``."""
    return request.field("address", int), request.field("size", int)


def encode_write_memory(address: int, data: bytes) -> dict[str, object]:
    """Return the fields of a ``write_memory``."""
    return {"address": address, "data": base64.b64encode(data).decode()}


def decode_write_memory(request: RequestFields) -> tuple[int, str]:
    """Return address and data of a ``write_memory``, the data still in base64."""
    return request.field("address", int), request.field("data", str)


def encode_memory_reply(token: str) -> dict[str, object]:
    """Return the fields of a ``response_read_memory`` or ``response_write_memory``."""
    return {"request_token": token}


def decode_memory_reply(message: Fields) -> str:
    """Return the token of a ``response_read_memory`` or ``response_write_memory``."""
    return message.text("request_token")


def decode_memory_completion(message: Fields) -> MemoryCompletion:
    """Return how an access ended; a completed read has data."""
    success = message.boolean("success")
    has_data = success and message.where == READ_COMPLETE
    return MemoryCompletion(
        token=message.text("request_token"),
        success=success,
        data=message.bytes_of("data") if has_data else None,
        detail=message.optional_text("detail_msg") or "",
        server_time_us=message.optional_number("completion_server_time_us"),
    )


def encode_memory_completion(
    completion: MemoryCompletion, dialect: Dialect, *, is_read: bool
) -> dict[str, object]:
    """Return the fields of an ``inform_memory_…_complete`` as a server of this dialect writes it."""
    fields: dict[str, object] = {"request_token": completion.token, "success": completion.success}
    if is_read:
        data = completion.data
        fields["data"] = None if data is None else base64.b64encode(data).decode()
    fields["detail_msg"] = completion.detail or None
    if dialect.update_has_time:
        fields["completion_server_time_us"] = completion.server_time_us
    return fields
