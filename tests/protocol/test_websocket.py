"""WebSocket messages: one table run both ways, whole, byte by byte and with data behind."""

import contextlib
import http
import re
from collections.abc import Callable, Iterable

import pytest

from pytest_scrutiny.errors import ConnectionError, RemoteProtocolError
from pytest_scrutiny.protocol.framing import MAX_PAYLOAD, MTU, encode_datagram
from pytest_scrutiny.protocol.websocket import ClientWebSocket, ServerWebSocket
from tests.protocol.wire import (
    BINARY,
    CLOSE,
    CONT,
    MASK,
    PING,
    PONG,
    TEXT,
    close_frame,
    cut,
    frame,
    masking,
    one_by_one,
    open_websockets,
    received,
    received_until_error,
)

WIRE_CASES = [
    pytest.param(b'{"cmd":"echo"}', frame(TEXT, b'{"cmd":"echo"}'), id="text"),
    pytest.param(b"", frame(TEXT), id="empty"),
    pytest.param(b"x" * 125, frame(TEXT, b"x" * 125), id="longest-with-a-short-header"),
    pytest.param(b"x" * 126, frame(TEXT, b"x" * 126), id="shortest-with-a-middle-header"),
    pytest.param(b"x" * 65_536, frame(TEXT, b"x" * 65_536), id="shortest-with-a-long-header"),
]
"""(message, what a server writes): both agree on these."""

READ_CASES = [
    pytest.param(b"abc", [(BINARY, b"abc", True)], id="binary"),
    pytest.param(b"abcd", [(TEXT, b"ab", False), (CONT, b"cd", True)], id="two-fragments"),
    pytest.param(
        b"abcd", [(BINARY, b"ab", False), (CONT, b"", False), (CONT, b"cd", True)], id="empty-fragment-inside"
    ),
    pytest.param(b"ab", [(TEXT, b"", False), (CONT, b"ab", True)], id="empty-fragment-first"),
    pytest.param(b"", [(TEXT, b"", False), (CONT, b"", True)], id="nothing-in-two-fragments"),
    pytest.param(
        b"abcd", [(TEXT, b"ab", False), (PONG, b"", True), (CONT, b"cd", True)], id="pong-between-fragments"
    ),
    pytest.param(b"abc", [(PONG, b"unasked", True), (TEXT, b"abc", True)], id="pong-before"),
]
"""(message, frames): what other writers may send, and ours reads."""

CHUNKINGS = [
    pytest.param(lambda wire: [wire], id="whole"),
    pytest.param(one_by_one, id="byte-by-byte"),
    pytest.param(lambda wire: cut(wire, [1, 3, 7]), id="in-pieces"),
]
Chunking = Callable[[bytes], Iterable[bytes]]


@pytest.mark.parametrize(("message", "wire"), WIRE_CASES)
class TestWhatAServerWrites:
    def test_is_these_bytes(self, message: bytes, wire: bytes) -> None:
        _, server = open_websockets()

        assert server.encode(message) == wire

    def test_is_read_whole(self, message: bytes, wire: bytes) -> None:
        client, _ = open_websockets()

        assert received(client, [wire]) == [message]

    def test_is_read_with_data_behind(self, message: bytes, wire: bytes) -> None:
        client, _ = open_websockets()

        assert received(client, [wire + wire + wire[:1]]) == [message, message]
        assert received(client, [wire[1:]]) == [message]

    def test_is_read_in_pieces(self, message: bytes, wire: bytes) -> None:
        client, _ = open_websockets()
        points = range(1, min(len(wire), 16))

        assert received(client, cut(wire, [*points, len(wire) - 1])) == [message]

    def test_and_what_a_client_writes_is_the_same_under_a_mask(self, message: bytes, wire: bytes) -> None:
        client, server = open_websockets()

        written = client.encode(message)

        head = len(wire) - len(message)
        mask, body = written[head : head + 4], written[head + 4 :]
        assert written[:head] == bytes([wire[0], wire[1] | 0x80]) + wire[2:head]
        assert masking(body, mask) == message
        assert received(server, [written]) == [message]


