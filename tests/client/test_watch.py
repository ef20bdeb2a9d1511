import threading
from collections.abc import Callable
from typing import Any

import pytest

from pytest_scrutiny.client import history as history_module
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.client.history import History
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.errors import (
    BadEnumError,
    ConnectionError,
    InvalidValueError,
    RemoteProtocolError,
    TimeoutException,
)
from pytest_scrutiny.model.values import ValueStatus
from tests.client.peer import Bench, entry_fields
from tests.clock import MS, SECOND


def update(bench: Bench, *records: dict[str, Any]) -> None:
    bench.peer.push("watchable_update", updates=list(records))


def watch(bench: Bench, path: str = "/v", **more: Any) -> WatchableHandle:
    watching = bench.call(bench.watches.watch, [path], Deadline(5 * SECOND))
    request = bench.peer.next_request("subscribe_watchable")
    bench.peer.reply(request, subscribed={path: entry_fields(path, f"id-{path}", **more)})
    handle: WatchableHandle = watching.result()[0]
    return handle


def test_an_update_in_the_packet_of_its_subscription_is_kept(bench: Bench) -> None:
    watching = bench.call(bench.watches.watch, ["/v"], Deadline(5 * SECOND))
    request = bench.peer.next_request("subscribe_watchable")
    bench.peer.sock.sendall(
        bench.peer.encode(
            "response_subscribe_watchable", request["reqid"], subscribed={"/v": entry_fields("/v", "8")}
        )
        + bench.peer.encode("watchable_update", updates=[{"id": "8", "v": 1.5, "t": 10.0}])
        + bench.peer.encode("watchable_update", updates=[{"id": "8", "v": 2.5, "t": 20.0}])
    )
    handle = watching.result()[0]
    handle.wait_update(5 * SECOND, previous_counter=1)

    assert [handle.history.sample(n).value for n in range(2)] == [1.5, 2.5]


def test_a_path_that_is_watched_gives_the_same_handle(bench: Bench) -> None:
    handle = watch(bench)

    assert bench.watches.watch(["/v"], Deadline(SECOND)) == [handle]


def test_no_value_yet_says_so(bench: Bench) -> None:
    handle = watch(bench)

    assert handle.status is ValueStatus.NeverSet
    with pytest.raises(InvalidValueError) as caught:
        _ = handle.value
    assert str(caught.value) == "/v has no value: no update has arrived yet"


@pytest.mark.parametrize(
    ("record", "status", "value"),
    [
        ({"v": 1.5, "t": 1.0}, ValueStatus.Valid, 1.5),
        ({"v": True, "t": 1.0}, ValueStatus.Valid, True),
        ({"v": 2**64 - 1, "t": 1}, ValueStatus.Valid, 2**64 - 1),
        ({"value": 3}, ValueStatus.Valid, 3),  # 0.1 to 0.3
        ({"v": None, "t": 1.0, "r": "nullptr"}, ValueStatus.NullPtrDereferenced, None),
        ({"v": None, "t": 1.0, "r": "forbidden"}, ValueStatus.ForbiddenRegion, None),
        ({"v": None, "t": 1.0, "r": "new reason"}, ValueStatus.ServerSetInvalidWithoutReason, None),
        ({"v": None, "t": 1.0}, ValueStatus.ServerSetInvalidWithoutReason, None),
        ({"v": "text", "t": 1.0}, ValueStatus.ServerSetInvalidWithoutReason, None),
    ],
)
def test_each_form_of_a_record_is_understood(
    bench: Bench, record: dict[str, Any], status: ValueStatus, value: object
) -> None:
    handle = watch(bench)
    update(bench, {"id": "id-/v", **record})
    handle.wait_update(5 * SECOND, previous_counter=0)
    sample = handle.snapshot()

    assert (sample.status, sample.value) == (status, value)
    assert (sample.server_time_us is None) == ("t" not in record)


