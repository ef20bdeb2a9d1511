"""The status in every wire generation: the object, the dialect and the JSON fields."""

import json
from typing import Any

import attrs
import pytest

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.datalog import (
    DataloggerState,
    DataloggingInfo,
)
from pytest_scrutiny.model.link import DeviceLinkInfo, DeviceLinkType, UDPLinkConfig
from pytest_scrutiny.model.status import (
    DeviceCommState,
    StatusReport,
)
from pytest_scrutiny.model.values import UnknownValue
from pytest_scrutiny.protocol.dialect import dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.status import (
    decode_status,
    encode_status,
)
from tests.protocol.samples import (
    DEVICE,
    DEVICE_FIELDS,
    FIRMWARE,
    SESSION,
    SFD,
    SFD_FIELDS,
)

READY = StatusReport(
    comm_state=DeviceCommState.ConnectedReady,
    session_id=SESSION,
    datalogging=DataloggingInfo(DataloggerState.DataReady, 1.0),
    link=DeviceLinkInfo(DeviceLinkType.UDP, UDPLinkConfig("10.0.0.9", 8000), True, None),
    sfd_firmware_id=FIRMWARE,
)
READY_FIELDS: dict[str, Any] = {"device_status": "connected_ready", "device_session_id": SESSION}
UDP_FIELDS: dict[str, Any] = {"link_type": "udp", "link_config": {"host": "10.0.0.9", "port": 8000}}
OLD_FIELDS = {
    **READY_FIELDS,
    "device_datalogging_status": {"datalogger_state": "data_ready", "completion_ratio": 1.0},
    "device_comm_link": UDP_FIELDS,
    "device_info": DEVICE_FIELDS,
    "loaded_sfd": SFD_FIELDS,
}
MIDDLE_FIELDS = {
    **READY_FIELDS,
    "device_datalogging_status": {"datalogger_state": "data_ready", "completion_ratio": 1.0},
    "device_comm_link": {**UDP_FIELDS, "link_operational": True},
    "loaded_sfd_firmware_id": FIRMWARE,
}
RENAMED_FIELDS = {
    **READY_FIELDS,
    "datalogging_status": {"datalogging_state": "downloading", "completion_ratio": 1.0},
    "device_comm_link": {**UDP_FIELDS, "link_operational": True},
    "loaded_sfd_firmware_id": FIRMWARE,
}
NEW_FIELDS = {
    **RENAMED_FIELDS,
    "device_comm_link": {**UDP_FIELDS, "link_operational": True, "demo_mode": False},
}
WHOLE = attrs.evolve(
    READY, link=attrs.evolve(READY.link, operational=None), device=DEVICE, sfd=SFD, is_whole=True
)
WITH_DEMO_MODE = attrs.evolve(READY, link=attrs.evolve(READY.link, demo_mode=False))

STATUSES = [
    *((release, WHOLE, OLD_FIELDS) for release in ("0.1.0", "0.3.0")),
    *((release, READY, MIDDLE_FIELDS) for release in ("0.4.1", "0.5.2")),
    *((release, READY, RENAMED_FIELDS) for release in ("0.6.0", "0.7.1")),
    *(
        (release, WITH_DEMO_MODE, NEW_FIELDS)
        for release in ("0.8.0", "0.9.2", "0.10.0", "0.12.0", "0.14.0", "0.16.0")
    ),
    (
        "0.3.0",
        StatusReport(
            comm_state=DeviceCommState.Disconnected,
            session_id=None,
            datalogging=DataloggingInfo(DataloggerState.NA, None),
            link=DeviceLinkInfo(DeviceLinkType.NONE, None),
            sfd_firmware_id=None,
            is_whole=True,
        ),
        {
            "device_status": "disconnected",
            "device_session_id": None,
            "device_datalogging_status": {"datalogger_state": "unavailable", "completion_ratio": None},
            "device_comm_link": {"link_type": "none", "link_config": {}},
            "device_info": None,
            "loaded_sfd": None,
        },
    ),
    (
        "0.16.0",
        StatusReport(
            comm_state=DeviceCommState.NA,
            session_id=None,
            datalogging=DataloggingInfo(DataloggerState.Error, None),
            link=DeviceLinkInfo(DeviceLinkType.Dummy, None, False, True),
            sfd_firmware_id=None,
        ),
        {
            "device_status": "unknown",
            "device_session_id": None,
            "datalogging_status": {"datalogging_state": "error", "completion_ratio": None},
            "device_comm_link": {
                "link_type": "dummy",
                "link_config": {},
                "link_operational": False,
                "demo_mode": True,
            },
            "loaded_sfd_firmware_id": None,
        },
    ),
]


