"""Stories of a server and its device, as they show on the wire."""

import contextlib
import math
import socket
import time

import pytest

from pytest_scrutiny.errors import ConnectionError
from pytest_scrutiny.fakeserver import loop as loop_module
from pytest_scrutiny.fakeserver.link import DEAD_LINK, DEFAULT_LINK, NO_LINK, Timing
from pytest_scrutiny.fakeserver.profiles import FIRMWARE_ID
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.link import DeviceLinkInfo, DeviceLinkType, UDPLinkConfig
from tests.clock import MS, SECOND
from tests.fakeserver.desk import Desk
from tests.fakeserver.wire import Wire

FOUR = ("0.3.0", "0.5.2", "0.9.2", "0.16.0")
OTHER_LINK = DeviceLinkInfo(DeviceLinkType.UDP, UDPLinkConfig("bench7", 4), operational=True, demo_mode=False)

# The link


@pytest.mark.parametrize("release", FOUR)
@pytest.mark.parametrize(("link", "kind"), [(NO_LINK, "none"), (DEAD_LINK, "udp")])
def test_a_server_without_a_way_to_its_device_says_so(release: str, link: DeviceLinkInfo, kind: str) -> None:
    with FakeServer(release, link=link) as server, Wire(server) as wire:
        status = wire.ask("get_server_status")

        assert status["device_status"] == "disconnected"
        assert status["device_comm_link"]["link_type"] == kind
        assert status["device_comm_link"].get("link_operational") is (None if release == "0.3.0" else False)


@pytest.mark.parametrize("release", FOUR)
def test_a_link_can_be_lost_and_found(release: str) -> None:
    with FakeServer(release) as server, Wire(server) as wire:
        first = wire.wait_ready()["device_session_id"]
        server.set_link(DEAD_LINK)
        assert wire.ask("get_server_status")["device_status"] == "disconnected"
        server.set_link(DEFAULT_LINK)

        assert wire.wait_ready()["device_session_id"] not in (None, first)


@pytest.mark.parametrize(
    ("release", "link", "pushes"),
    [("0.3.0", OTHER_LINK, 0), ("0.16.0", OTHER_LINK, 1), ("0.16.0", DEAD_LINK, 0), ("0.16.0", NO_LINK, 1)],
)
def test_a_configured_link_is_pushed_where_the_release_does_and_a_broken_one_nowhere(
    release: str, link: DeviceLinkInfo, pushes: int
) -> None:
    desk = Desk(release)
    talker = desk.connect()
    talker.ask("get_server_status")
    talker.take()

    desk.api.set_link(link, desk.now)

    assert len(talker.take("inform_server_status")) == pushes


def test_every_start_begins_with_the_link_that_was_given() -> None:
    server = FakeServer(link=NO_LINK)
    with server:
        server.set_link(DEFAULT_LINK)
    with server, Wire(server) as wire:
        assert wire.ask("get_server_status")["device_comm_link"]["link_type"] == "none"


def test_a_device_can_be_connecting_for_ever() -> None:
    with FakeServer(ready_delay=math.inf) as server, Wire(server) as wire:
        assert wire.ask("get_server_status")["device_status"] == "connecting"
        assert server._do(lambda api, now: api.next_time()) is None


# The firmware description


@pytest.mark.parametrize("release", FOUR)
def test_another_firmwares_description_is_installed_and_never_loaded(release: str) -> None:
    talker = Desk.ready(release, "foreign").connect()
    status = talker.ask("get_server_status")
    installed = talker.ask("get_installed_sfd")["sfd_list"]

    assert status.get("loaded_sfd", status.get("loaded_sfd_firmware_id")) is None
    assert FIRMWARE_ID in str(installed)
    assert talker.refusal("subscribe_watchable", watchables=["/psu/voltage"])
    assert talker.watch("/rpv/x1001")


@pytest.mark.parametrize("release", FOUR)
def test_nobody_is_served_while_a_description_is_loaded(release: str) -> None:
    with FakeServer(release, ready_delay=None, timing=Timing(sfd=60.0)) as server, Wire(server) as wire:
        wire.ask("echo", payload="x")
        server.plug()
        request = wire.send("echo", payload="x")
        ready = wire.wait_push("inform_server_status")
        wire.sock.settimeout(30 * MS)
        with pytest.raises(TimeoutError):
            wire.wait_reply(request)
        wire.sock.settimeout(SECOND)
        server.unplug()

        assert ready["device_status"] == "connected_ready"
        assert wire.wait_reply(request)["payload"] == "x"


@pytest.mark.parametrize("timing", [Timing(sfd=60.0, sfd_blocks=False), Timing(sfd=math.inf)])
def test_a_load_that_blocks_nobody_can_be_had_too(timing: Timing) -> None:
    with FakeServer(timing=timing) as server, Wire(server) as wire:
        status = wire.wait_ready()

        assert (status["device_status"], status["loaded_sfd_firmware_id"]) == ("connected_ready", None)


@pytest.mark.parametrize("release", FOUR)
def test_sessions_that_a_load_costs_end_right_behind_it(release: str) -> None:
    """As on real servers, which have one loop for it all: they load to the end, say so, and find the loss."""
    timing = Timing(sfd=0.2, session=0.1, reconnect=0.05)
    desk = Desk(release, timing=timing)
    talker = desk.connect()
    talker.ask("get_server_status")
    desk.api.link.plug(desk.now)
    desk.advance(1.0)

    pushed = talker.take("inform_server_status")
    sessions = [status["device_session_id"] for status in pushed if status["device_session_id"] is not None]
    loaded = [status for status in pushed if "5c7a71fa" in str(status.get("loaded_sfd_firmware_id", status))]
    assert len({*sessions}) == 4  # one begins every 0.28 s
    assert loaded