def test_nan_and_infinity_come_through(bench: Bench) -> None:
    handle = watch(bench)
    update(bench, {"id": "id-/v", "v": float("inf"), "t": 1.0}, {"id": "id-/v", "v": float("nan"), "t": 1.0})
    handle.wait_update(5 * SECOND, previous_counter=1)

    assert handle.history.sample(0).value == float("inf")
    assert handle.value != handle.value


def test_raw_data_belongs_to_the_latest_sample(bench: Bench) -> None:
    handle = watch(bench)
    update(
        bench,
        {"id": "id-/v", "v": 1.0, "t": 1.0, "d": "AACAPw=="},
        {"id": "id-/v", "v": 0.0, "t": 2.0, "d": "AAAAAA=="},
    )
    handle.wait_update(5 * SECOND, previous_counter=1)

    assert handle.snapshot().raw_data == bytes(4)
    assert handle.history.sample(0).raw_data is None


@pytest.mark.parametrize(
    "records",
    [
        5,
        [5],
        [{"v": 1, "t": 1}],
        [{"id": "id-/v", "t": 1}],
        [{"id": "id-/v", "v": 1, "t": "x"}],
        [{"id": [], "v": 1}],
    ],
)
def test_a_malformed_update_ends_the_connection(bench: Bench, records: object) -> None:
    watch(bench)
    bench.peer.push("watchable_update", updates=records)

    with pytest.raises(RemoteProtocolError, match=r"wrong at watchable_update\.updates"):
        bench.session.wait_for(lambda: None, Deadline(5 * SECOND), "nothing")


def test_updates_of_a_life_before_are_ignored(bench: Bench) -> None:
    handle = watch(bench)
    update(bench, {"id": "gone", "v": 9.0, "t": 1.0}, {"id": "id-/v", "v": 1.0, "t": 1.0})
    handle.wait_update(5 * SECOND, previous_counter=0)

    assert handle.value == 1.0


def test_typed_views(bench: Bench) -> None:
    handle = watch(bench, dtype="uint8", enum={"name": "Mode", "values": {"IDLE": 0, "RUN": 1}})
    update(bench, {"id": "id-/v", "v": 1, "t": 1.0})
    handle.wait_update(5 * SECOND, previous_counter=0)

    assert (handle.value_int, handle.value_float, handle.value_bool, handle.value_enum) == (
        1,
        1.0,
        True,
        "RUN",
    )


@pytest.mark.parametrize(
    ("enum", "text"),
    [
        (None, "/v has no enum; use its number"),
        (
            {"name": "Mode", "values": {"IDLE": 0}},
            "/v is 1, which is no member of its enum; expected one of IDLE=0",
        ),
    ],
)
def test_a_value_without_a_name_says_why(bench: Bench, enum: object, text: str) -> None:
    handle = watch(bench, dtype="uint8", enum=enum)
    update(bench, {"id": "id-/v", "v": 1, "t": 1.0})
    handle.wait_update(5 * SECOND, previous_counter=0)

    with pytest.raises(BadEnumError if enum is None else InvalidValueError) as caught:
        _ = handle.value_enum
    assert str(caught.value) == text


def test_a_new_session_ends_all_handles(bench: Bench) -> None:
    bench.peer.push_status("1" * 32)
    handle = watch(bench)
    waiting = bench.call_and_wait(handle.wait_update, 1000 * SECOND)
    bench.peer.push_status("2" * 32)

    with pytest.raises(InvalidValueError) as caught:
        waiting.result()
    assert str(caught.value) == "/v has no value: the device is gone"
    assert handle.is_dead
    assert handle.status is ValueStatus.DeviceGone


def test_an_unloaded_sfd_ends_variables_but_not_rpvs(bench: Bench) -> None:
    bench.peer.push_status()
    variable, rpv = watch(bench, "/v"), watch(bench, "/rpv/x1000", type="rpv")
    bench.peer.push_status(loaded_sfd_firmware_id=None)

    with pytest.raises(InvalidValueError, match="the firmware description was unloaded"):
        variable.wait_update(1000 * SECOND)
    assert not rpv.is_dead


