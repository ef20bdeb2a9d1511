"""Writes and how they end, both directions.

Source: scrutinydebugger 0.1.0 to 0.16.0, server/api/API.py process_write_value; an example of 0.16.0:
``{"cmd":"write_watchable","reqid":5,"updates":[{"batch_index":0,"watchable":"8","value":2}]}``, at once
``{"cmd":"response_write_watchable","reqid":5,"request_token":"41af…","count":1}``, later
``{"cmd":"inform_write_completion","reqid":null,"watchable":"8","request_token":"41af…","batch_index":0,
"success":true,"completion_server_time_us":81234.5,"failure_reason":""}``

PYTEST_DONT_REWRITE
"""

from collections.abc import Iterable

from pytest_scrutiny.model.write import WriteCompletion
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields

WRITE = "write_watchable"
WRITE_COMPLETION = "inform_write_completion"


def encode_write(updates: Iterable[tuple[str, bool | float | str]]) -> dict[str, object]:
    """Return the fields of a ``write_watchable`` for ``(server id, value)`` pairs, in their order."""
    return {
        "updates": [
            {"batch_index": index, "watchable": server_id, "value": value}
            for index, (server_id, value) in enumerate(updates)
        ]
    }


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
