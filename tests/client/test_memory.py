import base64
from typing import Any

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.memory import MemoryBoard, split
from pytest_scrutiny.errors import OperationFailure, RemoteProtocolError, TimeoutException
from pytest_scrutiny.model.memory import UserCommandResponse
from tests.client.peer import Bench, device_fields
from tests.clock import MS, SECOND

FORBIDDEN = [{"start": 0x100, "end": 0x1FF, "size": 0x100}]
READ_ONLY = [{"start": 0x300, "end": 0x3FF, "size": 0x100}]


@pytest.fixture
def client(bench: Bench) -> ScrutinyClient:
    """A client with a ready device: 256 bytes out, 128 bytes in, 32 bits of address."""
    client = ScrutinyClient(timeout=5 * SECOND)
    client._session, client._board, client._watches = bench.session, bench.board, bench.watches
    client._memory = MemoryBoard(bench.session)
    device = {**device_fields(), "forbidden_memory_regions": FORBIDDEN, "readonly_memory_regions": READ_ONLY}
    bench.peer.push_status(loaded_sfd_firmware_id=None)
    bench.peer.reply(bench.peer.next_request("get_device_info"), available=True, device_info=device)
    bench.session.wait_for(lambda: bench.board.latest, _in(5 * SECOND), "a status")
    return client


def _in(seconds: float) -> Any:
    from pytest_scrutiny.client.deadline import Deadline

    return Deadline(seconds)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def serve_reads(bench: Bench, count: int) -> list[tuple[int, int]]:
    """Answer reads with the low bytes of their addresses; return what was asked for."""
    asked = []
    for number in range(count):
        request = bench.peer.next_request("read_memory")
        start, size = request["address"], request["size"]
        asked.append((start, size))
        bench.peer.reply(request, request_token=f"t{number}")
        data = bytes((start + n) & 0xFF for n in range(size))
        bench.peer.push(
            "inform_memory_read_complete",
            request_token=f"t{number}",
            success=True,
            data=b64(data),
            detail_msg=None,
        )
    return asked


def test_memory_is_read(bench: Bench, client: ScrutinyClient) -> None:
    reading = bench.call(client.read_memory, 0x2000, 4)
    asked = serve_reads(bench, 1)

    assert reading.result() == b"\x00\x01\x02\x03"
    assert asked == [(0x2000, 4)]


def test_a_large_read_is_split_into_what_the_device_can_send(bench: Bench, client: ScrutinyClient) -> None:
    reading = bench.call(client.read_memory, 0x2000, 500)
    asked = serve_reads(bench, 3)

    assert reading.result() == bytes(n & 0xFF for n in range(500))
    assert asked == [(0x2000, 240), (0x20F0, 240), (0x21E0, 20)]


def test_a_write_is_split_into_what_the_device_can_take(bench: Bench, client: ScrutinyClient) -> None:
    data = bytes(range(200))
    writing = bench.call(client.write_memory, 0x2000, data)
    sent = []
    for number in range(2):
        request = bench.peer.next_request("write_memory")
        sent.append((request["address"], base64.b64decode(request["data"])))
        # The completion overtakes the reply, as it may.
        bench.peer.push(
            "inform_memory_write_complete", request_token=f"t{number}", success=True, detail_msg=None
        )
        bench.peer.reply(request, request_token=f"t{number}")
    writing.result()

    assert sent == [(0x2000, data[:112]), (0x2070, data[112:])]


@pytest.mark.parametrize(
    ("size", "buffer", "pieces"),
    [
        (1, 128, [(0, 1)]),
        (112, 128, [(0, 112)]),
        (113, 128, [(0, 112), (112, 1)]),
        (20, 8, [(0, 16), (16, 4)]),
    ],
)
def test_pieces_cover_the_range_once(size: int, buffer: int, pieces: list[tuple[int, int]]) -> None:
    assert list(split(0, size, buffer)) == pieces


REGION = "it touches the forbidden region 0x100 to 0x1ff; choose another range"
SPACE = "leave the device's address space; expected 0 to 0xffffffff (32 bits)"
WHOLE = "is no whole number; expected one, for example 0x20000000"