def test_disconnecting_ends_handles_as_server_gone(bench: Bench) -> None:
    handle = watch(bench)
    bench.session.close()

    assert handle.status is ValueStatus.ServerGone
    with pytest.raises(ConnectionError, match="this client has disconnected"):
        handle.write(1)


def test_unwatching_tells_the_server_and_ends_the_handles(bench: Bench) -> None:
    handle, other = watch(bench), watch(bench, "/w")
    done = bench.call(bench.watches.unwatch, ["/v", "/w", "/never"], Deadline(5 * SECOND))
    request = bench.peer.next_request("unsubscribe_watchable")
    bench.peer.reply(request, unsubscribed=["/v", "/w"])
    done.result()

    assert request["watchables"] == ["/v", "/w"]
    assert handle.status is other.status is ValueStatus.NotWatched
    assert bench.watches.watched() == []


def complete_write(bench: Bench, handle: WatchableHandle, **time: float) -> None:
    writing = bench.call(handle.write, 2.0)
    request = bench.peer.next_request("write_watchable")
    bench.peer.reply(request, request_token="t", count=1)
    bench.peer.push(
        "inform_write_completion", watchable="id-/v", request_token="t", batch_index=0, success=True, **time
    )
    writing.result()


def test_the_servers_echo_of_a_write_is_not_a_fresh_value(bench: Bench) -> None:
    handle = watch(bench)
    complete_write(bench, handle, completion_server_time_us=100.0)
    reading = bench.call_and_wait(handle.read_fresh, Deadline(5 * SECOND))
    update(bench, {"id": "id-/v", "v": 2.0, "t": 99.0}, {"id": "id-/v", "v": 1.75, "t": 101.0})

    assert reading.result().value == 1.75


def test_without_a_server_clock_the_second_update_after_a_write_is_fresh(bench: Bench) -> None:
    handle = watch(bench)
    complete_write(bench, handle)
    reading = bench.call_and_wait(handle.read_fresh, Deadline(5 * SECOND))
    update(bench, {"id": "id-/v", "value": 2.0})
    update(bench, {"id": "id-/v", "value": 1.75})

    assert reading.result().value == 1.75


def values_from(handle: WatchableHandle, number: int) -> list[object]:
    return [timed.sample.value for timed in handle.fresh_samples(number)]


def echo_and_completion(value: float, time_us: float, server_id: str = "id-/v") -> list[tuple[str, Any]]:
    """Return what a server with a clock sends after a write."""
    return [
        ("watchable_update", {"updates": [{"id": "id-/v", "v": value, "t": time_us - 90.0}]}),
        ("inform_write_completion", completion(server_id, time_us)),
    ]


def push(bench: Bench, messages: list[tuple[str, Any]]) -> None:
    for command, fields in messages:
        bench.peer.push(command, **fields)


def test_a_wait_that_began_before_a_write_leaves_out_its_echo_only(bench: Bench) -> None:
    handle = watch(bench)
    for value, time_us in ((1.0, 10_000.0), (2.0, 20_000.0)):
        update(bench, {"id": "id-/v", "v": value, "t": time_us})
    push(bench, echo_and_completion(7.0, 30_000.0))
    push(bench, echo_and_completion(8.0, 40_000.0))
    update(bench, {"id": "id-/v", "v": 3.0, "t": 50_000.0})
    handle.wait_update(5 * SECOND, previous_counter=4)

    assert values_from(handle, 0) == [1.0, 2.0, 3.0]
    assert handle.next_fresh() == handle.next_fresh(or_latest=True) + 1 == 5


