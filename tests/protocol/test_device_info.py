"""Device information in every wire generation: the object, the dialect and the JSON fields."""

from typing import Any

import attrs
import pytest

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.status import (
    DeviceInfo,
)
from pytest_scrutiny.model.values import UnknownValue
from pytest_scrutiny.protocol.dialect import dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.status import (
    decode_device_info,
    decode_device_info_reply,
    encode_device_info,
    encode_device_info_reply,
)
from tests.protocol.samples import (
    CAPABILITIES,
    CAPABILITIES_FIELDS,
    DEVICE,
    DEVICE_FIELDS,
    WITH_SESSION,
    WITH_SESSION_FIELDS,
)

DEVICES = [
    *((release, DEVICE, DEVICE_FIELDS) for release in ("0.1.0", "0.3.0")),
    *(
        (release, WITH_SESSION, WITH_SESSION_FIELDS)
        for release in ("0.4.1", "0.5.2", "0.6.0", "0.8.0", "0.9.2", "0.10.0", "0.12.0", "0.13.0")
    ),
    *(
        (release, attrs.evolve(WITH_SESSION, char_bit=16), {**WITH_SESSION_FIELDS, "char_bit": 16})
        for release in ("0.14.0", "0.16.0")
    ),
    (
        "0.5.2",
        attrs.evolve(DEVICE, max_bitrate_bps=9600),
        {**DEVICE_FIELDS, "max_bitrate_bps": 9600, "session_id": None, "datalogging_capabilities": None},
    ),
]


@pytest.mark.parametrize(("release", "device", "fields"), DEVICES)
def test_a_device_says_this_in_this_release(release: str, device: DeviceInfo, fields: dict[str, Any]) -> None:
    dialect = dialect_of(release)

    assert encode_device_info(device, dialect) == fields
    assert decode_device_info(Fields(fields, "device_info")) == device
    reply = encode_device_info_reply(device, dialect)
    assert reply == {"available": True, "device_info": fields}
    assert decode_device_info_reply(Fields(reply, "reply")) == device


def test_no_device_says_this() -> None:
    reply = encode_device_info_reply(None, dialect_of("0.16.0"))

    assert reply == {"available": False, "device_info": None}
    assert decode_device_info_reply(Fields(reply, "reply")) is None


def test_a_device_that_is_not_available_is_none() -> None:
    reply = {"available": False, "device_info": DEVICE_FIELDS}

    assert decode_device_info_reply(Fields(reply, "reply")) is None


def test_a_server_from_0_14_always_says_how_large_a_byte_is() -> None:
    assert encode_device_info(WITH_SESSION, dialect_of("0.14.0"))["char_bit"] == 8


def test_an_unknown_encoding_is_kept() -> None:
    capabilities = {**CAPABILITIES_FIELDS, "encoding": "zip"}
    fields = {**WITH_SESSION_FIELDS, "datalogging_capabilities": capabilities}

    device = decode_device_info(Fields(fields, "device_info"))

    assert device.datalogging_capabilities == attrs.evolve(CAPABILITIES, encoding=UnknownValue("zip"))
    assert encode_device_info(device, dialect_of("0.5.2")) == fields


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"device_id": None}, "device_id"),
        ({"max_tx_data_size": True}, "max_tx_data_size"),
        ({"heartbeat_timeout_us": "4.5"}, "heartbeat_timeout_us"),
        ({"supported_feature_map": {}}, "supported_feature_map.memory_write"),
        (
            {"supported_feature_map": {**DEVICE_FIELDS["supported_feature_map"], "_64bits": 1}},
            "supported_feature_map._64bits",
        ),
        ({"forbidden_memory_regions": None}, "forbidden_memory_regions"),
        ({"readonly_memory_regions": [{"start": 0, "end": 1}]}, "readonly_memory_regions[0].size"),
        ({"datalogging_capabilities": {}}, "datalogging_capabilities.encoding"),
        (
            {"datalogging_capabilities": {**CAPABILITIES_FIELDS, "sampling_rates": [{"identifier": 0}]}},
            "datalogging_capabilities.sampling_rates[0].name",
        ),
        ({"char_bit": 8.0}, "char_bit"),
    ],
)
def test_wrong_device_information_is_named_at_its_place(change: dict[str, Any], where: str) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        decode_device_info_reply(
            Fields({"available": True, "device_info": {**DEVICE_FIELDS, **change}}, "reply")
        )

    assert info.value.where == f"reply.device_info.{where}"
