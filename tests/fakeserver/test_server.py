"""The fake server on its socket."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from pytest_scrutiny.errors import ConnectionError, NameNotFoundError
from pytest_scrutiny.fakeserver import peer as peer_module
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.protocol.framing import encode_datagram
from tests.clock import MS, SECOND
from tests.fakeserver.wire import Wire

FOUR = ("0.3.0", "0.5.2", "0.9.2", "0.16.0")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


def drain(sock: socket.socket) -> bytes:
    """Return all that comes until the peer closes."""
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


@pytest.mark.parametrize("release", FOUR)
def test_every_transport_serves_a_whole_slice(release: str) -> None:
    with FakeServer(release) as server, Wire(server) as wire:
        wire.wait_ready()
        server_id = wire.ask("subscribe_watchable", watchables=["/psu/setpoint"])["subscribed"][
            "/psu/setpoint"
        ]["id"]
        update = wire.wait_push("watchable_update")["updates"][0]
        wire.ask("write_watchable", updates=[{"batch_index": 0, "watchable": server_id, "value": 2.5}])
        completion = wire.wait_push("inform_write_completion")

        assert update[server.dialect.value_key] == 5.0
        assert completion["success"] is True
        assert server.get("/psu/setpoint") == 2.5


def test_a_tcp_server_speaks_first(server: FakeServer) -> None:
    with Wire(server) as wire:
        assert abs(wire.wait_push("welcome")["server_time_zero_timestamp"] - time.time()) < 60


def test_a_websocket_server_refuses_what_is_no_websocket() -> None:
    with FakeServer("0.3.0") as server, socket.create_connection((server.host, server.port), SECOND) as sock:
        sock.sendall(encode_datagram(b'{"cmd":"get_server_status","reqid":0}') + b"\r\n\r\n")

        assert drain(sock).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_tcp_server_skips_what_is_no_datagram(server: FakeServer) -> None:
    with Wire(server) as wire:
        wire.sock.sendall(b"GET / HTTP/1.1\r\n\r\n" + encode_datagram(b"no json"))

        assert wire.ask("echo", payload="alive")["payload"] == "alive"


def test_requests_may_come_byte_by_byte(server: FakeServer) -> None:
    with Wire(server) as wire:
        wire.wait_push("welcome")
        for byte in encode_datagram(b'{"cmd":"echo","reqid":77,"payload":"x"}'):
            wire.sock.sendall(bytes([byte]))

        assert wire.wait(lambda message: message["reqid"] == 77)["payload"] == "x"


def test_many_requests_in_one_go_are_all_answered(server: FakeServer) -> None:
    with Wire(server) as wire:
        ids = [wire.send("echo", payload="x") for _ in range(200)]

        for request_id in ids:
            wire.wait_reply(request_id)


# The device in a test's hands


def test_a_test_plays_the_device(server: FakeServer) -> None:
    with Wire(server) as wire:
        first = wire.wait_ready()["device_session_id"]

        server.unplug()
        assert wire.wait_push("inform_server_status")["device_status"] in ("disconnected", "connected_ready")
        assert wire.ask("get_server_status")["device_session_id"] is None
        server.plug()
        second = wire.wait_ready()["device_session_id"]
        server.reset()
        assert wire.ask("get_server_status")["device_session_id"] is None
        third = wire.wait_ready()["device_session_id"]
        server.set_features(datalogging=False)
        wire.wait(lambda message: message.get("device_session_id") not in (None, first, second, third))

        assert len({first, second, third}) == 3
        features = wire.ask("get_device_info")["device_info"]["supported_feature_map"]
        assert (features["datalogging"], features["memory_write"]) == (False, True)


def test_a_stimulus_shows_in_the_next_update(server: FakeServer) -> None:
    with Wire(server) as wire:
        wire.wait_ready()
        wire.ask("subscribe_watchable", watchables=["/motor/speed"])

        server.set("/alias/motor/percent", -20.0)

        wire.wait(lambda message: any(record["v"] == -200 for record in message.get("updates", [])))


def test_a_silent_device_is_given_up_after_its_time() -> None:
    timing = Timing(response_timeout=50 * MS)
    with FakeServer(timing=timing) as server, Wire(server) as wire:
        wire.wait_ready()

        server.hang()
        wire.wait(lambda message: message.get("device_status") == "disconnected")
        server.resume()

        wire.wait_ready()


@pytest.mark.parametrize(("delay", "status"), [(None, "disconnected"), (3600.0, "connecting")])
def test_a_device_need_not_be_there_at_once(delay: float | None, status: str) -> None:
    with FakeServer(ready_delay=delay) as server, Wire(server) as wire:
        assert wire.ask("get_server_status")["device_status"] == status
        server.unplug()
        server.plug()

        assert wire.wait_ready()["device_status"] == "connected_ready"


def test_another_device_can_be_given() -> None:
    with FakeServer(device=make_device("bare")) as server, Wire(server) as wire:
        wire.wait_status("connected_ready")

        assert wire.ask("get_device_info")["device_info"]["display_name"] == "Simulated PSU, bare"


def test_a_misspelt_path_does_not_disturb_the_server(server: FakeServer) -> None:
    with pytest.raises(NameNotFoundError, match="/psu/setpoint"):
        server.set("/psu/setpont", 1.0)

    assert server.get("/psu/setpoint") == 5.0


# Clients


def test_clients_are_counted_and_served_side_by_side(server: FakeServer) -> None:
    with Wire(server) as one, Wire(server) as two:
        assert one.ask("echo", payload="1")["payload"] == "1"
        assert two.ask("echo", payload="2")["payload"] == "2"
        assert server.clients == 2


def test_a_client_that_leaves_is_forgotten(server: FakeServer) -> None:
    with Wire(server) as stays:
        with Wire(server) as leaves:
            leaves.wait_ready()
            leaves.ask("subscribe_watchable", watchables=["/psu/setpoint"])
        while stays.ask("get_server_stats")["client_count"] > 1:
            pass  # each turn of the server's loop is a chance to notice

        assert server.clients == 1


@pytest.mark.parametrize("release", ["0.3.0", "0.16.0"])
def test_a_client_that_does_not_read_disturbs_nobody_and_is_dropped(
    release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server stands still for all its clients then."""
    monkeypatch.setattr(peer_module, "MOST_OWED", 1 << 16)
    with FakeServer(release) as server, Wire(server) as reader, Wire(server) as lazy:
        reader.wait_ready()
        lazy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        payload = random.Random(1).randbytes(100_000).hex()
        for _ in range(1000):
            with contextlib.suppress(OSError):  # it has been dropped
                lazy.send("echo", payload=payload)
            assert reader.ask("echo", payload="x")["payload"] == "x"
            if server.clients == 1:
                break

        assert server.clients == 1