def test_without_a_clock_the_echo_is_the_one_right_before_the_completion(bench: Bench) -> None:
    handle = watch(bench)
    for value in (1.0, 2.0, 7.0):
        update(bench, {"id": "id-/v", "value": value})
    complete_write(bench, handle)
    begin = handle.next_fresh(), handle.next_fresh(or_latest=True)
    update(bench, {"id": "id-/v", "value": 3.0}, {"id": "id-/v", "value": 4.0})
    handle.wait_update(5 * SECOND, previous_counter=4)

    assert values_from(handle, 0) == [1.0, 2.0, 3.0, 4.0]
    assert begin == (4, 4)  # the first after a write may have been under way: Rule 3


def test_an_echo_may_come_after_its_completion(bench: Bench) -> None:
    """From 0.12 on it waits for the end of what the server is reading at that moment."""
    handle = watch(bench)
    update(bench, {"id": "id-/v", "v": 1.0, "t": 10_000.0})
    for value, time_us in ((7.0, 30_000.0), (8.0, 60_000.0)):
        push(bench, echo_and_completion(value, time_us)[::-1])
        update(bench, {"id": "id-/v", "v": value - 5.0, "t": time_us + 10_000.0})
    handle.wait_update(5 * SECOND, previous_counter=4)

    assert values_from(handle, 0) == [1.0, 2.0, 3.0]


def test_the_write_of_an_unknown_place_hides_only_what_can_be_its_echo(bench: Bench) -> None:
    """Before 0.10 nobody tells what an alias stands for."""
    handle = watch(bench)
    watch(bench, "/alias", type="alias")
    update(bench, {"id": "id-/v", "v": 1.0, "t": 10_000.0})
    bench.peer.push("inform_write_completion", **completion("id-/alias", 20_000.0))
    push(bench, echo_and_completion(7.0, 40_000.0, "id-/alias"))
    update(bench, {"id": "id-/v", "v": 2.0, "t": 50_000.0})
    handle.wait_update(5 * SECOND, previous_counter=2)

    assert values_from(handle, 0) == [1.0, 2.0]


def test_echoes_are_forgotten_with_what_they_were_among(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "KEPT", 4)
    history = History()
    history.echoes = {2, 5}
    for n in range(9):
        history.append({"t": n}, n, float(n))

    assert history.echoes == {5}


def test_a_value_from_before_the_call_is_not_fresh(bench: Bench) -> None:
    handle = watch(bench)
    update(bench, {"id": "id-/v", "v": 1.0, "t": 1.0})
    handle.wait_update(5 * SECOND, previous_counter=0)

    with pytest.raises(TimeoutException) as caught:
        handle.read_fresh(Deadline(20 * MS))
    assert str(caught.value) == (
        f"no fresh value of /v came within {20 * MS:g} s (0 updates came in that time); expected one every "
        "10 to 50 ms. Check that the device still answers and how many values are watched."
    )


def test_history_is_bounded_and_keeps_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "KEPT", 4)
    history = History()
    for n in range(100):
        history.append({"t": n}, n, float(n))

    assert history.total == 100
    assert 4 <= history.total - history.dropped <= 8
    assert history.sample(99).value == 99
    assert history.time_us(history.dropped) == history.dropped


def subscribe(bench: Bench, *entries: tuple[str, str], **more: Any) -> list[str]:
    """Answer the next subscription with ids; return the paths that were asked for."""
    request = bench.peer.next_request("subscribe_watchable")
    known = {path: entry_fields(path, server_id, **more) for path, server_id in entries}
    bench.peer.reply(request, subscribed={path: known[path] for path in request["watchables"]})
    asked: list[str] = request["watchables"]
    return asked


