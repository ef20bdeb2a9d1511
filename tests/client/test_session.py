import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable

import pytest

from pytest_scrutiny.client.attempt import Link
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.request import Request
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.errors import (
    ConnectionError,
    NotSupportedByServerError,
    OperationFailure,
    RemoteProtocolError,
    TimeoutException,
)
from pytest_scrutiny.protocol.connection import ClientConnection
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.framing import DatagramFraming, encode_datagram
from tests.client.peer import Bench
from tests.clock import MS, SECOND


def payload(message: Fields) -> str:
    return message.text("payload")


def ask(bench: Bench, text: str = "x", timeout: float = 5 * SECOND) -> str:
    return bench.session.request("echo", {"payload": text}, payload, Deadline(timeout))


def test_a_reply_answers_its_request(bench: Bench) -> None:
    asked = bench.call(ask, bench, "hello")
    request = bench.peer.next_request("echo")
    bench.peer.reply(request, payload="hello")

    assert request["payload"] == "hello"
    assert asked.result() == "hello"


def test_replies_are_matched_by_id_and_not_by_order(bench: Bench) -> None:
    first = bench.call(ask, bench, "first")
    first_request = bench.peer.next_request("echo")
    second = bench.call(ask, bench, "second")
    second_request = bench.peer.next_request("echo")
    bench.peer.reply(second_request, payload="2")
    bench.peer.reply(first_request, payload="1")

    assert (first.result(), second.result()) == ("1", "2")


def test_a_request_without_reply_ends_at_its_time(bench: Bench) -> None:
    with pytest.raises(TimeoutException) as caught:
        ask(bench, timeout=0.03)

    assert str(caught.value) == "the server did not answer echo within 0.03 s"


def test_a_reply_that_comes_too_late_is_ignored(bench: Bench) -> None:
    with pytest.raises(TimeoutException):
        ask(bench, timeout=10 * MS)
    late = bench.peer.next_request("echo")
    asked = bench.call(ask, bench)
    bench.peer.reply(late, payload="late")
    bench.peer.reply(bench.peer.next_request("echo"), payload="in time")

    assert asked.result() == "in time"


def test_a_refusal_carries_the_servers_words(bench: Bench) -> None:
    asked = bench.call(ask, bench)
    bench.peer.refuse(bench.peer.next_request("echo"), "Internal error")

    with pytest.raises(OperationFailure) as caught:
        asked.result()
    assert str(caught.value) == "the server refused echo: Internal error"
    assert (caught.value.command, caught.value.reason) == ("echo", "Internal error")


@pytest.mark.parametrize(
    ("command", "since", "when"),
    [
        (
            "set_throttling",
            "0.12.0",
            "servers from 0.12.0 on know it",
        ),
        (
            "get_possible_link_config",
            "0.1.0",
            "servers 0.1.0 to 0.9.1 know it",
        ),
    ],
)
def test_an_unknown_command_says_which_servers_know_it(
    bench: Bench, command: str, since: str, when: str
) -> None:
    asked = bench.call(bench.session.request, command, None, payload, Deadline(5 * SECOND))
    bench.peer.refuse(bench.peer.next_request(command), f"Unsupported command {command}")

    with pytest.raises(NotSupportedByServerError) as caught:
        asked.result()
    assert str(caught.value) == (
        f"this server does not know {command}: Unsupported command {command}; {when}. "
        "Use such a server, or do without."
    )
    assert caught.value.since == since


def test_a_broken_reply_fails_its_request_only(bench: Bench) -> None:
    asked = bench.call(ask, bench)
    bench.peer.reply(bench.peer.next_request("echo"), payload=5)

    with pytest.raises(RemoteProtocolError) as caught:
        asked.result()
    assert str(caught.value) == "the server's message is wrong at response_echo.payload: 5; expected a string"
    assert caught.value.where == "response_echo.payload"
    assert bench.session.is_open


