"""What comes of bytes and JSON that are wrong: messages, or one error and nothing else, in bounded memory."""

import json
import re
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_scrutiny.errors import ConnectionError, RemoteProtocolError
from pytest_scrutiny.protocol.connection import ClientConnection, ServerConnection, decode_message
from pytest_scrutiny.protocol.dialect import dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.framing import DatagramFraming, encode_datagram
from pytest_scrutiny.protocol.sfd import (
    decode_installed_sfds_reply,
    decode_loaded_sfd_reply,
)
from pytest_scrutiny.protocol.status import (
    decode_device_info_reply,
    decode_status,
)
from pytest_scrutiny.protocol.watch import decode_subscribed, update_records
from pytest_scrutiny.protocol.websocket import ClientWebSocket, ServerWebSocket
from pytest_scrutiny.protocol.write import (
    decode_write_completion,
    decode_write_reply,
)
from tests import strategies
from tests.protocol.samples import CAPTURES
from tests.protocol.wire import cut, frame, open_websockets, received

DATA = st.data()

FRAGMENTS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"<SCRUTINY size=", b"5", b" flags=", b"ch", b"c", b"h", b">", b"\r\n\r\n", b"{}", b'{"cmd":"x"}']
    ),
    strategies.JSON.map(lambda value: encode_datagram(json.dumps(value).encode())),
    strategies.BINARY_FRIENDLY.map(encode_datagram),
)
JUNK = st.lists(FRAGMENTS, max_size=8).map(b"".join)
WEBSOCKET_JUNK = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            frame,
            st.integers(0, 15),
            st.one_of(st.binary(max_size=200), st.just(b'{"cmd":"x"}')),
            fin=st.booleans(),
            masked=st.booleans(),
        ),
    ),
    max_size=6,
).map(b"".join)


def messages_or_one_error(client: ClientConnection, chunks: list[bytes]) -> None:
    """Check that only messages come out or, from some point on, always the same error."""
    error: ConnectionError | None = None
    for chunk in [*chunks, b"", b'<SCRUTINY size=b flags=>{"cmd":"x"}', b""]:
        client.receive_data(chunk)
        messages, new_error = taken(client.messages)
        assert all(type(message["cmd"]) is str for message in messages)
        if error is not None:
            assert (messages, repr(new_error)) == ([], repr(error))
        error = new_error


def taken(source: Callable[[], Iterable[Any]]) -> tuple[list[Any], ConnectionError | None]:
    """Return what comes before the error, and the error."""
    results = []
    try:
        for result in source():
            results.append(result)  # noqa: PERF402 - what came before the error counts
    except ConnectionError as exc:
        return results, exc
    return results, None


@given(junk=JUNK, cuts=strategies.CUTS)
def test_a_client_makes_messages_or_one_error_of_any_bytes(junk: bytes, cuts: list[int]) -> None:
    messages_or_one_error(ClientConnection(DatagramFraming(strict=True)), list(cut(junk, cuts)))


@given(junk=WEBSOCKET_JUNK, cuts=strategies.CUTS)
def test_a_websocket_client_makes_messages_or_one_error_of_any_bytes(junk: bytes, cuts: list[int]) -> None:
    client, _ = open_websockets()

    messages_or_one_error(ClientConnection(client), list(cut(junk, cuts)))
    client.encode_close()
    client.data_to_send()


@given(junk=JUNK, cuts=strategies.CUTS)
def test_a_server_makes_values_of_any_bytes(junk: bytes, cuts: list[int]) -> None:
    server = ServerConnection(DatagramFraming(strict=False))

    for chunk in cut(junk, cuts):
        server.receive_data(chunk)
        for value in server.values():
            json.dumps(value)


@given(junk=WEBSOCKET_JUNK, cuts=strategies.CUTS)
def test_a_websocket_server_makes_values_or_an_error_of_any_bytes(junk: bytes, cuts: list[int]) -> None:
    _, framing = open_websockets()
    server = ServerConnection(framing)

    for chunk in cut(junk, cuts):
        server.receive_data(chunk)
        try:
            for value in server.values():
                json.dumps(value)
        except ConnectionError:
            assert framing.is_closed
        server.data_to_send()


HTTP_JUNK = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"HTTP/1.1 101 Switching Protocols\r\n",
                b"HTTP/1.1 404 Not Found\r\n",
                b"GET / HTTP/1.1\r\n",
                b"Connection: Upgrade\r\n",
                b"Upgrade: websocket\r\n",
                b"Sec-WebSocket-Version: 13\r\n",
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                b"Content-Length: 3\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"\r\n",
            ]
        ),
    ),
    max_size=8,
).map(b"".join)


