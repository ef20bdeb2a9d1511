"""Writes, and who is told how they end."""

import pytest

from pytest_scrutiny.protocol.dialect import RELEASES, dialect_of
from tests.fakeserver.desk import EPOCH, Desk, Talker

PATH = "/psu/setpoint"


@pytest.fixture
def desk() -> Desk:
    return Desk.ready()


@pytest.fixture
def talker(desk: Desk) -> Talker:
    return desk.connect()


@pytest.mark.parametrize("release", RELEASES)
def test_a_write_changes_the_device_and_is_completed(release: str) -> None:
    desk = Desk.ready(release)
    talker = desk.connect()
    dialect = dialect_of(release)
    (server_id,) = talker.watch(PATH)

    reply = talker.write((server_id, 2.5))
    (completion,) = talker.take("inform_write_completion")

    assert desk.device.get(PATH) == 2.5
    assert (reply["cmd"], reply["count"], len(reply["request_token"])) == ("response_write_watchable", 1, 32)
    assert completion["request_token"] == reply["request_token"]
    assert (completion["watchable"], completion["batch_index"], completion["success"]) == (server_id, 0, True)
    assert completion.get("failure_reason") == ("" if dialect.completion_has_reason else None)
    if dialect.transport == "websocket":
        assert completion["timestamp"] == pytest.approx(EPOCH + 0.05, abs=1e-3)


def test_watchers_get_the_written_value_before_its_completion_and_a_read_after(
    desk: Desk, talker: Talker
) -> None:
    """The echo is no read: a reader who wants one waits for a time after the completion's."""
    (server_id,) = talker.watch(PATH)
    desk.advance(0.005)
    talker.take()

    talker.write((server_id, 1.1))
    echo, completion = talker.take()
    desk.advance(0.001)
    (read,) = talker.records()

    assert (echo["cmd"], completion["cmd"]) == ("watchable_update", "inform_write_completion")
    assert echo["updates"][0]["v"] == 1.1  # not yet rounded by the device's memory
    assert echo["updates"][0]["t"] < completion["completion_server_time_us"] < read["t"]
    assert read["v"] == 1.100000023841858


def test_an_alias_shows_what_was_written_to_its_target(desk: Desk, talker: Talker) -> None:
    target, alias = talker.watch(PATH, "/alias/psu/setpoint_mv")
    desk.advance(0.005)
    talker.take()

    talker.write((alias, 99000))

    assert {record["id"]: record["v"] for record in talker.records()} == {target: 24.0, alias: 24000.0}
    assert [message["watchable"] for message in talker.take()] == [alias]


def test_a_written_bit_field_shows_no_bytes(desk: Desk, talker: Talker) -> None:
    (server_id,) = talker.watch("/app/flags/limit")
    desk.advance(0.005)
    talker.take()

    talker.write((server_id, 99))

    (record,) = talker.records()
    assert (record["v"], "d" in record) == (7, False)


def test_writes_of_a_batch_happen_in_their_order(desk: Desk, talker: Talker) -> None:
    setpoint, speed = talker.watch(PATH, "/motor/speed")

    talker.write((setpoint, 1), (speed, 2), (setpoint, 3))

    assert [message["batch_index"] for message in talker.take("inform_write_completion")] == [0, 1, 2]
    assert (desk.device.get(PATH), desk.device.get("/motor/speed")) == (3.0, 2)


def test_an_empty_batch_is_fine(talker: Talker) -> None:
    assert talker.write()["count"] == 0


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (7, 7), (2.7, 2), (1000, 255), (-5, 0), (True, 1), ("9", 9), (" 0x10 ", 16), ("-0x1", 0), ("TRUE", 1),
        ("1+1", 2), ("sqrt(16) * 3", 12), ("-(2 - 5)", 3), ("pi * 10", 31), ("2e1", 20),
    ],
)  # fmt: skip
def test_what_is_written_is_made_to_fit(desk: Desk, talker: Talker, value: object, stored: int) -> None:
    (server_id,) = talker.watch("/psu/state")

    talker.write((server_id, value))

    assert desk.device.get("/psu/state") == stored