@pytest.mark.parametrize("release", FOUR)
def test_sessions_come_and_go_before_the_description_is_loaded(release: str) -> None:
    timing = Timing(sfd=0.2, sfd_blocks=False, session=0.1, reconnect=0.05)
    desk = Desk(release, timing=timing)
    talker = desk.connect()
    talker.ask("get_server_status")
    desk.api.link.plug(desk.now)
    desk.advance(1.0)

    pushed = [status["device_session_id"] for status in talker.take("inform_server_status")]
    sessions = {session for session in pushed if session is not None}
    assert len(sessions) == 7  # one begins every 0.15 s
    assert desk.api.link.sfd is None


def test_an_unplugged_device_does_not_come_back_by_itself() -> None:
    desk = Desk(timing=Timing(session=0.1, reconnect=0.05))
    desk.api.link.plug(desk.now)
    desk.advance(0.2)
    desk.api.link.unplug()
    desk.advance(1.0)

    assert not desk.api.link.is_ready


# The server


@pytest.mark.parametrize("release", FOUR)
def test_a_server_that_stands_still_answers_when_it_goes_on(release: str) -> None:
    with FakeServer(release) as server, Wire(server) as wire:
        wire.wait_ready()
        server.stall()
        request = wire.send("echo", payload="x")
        with socket.create_connection((server.host, server.port), SECOND) as other:
            server.set("/psu/setpoint", 2.0)  # the bench goes on
            wire.sock.settimeout(30 * MS)
            with pytest.raises(TimeoutError):
                wire.wait_reply(request)
            assert server.clients == 1  # the other one is in the backlog
            wire.sock.settimeout(SECOND)
            server.resume_serving()

            assert wire.wait_reply(request)["payload"] == "x"
            other.settimeout(SECOND)
            if server.dialect.transport == "tcp":
                assert other.recv(100).startswith(b"<SCRUTINY")


def test_a_server_that_stands_still_can_be_stopped() -> None:
    server = FakeServer().start()
    server.stall()
    server.stop()

    with FakeServer(port=server.port) as again, Wire(again) as wire:
        assert wire.ask("echo", payload="x")["payload"] == "x"


@pytest.mark.parametrize("release", ["0.3.0", "0.9.2", "0.16.0"])
@pytest.mark.parametrize("with_reset", [True, False], ids=["reset", "end"])
def test_a_killed_server_ends_all_connections_without_a_word(release: str, with_reset: bool) -> None:
    server = FakeServer(release, ready_delay=None).start()
    with Wire(server) as wire:
        wire.ask("echo", payload="x")
        server.kill(with_reset=with_reset)

        with pytest.raises(ConnectionResetError) if with_reset else contextlib.nullcontext():
            assert wire.sock.recv(100) == b""
        with server, Wire(server) as again:
            assert again.ask("echo", payload="x")["payload"] == "x"


def test_a_reset_takes_the_time_it_is_given() -> None:
    with FakeServer(timing=Timing(reconnect=60 * MS)) as server, Wire(server) as wire:
        first = wire.wait_ready()["device_session_id"]
        start = time.monotonic()
        server.reset()
        second = wire.wait_ready()["device_session_id"]

        assert second not in (None, first)
        assert time.monotonic() - start >= 55 * MS


# Addresses


@pytest.mark.parametrize(
    ("release", "loopbacks"), [("0.3.0", {"127.0.0.1", "::1"}), ("0.16.0", {"127.0.0.1"})]
)
def test_localhost_is_what_it_is_for_the_release(release: str, loopbacks: set[str]) -> None:
    with FakeServer(release, "localhost") as server:
        reached = set()
        for host in ("127.0.0.1", "::1"):
            with contextlib.suppress(OSError), socket.create_connection((host, server.port), SECOND):
                reached.add(host)

    assert reached == loopbacks


@pytest.mark.parametrize("release", ["0.3.0", "0.16.0"])
def test_an_ipv6_address_can_be_listened_on(release: str) -> None:
    with FakeServer(release, "::1") as server, Wire(server) as wire:
        assert wire.ask("echo", payload="x")["payload"] == "x"
        assert f"[::1]:{server.port}" in server.url


def test_a_port_that_is_taken_on_one_loopback_is_named() -> None:
    with (
        FakeServer("0.3.0", "::1") as taken,
        pytest.raises(ConnectionError, match=rf"cannot listen on \[::1\]:{taken.port}: "),
    ):
        FakeServer("0.3.0", "localhost", port=taken.port).start()


def test_a_machine_without_ipv6_has_one_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    listen = loop_module._open_listener

    def refuse_ipv6(host: str, port: int) -> socket.socket:
        if ":" in host:
            raise ConnectionError("no") from OSError(99, "Cannot assign requested address")
        return listen(host, port)

    monkeypatch.setattr(loop_module, "_open_listener", refuse_ipv6)
    with FakeServer("0.3.0", "localhost") as server:
        socket.create_connection(("127.0.0.1", server.port), SECOND).close()
