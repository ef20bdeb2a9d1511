"""Writes and how they end in every wire generation: the object, the dialect and the JSON fields."""

from typing import Any

import pytest

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.write import WriteCompletion
from pytest_scrutiny.protocol.dialect import dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.write import (
    decode_write_completion,
    decode_write_reply,
    encode_write,
    encode_write_completion,
)

TOKEN = "41af7d28" * 4
COMMON: dict[str, Any] = {"watchable": "8", "request_token": TOKEN, "batch_index": 1, "success": False}
COMPLETIONS: list[tuple[tuple[str, ...], WriteCompletion, dict[str, Any]]] = [
    (
        ("0.1.0", "0.3.0"),
        WriteCompletion("8", TOKEN, 1, False, None),
        {**COMMON, "timestamp": 1700000000.25},
    ),
    (
        ("0.4.1", "0.5.2", "0.6.0", "0.8.0", "0.9.2", "0.10.0", "0.12.0", "0.14.0"),
        WriteCompletion("8", TOKEN, 1, False, 81234.5),
        {**COMMON, "completion_server_time_us": 81234.5},
    ),
    (
        ("0.15.0", "0.16.0"),
        WriteCompletion("8", TOKEN, 1, False, 81234.5, "Failed to write to the device"),
        {**COMMON, "completion_server_time_us": 81234.5, "failure_reason": "Failed to write to the device"},
    ),
    (
        ("0.16.0",),
        WriteCompletion("8", TOKEN, 0, True, 1.0, ""),
        {**COMMON, "batch_index": 0, "success": True, "completion_server_time_us": 1.0, "failure_reason": ""},
    ),
]


@pytest.mark.parametrize(
    ("release", "completion", "fields"),
    [(release, completion, fields) for releases, completion, fields in COMPLETIONS for release in releases],
)
def test_the_end_of_a_write_says_this_in_this_release(
    release: str, completion: WriteCompletion, fields: dict[str, Any]
) -> None:
    encoded = encode_write_completion(completion, dialect_of(release), epoch_time=1700000000.25)

    assert encoded == fields
    assert decode_write_completion(Fields(fields, "inform_write_completion")) == completion


def test_writes_are_numbered_in_their_order() -> None:
    assert encode_write([("8", 2), ("8", True), ("a", "sqrt(16)")]) == {
        "updates": [
            {"batch_index": 0, "watchable": "8", "value": 2},
            {"batch_index": 1, "watchable": "8", "value": True},
            {"batch_index": 2, "watchable": "a", "value": "sqrt(16)"},
        ]
    }
    assert encode_write([]) == {"updates": []}


def test_the_reply_tells_token_and_count() -> None:
    assert decode_write_reply(Fields({"request_token": TOKEN, "count": 3}, "reply")) == (TOKEN, 3)


@pytest.mark.parametrize(
    ("change", "where"), [({"request_token": 1}, "request_token"), ({"count": "3"}, "count")]
)
def test_a_wrong_reply_is_named_at_its_place(change: dict[str, Any], where: str) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        decode_write_reply(Fields({"request_token": TOKEN, "count": 3, **change}, "reply"))

    assert info.value.where == f"reply.{where}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("watchable", 8),
        ("request_token", None),
        ("batch_index", True),
        ("success", 1),
        ("success", None),
        ("completion_server_time_us", "now"),
        ("failure_reason", []),
    ],
)
def test_a_wrong_end_is_named_at_its_place(key: str, value: object) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        decode_write_completion(Fields({**COMMON, key: value}, "end"))

    assert info.value.where == f"end.{key}"