@pytest.mark.parametrize(
    ("release", "value", "text"),
    [
        ("0.16.0", None, "Invalid value"),
        ("0.16.0", [1], "Invalid value"),
        ("0.16.0", float("nan"), "Invalid value"),
        ("0.16.0", "inf", "Invalid value"),
        ("0.16.0", "abc", "Invalid value"),
        ("0.16.0", "1/0", "Invalid value"),
        ("0.16.0", "2 ** 2", "Invalid value"),
        ("0.16.0", "__import__('os')", "Invalid value"),
        ("0.16.0", "1+" * 300 + "1", "Invalid value"),
        ("0.16.0", 10**400, "Internal error"),
        ("0.5.2", "1+1", "Invalid value"),
        ("0.3.0", "abc", 'Invalid "value" field'),
    ],
)
def test_what_is_no_value_is_refused(release: str, value: object, text: str) -> None:
    desk = Desk.ready(release)
    talker = desk.connect()
    (server_id,) = talker.watch(PATH)

    assert talker.write((server_id, 1), (server_id, value))["msg"] == text
    assert desk.device.get(PATH) == 5.0  # all or nothing
    assert talker.take("inform_write_completion") == []


def test_a_batch_has_each_index_once(talker: Talker) -> None:
    (server_id,) = talker.watch(PATH)
    update = {"batch_index": 0, "watchable": server_id, "value": 1}

    assert talker.refusal("write_watchable", updates=[update, update]) == "Duplicate batch_index in request"
    assert (
        talker.refusal("write_watchable", updates=[{"batch_index": 0, "watchable": server_id}])
        == 'Missing "value" field'
    )


def test_until_0_11_only_a_watcher_may_write() -> None:
    old, new = Desk.ready("0.11.3"), Desk.ready("0.12.0")
    (server_id,) = old.connect().watch(PATH)
    (new_id,) = new.connect().watch(PATH)
    talker = new.connect()

    assert old.connect().write((server_id, 1))["msg"] == (
        f"Cannot update entry {server_id} without being subscribed to it"
    )
    assert talker.write((new_id, 1))["count"] == 1
    assert len(talker.take("inform_write_completion")) == 1  # the writer is told although it does not watch


def test_everybody_who_watches_is_told_of_a_write(desk: Desk, talker: Talker) -> None:
    watching, elsewhere = desk.connect(), desk.connect()
    (server_id,) = watching.watch(PATH)
    elsewhere.watch("/motor/speed")

    talker.write((server_id, 1))

    assert len(watching.take("inform_write_completion")) == 1
    assert elsewhere.take("inform_write_completion") == []


@pytest.mark.parametrize(("release", "reason"), [("0.14.0", None), ("0.16.0", "Not allowed")])
def test_what_the_device_refuses_is_completed_without_success(release: str, reason: str | None) -> None:
    desk = Desk.ready(release, "sealed")
    talker = desk.connect()
    setpoint, rpv = talker.watch(PATH, "/rpv/x1001")

    talker.write((setpoint, 1), (rpv, 1))

    refused, taken = talker.take("inform_write_completion")
    assert (refused["success"], refused.get("failure_reason")) == (False, reason)
    assert taken["success"] is True
    assert (desk.device.get(PATH), desk.device.get("/rpv/x1001")) == (5.0, 1.0)


def test_a_write_waits_for_a_silent_device(desk: Desk, talker: Talker) -> None:
    (server_id,) = talker.watch(PATH)
    desk.api.link.hang(desk.now)

    talker.write((server_id, 1))
    desk.advance(0.5)
    assert talker.take("inform_write_completion") == []
    desk.api.link.resume(desk.now)
    desk.advance(0.0)

    assert [message["success"] for message in talker.take("inform_write_completion")] == [True]


def test_a_write_to_a_device_that_goes_ends_without_success(desk: Desk, talker: Talker) -> None:
    (server_id,) = talker.watch(PATH)
    desk.api.link.hang(desk.now)

    talker.write((server_id, 1))
    desk.advance(1.5)

    (completion,) = talker.take("inform_write_completion")
    assert (completion["success"], completion["failure_reason"]) == (False, "No response")
    assert desk.device.get(PATH) == 5.0


@pytest.mark.parametrize(("release", "extra"), [("0.12.0", {}), ("0.16.0", {"failure_reason": ""})])
def test_a_single_write_by_path_is_answered_when_it_has_ended(release: str, extra: dict[str, str]) -> None:
    desk = Desk.ready(release)
    talker = desk.connect()

    reply = talker.ask("write_single_watchable", server_path="/alias/psu/setpoint_mv", value=1500)

    assert reply == {"cmd": "response_write_single_watchable", "reqid": 1, "success": True, **extra}
    assert desk.device.get(PATH) == 1.5


def test_a_single_write_needs_a_known_path_and_a_value(talker: Talker) -> None:
    assert talker.refusal("write_single_watchable", server_path="/x", value=1) == "Unknown watchable path /x"
    assert talker.refusal("write_single_watchable", server_path=PATH) == 'Missing "value" field'
