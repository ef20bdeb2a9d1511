"""The stages on the way to a ready device, as a status shows them, and what to say when one is not reached.

The stages before these (resolve host, TCP, transport recognised) are those of ``connect`` and its errors.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pytest_scrutiny.model.link import (
    DeviceLinkInfo,
    DeviceLinkType,
    SerialLinkConfig,
    TCPLinkConfig,
    UDPLinkConfig,
)
from pytest_scrutiny.model.status import DeviceCommState, ServerInfo
from pytest_scrutiny.plugin.markers import READY


class Stage(NamedTuple):
    """A step on the way to a ready device.

    :ivar is_reached: looks at one status; a later stage counts only after all before it.
    :ivar seen: what a status shows when the stage is not reached.
    :ivar advice: one thing to try then.
    :ivar category: who has to look into it.
    """

    name: str
    is_reached: Callable[[ServerInfo], bool]
    seen: Callable[[ServerInfo], str]
    advice: str
    category: str


class Finding(NamedTuple):
    """How far a wait came.

    :ivar advice: one thing to try.
    :ivar category: who has to look into it.
    """

    reached: str
    missed: str
    seen: str
    advice: str
    category: str

    def __str__(self) -> str:
        return f"reached {self.reached}; expected {self.missed}, but {self.seen}"


STATUS_STAGE = Stage(
    "status received",
    lambda _: True,
    lambda _: "",  # whoever is given a status has reached it
    "Look into its log; if it is loading a large SFD, give it more time.",
    "server",
)
_CONFIGURED = Stage(
    "link configured",
    lambda info: info.device_link.type is not DeviceLinkType.NONE,
    lambda _: "the server has no link to a device",
    "Choose the device's link in the server's configuration or GUI.",
    "config",
)
_OPERATIONAL = Stage(
    "link operational",
    lambda info: info.device_link.operational is not False,  # None: servers 0.1 to 0.3 do not say
    lambda info: f"the server cannot open its link ({describe_link(info.device_link)})",
    "Check that the port or host exists and that nobody else has opened it.",
    "bench",
)
DEVICE_STAGES = (
    STATUS_STAGE,
    _CONFIGURED,
    _OPERATIONAL,
    Stage(
        "handshake",
        lambda info: info.device_comm_state in (DeviceCommState.Connecting, DeviceCommState.ConnectedReady),
        lambda info: f"no device answers: {describe_link(info.device_link)}, {info.device_comm_state.name}",
        "Check the device's power and that its firmware calls Scrutiny's main handler.",
        "device",
    ),
    Stage(
        "device ready",
        lambda info: info.device_comm_state is DeviceCommState.ConnectedReady and info.device is not None,
        lambda info: f"the device answered without becoming ready ({info.device_comm_state.name})",
        "Give it more time, or check the link's quality.",
        "device",
    ),
)
SFD_STAGE = Stage(
    "SFD loaded",
    lambda info: info.device is not None and info.sfd_firmware_id == info.device.device_id,
    lambda info: f"the server, which has one for this firmware, loaded {info.sfd_firmware_id or 'none'}",
    f"Look into the server's log, or mark the test {READY}(sfd=False).",
    "config",
)
_UNSAID = ", and that the server could open its link (releases up to 0.3 do not say)."
ALL_STAGES = (*DEVICE_STAGES, SFD_STAGE)


def count_reached(stages: Sequence[Stage], info: ServerInfo) -> int:
    """Return how many of the stages were reached without a gap."""
    return next((count for count, stage in enumerate(stages) if not stage.is_reached(info)), len(stages))


def find(stages: Sequence[Stage], info: ServerInfo) -> Finding:
    """Return how far a status shows the device to be; not all of the stages are reached."""
    count = count_reached(stages, info)
    reached, missed = stages[count - 1], stages[count]
    name, advice = reached.name, missed.advice
    if reached is _OPERATIONAL and info.device_link.operational is None:
        name = _CONFIGURED.name
        advice = advice.removesuffix(".") + _UNSAID
    return Finding(name, missed.name, missed.seen(info), advice, missed.category)


def describe_link(link: DeviceLinkInfo) -> str:
    """Return what a link is, to be read by people."""
    match link.config:
        case UDPLinkConfig(host, port) | TCPLinkConfig(host, port):
            return f"{link.type.name} {host}:{port}"
        case SerialLinkConfig() as serial:
            return f"{link.type.name} {serial.port}, {serial.baudrate} baud"
    return link.type.name
