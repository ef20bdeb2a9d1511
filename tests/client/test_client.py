"""The client against the bundled fake, over real sockets."""

import gc
import threading
from collections.abc import Iterator

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import ConnectionError, NameNotFoundError
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.status import ServerState
from tests.clock import SECOND


@pytest.fixture(params=["0.3.0", "0.16.0"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    """A started fake; WebSocket first, then TCP."""
    with FakeServer(request.param) as fake:
        yield fake


def test_a_with_block_connects_and_disconnects(fake: FakeServer) -> None:
    before = set(threading.enumerate())
    client = ScrutinyClient()
    with client.connect(fake.host, fake.port) as same:
        state = client.server_state
        status = client.get_server_status()

    assert same is client
    assert state is ServerState.Connected
    assert status is not None
    assert client.server_state is ServerState.Disconnected
    assert set(threading.enumerate()) == before


def test_the_same_client_connects_again(fake: FakeServer) -> None:
    client = ScrutinyClient()
    for _ in range(3):
        with client.connect(fake.host, fake.port):
            client.wait_device_ready(5 * SECOND)
            device = client.get_server_status().device

        assert device is not None


def test_connecting_while_connected_disconnects_first(fake: FakeServer) -> None:
    client = ScrutinyClient()
    client.connect(fake.host, fake.port)
    client.connect(fake.host, fake.port)
    client.echo("the second connection works")
    readers = [thread for thread in threading.enumerate() if thread.name == "scrutiny-reader"]
    client.disconnect()

    assert len(readers) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_server_status(),
        lambda client: client.wait_server_status_update(),
        lambda client: client.wait_device_ready(1),
        lambda client: client.watch("/v"),
        lambda client: client.echo("x"),
        lambda client: client.get_device_info(),
    ],
)
def test_nothing_works_without_a_connection(call: object) -> None:
    with pytest.raises(ConnectionError) as caught:
        call(ScrutinyClient())  # type: ignore[operator]  # a table of calls

    assert str(caught.value) == "this client is not connected; call connect first"


def test_disconnecting_twice_is_harmless() -> None:
    client = ScrutinyClient()
    client.disconnect()
    client.disconnect()

    assert client.server_state is ServerState.Disconnected


def test_a_forgotten_client_leaves_no_thread(fake: FakeServer) -> None:
    client = ScrutinyClient()
    client.connect(fake.host, fake.port)
    reader = next(thread for thread in threading.enumerate() if thread.name == "scrutiny-reader")
    del client
    gc.collect()
    reader.join(5 * SECOND)

    assert not reader.is_alive()


def test_a_server_that_stops_turns_the_state_to_error(fake: FakeServer) -> None:
    client = ScrutinyClient()
    client.connect(fake.host, fake.port)
    fake.stop()
    with pytest.raises(ConnectionError):
        client.wait_server_status_update(5 * SECOND)
    state = client.server_state
    client.disconnect()

    assert state is ServerState.Error


def test_message_callbacks_get_the_client_and_every_message(fake: FakeServer) -> None:
    seen: list[tuple[ScrutinyClient, str]] = []
    client = ScrutinyClient(rx_message_callbacks=[lambda who, message: seen.append((who, message["cmd"]))])
    with client.connect(fake.host, fake.port):
        client.echo("x")

    assert {who for who, _ in seen} == {client}
    assert {"inform_server_status", "response_echo"} <= {command for _, command in seen}


def test_device_and_sfd_can_be_asked_for(fake: FakeServer) -> None:
    with ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        status = client.get_server_status()
        device, loaded, installed = (
            client.get_device_info(),
            client.get_loaded_sfd(),
            client.get_installed_sfds(),
        )

    assert device == status.device
    assert loaded is not None
    assert loaded.firmware_id == status.sfd_firmware_id
    assert status.sfd_firmware_id in installed


def test_only_what_is_watched_can_be_unwatched(fake: FakeServer) -> None:
    with ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_device_ready(5 * SECOND)
        handle = client.watch("/rpv/x1001")
        client.unwatch(handle)
        with pytest.raises(NameNotFoundError) as caught:
            client.unwatch("/rpv/x1001")

    assert str(caught.value) == "/rpv/x1001 is not watched; watch() it first"
