"""Step 4: below the device there is the client, with the Server Control API of Scrutiny's own SDK."""

import pytest

from pytest_scrutiny import ConnectionError, DeviceCommState, ScrutinyClient
from pytest_scrutiny.fakeserver.server import FakeServer


def test_the_servers_status(scrutiny_client: ScrutinyClient) -> None:
    scrutiny_client.wait_device_ready(timeout=10)
    status = scrutiny_client.get_server_status()

    assert status.device_comm_state is DeviceCommState.ConnectedReady
    assert status.device is not None
    print(f"\n{status.device_link.type.name} link, {status.device.supported_features}")


def test_a_handle_is_watched_at_full_rate(scrutiny_client: ScrutinyClient) -> None:
    scrutiny_client.wait_device_ready(timeout=10)
    handle = scrutiny_client.watch("/rpv/x1001")
    handle.wait_update(timeout=2)

    assert isinstance(handle.value, float)


def test_a_client_of_your_own(scrutiny_fake: FakeServer) -> None:
    """``scrutiny_fake`` is a server of this test alone, with a device to play with."""
    with ScrutinyClient().connect(scrutiny_fake.host, scrutiny_fake.port) as client:
        client.wait_device_ready(timeout=2)
        first = client.get_server_status().device_session_id
        scrutiny_fake.reset()
        client.wait_server_status(
            lambda status: status.device_session_id not in (None, first),
            timeout=2,
            what="no new session came",
        )


def test_no_server_is_said_in_plain_words(scrutiny_fake: FakeServer) -> None:
    scrutiny_fake.stop()

    with pytest.raises(ConnectionError, match="refused; expected a Scrutiny server there"):
        ScrutinyClient().connect(scrutiny_fake.host, scrutiny_fake.port)
