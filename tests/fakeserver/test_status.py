"""Status, device information, firmware description and link, as each release tells them."""

from typing import Any

import pytest

from pytest_scrutiny.fakeserver.profiles import FIRMWARE_ID
from pytest_scrutiny.protocol.dialect import RELEASES, dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.status import decode_device_info_reply, decode_status
from tests.fakeserver.desk import Desk, Talker


def decode(message: dict[str, Any]) -> Any:
    return decode_status(Fields(message, message["cmd"]))


def logger_states(messages: list[dict[str, Any]]) -> list[str]:
    return [decode(message).datalogging.state.name for message in messages]


@pytest.mark.parametrize("release", RELEASES)
def test_a_ready_device_is_told_by_every_release(release: str) -> None:
    talker = Desk.ready(release).connect()

    reply = talker.ask("get_server_status")

    status = decode(reply)
    assert (reply["cmd"], status.comm_state.name) == ("inform_server_status", "ConnectedReady")
    assert (len(status.session_id), status.sfd_firmware_id) == (32, FIRMWARE_ID)
    assert status.link.type.name == "UDP"
    assert (status.device is not None) is status.is_whole is (dialect_of(release).transport == "websocket")


@pytest.mark.parametrize("release", ["0.3.0", "0.5.2", "0.16.0"])
def test_no_device_is_told_too(release: str) -> None:
    status = decode(Desk(release).connect().ask("get_server_status"))

    assert (status.comm_state.name, status.session_id, status.sfd_firmware_id) == ("Disconnected", None, None)


@pytest.mark.parametrize("release", ["0.5.2", "0.16.0"])
def test_the_device_tells_its_session_and_what_it_can(release: str) -> None:
    talker = Desk.ready(release, "bare").connect()

    device = decode_device_info_reply(Fields(talker.ask("get_device_info"), "x"))

    assert device is not None
    assert device.session_id == decode(talker.ask("get_server_status")).session_id
    assert (device.supported_features.memory_write, device.supported_features.datalogging) == (True, False)
    assert device.datalogging_capabilities is None
    assert device.char_bit == (8 if release == "0.16.0" else None)


def test_there_is_no_device_information_without_a_device() -> None:
    reply = Desk().connect().ask("get_device_info")

    assert (reply["available"], reply["device_info"]) == (False, None)


def test_capabilities_have_their_own_command_until_0_3() -> None:
    reply = Desk.ready("0.3.0").connect().ask("get_datalogging_capabilities")

    assert (reply["cmd"], reply["available"]) == ("get_datalogging_capabilities_response", True)
    assert [rate["type"] for rate in reply["capabilities"]["sampling_rates"]] == ["fixed_freq"] * 2 + [
        "variable_freq"
    ]


@pytest.mark.parametrize(
    ("release", "loaded", "installed"),
    [
        ("0.3.0", {"firmware_id": FIRMWARE_ID}, dict),
        ("0.5.2", {"firmware_id": FIRMWARE_ID, "metadata": "…"}, dict),
        ("0.16.0", {"sfd": {"firmware_id": FIRMWARE_ID, "metadata": "…", "filesize": 2048}}, list),
    ],
)
def test_the_description_has_its_releases_shape(
    release: str, loaded: dict[str, Any], installed: type
) -> None:
    talker = Desk.ready(release).connect()

    reply = talker.ask("get_loaded_sfd")
    for place in (reply, reply.get("sfd", {})):
        if "metadata" in place:
            assert place["metadata"]["project_name"] == "Simulated PSU"
            place["metadata"] = "…"

    assert reply == {"cmd": "response_get_loaded_sfd", "reqid": 1, **loaded}
    assert type(talker.ask("get_installed_sfd")["sfd_list"]) is installed


def test_without_a_description_there_are_rpvs_only() -> None:
    talker = Desk.ready(profile="nameless").connect()

    assert talker.ask("get_loaded_sfd")["sfd"] is None
    assert talker.ask("get_installed_sfd")["sfd_list"] == []
    assert talker.ask("get_watchable_count")["qty"] == {"var": 0, "alias": 0, "rpv": 5, "var_factory": 0}


def test_load_sfd_is_never_answered() -> None:
    assert Desk.ready().connect().ask_all("load_sfd", firmware_id="00" * 16) == []


# Pushes


