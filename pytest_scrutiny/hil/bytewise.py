"""How to have NaN and infinity back, which no server takes as values: by their bytes.

It goes where the server tells where they lie: from 0.10 on, and not for RPVs.
"""

import math
from typing import TYPE_CHECKING

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.hil.journal import PutBack
from pytest_scrutiny.model.values import EmbeddedDataType
from pytest_scrutiny.model.watch import AliasDetails, VariableDetails, WatchableInfo

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device


def way_through_memory(device: "Device", info: WatchableInfo, original: bool | float) -> PutBack | None:
    """Return what puts back the bytes of a value that is not finite; None if that is not the way.

    :raises ValueError: if it were, but the device does not let its memory be read.
    """
    if math.isfinite(original):
        return None
    place = _place_in_memory(device, info)
    if place is None:
        return None
    try:
        return device.memory.way_back(*place)[1]
    except OperationFailure as exc:
        raise ValueError(
            f"{info.path} is {original!r}, which could not be put back after the test: its bytes cannot be "
            f"read ({exc.reason}); bring it into range first, or write it through the device's raw client"
        ) from exc


def _place_in_memory(device: "Device", info: WatchableInfo) -> tuple[int, int] | None:
    """Return address and size of a value's bytes; None if it has none, or nobody tells."""
    if isinstance(info.details, AliasDetails):
        info = device.raw.watches.describe(info.details.target, Deadline(device.raw.timeout))
    details, datatype = info.details, info.datatype
    if not isinstance(details, VariableDetails) or not isinstance(datatype, EmbeddedDataType):
        return None
    if details.address is None or "*" in info.path:  # a pointer may lead elsewhere by then
        return None
    return details.address, datatype.get_size_bit() // 8
