"""What can be at a port, and what the user reads about it."""

import contextlib
import gc
import socket
import threading
import tracemalloc
from time import monotonic
from typing import cast

import pytest

from pytest_scrutiny.client import transport as transport_module
from pytest_scrutiny.client.attempt import Address, Transport
from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.transport import Patience
from pytest_scrutiny.errors import ConnectionError, ConnectTimeout, RemoteProtocolError
from pytest_scrutiny.model.status import ServerState
from pytest_scrutiny.protocol.framing import encode_datagram
from pytest_scrutiny.protocol.websocket import ServerWebSocket
from tests.client.peer import status_fields
from tests.client.strangers import (
    BAD_REQUEST,
    NOT_FOUND,
    Talk,
    closes,
    full_port,
    is_mute,
    listening,
    on_both_loopbacks,
    says,
    serve_datagrams,
    slams,
)
from tests.clock import SECOND

EXPECTED = "; expected a Scrutiny server there. Start one, or check host and port."
BUSY = (
    f"{EXPECTED.removesuffix('.')}; a server that hangs, or is loading a large firmware description, says "
    "nothing either: look into its log, or give it more time."
)


REFUSED_UPGRADE = "it refused the WebSocket upgrade with '404 Not Found'"


@pytest.mark.parametrize(
    ("talks", "reason"),
    [
        ([says(b"SSH-2.0-OpenSSH_9.2\r\n")], "an SSH server is there (b'SSH-2.0-OpenSSH_9.2\\r\\n')"),
        ([says(b"\x15\x03\x01\x00\x02\x02\x46padding")], "a TLS server is there"),
        ([says(b"220 mail.example.org ready\r\n")], "it sent b'220 mail.example.org ready\\r\\n'"),
        ([says(b"\0\0")], "it sent b'\\x00\\x00'"),
        (
            [says(BAD_REQUEST), says(NOT_FOUND)],
            f"an HTTP server is there, but not a Scrutiny one: {REFUSED_UPGRADE}",
        ),
    ],
    ids=["ssh", "tls", "smtp", "garbage", "http"],
)
def test_a_peer_that_is_something_else_is_named(talks: list[Talk], reason: str) -> None:
    with listening(*talks) as port, pytest.raises(RemoteProtocolError) as caught:
        ScrutinyClient().connect("127.0.0.1", port)

    assert str(caught.value) == f"cannot connect to 127.0.0.1:{port}: {reason}{EXPECTED}"


def test_a_peer_that_closes_at_once_is_told_from_one_that_refuses() -> None:
    with listening(closes) as port, pytest.raises(ConnectionError) as closed:
        ScrutinyClient().connect("127.0.0.1", port)
    with pytest.raises(ConnectionError) as refused:
        ScrutinyClient().connect("127.0.0.1", port)

    where = f"cannot connect to 127.0.0.1:{port}: "
    assert str(closed.value) == f"{where}{CLOSED}{EXPECTED}"
    assert str(refused.value) == f"{where}refused{EXPECTED}"


def test_a_peer_that_drops_the_connection_is_a_connection_error() -> None:
    text = r"it dropped the connection|reset by peer"  # whichever of two calls meets it
    with listening(slams) as port, pytest.raises(ConnectionError, match=text):
        ScrutinyClient().connect("127.0.0.1", port)


def test_a_mute_peer_costs_the_timeout_and_no_more() -> None:
    client = ScrutinyClient()
    with listening(is_mute) as port:
        start = monotonic()
        with pytest.raises(ConnectTimeout) as caught:
            client.connect("127.0.0.1", port, timeout=0.1)
        took = monotonic() - start

    text = "it accepted the connection and says nothing within 0.1 s"
    assert str(caught.value) == f"cannot connect to 127.0.0.1:{port}: {text}{BUSY}"
    assert caught.value.is_silent
    assert took < 0.1 + 0.5 * SECOND
    assert client.server_state is ServerState.Disconnected


def test_an_address_that_drops_packets_costs_the_timeout_and_no_more() -> None:
    with full_port() as port:
        start = monotonic()
        with pytest.raises(ConnectionError) as caught:
            ScrutinyClient().connect("127.0.0.1", port, timeout=0.2)

        assert monotonic() - start < 0.2 + 0.5 * SECOND
    assert isinstance(caught.value, ConnectTimeout)
    text = "nothing answers at that address within 0.2 s"
    assert str(caught.value) == f"cannot connect to 127.0.0.1:{port}: {text}{EXPECTED}"


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(ConnectionError) as caught:
        ScrutinyClient().connect("no-such-host.invalid", 8765)

    assert str(caught.value).startswith("cannot connect to no-such-host.invalid:8765: unknown host (")
    assert str(caught.value).endswith("expected a name or an address. Check the spelling of the host.")


