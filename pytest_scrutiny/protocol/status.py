"""Status, device information and SFD information, both directions.

Source: scrutinydebugger 0.1.0 to 0.16.0, server/api/API.py; an example of 0.16.0:
``{"cmd":"inform_server_status","reqid":null,"device_status":"connected_ready","device_session_id":"9a99…",
"loaded_sfd_firmware_id":"deadbeef…","datalogging_status":{"datalogging_state":"standby",
"completion_ratio":null},"device_comm_link":{…}}``

PYTEST_DONT_REWRITE
"""

from collections.abc import Mapping

from pytest_scrutiny.model.datalog import (
    DataloggerState,
    DataloggingCapabilities,
    DataloggingEncoding,
    DataloggingInfo,
    FixedFreqSamplingRate,
    SamplingRate,
    VariableFreqSamplingRate,
)
from pytest_scrutiny.model.status import (
    DeviceCommState,
    DeviceInfo,
    MemoryRegion,
    StatusReport,
    SupportedFeatureMap,
)
from pytest_scrutiny.model.values import UnknownValue
from pytest_scrutiny.protocol.dialect import Dialect
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.link import decode_link, encode_link
from pytest_scrutiny.protocol.sfd import decode_embedded_sfd, encode_sfd

GET_STATUS = "get_server_status"
STATUS = "inform_server_status"
GET_DEVICE_INFO = "get_device_info"

_COMM_STATES: Mapping[str, DeviceCommState] = {
    "unknown": DeviceCommState.NA,
    "disconnected": DeviceCommState.Disconnected,
    "connecting": DeviceCommState.Connecting,
    "connected": DeviceCommState.Connecting,
    "connected_ready": DeviceCommState.ConnectedReady,
}
_COMM_WORDS = {state: word for word, state in _COMM_STATES.items()}

_LOGGER_STATES: Mapping[str, DataloggerState] = {
    "unavailable": DataloggerState.NA,
    "standby": DataloggerState.Standby,
    "waiting_for_trigger": DataloggerState.WaitForTrigger,
    "acquiring": DataloggerState.Acquiring,
    "data_ready": DataloggerState.DataReady,
    "downloading": DataloggerState.Downloading,
    "error": DataloggerState.Error,
}
_LOGGER_WORDS = {state: word for word, state in _LOGGER_STATES.items()}


def decode_status(message: Fields) -> StatusReport:
    """Return what an ``inform_server_status`` says."""
    word = message.text("device_status")
    is_whole = "device_info" in message
    device = message.optional_child("device_info")
    embedded = message.optional_child("loaded_sfd") if is_whole else None
    sfd = None if embedded is None else decode_embedded_sfd(embedded)
    return StatusReport(
        comm_state=_COMM_STATES.get(word) or UnknownValue(word),
        session_id=message.optional_text("device_session_id"),
        datalogging=_decode_datalogging(
            message.child(message.first_of("device_datalogging_status", "datalogging_status"))
        ),
        link=decode_link(message.child("device_comm_link")),
        sfd_firmware_id=sfd.firmware_id if sfd else message.optional_text("loaded_sfd_firmware_id"),
        device=None if device is None else decode_device_info(device),
        sfd=sfd,
        is_whole=is_whole,
    )


def encode_status(report: StatusReport, dialect: Dialect) -> dict[str, object]:
    """Return the fields of an ``inform_server_status`` as a server of this dialect writes it."""
    state = report.datalogging.state
    word = state.text if isinstance(state, UnknownValue) else _LOGGER_WORDS[state]
    fields: dict[str, object] = {
        "device_status": _encode_comm_state(report.comm_state),
        "device_session_id": report.session_id,
        dialect.datalogging_key: {
            dialect.datalogging_state_key: dialect.names_data_ready
            if state is DataloggerState.DataReady
            else word,
            "completion_ratio": report.datalogging.completion_ratio,
        },
        "device_comm_link": encode_link(report.link, dialect),
    }
    if dialect.status_tells_device:
        fields["device_info"] = None if report.device is None else encode_device_info(report.device, dialect)
        fields["loaded_sfd"] = None if report.sfd is None else encode_sfd(report.sfd)
    else:
        fields["loaded_sfd_firmware_id"] = report.sfd_firmware_id
    return fields


def _encode_comm_state(state: DeviceCommState | UnknownValue) -> str:
    if isinstance(state, UnknownValue):
        return state.text
    # Of the two words for one state, a poller sees "connecting" for longer.
    return "connecting" if state is DeviceCommState.Connecting else _COMM_WORDS[state]


def _decode_datalogging(fields: Fields) -> DataloggingInfo:
    word = fields.text(fields.first_of("datalogger_state", "datalogging_state"))
    return DataloggingInfo(
        state=_LOGGER_STATES.get(word) or UnknownValue(word),
        completion_ratio=fields.optional_number("completion_ratio"),
    )


def decode_device_info_reply(message: Fields) -> DeviceInfo | None:
    """Return the device of a ``response_get_device_info``; None if there is none."""
    device = message.optional_child("device_info")
    return None if device is None or not message.boolean("available") else decode_device_info(device)


