"""Writes and how they end, both directions.

Source: scrutinydebugger 0.1.0 to 0.16.0, server/api/API.py process_write_value; an example of 0.16.0:
``{"cmd":"write_watchable","reqid":5,"updates":[{"batch_index":0,"watchable":"8","value":2}]}``, at once
``{"cmd":"response_write_watchable","reqid":5,"request_token":"41af…","count":1}``, later
``{"cmd":"inform_write_completion","reqid":null,"watchable":"8","request_token":"41af…","batch_index":0,
"success":true,"completion_server_time_us":81234.5,"failure_reason":""}``

By path, without a subscription, the reply itself comes when the write has ended:
``{"cmd":"write_single_watchable","reqid":6,"server_path":"/a/b","value":2}`` (from 0.12) or
``{"cmd":"write_single_watchable_by_data","reqid":7,"server_path":"/a/b","data":"AgA="}`` (from 0.15), both
answered ``{"cmd":"response_write_single_watchable","reqid":6,"success":true,"failure_reason":""}``

PYTEST_DONT_REWRITE
"""

import base64
from collections.abc import Iterable, Iterator

from pytest_scrutiny.model.write import WriteCompletion
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields, RequestFields

WRITE = "write_watchable"
WRITE_COMPLETION = "inform_write_completion"
WRITE_SINGLE = "write_single_watchable"
WRITE_BY_DATA = "write_single_watchable_by_data"


def encode_write(updates: Iterable[tuple[str, bool | float | str]]) -> dict[str, object]:
    """Return the fields of a ``write_watchable`` for ``(server id, value)`` pairs, in their order."""
    return {
        "updates": [
            {"batch_index": index, "watchable": server_id, "value": value}
            for index, (server_id, value) in enumerate(updates)
        ]
    }


def decode_write(request: RequestFields) -> Iterator[tuple[int, str, object]]:
    """Give ``(place, server id, update)`` for each write; an update's ``value`` is for the server to read."""
    for update in request.field("updates", list):
        place = request.field_of(update, "batch_index", int)
        yield place, request.field_of(update, "watchable", str), update


def encode_write_reply(token: str, count: int) -> dict[str, object]:
    """Return the fields of a ``response_write_watchable``."""
    return {"request_token": token, "count": count}


def decode_write_reply(message: Fields) -> tuple[str, int]:
    """Return the request's token and the number of writes that were taken."""
    return message.text("request_token"), message.integer("count")


def decode_write_completion(message: Fields) -> WriteCompletion:
    """Return how one write ended."""
    return WriteCompletion(
        server_id=message.text("watchable"),
        token=message.text("request_token"),
        batch_index=message.integer("batch_index"),
        success=message.boolean("success"),
        server_time_us=message.optional_number("completion_server_time_us"),
        failure_reason=message.optional_text("failure_reason") or "",
    )


def encode_write_completion(
    completion: WriteCompletion, dialect: Dialect, *, epoch_time: float
) -> dict[str, object]:
    """Return the fields of an ``inform_write_completion`` as a server of this dialect writes it.

    :param epoch_time: seconds since 1970, which releases 0.1 to 0.3 give instead of their own clock.
    """
    fields: dict[str, object] = {
        "watchable": completion.server_id,
        "request_token": completion.token,
        "batch_index": completion.batch_index,
        "success": completion.success,
        dialect.completion_time_key: completion.server_time_us if dialect.update_has_time else epoch_time,
    }
    if dialect.completion_has_reason:
        fields["failure_reason"] = completion.failure_reason
    return fields


def encode_write_single(path: str, value: bool | float | str) -> dict[str, object]:
    """Return the fields of a ``write_single_watchable``."""
    return {"server_path": path, "value": value}


def encode_write_by_data(path: str, data: bytes) -> dict[str, object]:
    """Return the fields of a ``write_single_watchable_by_data``; the data in the device's byte order."""
    return {"server_path": path, "data": base64.b64encode(data).decode()}


def decode_write_path(request: RequestFields) -> str:
    """Return the path of either write by path; the ``value`` of the one is for the server to read."""
    path: str = request.field("server_path", str)
    return path


def decode_write_data(request: RequestFields) -> str:
    """Return the data of a ``write_single_watchable_by_data``, still in base64."""
    data: str = request.field("data", str)
    return data


def decode_write_single_reply(message: Fields) -> tuple[bool, str]:
    """Return whether a write by path succeeded, and why not; servers before 0.15 give no reason."""
    return message.boolean("success"), message.optional_text("failure_reason") or ""


def encode_write_single_reply(dialect: Dialect, *, success: bool, reason: str) -> dict[str, object]:
    """Return the fields of the reply to either write by path."""
    fields: dict[str, object] = {"success": success}
    if dialect.completion_has_reason:
        fields["failure_reason"] = reason
    return fields