def test_a_resolver_that_hangs_costs_the_timeout_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def look_up(host: object, port: int, flags: int) -> list[Address]:
        if flags:
            raise OSError("a name")
        release.wait(30 * SECOND)
        return []

    monkeypatch.setattr(transport_module, "_look_up", look_up)
    with pytest.raises(ConnectTimeout) as caught:
        ScrutinyClient().connect("slow.example", 8765, timeout=0.05)
    release.set()

    text = "the host name is still not resolved within 0.05 s"
    assert str(caught.value) == f"cannot connect to slow.example:8765: {text}{EXPECTED}"


@pytest.mark.parametrize(
    "v6",
    [None, closes, slams, is_mute, says(b"SSH-2.0-here"), says(b"\x15\x03\x01\x00\x02\x02\x46padding")],
    ids=["refused", "closes", "drops", "silent", "ssh", "tls"],
)
def test_a_server_on_one_loopback_is_found_whatever_is_on_the_other(
    v6: Talk | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``localhost`` is ::1 first on many machines, where no Scrutiny server from 0.4 on listens."""
    client = ScrutinyClient(timeout=3 * SECOND)
    with on_both_loopbacks(v6, serve_datagrams, monkeypatch) as port, client.connect("localhost", port):
        status = client.get_server_status()

    assert status.device is None


CLOSED = "it accepted the connection and closed it without a word"


@pytest.mark.parametrize(
    ("v6", "v4", "kind", "reasons"),
    [
        (
            None,
            says(b"SSH-2.0-here"),
            RemoteProtocolError,
            "[::1]: refused; 127.0.0.1: an SSH server is there (b'SSH-2.0-here')",
        ),
        (
            says(b"SSH-2.0-here"),
            closes,
            RemoteProtocolError,
            f"[::1]: an SSH server is there (b'SSH-2.0-here'); 127.0.0.1: {CLOSED}",
        ),
    ],
)
def test_of_a_name_each_address_that_answered_is_named(
    v6: Talk | None, v4: Talk, kind: type[Exception], reasons: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_both_loopbacks(v6, v4, monkeypatch) as port, pytest.raises(kind) as caught:
        ScrutinyClient().connect("localhost", port)

    assert str(caught.value) == f"cannot connect to localhost:{port}: {reasons}{EXPECTED}"


def test_silent_addresses_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_both_loopbacks(is_mute, is_mute, monkeypatch) as port:
        start = monotonic()
        with pytest.raises(
            ConnectTimeout, match=r": \[::1\]: it accepted .*; 127\.0\.0\.1: it accepted "
        ) as caught:
            ScrutinyClient().connect("localhost", port, timeout=0.2)
        took = monotonic() - start

    assert took < 0.2 + 0.5 * SECOND
    assert caught.value.is_silent


def test_a_server_that_answers_late_is_found_though_the_other_address_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It had its share of the time only; when the others are through, it gets the rest."""
    clock = threading.Event()

    def talk(connection: socket.socket) -> None:
        clock.wait(0.3)
        serve_datagrams(connection)

    with listening(is_mute, talk) as port:
        closed = 1  # nobody listens there

        def look_up(host: object, port: int, flags: int) -> list[Address]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port)),
                (socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.2", closed)),
            ]

        monkeypatch.setattr(transport_module, "_look_up", look_up)
        with ScrutinyClient().connect("busy", port, timeout=2 * SECOND) as client:
            assert client.get_server_status().device is None


def test_more_time_is_given_to_who_takes_the_connection_and_only_then() -> None:
    told: list[str] = []

    def answers_late(connection: socket.socket) -> None:
        threading.Event().wait(1.2)
        serve_datagrams(connection)

    client = ScrutinyClient()
    patience = Patience(Deadline(5 * SECOND), told.append)
    with listening(answers_late) as port:
        client.connect_patiently("127.0.0.1", port, timeout=0.1, transport="auto", patience=patience)
        client.disconnect()

    assert told == ["it accepted the connection and says nothing"]


def test_a_websocket_upgrade_without_an_answer_is_told_from_mere_silence() -> None:
    with listening(says(BAD_REQUEST), is_mute) as port, pytest.raises(ConnectTimeout) as caught:
        ScrutinyClient().connect("127.0.0.1", port, timeout=0.1)

    text = (
        "it refused datagrams as an HTTP server does and says nothing to the WebSocket upgrade within 0.1 s"
    )
    assert str(caught.value) == f"cannot connect to 127.0.0.1:{port}: {text}{BUSY}"


def test_ipv6_addresses_are_dialled_and_shown_in_brackets() -> None:
    with (
        listening(says(b"SSH-2.0-here"), family=socket.AF_INET6) as port,
        pytest.raises(RemoteProtocolError) as caught,
    ):
        ScrutinyClient().connect("::1", port)

    assert str(caught.value).startswith(f"cannot connect to [::1]:{port}: an SSH server is there")