@pytest.mark.parametrize(("release", "report", "fields"), STATUSES)
def test_a_status_says_this_in_this_release(
    release: str, report: StatusReport, fields: dict[str, Any]
) -> None:
    assert encode_status(report, dialect_of(release)) == fields
    assert decode_status(Fields(fields, "status")) == report


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("unknown", DeviceCommState.NA),
        ("disconnected", DeviceCommState.Disconnected),
        ("connecting", DeviceCommState.Connecting),
        ("connected", DeviceCommState.Connecting),
        ("connected_ready", DeviceCommState.ConnectedReady),
        ("hibernating", UnknownValue("hibernating")),
    ],
)
def test_the_words_for_the_device(word: str, state: DeviceCommState | UnknownValue) -> None:
    report = decode_status(Fields({**NEW_FIELDS, "device_status": word}, "status"))

    assert report == attrs.evolve(WITH_DEMO_MODE, comm_state=state)
    again = encode_status(report, dialect_of("0.16.0"))["device_status"]
    assert again == ("connecting" if word == "connected" else word)


@pytest.mark.parametrize(
    ("word", "state", "in_0_5_2", "in_0_16_0"),
    [
        ("unavailable", DataloggerState.NA, "unavailable", "unavailable"),
        ("standby", DataloggerState.Standby, "standby", "standby"),
        ("waiting_for_trigger", DataloggerState.WaitForTrigger, "waiting_for_trigger", "waiting_for_trigger"),
        ("acquiring", DataloggerState.Acquiring, "acquiring", "acquiring"),
        ("data_ready", DataloggerState.DataReady, "data_ready", "downloading"),
        ("downloading", DataloggerState.DataReady, "data_ready", "downloading"),
        ("error", DataloggerState.Error, "error", "error"),
        ("melting", UnknownValue("melting"), "melting", "melting"),
    ],
)
def test_the_words_for_the_datalogger(word: str, state: object, in_0_5_2: str, in_0_16_0: str) -> None:
    fields: dict[str, Any] = {**NEW_FIELDS, "datalogging_status": {"datalogging_state": word}}
    report = decode_status(Fields(fields, "status"))

    assert report.datalogging == DataloggingInfo(state, None)  # type: ignore[arg-type]
    old: Any = encode_status(report, dialect_of("0.5.2"))["device_datalogging_status"]
    new: Any = encode_status(report, dialect_of("0.16.0"))["datalogging_status"]
    assert (old["datalogger_state"], new["datalogging_state"]) == (in_0_5_2, in_0_16_0)


@pytest.mark.parametrize(("wire", "ratio"), [("0", 0.0), ("1", 1.0), ("0.48", 0.48), ("null", None)])
def test_the_completion_ratio_is_a_float_however_it_is_written(wire: str, ratio: float | None) -> None:
    fields = {
        **NEW_FIELDS,
        "datalogging_status": {"datalogging_state": "downloading", "completion_ratio": json.loads(wire)},
    }

    assert decode_status(Fields(fields, "status")).datalogging.completion_ratio == ratio


def test_a_server_that_writes_all_spellings_is_read() -> None:
    fields = {**NEW_FIELDS, **MIDDLE_FIELDS, "something": "new"}

    assert decode_status(Fields(fields, "status")) == READY


def test_a_status_with_an_unknown_link_is_read_but_for_that() -> None:
    link = {
        "link_type": "quantum",
        "link_config": {"qubits": 2},
        "link_operational": True,
        "demo_mode": False,
    }

    report = decode_status(Fields({**NEW_FIELDS, "device_comm_link": link}, "status"))

    assert report == attrs.evolve(
        WITH_DEMO_MODE, link=DeviceLinkInfo(UnknownValue("quantum"), None, True, False)
    )


STATUS_FAULTS = [
    (NEW_FIELDS, "device_status", 1, "device_status: 1; expected a string"),
    (NEW_FIELDS, "device_session_id", 1, "device_session_id: 1; expected a string"),
    (NEW_FIELDS, "loaded_sfd_firmware_id", {}, "loaded_sfd_firmware_id: {}; expected a string"),
    (NEW_FIELDS, "datalogging_status", None, "datalogging_status: None; expected an object"),
    (
        NEW_FIELDS,
        "datalogging_status",
        {},
        "datalogging_status.datalogging_state: nothing; expected a string",
    ),
    (NEW_FIELDS, "device_comm_link", [], "device_comm_link: []; expected an object"),
    (OLD_FIELDS, "device_info", "x", "device_info: 'x'; expected an object"),
    (OLD_FIELDS, "loaded_sfd", {}, "loaded_sfd.firmware_id: nothing; expected a string"),
]


@pytest.mark.parametrize(("fields", "key", "value", "text"), STATUS_FAULTS)
def test_a_wrong_status_is_named_at_its_place(
    fields: dict[str, Any], key: str, value: object, text: str
) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        decode_status(Fields({**fields, key: value}, "status"))

    assert str(info.value) == f"the server's message is wrong at status.{text}"


@pytest.mark.parametrize("key", ["device_status", "datalogging_status", "device_comm_link"])
def test_a_missing_part_of_a_status_is_named(key: str) -> None:
    fields = {name: value for name, value in NEW_FIELDS.items() if name != key}

    with pytest.raises(RemoteProtocolError, match=f"at status.{key}: nothing; expected"):
        decode_status(Fields(fields, "status"))