@pytest.mark.parametrize("chunking", CHUNKINGS)
@pytest.mark.parametrize(("message", "frames"), READ_CASES)
def test_other_ways_to_write_a_message_are_read(
    message: bytes, frames: list[tuple[int, bytes, bool]], chunking: Chunking
) -> None:
    client, server = open_websockets()
    from_server = b"".join(frame(opcode, data, fin=fin) for opcode, data, fin in frames)
    from_client = b"".join(frame(opcode, data, fin=fin, masked=True) for opcode, data, fin in frames)

    assert received(client, chunking(from_server)) == [message]
    assert received(server, chunking(from_client)) == [message]


def test_a_ping_is_answered_also_between_fragments() -> None:
    client, server = open_websockets()

    payloads = received(
        client, [frame(TEXT, b"ab", fin=False) + frame(PING, b"there?") + frame(CONT, b"cd") + frame(PING)]
    )
    pongs = client.data_to_send()

    assert payloads == [b"abcd"]
    assert [pongs[0], pongs[1], masking(pongs[6:12], pongs[2:6])] == [0x80 | PONG, 0x80 | 6, b"there?"]
    assert (pongs[12], pongs[13], len(pongs)) == (0x80 | PONG, 0x80, 18)
    assert client.data_to_send() == b""
    assert received(server, [pongs]) == []


def test_payloads_can_be_taken_one_at_a_time() -> None:
    client, _ = open_websockets()
    client.receive_data(frame(TEXT, b"a") + frame(TEXT, b"b"))

    assert next(client.payloads()) == b"a"
    client.receive_data(frame(TEXT, b"c"))
    assert list(client.payloads()) == [b"b", b"c"]


def test_the_receive_buffer_may_be_reused() -> None:
    client, _ = open_websockets()
    buffer = bytearray(frame(TEXT, b"abc"))

    client.receive_data(memoryview(buffer))
    buffer[:] = bytes(len(buffer))

    assert list(client.payloads()) == [b"abc"]


def test_a_message_may_come_in_one_piece_with_the_upgrades_answer() -> None:
    client, server = ClientWebSocket("127.0.0.1", 8765), ServerWebSocket()
    server.receive_data(client.encode_upgrade())
    server.receive_upgrade()

    client.receive_data(server.data_to_send() + frame(TEXT, b"abc"))

    assert client.receive_upgrade()
    assert list(client.payloads()) == [b"abc"]


def test_a_message_may_come_in_one_piece_with_the_upgrade() -> None:
    client, server = ClientWebSocket("127.0.0.1", 8765), ServerWebSocket()

    server.receive_data(client.encode_upgrade() + frame(TEXT, b"abc", masked=True))

    assert server.receive_upgrade()
    assert list(server.payloads()) == [b"abc"]


# The end


@pytest.mark.parametrize("chunking", CHUNKINGS)
@pytest.mark.parametrize(
    ("goodbye", "text"),
    [
        (close_frame(1000), r"the peer closed the WebSocket: 1000 \(OK\)"),
        (close_frame(1001, "shutting down"), r"1001 \(going away\) shutting down"),
        (close_frame(1009, "too big"), r"1009 \(message too big\) too big"),
        (close_frame(1011, "keepalive ping timeout"), r"1011 \(internal error\) keepalive ping timeout"),
        (frame(CLOSE), r"1005 \(no status received"),
    ],
)
def test_a_goodbye_comes_after_the_messages_and_is_answered_once(
    goodbye: bytes, text: str, chunking: Chunking
) -> None:
    client, _ = open_websockets()

    payloads, error = received_until_error(client, chunking(frame(TEXT, b"last") + goodbye))

    assert payloads == [b"last"]
    assert type(error) is ConnectionError
    assert re.search(text, str(error))
    assert client.encode_close()[:1] == bytes([0x80 | CLOSE])
    assert (client.data_to_send(), client.encode_close()) == (b"", b"")
    client.receive_data(frame(TEXT, b"after the end"))
    with pytest.raises(ConnectionError, match=text):
        next(client.payloads())
    with pytest.raises(ConnectionError, match=text):
        client.encode(b"too late")