@pytest.mark.parametrize(
    ("address", "size", "error", "text"),
    [
        (0x1F0, 4, OperationFailure, f"read_memory of 4 bytes at 0x1f0 failed: {REGION}"),
        (0xFE, 4, OperationFailure, f"read_memory of 4 bytes at 0xfe failed: {REGION}"),
        (0xFFFFFFFE, 4, ValueError, f"4 bytes at 0xfffffffe {SPACE}"),
        (-1, 4, ValueError, f"4 bytes at -0x1 {SPACE}"),
        (0, 0, ValueError, "size 0 is out of range; expected 1 or more bytes"),
        (1.5, 4, TypeError, f"address 1.5 {WHOLE}"),
        (0, True, TypeError, f"size True {WHOLE}"),
    ],
)
def test_what_cannot_be_read_is_refused_before_the_wire(
    client: ScrutinyClient, address: Any, size: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        client.read_memory(address, size)

    assert str(caught.value) == text


def test_a_read_only_region_can_be_read_and_not_written(bench: Bench, client: ScrutinyClient) -> None:
    reading = bench.call(client.read_memory, 0x300, 1)
    serve_reads(bench, 1)

    assert reading.result() == b"\x00"
    with pytest.raises(OperationFailure, match="it touches the read-only region 0x300 to 0x3ff"):
        client.write_memory(0x2FF, b"ab")


def test_a_failed_access_tells_the_servers_reason(bench: Bench, client: ScrutinyClient) -> None:
    reading = bench.call(client.read_memory, 0x2000, 4)
    bench.peer.reply(bench.peer.next_request("read_memory"), request_token="t")
    bench.peer.push(
        "inform_memory_read_complete",
        request_token="t",
        success=False,
        data=None,
        detail_msg="Forbidden region",
    )

    with pytest.raises(OperationFailure) as caught:
        reading.result()
    assert str(caught.value) == (
        "reading 4 bytes at 0x2000 failed: Forbidden region; check the address and that the device is "
        "connected and allows it"
    )
    assert (caught.value.command, caught.value.reason) == ("read_memory", "Forbidden region")


def test_an_access_that_is_not_done_ends_in_its_time(bench: Bench, client: ScrutinyClient) -> None:
    reading = bench.call(client.read_memory, 0x2000, 500, 30 * MS)
    bench.peer.reply(bench.peer.next_request("read_memory"), request_token="t")

    with pytest.raises(TimeoutException, match=r"reading 240 bytes at 0x2000 was not done within 0\.03 s"):
        reading.result()


def test_a_broken_completion_ends_the_connection(bench: Bench, client: ScrutinyClient) -> None:
    reading = bench.call(client.read_memory, 0x2000, 4)
    bench.peer.reply(bench.peer.next_request("read_memory"), request_token="t")
    bench.peer.push("inform_memory_read_complete", request_token="t", success=True, data="no base64!")

    with pytest.raises(RemoteProtocolError, match=r"inform_memory_read_complete\.data"):
        reading.result()


def test_a_user_command_returns_the_firmwares_answer(bench: Bench, client: ScrutinyClient) -> None:
    asking = bench.call(client.user_command, 2, b"\x01")
    request = bench.peer.next_request("user_command")
    bench.peer.reply(request, subfunction=2, data=b64(b"\x03"))

    assert (request["subfunction"], request["data"]) == (2, b64(b"\x01"))
    assert asking.result() == UserCommandResponse(2, b"\x03")


@pytest.mark.parametrize(
    ("subfunction", "data", "error", "text"),
    [
        (256, b"", ValueError, "subfunction 256 is out of range; expected 0 to 255"),
        ("1", b"", TypeError, "subfunction '1' is no whole number; expected 0 to 255"),
        (1, bytes(129), ValueError, "129 bytes do not fit the device's receive buffer; expected 128 at most"),
    ],
)
def test_what_is_no_user_command_is_refused(
    client: ScrutinyClient, subfunction: Any, data: bytes, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        client.user_command(subfunction, data)

    assert str(caught.value).removesuffix(". Send them in pieces.") == text


def test_a_servers_own_emulated_device_takes_less_in_a_user_command(
    bench: Bench, client: ScrutinyClient
) -> None:
    link = {"link_type": "dummy", "link_config": {}, "link_operational": True, "demo_mode": True}
    bench.peer.push_status(loaded_sfd_firmware_id=None, device_comm_link=link)
    bench.session.wait_for(lambda: bench.board.published > 1, _in(5 * SECOND), "a status")

    with pytest.raises(ValueError, match=r"^121 bytes do not fit .*; expected 120 at most\."):
        client.user_command(1, bytes(121))


def test_a_firmware_without_user_commands_is_not_asked(bench: Bench, client: ScrutinyClient) -> None:
    bench.peer.push_status("c" * 32, loaded_sfd_firmware_id=None)
    features = {"memory_write": True, "datalogging": False, "user_command": False, "_64bits": True}
    device = {**device_fields("c" * 32), "supported_feature_map": features}
    bench.peer.reply(bench.peer.next_request("get_device_info"), available=True, device_info=device)
    bench.session.wait_for(lambda: bench.board.published > 1, _in(5 * SECOND), "a status")

    with pytest.raises(OperationFailure, match="the firmware has no user command callback"):
        client.user_command(1)


def test_without_a_device_nothing_is_asked(bench: Bench, client: ScrutinyClient) -> None:
    bench.peer.push_status(None)
    bench.session.wait_for(lambda: bench.board.published > 1, _in(5 * SECOND), "a status")

    with pytest.raises(OperationFailure) as caught:
        client.read_memory(0, 1)
    assert (
        str(caught.value)
        == "read_memory failed: no device is connected to the server; wait until one is ready"
    )
