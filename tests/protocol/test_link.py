"""The link part of a status: every kind, un-normalised words, and kinds from the future."""

from typing import Any

import pytest

from pytest_scrutiny.errors import RemoteProtocolError
from pytest_scrutiny.model.link import (
    CANLinkConfig,
    DeviceLinkInfo,
    DeviceLinkType,
    RTTLinkConfig,
    SerialLinkConfig,
    TCPLinkConfig,
    UDPLinkConfig,
)
from pytest_scrutiny.model.values import UnknownValue
from pytest_scrutiny.protocol.dialect import dialect_of
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.link import decode_link, encode_link

StopBits, DataBits, Parity = SerialLinkConfig.StopBits, SerialLinkConfig.DataBits, SerialLinkConfig.Parity
JLink, CAN = RTTLinkConfig.JLinkInterface, CANLinkConfig.CANInterface

SERIAL = {
    "portname": "COM3",
    "baudrate": 115200,
    "stopbits": "1",
    "databits": 8,
    "parity": "none",
    "start_delay": 0.0,
}
RTT = {"target_device": "CORTEX-M4", "jlink_interface": "swd", "buffer_index": 0}
CANBUS = {
    "interface": "socketcan",
    "txid": 1,
    "rxid": 2,
    "extended_id": False,
    "fd": True,
    "bitrate_switch": False,
    "subconfig": {"channel": "can0"},
}
RATES = {"bitrate": 500_000, "data_bitrate": 2_000_000}


def can(interface: object, config: object) -> CANLinkConfig:
    return CANLinkConfig(interface, 1, 2, False, True, False, config)  # type: ignore[arg-type]


def decode(link_type: str, config: object, **more: object) -> DeviceLinkInfo:
    link = {"link_type": link_type, "link_config": config, **more}
    return decode_link(Fields(link, "status.device_comm_link"))


LINKS: list[tuple[str, dict[str, Any], DeviceLinkType, object]] = [
    ("none", {}, DeviceLinkType.NONE, None),
    ("dummy", {}, DeviceLinkType.Dummy, None),
    ("dummy", {"channel_id": "any"}, DeviceLinkType.Dummy, None),
    ("thread_safe_dummy", {}, DeviceLinkType.Dummy, None),
    ("udp", {"host": "dut", "port": 81}, DeviceLinkType.UDP, UDPLinkConfig("dut", 81)),
    ("tcp", {"host": "dut", "port": 81}, DeviceLinkType.TCP, TCPLinkConfig("dut", 81)),
    ("serial", SERIAL, DeviceLinkType.Serial, SerialLinkConfig("COM3", 115200)),
    (
        "serial",
        {**SERIAL, "stopbits": "2", "databits": 7, "parity": "odd", "start_delay": 1.5},
        DeviceLinkType.Serial,
        SerialLinkConfig("COM3", 115200, 1.5, StopBits.TWO, DataBits.SEVEN, Parity.ODD),
    ),
    ("rtt", RTT, DeviceLinkType.RTT, RTTLinkConfig("CORTEX-M4", JLink.SWD, 0)),
    ("rtt", {**RTT, "buffer_index": 3}, DeviceLinkType.RTT, RTTLinkConfig("CORTEX-M4", JLink.SWD, 3)),
    ("canbus", CANBUS, DeviceLinkType.CAN, can(CAN.SocketCAN, CANLinkConfig.SocketCANConfig("can0"))),
    (
        "canbus",
        {**CANBUS, "interface": "vector", "subconfig": {"channel": "ch", **RATES}},
        DeviceLinkType.CAN,
        can(CAN.Vector, CANLinkConfig.VectorConfig("ch", 500_000, 2_000_000)),
    ),
    (
        "canbus",
        {**CANBUS, "interface": "vector", "subconfig": {"channel": 0, **RATES}},
        DeviceLinkType.CAN,
        can(CAN.Vector, CANLinkConfig.VectorConfig(0, 500_000, 2_000_000)),
    ),
    (
        "canbus",
        {**CANBUS, "interface": "kvaser", "subconfig": {"channel": 1, **RATES, "fd_non_iso": True}},
        DeviceLinkType.CAN,
        can(CAN.KVaser, CANLinkConfig.KVaserConfig(1, 500_000, 2_000_000, True)),
    ),
    (
        "canbus",
        {**CANBUS, "interface": "pcan", "subconfig": {"channel": "PCAN_USBBUS1", "bitrate": 500_000}},
        DeviceLinkType.CAN,
        can(CAN.PCAN, CANLinkConfig.PCANConfig("PCAN_USBBUS1", 500_000)),
    ),
    (
        "canbus",
        {**CANBUS, "interface": "etas", "subconfig": {"channel": "ETAS://x", **RATES}},
        DeviceLinkType.CAN,
        can(CAN.ETAS, CANLinkConfig.ETASConfig("ETAS://x", 500_000, 2_000_000)),
    ),
]