@given(junk=HTTP_JUNK, cuts=strategies.CUTS)
def test_any_answer_to_the_upgrade_is_waited_for_or_refused(junk: bytes, cuts: list[int]) -> None:
    client = ClientWebSocket("127.0.0.1", 8765)
    client.encode_upgrade()

    for chunk in cut(junk, cuts):
        client.receive_data(chunk)
        try:
            assert not client.receive_upgrade()
        except RemoteProtocolError:
            assert not client.is_open


@given(junk=HTTP_JUNK, cuts=strategies.CUTS)
def test_any_request_to_upgrade_is_waited_for_taken_or_refused(junk: bytes, cuts: list[int]) -> None:
    server = ServerWebSocket()

    for chunk in cut(junk, cuts):
        server.receive_data(chunk)
        is_open = server.receive_upgrade()
        assert server.data_to_send().startswith(b"HTTP/1.1 ") or not (is_open or server.is_refused)
        if is_open or server.is_refused:
            break


# Any JSON

DECODERS: dict[str, Callable[[Fields], object]] = {
    "status": decode_status,
    "device information": decode_device_info_reply,
    "loaded sfd": decode_loaded_sfd_reply,
    "installed sfds": decode_installed_sfds_reply,
    "subscription": decode_subscribed,
    "write reply": decode_write_reply,
    "end of a write": decode_write_completion,
    "update": lambda fields: update_records(fields.data),
}
LABELS = {
    "status": ["status ready", "status serial link", "status rtt link", "status canbus link"],
    "device information": ["device info"],
    "loaded sfd": ["loaded sfd"],
    "installed sfds": ["installed sfds"],
    "subscription": ["subscribed"],
    "write reply": ["written"],
    "end of a write": ["write completed"],
    "update": ["update"],
}
OBJECTS = st.dictionaries(st.text(max_size=8), strategies.JSON, max_size=4)


def decoded_or_refused(decode: Callable[[Fields], object], message: dict[str, Any]) -> None:
    try:
        decode(Fields(message, "message"))
    except RemoteProtocolError as exc:
        error = exc
    else:
        return
    assert error.where.startswith(("message", "watchable_update"))
    assert str(error).startswith(f"the server's message is wrong at {error.where}: ")


@pytest.mark.parametrize("kind", DECODERS)
@given(message=OBJECTS)
def test_any_object_is_decoded_or_refused(kind: str, message: dict[str, Any]) -> None:
    decoded_or_refused(DECODERS[kind], message)


@pytest.mark.parametrize("kind", DECODERS)
@given(data=DATA)
def test_a_real_message_with_one_thing_wrong_is_decoded_or_refused(kind: str, data: st.DataObject) -> None:
    messages = [
        capture["messages"][label]
        for capture in CAPTURES.values()
        for label in LABELS[kind]
        if label in capture["messages"]
    ]
    message = data.draw(st.sampled_from(messages).flatmap(strategies.wrecked))

    decoded_or_refused(DECODERS[kind], message)


@given(payload=st.one_of(st.binary(), strategies.JSON.map(lambda value: json.dumps(value).encode())))
def test_any_payload_is_a_message_or_refused(payload: bytes) -> None:
    try:
        message = decode_message(payload)
    except RemoteProtocolError:
        return
    assert type(message["cmd"]) is str


@given(
    release=st.one_of(st.text(max_size=10), st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}", fullmatch=True))
)
def test_any_text_is_a_release_or_none(release: str) -> None:
    is_release = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}){0,2}", release) is not None
    is_too_old = is_release and not any(int(part) for part in release.split(".")[:2])

    if is_release and not is_too_old:
        assert dialect_of(release).knows("echo")
    else:
        with pytest.raises(ValueError, match=r"^release "):
            dialect_of(release)


# Memory


@pytest.mark.parametrize("strict", [True, False])
def test_a_peer_that_never_finishes_a_datagram_cannot_fill_the_memory(strict: bool) -> None:
    framing = DatagramFraming(strict=strict, max_payload=64 << 10)
    chunk = b"x" * (16 << 10)

    tracemalloc.start()
    try:
        framing.receive_data(b"<SCRUTINY size=10000 flags=h>")
        for _ in range(50):
            try:
                for _ in framing.payloads():
                    raise AssertionError("no datagram here has a right checksum")
            except RemoteProtocolError:
                assert strict
            framing.receive_data(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * (64 << 10)


def test_fragments_without_end_or_content_cannot_fill_the_memory() -> None:
    client, _ = open_websockets()
    received(client, [frame(1, b"", fin=False)])
    nothing = frame(0, b"", fin=False) * 100

    received(client, [nothing])
    tracemalloc.start()
    try:
        for _ in range(100):
            received(client, [nothing])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 20_000