def test_both_ends_say_goodbye() -> None:
    client, server = open_websockets()

    farewell = client.encode_close()
    with pytest.raises(ConnectionError, match=r"1000 \(OK\)"):
        received(server, [farewell])
    answer = server.data_to_send()

    assert farewell[:2] == bytes([0x80 | CLOSE, 0x80 | 2])
    assert masking(farewell[6:], farewell[2:6]) == (1000).to_bytes(2, "big")
    assert answer == close_frame(1000)
    assert (client.is_open, client.is_closed, server.is_open, server.is_closed) == (False, True, False, True)


BROKEN = [
    pytest.param(frame(TEXT, b"abc", masked=True), "incorrect masking", 1002, id="masked-by-a-server"),
    pytest.param(b"\xf1\x00", "reserved bits must be 0", 1002, id="reserved-bits"),
    pytest.param(frame(0x3), "invalid opcode", 1002, id="unknown-opcode"),
    pytest.param(frame(PING, b"x" * 126), "control frame too long", 1002, id="long-ping"),
    pytest.param(frame(PING, fin=False), "fragmented control frame", 1002, id="fragmented-ping"),
    pytest.param(frame(CONT, b"abc"), "unexpected continuation frame", 1002, id="end-without-a-beginning"),
    pytest.param(
        frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), "expected a continuation frame", 1002, id="no-end"
    ),
    pytest.param(frame(CLOSE, b"\x03"), "close frame too short", 1002, id="short-goodbye"),
    pytest.param(frame(CLOSE, b"\x03\xe8\xff"), "invalid start byte", 1007, id="goodbye-without-utf-8"),
    pytest.param(b"\x81\x7f" + (MAX_PAYLOAD + 1).to_bytes(8, "big"), "limit", 1009, id="too-big"),
    pytest.param(
        frame(TEXT, b"a", fin=False) + b"\x80\x7f" + MAX_PAYLOAD.to_bytes(8, "big"),
        "limit",
        1009,
        id="too-big-together",
    ),
]
"""(bytes, what the client says of them, the close code the server gets)"""


@pytest.mark.parametrize("chunking", CHUNKINGS)
@pytest.mark.parametrize(("wire", "text", "code"), BROKEN)
def test_a_client_fails_for_good_when_the_protocol_is_broken(
    wire: bytes, text: str, code: int, chunking: Chunking
) -> None:
    client, _ = open_websockets()

    payloads, error = received_until_error(
        client, chunking(frame(TEXT, b"before") + wire + frame(TEXT, b"after"))
    )

    assert payloads == [b"before"]
    assert type(error) is RemoteProtocolError
    assert re.match(f"the peer broke the WebSocket protocol: .*{text}", str(error))
    farewell = client.encode_close()
    assert masking(farewell[6:8], farewell[2:6]) == code.to_bytes(2, "big")
    with pytest.raises(RemoteProtocolError, match=text):
        next(client.payloads())


def test_a_server_has_a_real_servers_message_limit() -> None:
    _, server = open_websockets()

    assert received(server, [frame(TEXT, bytes(MTU), masked=True)]) == [bytes(MTU)]
    with pytest.raises(RemoteProtocolError, match="limit"):
        received(server, [b"\x81\xff" + (MTU + 1).to_bytes(8, "big") + MASK])
    assert server.data_to_send()[2:4] == (1009).to_bytes(2, "big")


def test_a_message_that_no_server_takes_is_not_encoded() -> None:
    client, server = open_websockets()

    with pytest.raises(ValueError, match="1048577 bytes does not fit; expected 1048576 at most"):
        client.encode(bytes(MTU + 1))
    assert received(server, [client.encode(b"still open")]) == [b"still open"]


def test_sixteen_mib_are_taken() -> None:
    client, _ = open_websockets()

    (payload,) = received(client, [frame(BINARY, bytes(MAX_PAYLOAD))])

    assert len(payload) == MAX_PAYLOAD


# The upgrade


@pytest.mark.parametrize(
    ("hostname", "header"),
    [
        ("127.0.0.1", b"Host: 127.0.0.1:8765\r\n"),
        ("bench7", b"Host: bench7:8765\r\n"),
        ("::1", b"Host: [::1]:8765\r\n"),
    ],
)
def test_the_upgrade_names_the_host(hostname: str, header: bytes) -> None:
    request = ClientWebSocket(hostname, 8765).encode_upgrade()

    assert request.startswith(b"GET / HTTP/1.1\r\n")
    assert header in request
    assert b"Sec-WebSocket-Extensions" not in request


