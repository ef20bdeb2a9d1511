import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.errors import ConnectionError, InvalidValueError, TimeoutException
from pytest_scrutiny.model.status import DeviceCommState, ServerInfo, ServerState
from tests.client.peer import FIRMWARE, SESSION, Bench, device_fields, status_fields
from tests.clock import MS, SECOND

OTHER = "b" * 32


@pytest.fixture
def client(bench: Bench) -> ScrutinyClient:
    """A client on the bench's session."""
    client = ScrutinyClient(timeout=5 * SECOND)
    client._session, client._board, client._watches = bench.session, bench.board, bench.watches
    return client


def answer_parts(bench: Bench, session: str = SESSION) -> None:
    bench.peer.reply(
        bench.peer.next_request("get_device_info"), available=True, device_info=device_fields(session)
    )
    sfd = {"firmware_id": FIRMWARE, "metadata": None, "filesize": 7}
    bench.peer.reply(bench.peer.next_request("get_loaded_sfd"), sfd=sfd)


def wait_published(bench: Bench, count: int = 1) -> ServerInfo:
    return bench.session.wait_for(
        lambda: bench.board.latest if bench.board.published >= count else None,
        Deadline(5 * SECOND),
        "a status",
    )


def test_a_status_is_published_when_device_and_sfd_are_there(bench: Bench) -> None:
    bench.peer.push_status()
    request = bench.peer.next_request("get_device_info")
    before = bench.board.latest
    bench.peer.reply(request, available=True, device_info=device_fields())
    sfd = {"firmware_id": FIRMWARE, "metadata": None, "filesize": 7}
    bench.peer.reply(bench.peer.next_request("get_loaded_sfd"), sfd=sfd)
    info = wait_published(bench)

    assert before is None
    assert info.device is not None
    assert info.device.display_name == "PSU-3"
    assert info.device_session_id == info.device.session_id == SESSION
    assert info.sfd_firmware_id == FIRMWARE
    assert info.sfd is not None
    assert info.sfd.filesize == 7


def test_known_parts_are_not_asked_for_again(bench: Bench) -> None:
    bench.peer.push_status()
    answer_parts(bench)
    wait_published(bench)
    bench.peer.push_status(loaded_sfd_firmware_id=None)

    assert wait_published(bench, 2).sfd is None
    bench.peer.push_status()
    assert wait_published(bench, 3).sfd is not None


def test_a_device_of_another_session_is_never_published(bench: Bench) -> None:
    bench.peer.push_status(loaded_sfd_firmware_id=None)
    stale = bench.peer.next_request("get_device_info")
    bench.peer.push_status(OTHER, loaded_sfd_firmware_id=None)
    bench.peer.reply(stale, available=True, device_info=device_fields(SESSION))
    fresh = bench.peer.next_request("get_device_info")
    bench.peer.reply(fresh, available=True, device_info=device_fields(OTHER))
    info = wait_published(bench)

    assert info.device is not None
    assert info.device_session_id == info.device.session_id == OTHER
    assert bench.board.published == 1


def test_a_lost_device_is_published_at_once(bench: Bench) -> None:
    bench.peer.push_status()
    answer_parts(bench)
    wait_published(bench)
    bench.peer.push_status(None)
    info = wait_published(bench, 2)

    assert (info.device, info.sfd, info.device_comm_state) == (None, None, DeviceCommState.Disconnected)


def test_a_refused_device_info_is_asked_for_again_with_the_next_status(bench: Bench) -> None:
    bench.peer.push_status(loaded_sfd_firmware_id=None)
    bench.peer.refuse(bench.peer.next_request("get_device_info"), "Internal error")
    bench.peer.push_status(loaded_sfd_firmware_id=None)
    bench.peer.reply(bench.peer.next_request("get_device_info"), available=True, device_info=device_fields())

    assert wait_published(bench).device is not None


def test_a_status_that_tells_all_needs_no_questions(bench: Bench) -> None:
    """Servers 0.1 to 0.3 put device and SFD into the status."""
    bench.peer.push_status(
        device_info=device_fields(None), loaded_sfd={"firmware_id": FIRMWARE, "metadata": {}}
    )
    info = wait_published(bench)

    assert info.device is not None
    assert info.device.session_id is None
    assert info.sfd_firmware_id == FIRMWARE


