"""Whether there can be a device like one that somebody described.

PYTEST_DONT_REWRITE
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from pytest_scrutiny.fakeserver.arrays import Array, bare_path
from pytest_scrutiny.fakeserver.memory import Memory, fit_value
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Profile, Variable
from pytest_scrutiny.model.values import EmbeddedDataType

_FIRMWARE_ID = re.compile("[0-9a-f]{32}")
_PATH = re.compile(r"(/[^/]+)+")
_KINDS: Mapping[str, type[Variable | Array | Alias | RPV]] = {
    "variables": Variable,
    "arrays": Array,
    "aliases": Alias,
    "rpvs": RPV,
}


def check_profile(profile: Profile) -> None:
    """Check that there can be such a device.

    :raises ValueError: naming all that is wrong.
    """
    complaints = [*_check_kinds(profile)]
    if not complaints:  # what follows would stumble over them
        complaints = [*_check_device(profile), *_check_paths(profile), *_check_values(profile)]
    if complaints:
        raise ValueError("; ".join(complaints))


def _check_kinds(profile: Profile) -> Iterator[str]:
    for name, kind in _KINDS.items():
        rows = getattr(profile, name)
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            yield f"{name} is {rows!r}; expected a tuple, also of one {kind.__name__}"
            continue
        for row in rows:
            if not isinstance(row, kind):
                yield f"{name} has {row!r}; expected {kind.__name__} only"
            elif not isinstance(row, Alias) and not _is_datatype(row.datatype):
                yield f"{row.path} is a {row.datatype!r}; expected a member of EmbeddedDataType"
            elif isinstance(row, Array) and not all(size > 0 for size in row.dims):
                yield f"{row.path} has dims {row.dims}; expected a size above 0 each"


def _is_datatype(value: object) -> bool:
    return isinstance(value, EmbeddedDataType)


def _check_device(profile: Profile) -> Iterator[str]:
    if not _FIRMWARE_ID.fullmatch(profile.firmware_id):
        yield f"firmware_id is {profile.firmware_id!r}; expected 32 hex digits in lower case"
    for one, other in combinations(profile.memory, 2):
        if one.touches(other):
            yield f"the memory regions at {one.start:#x} and {other.start:#x} overlap; expected separate ones"


def _check_paths(profile: Profile) -> Iterator[str]:
    targets = {row.path for rows in (profile.variables, profile.arrays, profile.rpvs) for row in rows}
    named: list[Variable | Array | Alias] = [*profile.variables, *profile.arrays, *profile.aliases]
    counts = Counter([*(row.path for row in named), *(row.path for row in profile.rpvs)])
    yield from (f"{path} is there {n} times; expected each path once" for path, n in counts.items() if n > 1)
    for row in named:
        if not _PATH.fullmatch(row.path) or row.path.startswith("/rpv/"):
            yield f"path {row.path!r} is none; expected names after slashes, not below /rpv"
    for alias in profile.aliases:
        if bare_path(alias.target) not in targets:
            yield f"{alias.path} stands for {alias.target}, which is no variable, array's element or RPV"
        if alias.gain == 0:
            yield f"{alias.path} has a gain of 0; expected one that can be taken back"


def _check_values(profile: Profile) -> Iterator[str]:
    memory = Memory(profile.memory)
    for variable in profile.variables:
        if variable.pointer is None:
            yield from _check_place(memory, variable.path, variable.address, variable.size)
            yield from _check_initial(variable, variable.initial)
    for array in profile.arrays:
        if array.pointer_of(0) is None:
            last = array.address_of(array.factory.count_possible_paths() - 1)
            for address in {array.address, last}:
                yield from _check_place(memory, array.path, address, array.datatype.get_size_bit() // 8)
        for initial in array.initial:
            yield from _check_initial(array, initial)
    for rpv in profile.rpvs:
        yield from _check_initial(rpv, rpv.initial)


def _check_place(memory: Memory, path: str, address: int, size: int) -> Iterator[str]:
    try:
        memory.read(address, size)
    except LookupError as exc:
        yield f"{path} has no place: {exc}"


def _check_initial(row: Variable | Array | RPV, initial: bool | float) -> Iterator[str]:
    stored = fit_value(row.datatype, initial, row.bitsize if isinstance(row, Variable) else None)
    if stored != initial and not row.datatype.is_float():
        yield f"{row.path} begins with {initial!r}, which no {row.datatype.name} holds; {stored!r} is nearest"