def test_handles_are_subscribed_again_when_the_device_is_back(bench: Bench) -> None:
    bench.peer.push_status("1" * 32)
    handle = watch(bench)
    update(bench, {"id": "id-/v", "v": 1.0, "t": 1.0})
    handle.wait_update(5 * SECOND, previous_counter=0)
    bench.peer.push_status(None)
    bench.peer.push_status("2" * 32)
    asked = subscribe(bench, ("/v", "new"))
    bench.session.wait_for(lambda: not handle.is_dead, Deadline(5 * SECOND), "the handle lives again")
    before_first_update = handle.status
    update(bench, {"id": "id-/v", "v": 8.0, "t": 2.0}, {"id": "new", "v": 2.0, "t": 2.0})
    handle.wait_update(5 * SECOND, previous_counter=1)

    assert asked == ["/v"]
    assert before_first_update is ValueStatus.NeverSet  # the old value is not given as current
    assert handle.value == 2.0
    assert handle.session_id == "2" * 32
    assert handle.info.server_id == "new"


def test_rpvs_come_back_with_the_session_and_variables_with_the_sfd(bench: Bench) -> None:
    bench.peer.push_status("1" * 32)
    variable, rpv = watch(bench, "/v"), watch(bench, "/rpv/x1000", type="rpv")
    bench.peer.push_status("2" * 32, loaded_sfd_firmware_id=None)
    with_session = subscribe(bench, ("/rpv/x1000", "r"), type="rpv")
    bench.peer.push_status("2" * 32)
    with_sfd = subscribe(bench, ("/v", "v"))
    bench.session.wait_for(lambda: not variable.is_dead, Deadline(5 * SECOND), "the variable lives again")

    assert with_session == ["/rpv/x1000"]
    assert with_sfd == ["/v"]
    assert not rpv.is_dead


def test_a_path_that_the_new_firmware_lacks_costs_only_itself(bench: Bench) -> None:
    bench.peer.push_status("1" * 32)
    gone, kept = watch(bench, "/gone"), watch(bench, "/kept")
    bench.peer.push_status("2" * 32)
    bench.peer.refuse(bench.peer.next_request("subscribe_watchable"), "Unknown watchable : /gone")
    bench.peer.refuse(bench.peer.next_request("subscribe_watchable"), "Unknown watchable : /gone")
    asked = subscribe(bench, ("/kept", "k"))
    bench.session.wait_for(lambda: not kept.is_dead, Deadline(5 * SECOND), "the handle lives again")

    assert asked == ["/kept"]
    assert gone.status is ValueStatus.DeviceGone


def test_a_handle_that_is_about_to_return_is_waited_for(bench: Bench) -> None:
    """Whoever saw that the device is ready can write: its session shows before the handle lives again."""
    bench.peer.push_status("1" * 32)
    handle = watch(bench)
    bench.peer.push_status("2" * 32, loaded_sfd_firmware_id=None)
    bench.session.wait_for(lambda: handle.is_returning, Deadline(5 * SECOND), "the new session")
    reading = bench.call_and_wait(handle.read_fresh, Deadline(5 * SECOND))
    writing = bench.call_and_wait(handle.write, 1.0, 5 * SECOND)
    bench.peer.push_status("2" * 32)
    subscribe(bench, ("/v", "new"))
    request = bench.peer.next_request("write_watchable")
    bench.peer.reply(request, request_token="t", count=1)
    bench.peer.push("inform_write_completion", **{**completion("new", 10.0), "request_token": "t"})
    pause = threading.Event()
    for time_us in range(20, 5000):  # whoever reads may only now have noticed that the handle is back
        update(bench, {"id": "new", "v": 1.0, "t": float(time_us)})
        if reading.done():
            break
        pause.wait(MS)

    assert request["updates"][0]["watchable"] == "new"
    assert writing.result() is None
    assert reading.result().value == 1.0


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        ([None], "the device is gone; wait until the device is ready"),
        (
            ["2" * 32],
            (
                "the device is gone; it was reset, and its firmware description is not loaded yet; "
                "wait until it is"
            ),
        ),
        (["1" * 32], "the firmware description was unloaded; wait until it is loaded again"),
    ],
)
def test_a_write_to_a_dead_handle_says_what_to_wait_for(
    bench: Bench, statuses: list[str | None], reason: str
) -> None:
    bench.peer.push_status("1" * 32)
    handle = watch(bench)
    for session_id in statuses:
        bench.peer.push_status(session_id, loaded_sfd_firmware_id=None)
    bench.session.wait_for(lambda: handle.is_dead, Deadline(5 * SECOND), "the handle dies")

    with pytest.raises(InvalidValueError) as caught:
        handle.write(1.0, timeout=50 * MS)
    assert str(caught.value) == f"/v cannot be written: {reason}"


