"""Faults on the bytes of one connection, without a socket and without a clock."""

import json
import re
import zlib
from collections.abc import Callable, Sequence

import pytest

from pytest_scrutiny.errors import NameNotFoundError, RemoteProtocolError
from pytest_scrutiny.fakeserver import faults as make
from pytest_scrutiny.fakeserver.entries import Message
from pytest_scrutiny.fakeserver.faults import FAULTS, Fault, Transport, make_fault
from pytest_scrutiny.fakeserver.lane import Lane
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.protocol.framing import DatagramFraming, encode_datagram
from tests.clock import MS
from tests.fakeserver.wire import Wire


def encode_tcp(message: Message) -> bytes:
    return encode_datagram(json.dumps(message).encode())


def encode_websocket(message: Message) -> bytes:
    payload = json.dumps(message).encode()
    return bytes([0x81, len(payload)]) + payload


ENCODERS: dict[Transport, Callable[[Message], bytes]] = {"tcp": encode_tcp, "websocket": encode_websocket}
MESSAGES: Sequence[Message] = [("one", 1, {}), ("two", 2, {}), ("three", None, {})]


def sent(*faults: Fault, transport: Transport = "tcp") -> tuple[list[tuple[float, bytes]], Lane]:
    """Return what goes out for MESSAGES at 10.0, each piece with its time, and the lane behind it."""
    lane = Lane(transport, faults)
    for message in MESSAGES:
        lane.send(message, ENCODERS[transport], 10.0)
    pieces = []
    now: float | None = 10.0
    while now is not None:
        while lane.take_due(now):
            pieces.append((now, bytes(lane.owed)))
            lane.owed.clear()
        now = lane.next_time
    return pieces, lane


def sent_bytes(*faults: Fault, transport: Transport = "tcp") -> bytes:
    return b"".join(piece for _, piece in sent(*faults, transport=transport)[0])


@pytest.fixture(params=["tcp", "websocket"])
def transport(request: pytest.FixtureRequest) -> Transport:
    name: Transport = request.param
    return name


def whole(transport: Transport) -> list[bytes]:
    return [ENCODERS[transport](message) for message in MESSAGES]


def test_without_faults_everything_goes_out_at_once(transport: Transport) -> None:
    pieces, lane = sent(transport=transport)

    assert pieces == [(10.0, b"".join(whole(transport)))]
    assert (lane.size, lane.next_time, lane.is_over) == (0, None, False)


def test_a_dropped_message_is_missing(transport: Transport) -> None:
    one, _two, three = whole(transport)

    assert sent_bytes(make.drop(2), transport=transport) == one + three
    assert sent_bytes(make.drop(), transport=transport) == b""


def test_a_garbled_message_differs_in_one_byte_of_its_payload(transport: Transport) -> None:
    right = b"".join(whole(transport))
    wrong = sent_bytes(make.garble(2), transport=transport)

    places = [place for place in range(len(right)) if right[place] != wrong[place]]
    assert len(wrong) == len(right)
    assert [right[place : place + 6] for place in places] == [b'["two"']


@pytest.mark.parametrize(("fault", "text"), [
    (make.garble(), "the checksum of a message of 14 bytes is wrong"),
    (make.bad_hash(), "the checksum of a message of 14 bytes is wrong"),
    (make.huge(), "it announced a message of 1099511627776 bytes"),
    (make.bomb(), "inflates to more than 67108864"),
    (make.garbage(), "it sent b'"),
])  # fmt: skip
def test_a_strict_reader_finds_each_fault(fault: Fault, text: str) -> None:
    framing = DatagramFraming(strict=True)
    framing.receive_data(sent_bytes(fault))

    with pytest.raises(RemoteProtocolError, match=re.escape(text)):
        list(framing.payloads())


def test_a_bomb_is_small_and_its_zeros_are_many() -> None:
    data = sent_bytes(make.bomb(1), make.drop(2), make.drop(3))
    payload = data[data.index(b">") + 1 :]

    inflator = zlib.decompressobj()
    size = 0
    while (more := inflator.decompress(payload, 1 << 24)) or inflator.unconsumed_tail:
        size += len(more)
        payload = inflator.unconsumed_tail

    assert len(data) < 100_000
    assert size == 80 << 20


