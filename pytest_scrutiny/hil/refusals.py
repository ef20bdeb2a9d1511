"""Why a device refused a write, where its own facts tell: a server says "Not allowed", or nothing at all."""

from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.model.status import DeviceInfo, MemoryRegion
from pytest_scrutiny.model.values import EmbeddedDataType, WatchableType
from pytest_scrutiny.model.watch import AliasDetails, VariableDetails, WatchableInfo


def raise_cause(
    refusal: OperationFailure, value: object, info: WatchableInfo, device: DeviceInfo | None
) -> None:
    """Raise the refusal of a write anew with its cause, if the device's facts tell it.

    :raises OperationFailure: with the server's reason as ``reason``.
    """
    cause = cause_of_refusal(info, device)
    if cause:
        text = f"the write of {value!r} to {info.path} failed: {cause}"
        raise OperationFailure(text, refusal.command, refusal.reason) from refusal


def cause_of_refusal(info: WatchableInfo, device: DeviceInfo | None) -> str:
    """Return why the device cannot have taken a write, and what to do; ``""`` if nothing tells."""
    if device is None or _stands_for_rpv(info):
        return ""
    if not device.supported_features.memory_write:
        return (
            f"device {device.display_name} lacks memory_write; expected it. "
            "Mark the test @requires.memory_write, or build the firmware with it."
        )
    for kind, regions in (
        ("read-only", device.readonly_memory_regions),
        ("forbidden", device.forbidden_memory_regions),
    ):
        for region in regions:
            if _lies_in(info, region):
                return (
                    f"it lies in the {kind} region {region.start:#x} to {region.end:#x} of the device. "
                    "Write another variable, or open the region in the firmware."
                )
    return ""


def _stands_for_rpv(info: WatchableInfo) -> bool:
    """Return whether it is an RPV, which may be written all the same, or may stand for one."""
    if info.type is WatchableType.Alias:
        details = info.details  # None before 0.10: nobody tells what it stands for
        return not isinstance(details, AliasDetails) or details.target_type is not WatchableType.Variable
    return info.type is not WatchableType.Variable


def _lies_in(info: WatchableInfo, region: MemoryRegion) -> bool:
    details, datatype = info.details, info.datatype
    if not isinstance(details, VariableDetails) or details.address is None:
        return False
    size = datatype.get_size_bit() // 8 if isinstance(datatype, EmbeddedDataType) else 1
    return details.address <= region.end and region.start < details.address + size
