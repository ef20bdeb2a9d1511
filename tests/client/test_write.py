import pytest

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.write import Update
from pytest_scrutiny.errors import OperationFailure, TimeoutException
from pytest_scrutiny.model.values import EmbeddedDataType, WatchableType
from pytest_scrutiny.model.watch import WatchableInfo
from tests.client.peer import Bench
from tests.clock import SECOND

INFO = WatchableInfo("/v", WatchableType.Variable, EmbeddedDataType.float32, "8")


def completion(bench: Bench, token: str, index: int, **more: object) -> bytes:
    fields = {"success": True, "completion_server_time_us": 1.0, **more}
    return bench.peer.encode(
        "inform_write_completion", watchable="8", request_token=token, batch_index=index, **fields
    )


def start(bench: Bench, count: int = 1, timeout: float = 5 * SECOND):  # type: ignore[no-untyped-def]
    updates = [Update(INFO, n, n) for n in range(count)]
    return bench.call(bench.writes.write, updates, Deadline(timeout), "1 to /v")


def test_a_write_is_complete_when_each_of_its_parts_is(bench: Bench) -> None:
    writing = start(bench, 3)
    request = bench.peer.next_request("write_watchable")
    bench.peer.reply(request, request_token="t", count=3)
    bench.peer.sock.sendall(b"".join(completion(bench, "t", index) for index in (2, 0, 1)))

    assert [done.batch_index for done in writing.result()] == [0, 1, 2]
    assert request["updates"][1] == {"batch_index": 1, "watchable": "8", "value": 1}


def test_completions_of_others_are_ignored(bench: Bench) -> None:
    writing = start(bench)
    request = bench.peer.next_request("write_watchable")
    bench.peer.sock.sendall(b"".join(completion(bench, f"other-{n}", 0) for n in range(200)))
    bench.peer.reply(request, request_token="t", count=1)
    bench.peer.sock.sendall(completion(bench, "t", 0))

    assert [done.token for done in writing.result()] == ["t"]
    assert len(bench.writes._inbox._strangers) <= 64


def test_a_completion_may_come_before_the_reply(bench: Bench) -> None:
    writing = start(bench)
    request = bench.peer.next_request("write_watchable")
    bench.peer.sock.sendall(completion(bench, "t", 0))
    bench.peer.reply(request, request_token="t", count=1)

    assert writing.result()[0].success


def test_a_write_that_is_not_completed_ends_in_its_time(bench: Bench) -> None:
    writing = start(bench, timeout=0.03)
    bench.peer.reply(bench.peer.next_request("write_watchable"), request_token="t", count=1)

    with pytest.raises(TimeoutException) as caught:
        writing.result()
    assert str(caught.value) == "the write of 1 to /v was not completed within 0.03 s"
    assert not bench.writes._inbox._ours


def test_a_refused_write_raises_the_servers_reason(bench: Bench) -> None:
    writing = start(bench)
    bench.peer.refuse(bench.peer.next_request("write_watchable"), "Unknown watchable ID")

    with pytest.raises(OperationFailure, match="Unknown watchable ID"):
        writing.result()