def test_a_write_to_what_the_new_firmware_lacks_says_so(bench: Bench) -> None:
    bench.peer.push_status("1" * 32)
    handle = watch(bench)
    bench.peer.push_status("2" * 32)
    bench.session.wait_for(lambda: handle.is_returning, Deadline(5 * SECOND), "the new session")
    writing = bench.call(handle.write, 1.0, 5 * SECOND)
    bench.peer.refuse(bench.peer.next_request("subscribe_watchable"), "Unknown watchable : /v")

    with pytest.raises(InvalidValueError) as caught:
        writing.result()
    assert str(caught.value) == (
        "/v cannot be written: the device is gone; it is back without it (the server refused "
        "subscribe_watchable: Unknown watchable : /v); check which firmware it runs now"
    )


def test_a_write_to_an_unwatched_handle_or_a_lost_server_says_so(bench: Bench) -> None:
    handle, other = watch(bench, "/rpv/x1000", type="rpv"), watch(bench)
    bench.call(bench.watches.unwatch, ["/v"], Deadline(5 * SECOND))
    bench.session.wait_for(lambda: other.is_dead, Deadline(5 * SECOND), "it is unwatched")
    with pytest.raises(InvalidValueError, match="be written: it is no longer watched; watch it again"):
        other.write(1.0)
    bench.peer.sock.close()

    with pytest.raises(ConnectionError, match="the connection"):
        handle.write(1.0, timeout=5 * SECOND)


def test_a_second_subscription_of_a_path_hides_no_sample(bench: Bench) -> None:
    handle = watch(bench)
    update(bench, {"id": "id-/v", "v": 1.0, "t": 1.0})
    handle.wait_update(5 * SECOND, previous_counter=0)
    with bench.session.lock:
        handle.live(handle.info, "1" * 32)

    assert handle.value == 1.0


def test_unwatched_paths_stay_unwatched(bench: Bench) -> None:
    bench.peer.push_status("1" * 32)
    watch(bench, "/kept")
    handle = watch(bench)
    bench.peer.push_status(None)
    bench.session.wait_for(lambda: handle.is_dead, Deadline(5 * SECOND), "the device is gone")
    bench.watches.unwatch(["/v"], Deadline(SECOND))  # nothing to tell the server
    bench.peer.push_status("2" * 32)

    assert subscribe(bench, ("/kept", "k")) == ["/kept"]
    assert handle.status is ValueStatus.NotWatched


def completion(watchable: str, time_us: float) -> dict[str, Any]:
    return {
        "watchable": watchable,
        "request_token": "somebody's",
        "batch_index": 0,
        "success": True,
        "completion_server_time_us": time_us,
    }


def test_a_write_to_another_place_costs_no_sample(bench: Bench) -> None:
    handle, _other = watch(bench), watch(bench, "/w")
    reading = bench.call_and_wait(handle.read_fresh, Deadline(5 * SECOND))
    bench.peer.sock.sendall(
        bench.peer.encode("watchable_update", updates=[{"id": "id-/v", "v": 1.5, "t": 100.0}])
        + bench.peer.encode("inform_write_completion", **completion("id-/w", 101.0))
    )

    assert reading.result().value == 1.5