def test_a_corrupt_frame_fails_the_request_with_what_came(bench: Bench) -> None:
    asked = bench.call(ask, bench)
    bench.peer.next_request("echo")
    good = encode_datagram(b'{"cmd":"x"}')
    bench.peer.sock.sendall(good[:-1] + bytes([good[-1] ^ 1]))

    with pytest.raises(RemoteProtocolError, match="checksum of a message of 11 bytes is wrong"):
        asked.result()
    with pytest.raises(RemoteProtocolError, match="checksum"):
        ask(bench)


@pytest.mark.parametrize("end", [lambda s: s.close(), lambda s: s.shutdown(socket.SHUT_WR)])
def test_a_wait_ends_at_once_when_the_server_goes(bench: Bench, end: Callable[[socket.socket], None]) -> None:
    asked = bench.call(ask, bench, "x", 1000 * SECOND)
    bench.peer.next_request("echo")
    end(bench.peer.sock)

    with pytest.raises(ConnectionError, match=r"the server closed the connection|was lost"):
        asked.result(10 * SECOND)


def test_a_wait_ends_at_once_when_another_thread_disconnects(bench: Bench) -> None:
    asked = bench.call(ask, bench, "x", 1000 * SECOND)
    bench.peer.next_request("echo")
    bench.session.close()

    with pytest.raises(ConnectionError) as caught:
        asked.result(10 * SECOND)
    assert str(caught.value) == "this client has disconnected; call connect first"


def test_closing_leaves_no_thread_and_no_socket() -> None:
    bench = Bench()
    before = set(threading.enumerate())
    bench.session.start()
    bench.session.close()
    bench.session.close()

    assert set(threading.enumerate()) == before
    assert bench.peer.sock.recv(1) == b""
    bench.close()


def test_a_message_in_pieces_is_kept_however_long_it_takes(bench: Bench) -> None:
    asked = bench.call(ask, bench)
    reply = bench.peer.encode("response_echo", bench.peer.next_request("echo")["reqid"], payload="whole")
    for byte in reply:
        bench.peer.sock.sendall(bytes([byte]))

    assert asked.result() == "whole"


def test_messages_of_one_packet_are_all_handled_in_order(bench: Bench) -> None:
    seen: list[int] = []
    bench.session.handlers["count"] = lambda message: seen.append(message["n"])
    bench.peer.sock.sendall(b"".join(bench.peer.encode("count", n=n) for n in range(100)))
    bench.session.wait_for(lambda: len(seen) == 100, Deadline(5 * SECOND), "100 messages")

    assert seen == list(range(100))


def test_waits_see_history_so_a_value_between_two_looks_counts(bench: Bench) -> None:
    seen: list[int] = []
    bench.session.handlers["count"] = lambda message: seen.append(message["n"])
    waiting = bench.call(bench.session.wait_for, lambda: 1 in seen, Deadline(5 * SECOND), "a one")
    bench.peer.sock.sendall(bench.peer.encode("count", n=1) + bench.peer.encode("count", n=2))

    assert waiting.result() is True


def test_a_malformed_push_ends_the_connection_and_says_where(bench: Bench) -> None:
    bench.peer.push("inform_server_status", device_status=7)

    with pytest.raises(RemoteProtocolError) as caught:
        bench.session.wait_for(lambda: None, Deadline(5 * SECOND), "nothing")
    assert caught.value.where == "" or "device_status" in str(caught.value)
    assert "inform_server_status.device_status: 7; expected a string" in str(caught.value)


def test_callbacks_get_every_message_and_their_failures_are_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    bench.session.handlers["two"] = lambda message: seen.append("two")

    def fail(message: dict[str, object]) -> None:
        raise ValueError("user code")

    bench.session._on_message = fail
    bench.peer.push("one")
    bench.peer.push("two")
    bench.session.wait_for(lambda: seen, Deadline(5 * SECOND), "the second message")

    assert "a message callback failed" in caplog.text