@pytest.mark.parametrize(("release", "is_reset"), [("0.3.0", False), ("0.11.3", False), ("0.12.0", True)])
def test_a_stopped_server_says_farewell_as_its_release_does(release: str, is_reset: bool) -> None:
    server = FakeServer(release).start()
    with Wire(server) as wire:
        wire.ask("echo", payload="x")

        server.stop()

        with pytest.raises(ConnectionResetError) if is_reset else contextlib.nullcontext():
            drain(wire.sock)


# Start and stop


@pytest.mark.parametrize("release", ["0.3.0", "0.16.0"])
def test_nothing_is_left_of_a_stopped_server(release: str) -> None:
    threads = threading.active_count()
    server = FakeServer(release).start()
    with Wire(server) as wire:
        wire.ask("echo", payload="x")
        server.stop()

    assert threading.active_count() == threads
    assert server.clients == 0
    with pytest.raises(OSError):  # noqa: PT011 - refused, or reset, as the system likes
        socket.create_connection((server.host, server.port), SECOND).close()
    server.stop()  # once more does no harm


def test_a_server_that_never_ran_leaves_nothing_either() -> None:
    server = FakeServer()
    server.listen()

    server.stop()

    with pytest.raises(OSError):  # noqa: PT011 - as above
        socket.create_connection((server.host, server.port), SECOND).close()


def test_a_server_comes_back_on_its_port_with_the_same_device() -> None:
    server = FakeServer()
    with server:
        port = server.port
        server.set("/psu/setpoint", 1.5)
    with server, Wire(server) as wire:
        wire.wait_ready()

        assert (server.port, server.get("/psu/setpoint")) == (port, 1.5)


def test_a_server_is_started_once_at_a_time(server: FakeServer) -> None:
    with pytest.raises(
        RuntimeError, match=f"already listens on tcp://127.0.0.1:{server.port}; stop it first"
    ):
        server.start()


def test_a_device_is_played_while_the_server_runs() -> None:
    with pytest.raises(RuntimeError, match=r"the fake server does not run; start\(\) it first"):
        FakeServer().unplug()


def test_an_address_that_is_taken_is_named(server: FakeServer) -> None:
    with pytest.raises(ConnectionError, match=f"cannot listen on 127.0.0.1:{server.port}: .* Take port 0"):
        FakeServer(port=server.port).start()


@pytest.mark.parametrize("port", [-1, 70000])
def test_a_port_has_its_range(port: int) -> None:
    with pytest.raises(ValueError, match=f"port {port} is none; expected 0 to 65535"):
        FakeServer(port=port)


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(ValueError, match=r"release 'latest' is none; expected one like '0\.16\.0'"):
        FakeServer("latest")


@pytest.mark.parametrize(
    ("release", "host", "url"),
    [("0.3.0", "127.0.0.1", "ws://127.0.0.1:5"), ("0.16.0", "::1", "tcp://[::1]:5")],
)
def test_the_address_can_be_had_in_one_piece(release: str, host: str, url: str) -> None:
    assert FakeServer(release, host, port=5).url == url


def test_an_idle_server_does_not_poll(server: FakeServer) -> None:
    """A subscription is what costs; without one nothing happens by itself."""
    with Wire(server) as wire:
        wire.wait_ready()

        assert server._do(lambda api, now: api.next_time()) is None
