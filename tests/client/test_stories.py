"""What a user reads when it is the device or the whole server that is in trouble, on every transport."""

import math
import re
from time import monotonic

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import (
    ConnectionError,
    ConnectTimeout,
    InvalidValueError,
    OperationFailure,
    TimeoutException,
)
from pytest_scrutiny.fakeserver.link import DEAD_LINK, DEFAULT_LINK, NO_LINK, Timing
from pytest_scrutiny.fakeserver.profiles import FIRMWARE_ID, make_device
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.link import DeviceLinkInfo, DeviceLinkType
from tests.client.trouble import RELEASES, TIMEOUT, raised_in_time, watching
from tests.clock import MS, SECOND

pytestmark = [pytest.mark.parametrize("release", RELEASES), pytest.mark.usefixtures("leaves_nothing")]


def connected(server: FakeServer) -> ScrutinyClient:
    return ScrutinyClient(timeout=5 * SECOND).connect(server.host, server.port)


# No device


@pytest.mark.parametrize(
    ("link", "delay", "state"),
    [
        (NO_LINK, 0.0, "Disconnected"),
        (DEAD_LINK, 0.0, "Disconnected"),
        (DEFAULT_LINK, None, "Disconnected"),
        (DEFAULT_LINK, math.inf, "Connecting"),
    ],
    ids=["no link", "dead link", "no device", "never ready"],
)
def test_a_device_that_does_not_come_costs_the_timeout(
    release: str, link: DeviceLinkInfo, delay: float | None, state: str
) -> None:
    with FakeServer(release, link=link, ready_delay=delay) as server, connected(server) as client:
        said = raised_in_time(TimeoutException, lambda: client.wait_device_ready(TIMEOUT))

        assert said == (
            f"the device did not become ready within {TIMEOUT:g} s: {state} at the last look; "
            "expected ConnectedReady. Check the device's power and the server's link."
        )


def test_a_link_that_is_configured_later_brings_the_device(release: str) -> None:
    with FakeServer(release, link=NO_LINK) as server, connected(server) as client:
        types = [client.get_server_status().device_link.type]
        server.set_link(DEFAULT_LINK)
        client.wait_device_ready(5 * SECOND)
        types.append(client.get_server_status().device_link.type)

    assert types == [DeviceLinkType.NONE, DeviceLinkType.UDP]


def test_a_link_that_breaks_takes_the_device_away(release: str) -> None:
    with FakeServer(release) as server, watching(server) as (client, handle):
        server.set_link(DEAD_LINK)
        info = client.wait_server_status(lambda info: info.device is None, 5 * SECOND, "still there")

        assert info.device_link.operational is (None if release == "0.3.0" else False)
        with pytest.raises(InvalidValueError, match="/psu/setpoint has no value: "):
            _ = handle.value


def test_a_device_that_comes_later_is_waited_for(release: str) -> None:
    with FakeServer(release, ready_delay=100 * MS) as server, connected(server) as client:
        client.wait_device_ready(5 * SECOND)

        assert client.get_server_status().device is not None


# Firmware descriptions


def test_another_firmwares_description_gives_no_names(release: str) -> None:
    with FakeServer(release, device=make_device("foreign")) as server, connected(server) as client:
        client.wait_device_ready(5 * SECOND)
        device = client.get_device_info()

        assert device is not None
        assert list(client.get_installed_sfds()) == [FIRMWARE_ID]
        assert device.device_id != FIRMWARE_ID
        with pytest.raises(OperationFailure, match="Unknown watchable : /psu/voltage"):
            client.watch("/psu/voltage")
        client.watch("/rpv/x1001").wait_update(5 * SECOND)


def test_requests_wait_while_a_description_is_loaded(release: str) -> None:
    timing = Timing(sfd=200 * MS)
    with FakeServer(release, ready_delay=None, timing=timing) as server, connected(server) as client:
        start = monotonic()
        server.plug()
        client.echo("x")
        took = monotonic() - start

        assert took >= 0.19 * SECOND
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD")


def test_connecting_to_a_server_that_loads_a_description_may_take_too_long(release: str) -> None:
    with FakeServer(release, timing=Timing(sfd=60.0)) as server:
        client = ScrutinyClient(timeout=TIMEOUT)

        raised_in_time(ConnectTimeout, lambda: client.connect(server.host, server.port))


