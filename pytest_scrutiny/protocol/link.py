"""The link part of a status, both directions.

A link we cannot read does not cost the rest of the status: its kind becomes UnknownValue, its
configuration None.

Source: scrutinydebugger 0.16.0, server/api/API.py craft_inform_server_status_response;
``{"link_type":"udp","link_operational":true,"link_config":{"host":"127.0.0.1","port":8765},"demo_mode":false}``

PYTEST_DONT_REWRITE
"""

import enum
from collections.abc import Callable, Mapping
from typing import TypeVar

from pytest_scrutiny.model.link import (
    CANLinkConfig,
    DeviceLinkInfo,
    DeviceLinkType,
    LinkConfig,
    RTTLinkConfig,
    SerialLinkConfig,
    TCPLinkConfig,
    UDPLinkConfig,
)
from pytest_scrutiny.model.values import UnknownValue
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields

E = TypeVar("E", bound=enum.Enum)

_TYPES: Mapping[str, DeviceLinkType] = {
    "none": DeviceLinkType.NONE,
    "udp": DeviceLinkType.UDP,
    "tcp": DeviceLinkType.TCP,
    "serial": DeviceLinkType.Serial,
    "rtt": DeviceLinkType.RTT,
    "canbus": DeviceLinkType.CAN,
    "dummy": DeviceLinkType.Dummy,
    "thread_safe_dummy": DeviceLinkType.Dummy,  # 0.1.0 to 0.2.2
}
_WORDS = {kind: word for word, kind in reversed(list(_TYPES.items()))}
_STOP_BITS = {
    "one": 1.0,
    "one_point_five": 1.5,
    "two": 2.0,
}  # what a server takes besides numbers, and echoes
_CAN_INTERFACES: Mapping[str, CANLinkConfig.CANInterface] = {
    "socketcan": CANLinkConfig.CANInterface.SocketCAN,
    "vector": CANLinkConfig.CANInterface.Vector,
    "kvaser": CANLinkConfig.CANInterface.KVaser,
    "pcan": CANLinkConfig.CANInterface.PCAN,
    "etas": CANLinkConfig.CANInterface.ETAS,
}


def decode_link(link: Fields) -> DeviceLinkInfo:
    """Return the link that ``device_comm_link`` describes."""
    word = link.text("link_type")
    kind = _TYPES.get(word)
    config = link.child("link_config") if kind in _DECODERS else None
    return DeviceLinkInfo(
        type=UnknownValue(word) if kind is None else kind,
        config=None if config is None or kind is None else _DECODERS[kind](config),
        operational=link.optional_boolean("link_operational"),
        demo_mode=link.optional_boolean("demo_mode"),
    )


def encode_link(link: DeviceLinkInfo, dialect: Dialect) -> dict[str, object]:
    """Return ``device_comm_link`` as a server of this dialect writes it; its configuration is UDP or none."""
    config: dict[str, object] = {}
    if isinstance(link.config, UDPLinkConfig | TCPLinkConfig):
        config = {"host": link.config.host, "port": link.config.port}
    elif link.config is not None:
        raise ValueError(f"link configuration {link.config!r} cannot be shown; expected a UDP link or none")
    fields: dict[str, object] = {
        "link_type": link.type.text if isinstance(link.type, UnknownValue) else _WORDS[link.type],
        "link_config": config,
    }
    if dialect.link_operational:
        fields["link_operational"] = bool(link.operational)
    if dialect.demo_mode:
        fields["demo_mode"] = bool(link.demo_mode)
    return fields


def _member(kind: type[E], value: object) -> E | UnknownValue:
    try:
        return kind(value)
    except ValueError:
        return UnknownValue(str(value))


def _decode_udp(config: Fields) -> UDPLinkConfig:
    return UDPLinkConfig(config.text("host"), config.integer("port"))


def _decode_tcp(config: Fields) -> TCPLinkConfig:
    return TCPLinkConfig(config.text("host"), config.integer("port"))