def test_half_a_message_is_the_last_that_comes(transport: Transport) -> None:
    one, two, _three = whole(transport)
    pieces, lane = sent(make.half(2), transport=transport)

    assert b"".join(piece for _, piece in pieces) == one + two[: len(two) // 2]
    assert (lane.is_over, lane.is_ending) == (True, False)


def test_a_cut_comes_after_so_many_bytes(transport: Transport) -> None:
    right = b"".join(whole(transport))

    for after in (0, 1, len(whole(transport)[0]), len(right) - 1):
        pieces, lane = sent(make.cut(after), transport=transport)
        assert b"".join(piece for _, piece in pieces) == right[:after]
        assert lane.is_ending
    assert not sent(make.cut(len(right) + 1), transport=transport)[1].is_ending


def test_a_delay_keeps_the_order(transport: Transport) -> None:
    pieces, _lane = sent(make.delay(0.5), transport=transport)

    assert pieces == [(10.5, message) for message in whole(transport)]


def test_what_drips_is_whole_in_the_end(transport: Transport) -> None:
    pieces, _lane = sent(make.drip(8, 0.25), transport=transport)

    assert b"".join(piece for _, piece in pieces) == b"".join(whole(transport))
    assert max(len(piece) for _, piece in pieces) == 8
    assert [time for time, _ in pieces] == [10.0 + 0.25 * place for place in range(len(pieces))]


def test_bytes_one_by_one_need_no_time(transport: Transport) -> None:
    pieces, _lane = sent(make.one_byte(), transport=transport)

    assert {(time, len(piece)) for time, piece in pieces} == {(10.0, 1)}


def test_faults_compose(transport: Transport) -> None:
    one, _two, three = whole(transport)
    pieces, _lane = sent(make.drop(2), make.delay(1.0), make.cut(len(one) + 3), transport=transport)

    assert pieces == [(11.0, one), (11.0, three[:3])]


def test_a_new_injection_counts_anew() -> None:
    lane = Lane("tcp")
    lane.send(MESSAGES[0], encode_tcp, 0.0)
    lane.suffer((make.drop(1),))
    lane.send(MESSAGES[1], encode_tcp, 0.0)
    lane.send(MESSAGES[2], encode_tcp, 0.0)
    data = b""
    while lane.take_due(0.0):
        data += lane.owed
        lane.owed.clear()

    assert data == encode_tcp(MESSAGES[0]) + encode_tcp(MESSAGES[2])


# Requests


@pytest.mark.parametrize(
    ("fault", "fates"),
    [
        (make.drop_request(2), ["served", "lost", "served", "served"]),
        (make.drop_request(), ["lost"] * 4),
        (make.unanswered("echo"), ["lost", "served", "lost", "lost"]),
        (make.internal_error("echo", 2), ["Internal error", "served", "Internal error", "served"]),
        (make.refuse_writes("Locked"), ["served", "Locked", "served", "served"]),
        (make.delay(), ["served"] * 4),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_requests_meet_their_fate(fault: Fault, fates: list[str]) -> None:
    lane = Lane("tcp", (fault,))
    seen = []
    for command in ("echo", "write_watchable", "echo", "echo"):
        arrival = lane.admit(command)
        assert arrival is not None
        seen.append("lost" if arrival.is_swallowed else arrival.refusal or "served")

    assert seen == fates


# By name


@pytest.mark.parametrize(("text", "name"), [
    ("garble", "garble"), ("garble:3", "garble:3"), ("cut:200", "cut:200"), ("drip:8,0.01", "drip:8,0.01"),
    ("delay:0.5", "delay:0.5"), ("one_byte", "one_byte"), ("unanswered:echo", "unanswered:echo"),
    ("internal_error", "internal_error:get_device_info,1"), ("refuse_writes:Locked", "refuse_writes"),
])  # fmt: skip
def test_a_fault_can_be_had_by_name(text: str, name: str) -> None:
    assert make_fault(text).name == name


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_needs_no_argument(name: str) -> None:
    assert make_fault(name).name.startswith(name)


@pytest.mark.parametrize(("text", "error", "message"), [
    ("garbel", NameNotFoundError, "there is no fault 'garbel'; expected one of delay, drop, garble, "),
    ("cut:soon", ValueError, "with base 10: 'soon'); expected cut:AFTER"),
    ("drip:1,2,3", ValueError, "'drip:1,2,3' has too much behind its name; expected drip:STEP,INTERVAL"),
    ("one_byte:1", ValueError, "fault 'one_byte:1' has too much behind its name; expected one_byte"),
])  # fmt: skip
def test_a_wrong_fault_is_answered_with_what_is_right(
    text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        make_fault(text)


@pytest.mark.parametrize("fault", [make.bomb(), make.bad_hash()], ids=lambda fault: fault.name)
def test_what_needs_datagrams_is_refused_on_websocket(fault: Fault) -> None:
    text = f"fault '{fault.name}' cannot happen on websocket; expected one for it"
    with pytest.raises(ValueError, match=text):
        FakeServer("0.3.0", faults=[fault])
    with FakeServer("0.3.0") as server, pytest.raises(ValueError, match=text):
        server.inject(fault)


# On the socket


@pytest.mark.parametrize("release", ["0.3.0", "0.16.0"])
def test_a_fault_comes_and_goes_while_the_server_runs(release: str) -> None:
    with FakeServer(release) as server, Wire(server) as old:
        old.ask("echo", payload="fine")
        server.inject(make.internal_error("echo"))
        server.inject(make.refuse_writes())
        assert old.ask("echo", payload="x")["msg"] == "Internal error"
        assert old.ask("echo", payload="x")["payload"] == "x"
        assert old.ask("write_watchable", updates=[])["msg"] == "Not allowed"
        with Wire(server) as new:
            assert new.ask("echo", payload="x")["msg"] == "Internal error"
        server.heal()

        assert old.ask("write_watchable", updates=[])["count"] == 0


@pytest.mark.parametrize("release", ["0.3.0", "0.16.0"])
def test_a_cut_is_the_end_of_the_stream_whatever_the_release_does(release: str) -> None:
    with FakeServer(release) as server, Wire(server) as wire:
        wire.ask("echo", payload="fine")
        server.inject(make.cut(5))
        wire.send("echo", payload="x")
        data = b""
        while more := wire.sock.recv(4096):
            data += more

        assert len(data) == 5


@pytest.mark.parametrize("release", ["0.3.0", "0.16.0"])
def test_bytes_that_are_due_later_are_sent_later(release: str) -> None:
    with FakeServer(release, faults=[make.delay(20 * MS), make.drip(16, MS)]) as server, Wire(server) as wire:
        assert wire.ask("echo", payload="x" * 100)["payload"] == "x" * 100


def test_a_fault_is_injected_into_a_server_that_does_not_run_too() -> None:
    server = FakeServer()
    server.inject(make.internal_error("echo"))
    with server, Wire(server) as wire:
        assert wire.ask("echo", payload="x")["msg"] == "Internal error"
