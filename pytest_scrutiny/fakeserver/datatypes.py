"""One of everything that a firmware can have: what the profile ``types`` is made of.

``/types/…`` has one variable of each datatype, at its limits where it has any. Servers leave those out that
they do not support, and releases before 0.11 what has to do with pointers; the fake does the same.

PYTEST_DONT_REWRITE
"""

import math

from pytest_scrutiny.fakeserver.arrays import Array
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Variable
from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.model.values import EmbeddedDataType as DataType
from pytest_scrutiny.model.values import EmbeddedEnum

STATES = EmbeddedEnum("State", {"OFF": 0, "ON": 1, "FAULT": 3})
ERRORS = EmbeddedEnum("Error", {"OK": 0, "TIMEOUT": -1, "WORST": -(1 << 31)})

FIRST, SECOND = 0x1500, 0x1520
"""Where two nodes lie, each of an id, a value, flags, a pointer to the next one, and samples."""
FORBIDDEN = MemoryRegion(0x1E00, 0x100)
READONLY = MemoryRegion(0x1F00, 0x100)

_START, _STEP = 0x1000, 32  # the largest datatype has 256 bits


def _example(datatype: DataType) -> bool | float:
    """Return a value that is easily spoilt."""
    if datatype.is_bool():
        return True
    if datatype.is_pointer():
        return FIRST & 0xFF if datatype is DataType.ptr8 else FIRST
    if datatype is DataType.uint64:
        return (1 << 53) + 1  # no float is this number
    limits = datatype.limits()
    if limits is None:
        return 0
    if datatype.is_float():
        return 0.1
    return limits[0] if datatype.is_signed() else limits[1]


_SIZED = tuple(kind for kind in DataType if kind.get_size_bit())

_SCALARS = tuple(
    Variable(f"/types/{kind.name}", kind, _START + _STEP * place, _example(kind))
    for place, kind in enumerate(_SIZED)
)

_BITS = (
    Variable("/bits/low", DataType.uint8, 0x1480, 5, bitoffset=0, bitsize=3),
    Variable("/bits/high", DataType.uint8, 0x1480, 17, bitoffset=3, bitsize=5),
    Variable("/bits/middle", DataType.uint16, 0x1482, 0x55, bitoffset=4, bitsize=7),
    Variable("/bits/signed", DataType.sint16, 0x1484, -3, bitoffset=2, bitsize=5),  # reads as 29
    Variable("/bits/state", DataType.uint8, 0x1486, 3, STATES, bitoffset=6, bitsize=2),
    Variable("/bits/wide", DataType.uint64, 0x1488, (1 << 53) + 1, bitoffset=0, bitsize=63),
    Variable("/bits/top", DataType.uint64, 0x1488, 1, bitoffset=63, bitsize=1),
    Variable("/bits/flag", DataType.bool8, 0x1490, True, bitoffset=0, bitsize=1),
    Variable("/bits/stuck", DataType.bool8, 0x1490, True, bitoffset=3, bitsize=1),  # no server can set it
)

_ENUMS = (
    Variable("/enums/state", DataType.uint8, 0x14A0, 1, STATES),
    Variable("/enums/error", DataType.sint32, 0x14A4, -1, ERRORS),
)


def _node(name: str, address: int, number: int, follower: int) -> tuple[Variable, ...]:
    return (
        Variable(f"/nodes/{name}/id", DataType.sint32, address, number),
        Variable(f"/nodes/{name}/value", DataType.float32, address + 4, number * 1.5),
        Variable(f"/nodes/{name}/flags", DataType.uint16, address + 8, number & 7, bitoffset=1, bitsize=3),
        Variable(f"/nodes/{name}/next", DataType.ptr32, address + 12, follower),
    )


def _behind(name: str) -> tuple[Variable, ...]:
    """Return what a pointer to a node leads to."""
    pointer = f"/pointers/{name}"
    return (
        Variable(f"/pointers/*{name}/id", DataType.sint32, 0, pointer=pointer),
        Variable(f"/pointers/*{name}/value", DataType.float32, 4, pointer=pointer),
        Variable(f"/pointers/*{name}/flags", DataType.uint16, 8, bitoffset=1, bitsize=3, pointer=pointer),
        Variable(f"/pointers/*{name}/next", DataType.ptr32, 12, pointer=pointer),
    )