@pytest.mark.parametrize(("word", "config", "kind", "expected"), LINKS)
def test_every_kind_of_link_is_read(
    word: str, config: dict[str, Any], kind: DeviceLinkType, expected: object
) -> None:
    assert decode(word, config) == DeviceLinkInfo(kind, expected, None, None)  # type: ignore[arg-type]


def test_every_kind_of_link_is_in_the_table() -> None:
    assert {row[2] for row in LINKS} == set(DeviceLinkType)
    assert {row[3].interface for row in LINKS if isinstance(row[3], CANLinkConfig)} == set(CAN)


@pytest.mark.parametrize(
    ("more", "operational", "demo_mode"),
    [
        ({}, None, None),
        ({"link_operational": True}, True, None),
        ({"link_operational": False, "demo_mode": True}, False, True),
        ({"link_operational": None, "demo_mode": None}, None, None),
    ],
)
def test_what_a_server_does_not_say_is_none(
    more: dict[str, Any], operational: bool | None, demo_mode: bool | None
) -> None:
    link = decode("none", {}, **more)

    assert (link.operational, link.demo_mode) == (operational, demo_mode)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1", StopBits.ONE), ("1.0", StopBits.ONE), (1, StopBits.ONE), (1.0, StopBits.ONE),
        ("one", StopBits.ONE), ("ONE", StopBits.ONE), ("1.5", StopBits.ONE_POINT_FIVE),
        (1.5, StopBits.ONE_POINT_FIVE), ("one_point_five", StopBits.ONE_POINT_FIVE),
        ("One_Point_Five", StopBits.ONE_POINT_FIVE),
        ("2", StopBits.TWO), (2, StopBits.TWO), ("two", StopBits.TWO),
        ("three", UnknownValue("three")), ("3", UnknownValue("3")), (3, UnknownValue("3")),
        (0, UnknownValue("0")),
        ("nan", UnknownValue("nan")), ("inf", UnknownValue("inf")), ("", UnknownValue("")),
    ],
)  # fmt: skip
def test_stop_bits_are_read_as_the_server_repeats_them(given: object, expected: object) -> None:
    config = decode("serial", {**SERIAL, "stopbits": given}).config

    assert isinstance(config, SerialLinkConfig)
    assert config.stopbits == expected


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("parity", "EVEN", Parity.EVEN),
        ("parity", "Odd", Parity.ODD),
        ("parity", "mark", Parity.MARK),
        ("parity", "SPACE", Parity.SPACE),
        ("parity", "none", Parity.NONE),
        ("parity", "fancy", UnknownValue("fancy")),
        ("databits", 5, DataBits.FIVE),
        ("databits", 6, DataBits.SIX),
        ("databits", 9, UnknownValue("9")),
        ("start_delay", 1, 1.0),
        ("start_delay", None, 0.0),
    ],
)
def test_serial_words_are_read_in_any_case_and_unknown_ones_are_kept(
    key: str, given: object, expected: object
) -> None:
    config = decode("serial", {**SERIAL, key: given}).config

    assert getattr(config, key) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(member.value, member) for member in JLink]
    + [("SWD", JLink.SWD), ("Jtag", JLink.JTAG), ("wire", UnknownValue("wire"))],
)
def test_probe_interfaces_are_read_in_any_case_and_unknown_ones_are_kept(
    given: str, expected: object
) -> None:
    config = decode("rtt", {"target_device": "STM32", "jlink_interface": given}).config

    assert config == RTTLinkConfig("STM32", expected, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [{}, {"anything": [1, 2]}, None, "even no object"])