def encode_device_info_reply(device: DeviceInfo | None, dialect: Dialect) -> dict[str, object]:
    """Return the fields of a ``response_get_device_info``."""
    info = None if device is None else encode_device_info(device, dialect)
    return {"available": device is not None, "device_info": info}


def decode_device_info(fields: Fields) -> DeviceInfo:
    """Return the device that ``device_info`` describes."""
    features = fields.child("supported_feature_map")
    capabilities = fields.optional_child("datalogging_capabilities")
    return DeviceInfo(
        device_id=fields.text("device_id"),
        display_name=fields.text("display_name"),
        max_tx_data_size=fields.integer("max_tx_data_size"),
        max_rx_data_size=fields.integer("max_rx_data_size"),
        max_bitrate_bps=fields.optional_integer("max_bitrate_bps"),
        rx_timeout_us=fields.integer("rx_timeout_us"),
        heartbeat_timeout=fields.number("heartbeat_timeout_us") / 1e6,
        address_size_bits=fields.integer("address_size_bits"),
        protocol_major=fields.integer("protocol_major"),
        protocol_minor=fields.integer("protocol_minor"),
        supported_features=SupportedFeatureMap(
            memory_write=features.boolean("memory_write"),
            datalogging=features.boolean("datalogging"),
            user_command=features.boolean("user_command"),
            sixtyfour_bits=features.boolean("_64bits"),
        ),
        forbidden_memory_regions=_decode_regions(fields, "forbidden_memory_regions"),
        readonly_memory_regions=_decode_regions(fields, "readonly_memory_regions"),
        session_id=fields.optional_text("session_id"),
        datalogging_capabilities=None if capabilities is None else _decode_capabilities(capabilities),
        char_bit=fields.optional_integer("char_bit"),
    )


def encode_device_info(device: DeviceInfo, dialect: Dialect) -> dict[str, object]:
    """Return ``device_info`` as a server of this dialect writes it."""
    features = device.supported_features
    fields: dict[str, object] = {
        "device_id": device.device_id,
        "display_name": device.display_name,
        "max_tx_data_size": device.max_tx_data_size,
        "max_rx_data_size": device.max_rx_data_size,
        "max_bitrate_bps": device.max_bitrate_bps,
        "rx_timeout_us": device.rx_timeout_us,
        "heartbeat_timeout_us": round(device.heartbeat_timeout * 1e6),
        "address_size_bits": device.address_size_bits,
        "protocol_major": device.protocol_major,
        "protocol_minor": device.protocol_minor,
        "supported_feature_map": {
            "memory_write": features.memory_write,
            "datalogging": features.datalogging,
            "user_command": features.user_command,
            "_64bits": features.sixtyfour_bits,
        },
        "forbidden_memory_regions": [_encode_region(region) for region in device.forbidden_memory_regions],
        "readonly_memory_regions": [_encode_region(region) for region in device.readonly_memory_regions],
    }
    if dialect.device_session_and_capabilities:
        fields["session_id"] = device.session_id
        fields["datalogging_capabilities"] = encode_capabilities(device.datalogging_capabilities)
    if dialect.char_bit:
        fields["char_bit"] = device.char_bit or 8
    return fields


def _decode_regions(fields: Fields, key: str) -> tuple[MemoryRegion, ...]:
    return tuple(
        MemoryRegion(region.integer("start"), region.integer("size")) for region in fields.children(key)
    )


def _encode_region(region: MemoryRegion) -> dict[str, int]:
    return {"start": region.start, "end": region.end, "size": region.size}


def _decode_capabilities(fields: Fields) -> DataloggingCapabilities:
    word = fields.text("encoding")
    return DataloggingCapabilities(
        encoding=DataloggingEncoding.RAW if word == "raw" else UnknownValue(word),
        buffer_size=fields.integer("buffer_size"),
        max_nb_signal=fields.integer("max_nb_signal"),
        sampling_rates=tuple(_decode_rate(rate) for rate in fields.children("sampling_rates")),
    )


def _decode_rate(fields: Fields) -> SamplingRate:
    identifier, name = fields.integer("identifier"), fields.text("name")
    frequency = fields.optional_number("frequency")
    if frequency is None:
        return VariableFreqSamplingRate(identifier, name)
    return FixedFreqSamplingRate(identifier, name, frequency)


def encode_capabilities(capabilities: DataloggingCapabilities | None) -> dict[str, object] | None:
    """Return ``datalogging_capabilities``."""
    if capabilities is None:
        return None
    return {
        "buffer_size": capabilities.buffer_size,
        "encoding": "raw" if capabilities.encoding is DataloggingEncoding.RAW else capabilities.encoding.text,
        "max_nb_signal": capabilities.max_nb_signal,
        "sampling_rates": [_encode_rate(rate) for rate in capabilities.sampling_rates],
    }


def _encode_rate(rate: SamplingRate) -> dict[str, object]:
    is_fixed = isinstance(rate, FixedFreqSamplingRate)
    return {
        "identifier": rate.identifier,
        "name": rate.name,
        "frequency": rate.frequency if isinstance(rate, FixedFreqSamplingRate) else None,
        "type": "fixed_freq" if is_fixed else "variable_freq",
    }