@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_the_upgrade_works_in_any_chunking(chunking: Chunking) -> None:
    client, server = ClientWebSocket("127.0.0.1", 8765), ServerWebSocket()

    states = []
    for chunk in chunking(client.encode_upgrade()):
        server.receive_data(chunk)
        states.append(server.receive_upgrade())
    assert states == [False] * (len(states) - 1) + [True]

    states = []
    for chunk in chunking(server.data_to_send()):
        client.receive_data(chunk)
        states.append(client.receive_upgrade())
    assert states == [False] * (len(states) - 1) + [True]
    assert (client.is_open, server.is_open, server.is_refused) == (True, True, False)


def test_a_server_takes_any_path() -> None:
    server = ServerWebSocket()

    server.receive_data(ClientWebSocket("h", 1).encode_upgrade().replace(b"GET / ", b"GET /what/ever?x=1 "))

    assert server.receive_upgrade()


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        pytest.param(
            encode_datagram(b'{"cmd":"get_server_status","reqid":0}') + b"\r\n\r\n", b" 400 ", id="datagram"
        ),
        pytest.param(b"\x00\xff\xfe\r\n\r\n", b" 400 ", id="garbage"),
        pytest.param(b"POST / HTTP/1.1\r\n\r\n", b" 4", id="post"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b" 426 ", id="no-upgrade"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x00\x00", b" 400 ", id="no-upgrade-and-no-frame-behind"
        ),
        pytest.param(
            ClientWebSocket("x", 1).encode_upgrade() + b"\x00\x00", b" 400 ", id="upgrade-and-no-frame-behind"
        ),
    ],
)
def test_a_server_refuses_what_is_no_upgrade_once(request_bytes: bytes, answer: bytes) -> None:
    server = ServerWebSocket()

    server.receive_data(request_bytes)

    assert (server.receive_upgrade(), server.is_refused) == (False, True)
    assert server.data_to_send().startswith(b"HTTP/1.1" + answer)
    server.receive_data(b"more of it\r\n\r\n")
    assert server.receive_upgrade() is False
    assert server.data_to_send() == b""


def test_a_datagram_without_the_empty_line_leaves_a_server_waiting() -> None:
    server = ServerWebSocket()

    server.receive_data(b'<SCRUTINY size=e flags=>{"cmd":"echo"}')

    assert (server.receive_upgrade(), server.is_refused, server.data_to_send()) == (False, False, b"")


def http_answer(status: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}", *headers, "Content-Length: 0"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@pytest.mark.parametrize("chunking", CHUNKINGS)
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (http_answer(400), "an HTTP server refused the WebSocket upgrade with 400 Bad Request"),
        (http_answer(404), "an HTTP server refused the WebSocket upgrade with 404 Not Found"),
        (http_answer(426), "an HTTP server refused the WebSocket upgrade with 426 Upgrade Required"),
        (http_answer(200), "an HTTP server refused the WebSocket upgrade with 200 OK"),
        (http_answer(101), "the WebSocket upgrade failed: .*Connection"),
        (
            http_answer(101, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: wrong"),
            "the WebSocket upgrade failed: .*Sec-WebSocket-Accept",
        ),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", "the WebSocket upgrade failed: .*HTTP/1.0 404"),
        (b"<SCRUTINY size=e flags=>\r\n", "the WebSocket upgrade failed: .*<SCRUTINY"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the WebSocket upgrade failed: .*SSH-2.0-OpenSSH_9.6"),
        (b"\x00" * 9000 + b"\r\n", "upgrade failed"),
    ],
)
def test_a_client_says_what_answered_the_upgrade(answer: bytes, text: str, chunking: Chunking) -> None:
    client = ClientWebSocket("127.0.0.1", 8765)
    client.encode_upgrade()

    for chunk in chunking(answer):
        client.receive_data(chunk)
        with contextlib.suppress(RemoteProtocolError):
            assert not client.receive_upgrade()

    with pytest.raises(RemoteProtocolError, match=text):
        client.receive_upgrade()
    client.receive_data(b"and more")
    with pytest.raises(RemoteProtocolError, match=text):
        client.receive_upgrade()
