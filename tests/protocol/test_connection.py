"""Messages over one connection: what a client may send, and what it believes."""

import random
import sys
from typing import Any

import pytest

from pytest_scrutiny.errors import ConnectionError, RemoteProtocolError
from pytest_scrutiny.protocol.connection import (
    ClientConnection,
    ServerConnection,
    decode_json,
    decode_message,
)
from pytest_scrutiny.protocol.framing import DatagramFraming
from tests.protocol.wire import close_frame, datagram, frame, open_websockets


def client() -> ClientConnection:
    return ClientConnection(DatagramFraming(strict=True))


def server() -> ServerConnection:
    return ServerConnection(DatagramFraming(strict=False))


def plain(payload: bytes) -> bytes:
    return datagram(f"{len(payload):x}", "", payload)


def test_a_request_is_these_bytes() -> None:
    request_id, wire = client().encode_request("echo", {"payload": "\u00e9"})

    payload = b'{"cmd":"echo","reqid":0,"payload":"\\u00e9"}'
    assert request_id == 0
    assert wire == datagram(f"{len(payload):x}", "h", payload)


def test_request_ids_count_up_from_where_they_are_told() -> None:
    connection = ClientConnection(DatagramFraming(strict=True), first_request_id=41)

    assert [connection.encode_request("echo")[0] for _ in range(3)] == [41, 42, 43]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [{"deep": float("nan")}]])
def test_what_is_no_json_is_not_sent(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        client().encode_request("write_watchable", {"value": value})


def test_a_request_that_no_server_takes_is_not_sent() -> None:
    noise = random.Random(0).randbytes(1_200_000).hex()  # deflates to half, so to more than 1 MiB

    with pytest.raises(ValueError, match="does not fit; expected 1048576 at most"):
        client().encode_request("echo", {"payload": noise})


def test_a_server_writes_nan_as_real_servers_do() -> None:
    wire = server().encode_message("watchable_update", None, {"updates": [{"id": "a", "v": float("nan")}]})
    connection = client()

    connection.receive_data(wire)
    (message,) = connection.messages()

    assert b'"reqid":null,"updates":[{"id":"a","v":NaN}]' in wire
    assert message["updates"][0]["v"] != message["updates"][0]["v"]


def test_messages_come_in_order_each_once() -> None:
    connection = client()
    connection.receive_data(b"".join(plain(b'{"cmd":"m%d"}' % number) for number in range(3)))

    assert [message["cmd"] for message in connection.messages()] == ["m0", "m1", "m2"]
    assert list(connection.messages()) == []


NO_MESSAGES = [
    pytest.param(b"", r"what is no JSON \(Expecting value", "", id="nothing"),
    pytest.param(b"{", r"what is no JSON .*: b'{'$", "", id="half-an-object"),
    pytest.param(b'{"cmd":"a"} x', r"what is no JSON \(Extra data", "", id="data-behind"),
    pytest.param(b'{"cmd":"\xff"}', r"what is no JSON \('utf-8' codec", "", id="no-utf-8"),
    pytest.param(b"\xef\xbb\xbf{}", r"what is no JSON", "", id="byte-order-mark"),
    pytest.param(b"[" * 100_000, r"what is no JSON \(nested too deep\)", "", id="nested-too-deep"),
    pytest.param(b'{"cmd":"a","n":' + b"9" * 5000 + b"}", r"what is no JSON \(Exceeds", "", id="huge-number"),
    pytest.param(b"17", r"sent b'17'; expected a JSON object with a string at cmd", "cmd", id="number"),
    pytest.param(b"null", r"sent b'null'; expected a JSON object", "cmd", id="null"),
    pytest.param(b"[]", r"sent b'\[\]'; expected a JSON object", "cmd", id="list"),
    pytest.param(b'"cmd"', r"expected a JSON object", "cmd", id="string"),
    pytest.param(b'{"reqid":1}', r"expected a JSON object with a string at cmd", "cmd", id="no-cmd"),
    pytest.param(b'{"cmd":null}', r"expected a JSON object with a string at cmd", "cmd", id="null-cmd"),
    pytest.param(b'{"cmd":1}', r"expected a JSON object with a string at cmd", "cmd", id="number-as-cmd"),
]


@pytest.mark.parametrize(("payload", "text", "where"), NO_MESSAGES)
def test_a_client_fails_for_good_when_it_gets_no_message(payload: bytes, text: str, where: str) -> None:
    connection = client()
    connection.receive_data(plain(b'{"cmd":"before"}') + plain(payload) + plain(b'{"cmd":"after"}'))
    messages = connection.messages()

    assert next(messages) == {"cmd": "before"}
    for attempt in (messages, connection.messages(), connection.messages()):
        with pytest.raises(RemoteProtocolError, match=text) as info:
            next(attempt)
        assert info.value.where == where
        assert len(str(info.value)) < 400


@pytest.mark.parametrize("payload", [pytest.param(case.values[0], id=str(case.id)) for case in NO_MESSAGES])
def test_a_server_ignores_what_is_no_json_and_hands_on_the_rest(payload: bytes) -> None:
    connection = server()
    connection.receive_data(plain(b'{"cmd":"before"}') + plain(payload) + plain(b'{"cmd":"after"}'))
    values = list(connection.values())

    try:
        expected = [decode_json(payload)]
    except ValueError:
        expected = []
    assert values == [{"cmd": "before"}, *expected, {"cmd": "after"}]


def test_json_may_nest_as_deep_as_the_stack_allows_and_not_deeper() -> None:
    shallow, deep = (b"[" * depth + b"]" * depth for depth in (50, sys.getrecursionlimit() * 100))

    assert decode_json(shallow) is not None
    with pytest.raises(ValueError, match="nested too deep"):
        decode_json(deep)


def test_lone_surrogates_survive_the_way_there_and_back() -> None:
    message = decode_message(rb'{"cmd":"echo","payload":"\ud800"}')
    connection = client()

    connection.receive_data(server().encode_message("response_echo", 1, {"payload": message["payload"]}))

    assert next(connection.messages())["payload"] == "\ud800"


def test_the_same_messages_go_over_websockets() -> None:
    near, far = open_websockets()
    connection, peer = ClientConnection(near), ServerConnection(far)

    _, wire = connection.encode_request("echo", {"payload": "x"})
    peer.receive_data(wire)
    requests: list[Any] = list(peer.values())
    connection.receive_data(peer.encode_message("response_echo", requests[0]["reqid"], {"payload": "x"}))

    assert requests == [{"cmd": "echo", "reqid": 0, "payload": "x"}]
    assert list(connection.messages()) == [{"cmd": "response_echo", "reqid": 0, "payload": "x"}]


def test_a_websocket_message_without_utf_8_is_no_message() -> None:
    near, _ = open_websockets()
    connection = ClientConnection(near)
    connection.receive_data(frame(0x1, b"\xff"))

    with pytest.raises(RemoteProtocolError, match="no JSON"):
        next(connection.messages())


def test_both_ends_hand_on_what_the_framing_owes() -> None:
    near, far = open_websockets()
    connection, peer = ClientConnection(near), ServerConnection(far)

    connection.receive_data(frame(0x9, b""))
    assert list(connection.messages()) == []
    assert len(connection.data_to_send()) == 6
    peer.receive_data(connection.encode_close())
    with pytest.raises(ConnectionError, match="1000"):
        next(peer.values())
    assert peer.data_to_send() == close_frame(1000)