def _decode_serial(config: Fields) -> SerialLinkConfig:
    # The server repeats these words as somebody gave them: "1", "one", "EVEN" (0.16.0, observed).
    given = config.value("stopbits")
    stopbits = config.text("stopbits").lower() if isinstance(given, str) else f"{config.number('stopbits'):g}"
    try:
        count = _STOP_BITS.get(stopbits) or float(stopbits)
    except ValueError:
        count = -1.0
    stop = _member(SerialLinkConfig.StopBits, count)
    return SerialLinkConfig(
        port=config.text("portname"),
        baudrate=config.integer("baudrate"),
        start_delay=config.optional_number("start_delay") or 0.0,
        stopbits=stop if isinstance(stop, SerialLinkConfig.StopBits) else UnknownValue(stopbits),
        databits=_member(SerialLinkConfig.DataBits, config.integer("databits")),
        parity=_member(SerialLinkConfig.Parity, config.text("parity").lower()),
    )


def _decode_rtt(config: Fields) -> RTTLinkConfig:
    return RTTLinkConfig(
        target_device=config.text("target_device"),
        jlink_interface=_member(RTTLinkConfig.JLinkInterface, config.text("jlink_interface").lower()),
        buffer_index=config.optional_integer("buffer_index") or 0,
    )


def _decode_can(config: Fields) -> CANLinkConfig:
    word = config.text("interface")
    interface = _CAN_INTERFACES.get(word)
    return CANLinkConfig(
        interface=UnknownValue(word) if interface is None else interface,
        txid=config.integer("txid"),
        rxid=config.integer("rxid"),
        extended_id=config.boolean("extended_id"),
        fd=config.boolean("fd"),
        bitrate_switch=config.boolean("bitrate_switch"),
        interface_config=None if interface is None else _CAN_DECODERS[interface](config.child("subconfig")),
    )


_DECODERS: Mapping[DeviceLinkType | None, Callable[[Fields], LinkConfig]] = {
    DeviceLinkType.UDP: _decode_udp,
    DeviceLinkType.TCP: _decode_tcp,
    DeviceLinkType.Serial: _decode_serial,
    DeviceLinkType.RTT: _decode_rtt,
    DeviceLinkType.CAN: _decode_can,
}

CANInterfaceConfig = (
    CANLinkConfig.SocketCANConfig
    | CANLinkConfig.VectorConfig
    | CANLinkConfig.KVaserConfig
    | CANLinkConfig.PCANConfig
    | CANLinkConfig.ETASConfig
)


def _decode_vector(sub: Fields) -> CANLinkConfig.VectorConfig:
    channel = sub.value("channel")
    return CANLinkConfig.VectorConfig(
        channel=sub.integer("channel") if isinstance(channel, int) else sub.text("channel"),
        bitrate=sub.integer("bitrate"),
        data_bitrate=sub.integer("data_bitrate"),
    )


_CAN_DECODERS: Mapping[CANLinkConfig.CANInterface, Callable[[Fields], CANInterfaceConfig]] = {
    CANLinkConfig.CANInterface.SocketCAN: lambda sub: CANLinkConfig.SocketCANConfig(sub.text("channel")),
    CANLinkConfig.CANInterface.Vector: _decode_vector,
    CANLinkConfig.CANInterface.KVaser: lambda sub: CANLinkConfig.KVaserConfig(
        sub.integer("channel"), sub.integer("bitrate"), sub.integer("data_bitrate"), sub.boolean("fd_non_iso")
    ),
    CANLinkConfig.CANInterface.PCAN: lambda sub: CANLinkConfig.PCANConfig(
        sub.text("channel"), sub.integer("bitrate")
    ),
    CANLinkConfig.CANInterface.ETAS: lambda sub: CANLinkConfig.ETASConfig(
        sub.text("channel"), sub.integer("bitrate"), sub.integer("data_bitrate")
    ),
}
