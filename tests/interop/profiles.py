"""The device of the contract tests: the fake server's ``plain`` one, with what tests and examples need more.

Both kinds of server take it: the fake as it is, a real one through emulated_server.py. Imported by the
Pythons of the released servers too, so it needs nothing but attrs.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from pytest_scrutiny.fakeserver.production import equip
from pytest_scrutiny.fakeserver.profiles import PLAIN, PROFILES
from pytest_scrutiny.fakeserver.rows import RPV, Profile, Variable
from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.model.values import FLOAT32_MAX, FLOAT64_MAX
from pytest_scrutiny.model.values import EmbeddedDataType as DataType

FREE_ADDRESS = 0x1200
"""Where there is memory that nothing else uses, up to the regions."""
FORBIDDEN = MemoryRegion(0x1C00, 0x100)
READONLY = MemoryRegion(0x1D00, 0x100)

_INTEGERS = tuple(DataType[f"{sign}int{bits}"] for sign in "su" for bits in (8, 16, 32, 64))
_TYPES = (*_INTEGERS, DataType.float32, DataType.float64, DataType.bool8)


def edges(datatype: DataType) -> tuple[bool | float, ...]:
    """Return the values of a datatype that are easily spoilt."""
    if datatype.is_bool():
        return True, False
    if datatype is DataType.float32:  # what is no float32 is rounded to the nearest one
        return 0.1, FLOAT32_MAX, -FLOAT32_MAX, 2.0**-126, 2.0**-149, -(2.0**-149), -0.0
    if datatype is DataType.float64:
        return 0.1, math.pi, FLOAT64_MAX, -FLOAT64_MAX, 2.0**-1022, 5e-324, -5e-324, -0.0, 2.0**53 + 2
    low, high = datatype.limits() or (0, 0)
    beyond_float = (2**53 + 1, high - 1) if datatype.get_size_bit() == 64 else ()
    return low, high, *beyond_float, 1


EDGES: Mapping[DataType, tuple[bool | float, ...]] = MappingProxyType({kind: edges(kind) for kind in _TYPES})
"""``{datatype: values at its limits}``."""

EDGE_VARIABLES: Mapping[DataType, Variable] = MappingProxyType({
    kind: Variable(f"/edge/{kind.name}", kind, 0x1040 + 8 * place) for place, kind in enumerate(_TYPES)
})  # fmt: skip
EDGE_RPVS: Mapping[DataType, RPV] = MappingProxyType({
    kind: RPV(0x2000 + place, kind) for place, kind in enumerate(_TYPES)
})  # fmt: skip

_EQUIPPED = equip(PLAIN)

CONTRACT: Profile = attrs.evolve(
    _EQUIPPED,
    variables=(
        *_EQUIPPED.variables,
        *EDGE_VARIABLES.values(),
        Variable("/region/forbidden", DataType.uint16, FORBIDDEN.start + 8, initial=7),
        Variable("/region/readonly", DataType.uint16, READONLY.start + 8, initial=8),
    ),
    rpvs=(*PLAIN.rpvs, *EDGE_RPVS.values()),
    forbidden=(FORBIDDEN,),
    readonly=(READONLY,),
)

DEVICES: Mapping[str, Profile] = MappingProxyType({**PROFILES, "contract": CONTRACT})
"""``{name: device}``: those of the fake server, and ``contract``."""
