"""Messages of real servers with their emulated device, read and written again."""

from collections.abc import Callable
from typing import Any

import pytest

from pytest_scrutiny.model.link import RTTLinkConfig, SerialLinkConfig
from pytest_scrutiny.model.status import DeviceCommState, MemoryRegion, SupportedFeatureMap
from pytest_scrutiny.model.values import EmbeddedEnum, UnknownValue
from pytest_scrutiny.model.watch import AliasDetails, RPVDetails, VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.connection import decode_message
from pytest_scrutiny.protocol.dialect import Dialect, dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.framing import DatagramFraming
from pytest_scrutiny.protocol.sfd import (
    decode_installed_sfds_reply,
    decode_loaded_sfd_reply,
    encode_installed_sfds_reply,
    encode_loaded_sfd_reply,
)
from pytest_scrutiny.protocol.status import (
    decode_device_info_reply,
    decode_status,
    encode_device_info_reply,
    encode_status,
)
from pytest_scrutiny.protocol.watch import decode_subscribed, encode_subscribed, encode_update, update_records
from pytest_scrutiny.protocol.write import (
    decode_write_completion,
    decode_write_reply,
    encode_write_completion,
)
from tests.protocol.samples import CAPTURES
from tests.protocol.wire import one_by_one, open_websockets, received

Again = Callable[[Fields, Dialect], dict[str, object]]


def status_again(message: Fields, dialect: Dialect) -> dict[str, object]:
    return encode_status(decode_status(message), dialect)


def device_again(message: Fields, dialect: Dialect) -> dict[str, object]:
    return encode_device_info_reply(decode_device_info_reply(message), dialect)


def loaded_again(message: Fields, dialect: Dialect) -> dict[str, object]:
    return encode_loaded_sfd_reply(decode_loaded_sfd_reply(message), dialect)


def installed_again(message: Fields, dialect: Dialect) -> dict[str, object]:
    return encode_installed_sfds_reply(decode_installed_sfds_reply(message).values(), dialect)


def subscribed_again(message: Fields, dialect: Dialect) -> dict[str, object]:
    return encode_subscribed(decode_subscribed(message), dialect)


def completion_again(message: Fields, dialect: Dialect) -> dict[str, object]:
    epoch_time = message.optional_number("timestamp") or 0.0
    return encode_write_completion(decode_write_completion(message), dialect, epoch_time=epoch_time)


def update_again(message: Fields, dialect: Dialect) -> dict[str, object]:
    records = update_records(message.data)
    return {
        "updates": [
            encode_update(
                record["id"],
                record[dialect.value_key],
                dialect,
                server_time_us=record.get("t", 0.0),
                data=record.get("d"),
            )
            for record in records
        ]
    }


AGAIN: dict[str, Again] = {
    "inform_server_status": status_again,
    "response_get_device_info": device_again,
    "response_get_loaded_sfd": loaded_again,
    "response_get_installed_sfd": installed_again,
    "inform_write_completion": completion_again,
    "watchable_update": update_again,
}
CANNOT_BE_SHOWN = {"status serial link", "status rtt link", "status canbus link"}  # by the fake server
MESSAGES = [
    pytest.param(release, label, message, id=f"{release}: {label}")
    for release, capture in CAPTURES.items()
    for label, message in capture["messages"].items()
    # By command or, where 0.3 to 0.10 answer an unsubscription under the same name, by label.
    if (message["cmd"] in AGAIN or label == "subscribed") and label not in CANNOT_BE_SHOWN
]


@pytest.mark.parametrize(("release", "label", "message"), MESSAGES)
def test_a_real_message_read_and_written_again_is_the_same(
    release: str, label: str, message: dict[str, Any]
) -> None:
    round_trip = subscribed_again if label == "subscribed" else AGAIN[message["cmd"]]
    fields = Fields(message, message["cmd"])

    written = round_trip(fields, dialect_of(release))

    assert {"cmd": message["cmd"], "reqid": message["reqid"], **written} == message


def test_there_is_a_capture_of_every_kind_of_server() -> None:
    assert set(CAPTURES) == {"0.3.0", "0.5.2", "0.9.2", "0.16.0"}
    for capture in CAPTURES.values():
        assert {"status ready", "subscribed", "update", "written", "write completed"} <= set(
            capture["messages"]
        )


@pytest.mark.parametrize("release", ["0.5.2", "0.9.2", "0.16.0"])
def test_the_first_bytes_of_a_tcp_server_are_its_welcome(release: str) -> None:
    wire = bytes.fromhex(CAPTURES[release]["first_bytes"])

    (payload,) = received(DatagramFraming(strict=True), one_by_one(wire))

    assert decode_message(payload) == CAPTURES[release]["messages"]["welcome"]


def test_the_first_bytes_of_a_websocket_server_are_its_status() -> None:
    wire = bytes.fromhex(CAPTURES["0.3.0"]["first_bytes"])
    client, server = open_websockets()

    (payload,) = received(client, one_by_one(wire))

    assert decode_message(payload) == CAPTURES["0.3.0"]["messages"]["status at boot"]
    assert server.encode(payload) == wire


