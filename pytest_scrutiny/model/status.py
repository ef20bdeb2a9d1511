"""What is going on at the server: the device, its link, its datalogger, its firmware description.

PYTEST_DONT_REWRITE
"""

import enum

import attrs

from pytest_scrutiny.model.datalog import DataloggingCapabilities, DataloggingInfo
from pytest_scrutiny.model.link import DeviceLinkInfo
from pytest_scrutiny.model.sfd import SFDInfo
from pytest_scrutiny.model.values import UnknownValue


class ServerState(enum.Enum):
    """The state of the connection between this client and the server."""

    Disconnected = 0
    Connecting = 1
    Connected = 2
    Error = -1


class DeviceCommState(enum.Enum):
    """The state of the connection between the server and the device.

    ``Connecting`` covers the wire's ``connecting`` and ``connected`` (handshake done, information still
    being gathered): in neither can the device answer a test.
    """

    NA = 0
    Disconnected = 1
    Connecting = 2
    ConnectedReady = 3


@attrs.frozen
class SupportedFeatureMap:
    """What the connected device can do.

    :ivar memory_write: memory can be written; RPVs can be written even without it.
    :ivar datalogging: the device can record signals by itself.
    :ivar user_command: the firmware handles user commands.
    :ivar sixtyfour_bits: 64-bit RPVs and 64-bit datalogging work; 64-bit variables work without it.
    """

    memory_write: bool
    datalogging: bool
    user_command: bool
    sixtyfour_bits: bool


@attrs.frozen
class MemoryRegion:
    """A range of the device's memory.

    :ivar start: first address.
    :ivar size: bytes.
    """

    start: int
    size: int

    @property
    def end(self) -> int:
        """The last address of the region, inclusive."""
        return self.start + max(self.size, 1) - 1

    def touches(self, other: "MemoryRegion") -> bool:
        """Return whether the two share an address."""
        return self.start <= other.end and other.start <= self.end


@attrs.frozen
class DeviceInfo:
    """What the device said of itself when it connected.

    :ivar device_id: the firmware's id, 32 hex digits.
    :ivar max_tx_data_size: bytes the device can send in one message; ``max_rx_data_size`` can receive.
    :ivar max_bitrate_bps: bits per second the device asked for; None if it did not ask for a limit.
    :ivar rx_timeout_us: microseconds of silence after which the device expects a new frame.
    :ivar heartbeat_timeout: seconds without a heartbeat after which the device ends the session.
    :ivar address_size_bits: 8, 16, 32, 64 or 128.
    :ivar session_id: the session this information belongs to; None on servers 0.1 to 0.3.
    :ivar datalogging_capabilities: None if the device has no datalogger, or on servers 0.1 to 0.3.
    :ivar char_bit: bits in the device's byte; None on servers before 0.14, which do not say.
    """

    device_id: str
    display_name: str
    max_tx_data_size: int
    max_rx_data_size: int
    max_bitrate_bps: int | None
    rx_timeout_us: int
    heartbeat_timeout: float
    address_size_bits: int
    protocol_major: int
    protocol_minor: int
    supported_features: SupportedFeatureMap
    forbidden_memory_regions: tuple[MemoryRegion, ...]
    readonly_memory_regions: tuple[MemoryRegion, ...]
    session_id: str | None = None
    datalogging_capabilities: DataloggingCapabilities | None = None
    char_bit: int | None = None


@attrs.frozen
class ServerInfo:
    """Everything going on at the server, of one device session.

    :ivar device_session_id: 32 hex digits, new each time the device connects; None while it is not ready.
    :ivar device: None while no device is ready.
    :ivar sfd: the loaded firmware description; None if none is loaded.
    """

    device_comm_state: DeviceCommState | UnknownValue
    device_session_id: str | None
    device: DeviceInfo | None
    datalogging: DataloggingInfo
    sfd: SFDInfo | None
    device_link: DeviceLinkInfo

    @property
    def sfd_firmware_id(self) -> str | None:
        """The firmware id of the loaded description; None if none is loaded."""
        return None if self.sfd is None else self.sfd.firmware_id


@attrs.frozen
class StatusReport:
    """One status message as a server sends it, before device and SFD are asked for.

    :ivar device: None where the message does not tell (servers from 0.4), or there is no device.
    :ivar sfd: None where the message does not tell (servers from 0.4), or none is loaded.
    :ivar is_whole: the message tells device and SFD itself (servers 0.1 to 0.3).
    """

    comm_state: DeviceCommState | UnknownValue
    session_id: str | None
    datalogging: DataloggingInfo
    link: DeviceLinkInfo
    sfd_firmware_id: str | None
    device: DeviceInfo | None = None
    sfd: SFDInfo | None = None
    is_whole: bool = False