def test_no_status_yet_is_an_error_that_says_what_to_do(client: ScrutinyClient) -> None:
    with pytest.raises(InvalidValueError) as caught:
        client.get_server_status()

    assert str(caught.value) == (
        "no server status has come yet; expected one after connect(). "
        "Call wait_server_status_update(), or connect with wait_status=True."
    )


def test_ready_is_asked_afresh_and_not_taken_from_what_is_known(bench: Bench, client: ScrutinyClient) -> None:
    bench.peer.push_status()
    answer_parts(bench)
    wait_published(bench)
    waiting = bench.call(client.wait_device_ready, 30 * MS)
    bench.peer.push_status(None, reqid=bench.peer.next_request("get_server_status")["reqid"])

    with pytest.raises(TimeoutException) as caught:
        waiting.result()
    assert str(caught.value) == (
        f"the device did not become ready within {30 * MS:g} s: Disconnected at the last look; "
        "expected ConnectedReady. Check the device's power and the server's link."
    )


def test_a_device_that_is_ready_between_two_looks_was_ready(bench: Bench, client: ScrutinyClient) -> None:
    waiting = bench.call(client.wait_device_ready, 5 * SECOND)
    request = bench.peer.next_request("get_server_status")
    whole = {"device_info": device_fields(None), "loaded_sfd": None}
    bench.peer.sock.sendall(
        bench.peer.encode("inform_server_status", request["reqid"], **status_fields(None, **whole))
        + bench.peer.encode("inform_server_status", **status_fields(SESSION, **whole))
        + bench.peer.encode("inform_server_status", **status_fields(None, **whole))
    )

    waiting.result()


def test_while_somebody_waits_the_server_is_asked_every_50_ms(bench: Bench, client: ScrutinyClient) -> None:
    """Servers push only some changes; the second question comes from the reader's timer."""
    waiting = bench.call(client.wait_device_ready, 5 * SECOND)
    for _ in range(3):
        bench.peer.push_status(None, reqid=bench.peer.next_request("get_server_status")["reqid"])
    request = bench.peer.next_request("get_server_status")
    bench.peer.push_status(reqid=request["reqid"])
    answer_parts(bench)

    waiting.result()


def test_waiting_for_an_update_asks_for_one(bench: Bench, client: ScrutinyClient) -> None:
    waiting = bench.call(client.wait_server_status_update)
    bench.peer.push_status(None, reqid=bench.peer.next_request("get_server_status")["reqid"])

    waiting.result()
    assert client.get_server_status().device_comm_state is DeviceCommState.Disconnected


def test_an_update_can_be_requested_and_returned(bench: Bench, client: ScrutinyClient) -> None:
    waiting = bench.call(client.request_server_status_update, True)
    bench.peer.push_status(None, reqid=bench.peer.next_request("get_server_status")["reqid"])
    info = waiting.result()

    assert info is client.get_server_status()


def test_waits_end_at_once_when_the_connection_goes(bench: Bench, client: ScrutinyClient) -> None:
    waiting = bench.call(client.wait_device_ready, 1000 * SECOND)
    bench.peer.next_request("get_server_status")
    bench.peer.sock.close()

    with pytest.raises(ConnectionError):
        waiting.result(10 * SECOND)
    assert client.server_state is ServerState.Error


def test_a_hanging_server_does_not_find_a_heap_of_status_requests(
    bench: Bench, client: ScrutinyClient
) -> None:
    with pytest.raises(TimeoutException):
        client.wait_device_ready(300 * MS)
    bench.peer.sock.setblocking(False)

    assert bench.peer.sock.recv(65536).count(b"get_server_status") == 1


def test_sessions_too_short_to_be_published_are_remembered(bench: Bench) -> None:
    """While a server loads a description for too long it answers nobody, and loses the device again."""
    for session in ("1" * 32, None, "2" * 32, "2" * 32, None, "3" * 32):
        bench.peer.push_status(session)
    bench.session.wait_for(lambda: bench.board.reports == 6, Deadline(5 * SECOND), "six reports")

    assert list(bench.board.session_ids) == ["1" * 32, "2" * 32, "3" * 32]
