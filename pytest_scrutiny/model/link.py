"""The link between a server and its device, and how it is configured.

PYTEST_DONT_REWRITE
"""

import enum
from typing import TypeAlias

import attrs

from pytest_scrutiny.model.values import UnknownValue


class DeviceLinkType(enum.Enum):
    """The kind of link; the seed's numbers, and those that came later."""

    Dummy = -1
    NONE = 0
    NA = 0  # noqa: PIE796 - an alias: the name in releases 0.1 to 0.3
    UDP = 1
    TCP = 2
    Serial = 3
    RTT = 4
    CAN = 5


@attrs.frozen
class UDPLinkConfig:
    """A device behind a UDP port.

    :ivar host: host name or address of the device.
    """

    host: str
    port: int


@attrs.frozen
class TCPLinkConfig:
    """A device behind a TCP port. No released server offers it; the class is part of the API's contract."""

    host: str
    port: int


@attrs.frozen
class SerialLinkConfig:
    """A device behind a serial port.

    :ivar port: for example ``/dev/ttyUSB0`` or ``COM3``.
    :ivar baudrate: bits per second.
    :ivar start_delay: seconds of silence after opening the port.
    """

    class StopBits(enum.Enum):
        """Number of stop bits."""

        ONE = 1
        ONE_POINT_FIVE = 1.5
        TWO = 2

    class DataBits(enum.Enum):
        """Number of data bits."""

        FIVE = 5
        SIX = 6
        SEVEN = 7
        EIGHT = 8

    class Parity(enum.Enum):
        """Parity bit."""

        NONE = "none"
        EVEN = "even"
        ODD = "odd"
        MARK = "mark"
        SPACE = "space"

    port: str
    baudrate: int
    start_delay: float = 0.0
    stopbits: StopBits | UnknownValue = StopBits.ONE
    databits: DataBits | UnknownValue = DataBits.EIGHT
    parity: Parity | UnknownValue = Parity.NONE


@attrs.frozen
class RTTLinkConfig:
    """A device behind a J-Link probe.

    :ivar target_device: the probe maker's name of the chip.
    :ivar buffer_index: the RTT buffer, 0 on servers before 0.16.
    """

    class JLinkInterface(enum.Enum):
        """Wiring between the probe and the chip."""

        JTAG = "jtag"
        SWD = "swd"
        FINE = "fine"
        ICSP = "icsp"
        SPI = "spi"
        C2 = "c2"

    target_device: str
    jlink_interface: JLinkInterface | UnknownValue
    buffer_index: int = 0


@attrs.frozen
class CANLinkConfig:
    """A device on a CAN bus.

    :ivar interface: the bus driver.
    :ivar txid: identifier the server sends with; ``rxid`` is the device's.
    :ivar interface_config: what the driver needs, None if the driver is unknown to us.
    """

    class CANInterface(enum.Enum):
        """Bus driver."""

        SocketCAN = 0
        Vector = 1
        KVaser = 2
        PCAN = 3
        ETAS = 4

    @attrs.frozen
    class SocketCANConfig:
        """Linux SocketCAN."""

        channel: str

    @attrs.frozen
    class VectorConfig:
        """Vector XL; rates in bits per second."""

        channel: str | int
        bitrate: int
        data_bitrate: int

    @attrs.frozen
    class KVaserConfig:
        """Kvaser CANLIB; rates in bits per second."""

        channel: int
        bitrate: int
        data_bitrate: int
        fd_non_iso: bool

    @attrs.frozen
    class PCANConfig:
        """PEAK PCAN; rate in bits per second."""

        channel: str
        bitrate: int

    @attrs.frozen
    class ETASConfig:
        """ETAS BOA; rates in bits per second."""

        channel: str
        bitrate: int
        data_bitrate: int

    interface: CANInterface | UnknownValue
    txid: int
    rxid: int
    extended_id: bool
    fd: bool
    bitrate_switch: bool
    interface_config: SocketCANConfig | VectorConfig | KVaserConfig | PCANConfig | ETASConfig | None


LinkConfig: TypeAlias = UDPLinkConfig | TCPLinkConfig | SerialLinkConfig | RTTLinkConfig | CANLinkConfig


@attrs.frozen
class DeviceLinkInfo:
    """The link a server uses at present.

    :ivar config: None when the kind of link has none, or one that we cannot read.
    :ivar operational: whether the server could open the link; None on servers 0.1 to 0.3, which do not say.
    :ivar demo_mode: whether the server plays the device itself; None on servers before 0.8.
    """

    type: DeviceLinkType | UnknownValue
    config: LinkConfig | None
    operational: bool | None = None
    demo_mode: bool | None = None