def test_a_write_through_an_alias_makes_its_targets_samples_old(bench: Bench) -> None:
    handle = watch(bench)
    watch(
        bench, "/alias", type="alias", target="/v", target_type="var", gain=2.0, bias=None, min=None, max=None
    )
    reading = bench.call_and_wait(handle.read_fresh, Deadline(5 * SECOND))
    bench.peer.push("inform_write_completion", **completion("id-/alias", 101.0))
    update(bench, {"id": "id-/v", "v": 1.5, "t": 100.0}, {"id": "id-/v", "v": 2.5, "t": 102.0})

    assert reading.result().value == 2.5


def test_an_answer_without_a_path_that_was_asked_for_is_refused(bench: Bench) -> None:
    watching = bench.call(bench.watches.watch, ["/v"], Deadline(5 * SECOND))
    bench.peer.reply(bench.peer.next_request("subscribe_watchable"), subscribed={})

    with pytest.raises(RemoteProtocolError, match="lacks a path that was asked for"):
        watching.result()


def test_a_dead_handle_does_not_take_its_ids_new_owner_along(bench: Bench) -> None:
    bench.peer.push_status("1" * 32)
    old = watch(bench, "/old")
    watch(bench, "/new")
    bench.peer.push_status("2" * 32)
    subscribe(bench, ("/old", "o"), ("/new", "id-/old"))
    bench.session.wait_for(lambda: not old.is_dead, Deadline(5 * SECOND), "the handles live again")
    done = bench.call(bench.watches.unwatch, ["/old"], Deadline(5 * SECOND))
    bench.peer.reply(bench.peer.next_request("unsubscribe_watchable"), unsubscribed=["/old"])
    done.result()
    update(bench, {"id": "id-/old", "v": 4.0, "t": 1.0})
    [new] = bench.watches.watch(["/new"], Deadline(SECOND))
    new.wait_update(5 * SECOND, previous_counter=0)

    assert new.value == 4.0


def null(t: float) -> dict[str, Any]:
    return {"id": "id-/v", "v": None, "t": t, "r": "nullptr"}


def test_a_first_sample_without_a_value_does_not_count(bench: Bench) -> None:
    """It says that a pointer is null that the server has not read yet."""
    handle = watch(bench)
    reading = bench.call_and_wait(handle.read_fresh, Deadline(5 * SECOND))
    waiting = bench.call(handle.wait_samples, 0, Deadline(5 * SECOND))
    update(bench, null(0.0), null(99_999.0), {"id": "id-/v", "v": 5, "t": 99_999.5})

    assert reading.result().value == 5
    assert [timed.sample.value for timed in waiting.result()] == [5]


def test_a_sample_without_a_value_counts_once_the_subscription_has_settled(bench: Bench) -> None:
    handle = watch(bench)
    reading = bench.call_and_wait(handle.read_fresh, Deadline(5 * SECOND))
    update(bench, null(50_000.0), null(149_999.0), null(150_000.0))

    assert reading.result().status is ValueStatus.NullPtrDereferenced
    assert [timed.number for timed in handle.wait_samples(0, Deadline(SECOND))] == [2]
    update(bench, null(150_001.0))
    handle.wait_update(5 * SECOND, previous_counter=3)
    assert len(handle.wait_samples(3, Deadline(SECOND))) == 1


@pytest.mark.parametrize(
    "leave", [lambda session: session.cut("over"), Session.abandon], ids=["close_socket", "forgotten"]
)
def test_who_just_leaves_unwatches_what_is_behind_pointers(
    bench: Bench, leave: Callable[[Session], None]
) -> None:
    """Real servers end over it; nobody waits for the answer."""
    watch(bench, "/plain")
    watch(bench, "/app/*node/id")
    leave(bench.session)

    assert bench.peer.next_request("unsubscribe_watchable")["watchables"] == ["/app/*node/id"]


def test_who_leaves_has_nothing_to_say_of_what_is_dead(bench: Bench) -> None:
    handle = watch(bench, "/app/*node/id")
    with bench.session.lock:
        handle.die(ValueStatus.DeviceGone)

        assert bench.session.last_words() == []