@pytest.mark.parametrize("release", CAPTURES)
def test_a_ready_server_says_what_the_emulated_device_is(release: str) -> None:
    messages = CAPTURES[release]["messages"]
    report = decode_status(Fields(messages["status ready"], "status"))
    device = report.device
    if not report.is_whole:
        device = decode_device_info_reply(Fields(messages["device info"], "reply"))

    assert report.comm_state is DeviceCommState.ConnectedReady
    assert report.sfd_firmware_id == bytes(range(16)).hex()
    assert device is not None
    assert (device.device_id, device.display_name) == (report.sfd_firmware_id, "EmulatedDevice")
    # The emulated device of 0.3 and 0.5 has no 64-bit values.
    assert device.supported_features == SupportedFeatureMap(True, True, True, release in ("0.9.2", "0.16.0"))
    assert MemoryRegion(0x2000, 256) in device.forbidden_memory_regions
    assert MemoryRegion(0x3000, 16) in device.readonly_memory_regions
    assert device.session_id == (None if report.is_whole else report.session_id)


@pytest.mark.parametrize("release", CAPTURES)
def test_a_server_says_what_was_subscribed(release: str) -> None:
    entries = decode_subscribed(Fields(CAPTURES[release]["messages"]["subscribed"], "reply"))

    assert len(entries) == 7
    assert {entry.datatype.name for entry in entries.values()} == {
        "uint32",
        "uint8",
        "bool8",
        "float64",
        "float32",
    }
    assert entries["/static/main.cpp/mode"].enum == EmbeddedEnum("Mode", {"Off": 0, "Idle": 1, "Run": 2})
    assert not any(isinstance(entry.type, UnknownValue) for entry in entries.values())


def test_the_newest_server_tells_details() -> None:
    entries = decode_subscribed(Fields(CAPTURES["0.16.0"]["messages"]["subscribed"], "reply"))

    def details(path: str) -> object:
        entry: WatchableInfo = entries[path]
        return entry.details

    assert details("/static/main.cpp/flags") == VariableDetails(0x100C, 4, 3)
    assert details("/alias/Counter x2") == AliasDetails(
        "/static/main.cpp/counter", entries["/static/main.cpp/flags"].type, 2.0, 10.0, 0.0, 1000.0
    )
    assert details("/rpv/x1001") == RPVDetails(0x1001)


@pytest.mark.parametrize("release", CAPTURES)
def test_a_write_ends_under_the_token_of_its_reply(release: str) -> None:
    messages = CAPTURES[release]["messages"]
    token, count = decode_write_reply(Fields(messages["written"], "reply"))
    end = decode_write_completion(Fields(messages["write completed"], "end"))

    assert (count, end.token, end.batch_index, end.success) == (1, token, 0, True)


@pytest.mark.parametrize("release", CAPTURES)
def test_replies_have_the_names_of_their_dialect(release: str) -> None:
    messages, dialect = CAPTURES[release]["messages"], dialect_of(release)
    expected = {
        "status ready": "get_server_status",
        "device info": "get_device_info",
        "loaded sfd": "get_loaded_sfd",
        "installed sfds": "get_installed_sfd",
        "subscribed": "subscribe_watchable",
        "unsubscribed": "unsubscribe_watchable",
        "written": "write_watchable",
    }

    for label, command in expected.items():
        if label in messages:
            assert messages[label]["cmd"] == dialect.reply_name(command)
    assert ("device info" in messages) == dialect.knows("get_device_info")


@pytest.mark.parametrize("release", CAPTURES)
def test_a_serial_link_is_read_in_the_words_somebody_configured_it_with(release: str) -> None:
    message = CAPTURES[release]["messages"]["status serial link"]
    link = decode_status(Fields(message, "status")).link

    assert message["device_comm_link"]["link_config"]["parity"] == "EVEN"
    assert link.config == SerialLinkConfig(
        "/dev/ttyUSB0",
        115200,
        stopbits=SerialLinkConfig.StopBits.ONE_POINT_FIVE,
        parity=SerialLinkConfig.Parity.EVEN,
    )


@pytest.mark.parametrize("release", ["0.5.2", "0.9.2", "0.16.0"])
def test_a_probe_is_read_with_and_without_its_buffer(release: str) -> None:
    link = decode_status(Fields(CAPTURES[release]["messages"]["status rtt link"], "status")).link

    assert link.config == RTTLinkConfig("STM32", RTTLinkConfig.JLinkInterface.SWD, 0)


@pytest.mark.parametrize("release", ["0.9.2", "0.16.0"])
def test_a_virtual_can_bus_does_not_cost_the_status(release: str) -> None:
    report = decode_status(Fields(CAPTURES[release]["messages"]["status canbus link"], "status"))

    assert report.link.config is not None
    assert getattr(report.link.config, "interface", None) == UnknownValue("virtual")