def full_session() -> tuple[Session, socket.socket]:
    """Return a session whose peer reads nothing and whose send buffer is small."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    session = Session(Link(ours, ClientConnection(DatagramFraming(strict=True)), b"", {}))
    session.start()
    return session, theirs


def incompressible(size: int) -> str:
    return "".join(chr(33 + (n * 7919) % 90) for n in range(size))


def test_a_server_that_takes_no_data_ends_the_request_in_its_time() -> None:
    session, theirs = full_session()
    fields = {"payload": [hash((n, "salt")) for n in range(100_000)]}

    with pytest.raises(ConnectionError, match=r"the server took no data for .* so the connection was closed"):
        session.request("echo", fields, payload, Deadline(50 * MS))
    with pytest.raises(ConnectionError, match="took no data"):
        session.request("echo", None, payload, Deadline(50 * MS))
    session.close()
    theirs.close()


def test_the_reader_goes_on_reading_while_it_cannot_send() -> None:
    session, theirs = full_session()
    seen: list[int] = []

    def owe(message: dict[str, object]) -> None:
        seen.append(1)
        session.post_request(Request("echo", payload))

    session.handlers["count"] = owe
    framing = DatagramFraming(strict=False)
    theirs.sendall(framing.encode(b'{"cmd":"count","reqid":null}') * 2000)
    session.wait_for(lambda: len(seen) == 2000, Deadline(10 * SECOND), "2000 messages")
    session.close()
    theirs.close()

    assert len(seen) == 2000


def test_what_the_reader_owes_is_sent_once_there_is_room() -> None:
    session, theirs = full_session()
    session.handlers["count"] = lambda message: session.post_request(Request("owed", payload))
    framing = DatagramFraming(strict=False)
    theirs.sendall(framing.encode(b'{"cmd":"count","reqid":null}') * 500)
    received = DatagramFraming(strict=False)
    count = 0
    theirs.settimeout(5 * SECOND)
    while count < 500:
        received.receive_data(theirs.recv(65536))
        count += sum(b"owed" in item for item in received.payloads())
        if count < 500:
            theirs.sendall(framing.encode(b'{"cmd":"wake","reqid":null}'))
    session.close()
    theirs.close()

    assert count == 500


def test_values_no_server_takes_are_refused_before_the_wire(bench: Bench) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        bench.session.request("echo", {"payload": float("nan")}, payload, Deadline(SECOND))
    asked = bench.call(ask, bench)
    bench.peer.reply(bench.peer.next_request("echo"), payload="fine")

    assert asked.result() == "fine"


# Ctrl-C


class _Interrupted(Exception):
    """What a signal's handler raises, like the KeyboardInterrupt of Ctrl-C."""


def _answer_for_ever(bench: Bench) -> None:
    with contextlib.suppress(AssertionError, OSError):  # until the client is gone
        while True:
            request = bench.peer.next_request("echo")
            bench.peer.reply(request, payload=request["payload"])


@pytest.mark.skipif(sys.platform == "win32", reason="there are no interval timers on Windows")
def test_ctrl_c_at_any_moment_breaks_nothing(bench: Bench) -> None:
    """Wherever a request is interrupted, half sent or with a lock in its hands, the next one works."""

    def interrupt(_number: int, _frame: object) -> None:
        raise _Interrupted

    bench.call(_answer_for_ever, bench)
    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        for attempt in range(400):
            with contextlib.suppress(_Interrupted):
                signal.setitimer(signal.ITIMER_REAL, (1 + attempt % 100) * 5e-6)
                interrupted += 1
                ask(bench, "x" * (attempt % 7) * 1000)
                signal.setitimer(signal.ITIMER_REAL, 0)
                interrupted -= 1
            assert ask(bench, f"after {attempt}") == f"after {attempt}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert interrupted > 50