_POINTERS = (
    *_node("first", FIRST, -5, SECOND),
    *_node("second", SECOND, 77, 0),
    Variable("/pointers/node", DataType.ptr32, 0x1540, FIRST),
    Variable("/pointers/null", DataType.ptr32, 0x1544, 0),
    Variable("/pointers/walking", DataType.ptr32, 0x1548, 0),
    Variable("/pointers/forbidden", DataType.ptr32, 0x154C, FORBIDDEN.start),
    Variable("/pointers/readonly", DataType.ptr32, 0x1550, READONLY.start),
    *_behind("node"),
    *_behind("null"),
    *_behind("walking"),
    Variable("/pointers/*forbidden", DataType.uint16, 8, pointer="/pointers/forbidden"),
    Variable("/pointers/*readonly", DataType.uint16, 8, pointer="/pointers/readonly"),
)

_REGIONS = (
    Variable("/regions/forbidden", DataType.uint16, FORBIDDEN.start + 8, 7),
    Variable("/regions/readonly", DataType.uint16, READONLY.start + 8, 8),
)

VARIABLES = (*_SCALARS, *_BITS, *_ENUMS, *_POINTERS, *_REGIONS)

ARRAYS = (
    Array("/arrays/bytes", DataType.uint8, 0x1600, (4,), initial=(1, 2, 3, 255)),
    Array("/arrays/matrix", DataType.float32, 0x1610, (2, 3), initial=(0.5, 1.5, 2.5, 3.5, 4.5, 5.5)),
    Array("/arrays/states", DataType.uint8, 0x1630, (2,), initial=(0, 3), enum=STATES),
    Array("/arrays/points/x", DataType.sint16, 0x1640, (3,), (-1, -2, -3), node="/arrays/points", stride=4),
    Array("/arrays/points/y", DataType.sint16, 0x1642, (3,), (1, 2, 3), node="/arrays/points", stride=4),
    Array("/arrays/huge", DataType.uint128, 0x1660, (2,), initial=(1, 2)),  # listed; its elements are refused
    Array("/nodes/first/samples", DataType.uint16, FIRST + 16, (4,), initial=(10, 20, 30, 40)),
    Array("/nodes/second/samples", DataType.uint16, SECOND + 16, (4,), initial=(50, 60, 70, 80)),
    Array("/pointers/table", DataType.ptr32, 0x1680, (3,), initial=(FIRST, 0, SECOND)),
    Array("/pointers/*node/samples", DataType.uint16, 16, (4,), pointer="/pointers/node"),
    Array("/pointers/*table", DataType.sint32, 0, (3,), pointers="/pointers/table"),
)

ALIASES = (
    Alias("/alias/plain", "/types/uint64"),
    Alias("/alias/bool", "/types/bool8"),
    Alias("/alias/gain", "/types/sint32", gain=0.5),
    Alias("/alias/offset", "/types/sint16", offset=-3.0),
    Alias("/alias/scaled", "/types/float64", gain=1.8, offset=32.0, min=-40.0, max=212.0),
    Alias("/alias/state", "/enums/state"),
    Alias("/alias/named", "/types/uint8", enum=EmbeddedEnum("Named", {"NONE": 0, "ALL": 255})),
    Alias("/alias/bits", "/bits/middle", gain=0.25),
    Alias("/alias/element", "/arrays/points[1]/y", gain=2.0),
    Alias("/alias/pointer", "/pointers/node"),
    Alias("/alias/behind", "/pointers/*node/id", gain=2.0),
    Alias("/alias/null", "/pointers/*null/id"),
    Alias("/alias/forbidden", "/regions/forbidden"),
    Alias("/alias/rpv", "/rpv/x1009", gain=100.0, min=-1000.0, max=1000.0),
    Alias("/alias/rpv64", "/rpv/x1007"),
)

RPVS = tuple(
    RPV(0x1000 + place, kind, _example(kind))
    for place, kind in enumerate((
        DataType.sint8, DataType.sint16, DataType.sint32, DataType.sint64,
        DataType.uint8, DataType.uint16, DataType.uint32, DataType.uint64,
        DataType.bool8, DataType.float32, DataType.float64,
    ))
)  # fmt: skip


def walk(device: SimulatedDevice, _before: float, now: float) -> None:
    """Let a pointer lead nowhere for a second, then to the first node, then to the second one."""
    device.set("/pointers/walking", (0, FIRST, SECOND)[math.floor(now) % 3])