def test_an_unknown_kind_of_link_costs_its_configuration_only(config: object) -> None:
    link = decode("quantum", config, link_operational=True, demo_mode=False)

    assert link == DeviceLinkInfo(UnknownValue("quantum"), None, True, False)


@pytest.mark.parametrize("subconfig", [{"channel": "0"}, {}, None])
def test_an_unknown_can_driver_costs_its_configuration_only(subconfig: object) -> None:
    config = decode("canbus", {**CANBUS, "interface": "virtual", "subconfig": subconfig}).config

    assert config == can(UnknownValue("virtual"), None)


@pytest.mark.parametrize(
    ("word", "config", "where"),
    [
        ("udp", None, "link_config"),
        ("udp", {}, "link_config.host"),
        ("udp", {"host": "dut"}, "link_config.port"),
        ("udp", {"host": "dut", "port": "81"}, "link_config.port"),
        ("serial", {**SERIAL, "baudrate": True}, "link_config.baudrate"),
        ("serial", {**SERIAL, "stopbits": None}, "link_config.stopbits"),
        ("serial", {**SERIAL, "stopbits": [[1]]}, "link_config.stopbits"),
        ("serial", {**SERIAL, "stopbits": True}, "link_config.stopbits"),
        ("serial", {**SERIAL, "databits": "eight"}, "link_config.databits"),
        ("serial", {**SERIAL, "parity": 0}, "link_config.parity"),
        ("serial", {**SERIAL, "start_delay": "1"}, "link_config.start_delay"),
        ("rtt", {"target_device": "x"}, "link_config.jlink_interface"),
        ("rtt", {**RTT, "buffer_index": "0"}, "link_config.buffer_index"),
        ("canbus", {**CANBUS, "txid": 1.0}, "link_config.txid"),
        ("canbus", {**CANBUS, "subconfig": None}, "link_config.subconfig"),
        ("canbus", {**CANBUS, "subconfig": {"channel": 1}}, "link_config.subconfig.channel"),
        (
            "canbus",
            {**CANBUS, "interface": "vector", "subconfig": {"channel": False, **RATES}},
            "link_config.subconfig.channel",
        ),
    ],
)
def test_a_wrong_configuration_of_a_known_kind_is_named(word: str, config: object, where: str) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        decode(word, config)

    assert info.value.where == f"status.device_comm_link.{where}"


@pytest.mark.parametrize("release", ["0.3.0", "0.5.2", "0.16.0"])
@pytest.mark.parametrize(
    "link",
    [
        DeviceLinkInfo(DeviceLinkType.UDP, UDPLinkConfig("127.0.0.1", 8765)),
        DeviceLinkInfo(DeviceLinkType.TCP, TCPLinkConfig("127.0.0.1", 8765)),
        DeviceLinkInfo(DeviceLinkType.NONE, None),
        DeviceLinkInfo(DeviceLinkType.Dummy, None),
        DeviceLinkInfo(UnknownValue("quantum"), None),
    ],
)
def test_what_the_fake_server_can_show_is_read_back(link: DeviceLinkInfo, release: str) -> None:
    fields = encode_link(link, dialect_of(release))
    back = decode_link(Fields(fields, "link"))

    assert (back.type, back.config) == (link.type, link.config)
    # A server without a word on it works: neither broken nor in demo mode.
    assert {key: fields[key] for key in ("link_operational", "demo_mode") if key in fields} == {
        "0.3.0": {},
        "0.5.2": {"link_operational": False},
        "0.16.0": {"link_operational": False, "demo_mode": False},
    }[release]


def test_a_link_the_fake_server_cannot_show_is_refused() -> None:
    serial = DeviceLinkInfo(DeviceLinkType.Serial, SerialLinkConfig("COM3", 9600))

    with pytest.raises(
        ValueError, match=r"SerialLinkConfig\(port='COM3'.* cannot be shown; expected a UDP link or none"
    ):
        encode_link(serial, dialect_of("0.16.0"))