@pytest.mark.parametrize(
    ("release", "loggers"),
    [
        ("0.3.0", ["NA", "NA"]),
        ("0.5.2", ["NA", "NA", "Standby"]),
        ("0.16.0", ["NA", "NA", "Standby"]),
    ],
)
def test_a_device_that_comes_is_pushed_in_its_stages(release: str, loggers: list[str]) -> None:
    desk = Desk(release)
    talker = desk.connect()
    talker.ask("echo", payload="x")

    desk.api.link.plug(desk.now, 0.1)
    desk.advance(0.5)

    pushes = talker.take("inform_server_status")
    assert [message["reqid"] for message in pushes] == [None] * len(loggers)
    assert [decode(message).sfd_firmware_id for message in pushes][:2] == [None, FIRMWARE_ID]
    assert logger_states(pushes) == loggers


@pytest.mark.parametrize(
    ("release", "loggers"),
    [
        ("0.3.0", ["Standby", "NA"]),
        ("0.5.2", ["Standby", "NA"]),
        ("0.16.0", ["Standby", "NA", "NA"]),
    ],
)
def test_a_device_that_goes_is_pushed_with_its_old_description_first(
    release: str, loggers: list[str]
) -> None:
    desk = Desk.ready(release)
    talker = desk.connect()
    talker.ask("echo", payload="x")

    desk.api.link.unplug()

    pushes = [decode(message) for message in talker.take("inform_server_status")]
    assert {(push.comm_state.name, push.session_id) for push in pushes} == {("Disconnected", None)}
    assert [push.sfd_firmware_id for push in pushes][:2] == [FIRMWARE_ID, None]
    assert [push.datalogging.state.name for push in pushes] == loggers


def test_nothing_is_pushed_while_nothing_happens() -> None:
    desk = Desk()
    talker = desk.connect()
    desk.api.link.plug(desk.now, 5.0)

    desk.advance(4.9)  # connecting is never pushed either

    assert talker.take() == []


# The link


def configure(talker: Talker, kind: str, **config: object) -> dict[str, Any]:
    return talker.ask("set_link_config", link_type=kind, link_config=config)


def test_another_link_loses_the_device_and_finds_it_again() -> None:
    desk = Desk.ready()
    talker = desk.connect()
    session = decode(talker.ask("get_server_status")).session_id

    assert configure(talker, "udp", host="10.0.0.1", port="4242")["cmd"] == "response_set_link_config"
    desk.advance(0.1)

    status = decode(talker.ask("get_server_status"))
    assert (status.link.config.host, status.link.config.port) == ("10.0.0.1", 4242)
    assert status.session_id not in (None, session)


@pytest.mark.parametrize(
    ("kind", "operational", "state"), [("none", False, "Disconnected"), ("dummy", True, "ConnectedReady")]
)
def test_a_link_that_leads_nowhere_has_no_device(kind: str, operational: bool, state: str) -> None:
    desk = Desk.ready()
    talker = desk.connect()

    configure(talker, kind)
    desk.advance(0.1)

    status = decode(talker.ask("get_server_status"))
    assert (status.link.type.name.lower(), status.link.operational, status.comm_state.name) == (
        kind,
        operational,
        state,
    )


@pytest.mark.parametrize(("release", "pushed"), [("0.3.0", 0), ("0.5.2", 1), ("0.16.0", 1)])
def test_a_changed_link_is_pushed_from_0_4_on(release: str, pushed: int) -> None:
    talker = Desk(release).connect()

    configure(talker, "udp", host="h", port=1)

    assert len(talker.take("inform_server_status")) == pushed


@pytest.mark.parametrize(
    ("release", "kind", "config"),
    [
        ("0.16.0", "tcp", {}),
        ("0.16.0", "udp", {"host": "h", "port": "x"}),
        ("0.16.0", "udp", {"host": "h", "port": 65536}),
        ("0.16.0", "udp", {"port": 1}),
        ("0.3.0", "none", {}),
    ],
)
def test_a_wrong_link_is_refused_and_changes_nothing(release: str, kind: str, config: dict[str, Any]) -> None:
    desk = Desk.ready(release)
    talker = desk.connect()

    text = talker.refusal("set_link_config", link_type=kind, link_config=config)

    assert text.startswith("Link configuration is not good for given link type. ")
    assert decode(talker.ask("get_server_status")).comm_state.name == "ConnectedReady"


def test_demo_mode_gives_a_device_and_takes_the_link_with_it() -> None:
    desk = Desk.ready()
    talker = desk.connect()

    assert talker.ask("demo_mode", enable=True)["enabled"] is True
    desk.advance(0.1)
    on = decode(talker.ask("get_server_status"))
    assert talker.ask("demo_mode", enable=False)["enabled"] is False
    desk.advance(0.1)
    off = decode(talker.ask("get_server_status"))

    assert (on.link.type.name, on.link.demo_mode, on.comm_state.name) == ("Dummy", True, "ConnectedReady")
    assert (off.link.type.name, off.link.demo_mode, off.comm_state.name) == ("Dummy", False, "Disconnected")
