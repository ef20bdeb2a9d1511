"""Requests in, replies out: what is the same for all commands."""

from typing import Any

import pytest

from pytest_scrutiny.fakeserver import api as api_module
from pytest_scrutiny.fakeserver.state import Request
from pytest_scrutiny.protocol.dialect import COMMANDS, LATEST, RELEASES, dialect_of
from tests.fakeserver.desk import EPOCH, Desk, Talker

FOUR = ("0.3.0", "0.5.2", "0.9.2", "0.16.0")


def test_a_tcp_server_welcomes_with_its_time_zero() -> None:
    desk = Desk.ready()
    talker = Talker(desk)

    desk.api.open(talker.client)

    assert talker.take() == [{"cmd": "welcome", "reqid": None, "server_time_zero_timestamp": EPOCH}]


def test_a_websocket_server_knows_a_client_from_its_first_message_on() -> None:
    desk = Desk.ready("0.3.0")
    silent, talkative = desk.connect(), desk.connect()
    talkative.ask("echo", payload=1)

    desk.api.link.unplug()

    assert silent.take() == []
    assert len(talkative.take("inform_server_status")) == 2


@pytest.mark.parametrize("release", FOUR)
def test_an_unknown_command_is_refused_by_name(release: str) -> None:
    talker = Desk.ready(release).connect()

    assert talker.ask("frobnicate") == {
        "cmd": "error",
        "reqid": 1,
        "request_cmd": "frobnicate",
        "msg": "Unsupported command frobnicate",
    }


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_has_its_own_commands_and_no_other(release: str) -> None:
    talker = Desk.ready(release).connect()

    for command in api_module.COMMANDS:
        replies = talker.ask_all(command)
        is_known = not any(reply.get("msg") == f"Unsupported command {command}" for reply in replies)
        assert is_known is dialect_of(release).knows(command), command


def test_there_is_nothing_that_no_release_has() -> None:
    assert set(api_module.COMMANDS) <= set(COMMANDS)


@pytest.mark.parametrize(
    ("value", "shown"),
    [([], "<empty>"), ("x", "<empty>"), ({}, "<empty>"), (None, "<empty>"), (5, "<empty>"), ({"cmd": 5}, 5)],
)
def test_what_is_no_request_is_refused(value: object, shown: object) -> None:
    """Some of these end a real server; the fake lives on."""
    talker = Desk.ready().connect()

    talker.send(value)
    (reply,) = talker.take()

    assert (reply["cmd"], reply["reqid"], reply["request_cmd"]) == ("error", None, shown)
    assert talker.ask("echo", payload="alive")["payload"] == "alive"


@pytest.mark.parametrize(
    ("release", "request_id", "echoed"),
    [
        (LATEST, None, None),
        (LATEST, -7, -7),
        (LATEST, 1 << 80, 1 << 80),
        (LATEST, "x", None),
        ("0.5.2", "x", "x"),
    ],
)
def test_the_request_id_comes_back(release: str, request_id: object, echoed: object) -> None:
    talker = Desk.ready(release).connect()

    talker.send({"cmd": "echo", "payload": "x", "reqid": request_id})
    (reply,) = talker.take()

    assert (reply["reqid"], reply["payload"]) == (echoed, "x")


@pytest.mark.parametrize(
    ("release", "fields", "text"),
    [
        ("0.16.0", {}, "'Missing field \"payload\"'"),
        ("0.16.0", {"payload": {}}, 'Field payload is expected to be of type "(str)" but found "dict"'),
        ("0.5.2", {}, 'Missing "payload" field'),
    ],
)
def test_a_wrong_field_is_told_in_the_servers_words(release: str, fields: dict[str, Any], text: str) -> None:
    assert Desk.ready(release).connect().refusal("echo", **fields) == text


def test_true_is_no_number_for_a_strict_server() -> None:
    strict, lenient = Desk.ready("0.9.2").connect(), Desk.ready("0.9.1").connect()

    assert 'expected to be of type "(int)" but found "bool"' in strict.refusal(
        "get_watchable_list", max_per_response=True
    )
    assert len(lenient.ask_all("get_watchable_list", max_per_response=True)) > 1


def test_a_failing_command_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(request: Request) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(
        api_module, "COMMANDS", {"echo": fail, "get_server_stats": api_module.COMMANDS["get_server_stats"]}
    )
    talker = Desk.ready().connect()

    assert talker.refusal("echo") == "Internal error"
    assert talker.ask("get_server_stats")["unexpected_error_count"] == 1


def test_the_counters_count() -> None:
    desk = Desk.ready()
    talker, _other = desk.connect(), desk.connect()
    talker.refusal("frobnicate")
    desk.advance(10.0)

    stats = talker.ask("get_server_stats")

    assert (stats["client_count"], stats["invalid_request_count"], stats["msg_received"]) == (2, 1, 2)
    assert stats["msg_sent"] == 3  # two welcomes and an error
    assert stats["uptime"] == pytest.approx(10.05)
    assert stats["device_session_count"] == 1


def test_a_client_that_left_is_told_nothing() -> None:
    desk = Desk.ready()
    talker = desk.connect()
    talker.watch("/psu/setpoint")

    desk.api.close(talker.client)
    desk.advance(1.0)
    desk.api.link.unplug()

    assert talker.take() == []
    assert desk.api.next_time() is None


def test_without_a_subscription_no_moment_is_waited_for() -> None:
    desk = Desk.ready()
    talker = desk.connect()

    assert desk.api.next_time() is None
    talker.watch("/psu/setpoint")
    assert desk.api.next_time() == pytest.approx(desk.now + 0.001)
    talker.ask("unsubscribe_watchable", watchables=["/psu/setpoint"])
    assert desk.api.next_time() is None