def test_a_device_that_is_lost_over_the_load_of_its_description_is_known(release: str) -> None:
    """A response timeout that is too short: a new session again and again, each loaded for a moment."""
    timing = Timing(sfd=0.6, session=30 * MS)
    with FakeServer(release, timing=timing, ready_delay=None) as server, connected(server) as client:
        server.plug()
        client.wait_server_status(lambda _: len(client.board.loads.lost) == 2, 5 * SECOND, "too few sessions")

        assert [*client.board.loads.lost] == client.board.session_ids[:2]


def test_a_load_that_was_under_way_when_the_client_connected_is_known_too(release: str) -> None:
    timing = Timing(sfd=0.8, session=30 * MS, reconnect=60.0)
    with FakeServer(release, timing=timing) as server, connected(server) as client:
        client.wait_server_status(lambda info: info.device is None, 5 * SECOND, "the device is still there")

        assert len(client.board.loads.lost) == 1


def test_a_device_that_is_lost_a_moment_after_a_short_load_is_no_such_case(release: str) -> None:
    with FakeServer(release, timing=Timing(session=30 * MS)) as server, connected(server) as client:
        client.wait_server_status(lambda _: len(client.board.session_ids) >= 4, 5 * SECOND, "too few")

        assert [*client.board.loads.lost] == []


# Reset, and the server itself


def test_a_reset_is_a_new_session_after_a_while(release: str) -> None:
    with FakeServer(release, timing=Timing(reconnect=100 * MS)) as server, watching(server) as (client, _):
        session = client.get_server_status().device_session_id
        start = monotonic()
        server.reset()
        client.wait_device_ready(5 * SECOND)
        took = monotonic() - start

        assert client.get_server_status().device_session_id not in (None, session)
        assert took >= 0.09 * SECOND


def test_a_server_that_stands_still_is_told_from_a_device_that_does(release: str) -> None:
    hangs = "expected an answer at once. Check that the server is alive: it hangs, or is busy "
    with FakeServer(release) as server, watching(server) as (client, handle):
        client.timeout = TIMEOUT
        server.stall()

        said = raised_in_time(TimeoutException, lambda: handle.write(2.0, timeout=TIMEOUT))
        assert said == f"the write of 2.0 to /psu/setpoint was not completed within {TIMEOUT:g} s"
        said = raised_in_time(TimeoutException, lambda: client.wait_device_ready(TIMEOUT))
        assert said.startswith(f"the server did not answer get_server_status within {TIMEOUT:g} s; {hangs}")
        said = raised_in_time(TimeoutException, lambda: client.watch("/psu/voltage"))
        assert said == f"the server did not answer subscribe_watchable within {TIMEOUT:g} s"
        other = ScrutinyClient(timeout=TIMEOUT)
        said = raised_in_time(ConnectTimeout, lambda: other.connect(server.host, server.port))
        assert f"it accepted the connection and says nothing within {TIMEOUT:g} s" in said

        server.resume_serving()
        handle.write(3.0)
        assert server.get("/psu/setpoint") == 3.0


@pytest.mark.parametrize("with_reset", [True, False], ids=["reset", "end"])
def test_a_killed_server_ends_every_wait_at_once(release: str, with_reset: bool) -> None:
    server = FakeServer(release).start()
    with watching(server) as (_client, handle):
        server.kill(with_reset=with_reset)
        start = monotonic()
        with pytest.raises(ConnectionError) as caught:
            handle.wait_update(60 * SECOND, previous_counter=1_000_000)  # never, even if one is on its way
        took = monotonic() - start

        assert took < 0.5 * SECOND
        text = "the connection to the server was lost" if with_reset else "the server closed the connection"
        assert re.match(text, str(caught.value))


def test_a_killed_server_can_be_connected_to_once_it_is_back(release: str) -> None:
    server = FakeServer(release).start()
    with watching(server) as (client, _handle):
        server.kill()
        with server:
            client.connect(server.host, server.port)
            client.wait_device_ready(5 * SECOND)


def test_localhost_is_found_on_whichever_loopback_the_server_listens(release: str) -> None:
    with FakeServer(release, "localhost") as server, connected(server) as client:
        assert client.get_server_status() is not None


def test_an_ipv6_server_is_found(release: str) -> None:
    with FakeServer(release, "::1") as server, watching(server) as (_client, handle):
        assert handle.value == 5.0