def serve_websocket(connection: socket.socket) -> None:
    import json

    framing = ServerWebSocket()
    while not framing.is_open:
        framing.receive_data(connection.recv(4096))
        framing.receive_upgrade()
        connection.sendall(framing.data_to_send())
    while data := connection.recv(4096):
        framing.receive_data(data)
        with contextlib.suppress(ConnectionError):
            for payload in framing.payloads():
                reqid = json.loads(payload)["reqid"]
                whole = {"device_info": None, "loaded_sfd": None}
                status = {"cmd": "inform_server_status", "reqid": reqid, **status_fields(None, **whole)}
                connection.sendall(framing.encode(json.dumps(status).encode()))


@pytest.mark.parametrize(
    ("transport", "talks"),
    [("auto", [says(BAD_REQUEST), serve_websocket]), ("websocket", [serve_websocket])],
)
def test_a_websocket_server_is_found_by_itself_or_on_request(transport: Transport, talks: list[Talk]) -> None:
    client = ScrutinyClient()
    with listening(*talks) as port, client.connect("127.0.0.1", port, transport=transport):
        status = client.get_server_status()

    assert status.device is None


def test_insisting_on_tcp_refuses_a_websocket_server() -> None:
    with (
        listening(says(BAD_REQUEST)) as port,
        pytest.raises(RemoteProtocolError, match=r"an HTTP server is there .* Only tcp was tried"),
    ):
        ScrutinyClient().connect("127.0.0.1", port, transport="tcp")


def test_insisting_on_websocket_says_that_the_server_speaks_datagrams() -> None:
    with (
        listening(says(encode_datagram(b'{"cmd":"welcome"}'))) as port,
        pytest.raises(
            RemoteProtocolError,
            match=r"it speaks TCP datagrams, .* Only websocket was tried, as asked for: name no transport",
        ),
    ):
        ScrutinyClient().connect("127.0.0.1", port, transport="websocket")


def test_a_websocket_upgrade_that_ends_early_is_a_connection_error() -> None:
    with (
        listening(says(BAD_REQUEST), closes) as port,
        pytest.raises(ConnectionError, match="it closed the connection during the WebSocket upgrade"),
    ):
        ScrutinyClient().connect("127.0.0.1", port)


def test_a_failed_connect_keeps_nothing_of_what_came() -> None:
    """Not even in cycles that wait for the garbage collector."""
    size = 8 << 20
    datagram = f"<SCRUTINY size={size:x} flags=>".encode() + b"x" * size
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(3):
            with listening(says(datagram)) as port, pytest.raises(RemoteProtocolError, match="no JSON"):
                ScrutinyClient().connect("127.0.0.1", port)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()

    assert kept < size / 2


def test_a_failed_connect_leaves_no_thread_and_no_address() -> None:
    before = set(threading.enumerate())
    client = ScrutinyClient(name="bench")
    with pytest.raises(ConnectionError):
        client.connect("127.0.0.1", 1)

    assert set(threading.enumerate()) == before
    assert (client.hostname, client.port) == (None, None)
    assert repr(client) == "<ScrutinyClient bench Disconnected>"


@pytest.mark.parametrize(
    ("host", "port", "error", "text"),
    [
        (
            5,
            8765,
            TypeError,
            "hostname 5 is no string; expected a name or an address, for example 'localhost'",
        ),
        (" ", 8765, ValueError, "hostname is empty; expected a name or an address, for example 'localhost'"),
        ("h", "1", TypeError, "port '1' is no whole number; expected one from 1 to 65535, for example 8765"),
        (
            "h",
            True,
            TypeError,
            "port True is no whole number; expected one from 1 to 65535, for example 8765",
        ),
        ("h", 65536, ValueError, "port 65536 is out of range; expected 1 to 65535, for example 8765"),
    ],
)
def test_what_cannot_be_an_address_is_refused(
    host: object, port: object, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        ScrutinyClient().connect(host, port)  # type: ignore[arg-type]  # that is the point

    assert str(caught.value) == text


def test_an_unknown_transport_is_refused() -> None:
    with pytest.raises(ValueError, match="transport 'udp' is none; expected one of auto, tcp, websocket"):
        ScrutinyClient().connect("127.0.0.1", 1, transport="udp")  # type: ignore[arg-type]  # that is the point


def test_a_refused_upgrade_is_told_before_the_whole_answer_came() -> None:
    def refuses_and_stays(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 426 Upgrade Required\r\nServer: half an answer\r\n")
        is_mute(connection)

    with listening(says(BAD_REQUEST), refuses_and_stays) as port:
        start = monotonic()
        with pytest.raises(
            RemoteProtocolError, match="refused the WebSocket upgrade with '426 Upgrade Required'"
        ):
            ScrutinyClient().connect("127.0.0.1", port, timeout=20 * SECOND)

    assert monotonic() - start < 10 * SECOND


def test_an_address_family_that_the_machine_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: object, port: int, flags: int) -> list[Address]:
        return [
            (cast("socket.AddressFamily", 9999), socket.SOCK_STREAM, 0, ("::1", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port)),
        ]

    monkeypatch.setattr(transport_module, "_look_up", look_up)
    with listening(says(b"SSH-2.0-here")) as port, pytest.raises(RemoteProtocolError, match="SSH server"):
        ScrutinyClient().connect("two-families", port)
