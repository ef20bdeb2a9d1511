"""Every datatype in both byte orders, bit fields, arrays and aliases: the same on every server.

What is behind pointers has its own file, test_pointers.py.
"""

import math
from typing import Any

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import InvalidValueError, NameNotFoundError, OperationFailure, TimeoutException
from pytest_scrutiny.fakeserver.datatypes import ALIASES, ARRAYS, RPVS, VARIABLES
from pytest_scrutiny.fakeserver.memory import encode_value
from pytest_scrutiny.fakeserver.rows import Variable
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.model.values import EmbeddedDataType as DataType
from pytest_scrutiny.model.values import ValueStatus, WatchableType
from pytest_scrutiny.protocol.dialect import dialect_of, parse_release
from tests.interop.benches import Bench
from tests.interop.exact import exactly, stored
from tests.interop.profiles import edges

BENCH_DEVICES = ("types", "types-big")

ROWS = {row.path: row for row in VARIABLES}
SIZED = [kind for kind in DataType if kind.get_size_bit()]
_WORDS = ("sint", "uint", "bool", "ptr")
SUPPORTED = [DataType[f"{word}{bits}"] for word in _WORDS for bits in (8, 16, 32, 64)]
SUPPORTED += [DataType.float32, DataType.float64]
UNSUPPORTED = [kind for kind in SIZED if kind not in SUPPORTED]


def since(bench: Bench, release: str) -> bool:
    return parse_release(bench.release) >= parse_release(release)


def is_listed(row: Variable, bench: Bench) -> bool:
    """Return whether a server of this release has the variable in its list."""
    kind = row.datatype
    if row.pointer is not None or kind.is_pointer():
        return kind in SUPPORTED and since(bench, "0.11.0")
    if kind.is_bool() and kind is not DataType.bool8:
        return kind in SUPPORTED and since(bench, "0.14.0")
    return kind in SUPPORTED


def data_of(row: Variable, value: bool | float, bench: Bench) -> bytes:
    return encode_value(row.datatype, value, is_big_endian=bench.profile.is_big_endian)


# Which there are


def test_a_server_lists_what_it_supports_and_nothing_else(client: ScrutinyClient, bench: Bench) -> None:
    request = client.download_watchable_list()
    request.wait_for_completion()
    found = request.get()

    has_arrays = dialect_of(bench.release).list_has_factories
    elements = {"/arrays/points[1]/y"} if has_arrays else set()  # an alias leads there, so it exists
    behind = {path for path, row in ROWS.items() if is_listed(row, bench)}
    assert {*found.var} - elements == behind
    assert {*found.rpv} == {row.path for row in RPVS}
    assert {*found.alias} == {row.path for row in ALIASES if {row.target} & {*found.var, *found.rpv}}
    assert {*found.var_factory} == {
        row.path for row in ARRAYS if has_arrays and ("pointers" not in row.path or since(bench, "0.11.0"))
    }
    for path in behind:
        told = found.var[path].datatype
        assert told is ROWS[path].datatype, path


@pytest.mark.parametrize("kind", UNSUPPORTED, ids=lambda kind: kind.name)
def test_what_no_server_supports_is_unknown_to_it(device: Device, kind: DataType) -> None:
    with pytest.raises(NameNotFoundError, match=f"^/types/{kind.name} is unknown to the server"):
        device[f"/types/{kind.name}"].read()


# Values at their limits


@pytest.mark.parametrize("kind", SUPPORTED, ids=lambda kind: kind.name)
def test_a_variable_holds_every_limit_exactly(device: Device, bench: Bench, kind: DataType) -> None:
    row = ROWS[f"/types/{kind.name}"]
    value = device[row.path]
    if not is_listed(row, bench):  # a release that has no word for it
        with pytest.raises(NameNotFoundError):
            value.read()
        return
    before = value.read()
    found, data = [], []

    for edge in edges(kind):
        value.write(edge)
        found.append(exactly(value.read()))
        data.append(device.memory.read(row.address, row.size))

    assert exactly(before) == exactly(stored(kind, row.initial))
    assert data == [data_of(row, edge, bench) for edge in edges(kind)]
    assert found == [exactly(stored(kind, edge)) for edge in edges(kind)]


@pytest.mark.parametrize("rpv", RPVS, ids=lambda rpv: rpv.datatype.name)
def test_an_rpv_holds_every_limit_exactly(device: Device, rpv: Variable) -> None:
    value = device[rpv.path]
    before, found = value.read(), []

    for edge in edges(rpv.datatype):
        value.write(edge)
        found.append(exactly(value.read()))

    assert exactly(before) == exactly(stored(rpv.datatype, rpv.initial))
    assert found == [exactly(stored(rpv.datatype, edge)) for edge in edges(rpv.datatype)]


@pytest.mark.parametrize("kind", [DataType.float32, DataType.float64], ids=lambda kind: kind.name)
def test_what_no_server_writes_is_read_all_the_same(device: Device, bench: Bench, kind: DataType) -> None:
    row = ROWS[f"/types/{kind.name}"]
    value = device[row.path]
    value.read()
    found = []

    for number in (math.nan, math.inf, -math.inf):
        device.memory.write(row.address, data_of(row, number, bench))
        found.append(value.read())

    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize("kind", SUPPORTED, ids=lambda kind: kind.name)
def test_one_more_than_fits_never_leaves_us(device: Device, bench: Bench, kind: DataType) -> None:
    row = ROWS[f"/types/{kind.name}"]
    if not is_listed(row, bench):
        return
    low, high = kind.limits() or (0, 1)
    beyond = (low - 1, high + 1) if isinstance(high, int) else (math.nextafter(high, math.inf), 10**400)

    for number in beyond:
        with pytest.raises(ValueError, match="does not fit"):
            device[row.path].write(number)
    if not kind.is_float() and not kind.is_bool():
        with pytest.raises(ValueError, match="expected a whole number"):
            device[row.path].write(1.5)

    assert exactly(device[row.path].read()) == exactly(stored(kind, row.initial))


# Bit fields

BITS = [row for row in VARIABLES if row.bitoffset is not None and row.path.startswith("/bits/")]


def word_of(device: Device, row: Variable, bench: Bench) -> int:
    data = device.memory.read(row.address, row.size)
    return int.from_bytes(data, "big" if bench.profile.is_big_endian else "little")


def field_of(word: int, row: Variable, bench: Bench, *, is_read: bool) -> bool | int:
    """Return a word's bit field without its sign, where a server writes it, or where it reads it."""
    assert row.bitoffset is not None
    assert row.bitsize is not None
    first = row.bitoffset
    if is_read and bench.profile.is_big_endian and since(bench, "0.14.1"):
        first = 8 * row.size - first - row.bitsize  # from the top, where nobody wrote it
    number = word >> first & (1 << row.bitsize) - 1
    return number != 0 if row.datatype.is_bool() else number


@pytest.mark.parametrize("row", BITS, ids=lambda row: row.path.removeprefix("/bits/"))
def test_a_bit_field_takes_its_limits_and_leaves_the_others(
    client: ScrutinyClient, bench: Bench, row: Variable
) -> None:
    assert row.bitoffset is not None
    assert row.bitsize is not None
    device = Device(client)
    original = device.memory.read(row.address, row.size)
    others = ~(((1 << row.bitsize) - 1) << row.bitoffset)
    before = word_of(device, row, bench)
    value = device[row.path]
    assert exactly(value.read()) == exactly(field_of(before, row, bench, is_read=True))

    try:
        for edge in _limits(row):
            client.watch(row.path).write(edge)  # not through the journal: some read what they did not write
            word = word_of(device, row, bench)

            # A true bool is 1 wherever its bit is, so the others are cleared by it (0.1.0 to 0.16.0).
            is_lost = row.datatype.is_bool() and row.bitoffset
            wanted = 0 if is_lost else edge & (1 << row.bitsize) - 1
            assert field_of(word, row, bench, is_read=False) == wanted
            assert word & others == before & others
            assert exactly(value.read()) == exactly(field_of(word, row, bench, is_read=True))
    finally:
        device.memory.write(row.address, original)


def _limits(row: Variable) -> tuple[int, ...]:
    assert row.bitsize is not None
    if row.datatype.is_bool():
        return False, True
    top = 1 << row.bitsize - (1 if row.datatype.is_signed() else 0)
    return (-top, top - 1, 0) if row.datatype.is_signed() else (top - 1, 0, 1)


def test_more_than_a_bit_field_holds_never_leaves_us(device: Device, bench: Bench) -> None:
    if not dialect_of(bench.release).watch_has_details:
        return  # before 0.10 nobody tells how many bits it has, and the server clamps
    with pytest.raises(ValueError, match=r"value 128 does not fit /bits/middle: expected 0 to 127"):
        device["/bits/middle"].write(128)


# Arrays


def test_elements_lie_where_they_belong(device: Device, bench: Bench) -> None:
    if not dialect_of(bench.release).list_has_factories:
        with pytest.raises(NameNotFoundError):
            device["/arrays/matrix[1][2]"].read()
        return
    matrix, y = device["/arrays/matrix[1][2]"], device["/arrays/points[2]/y"]
    assert (matrix.read(), y.read(), device["/arrays/bytes[3]"].read()) == (5.5, 3, 255)

    matrix.write(0.1)
    y.write(-32768)

    order = ">" if bench.profile.is_big_endian else "<"
    assert device.memory.read_struct(0x1610 + 5 * 4, f"{order}f") == (stored(DataType.float32, 0.1),)
    assert device.memory.read_struct(0x1640, f"{order}6h") == (-1, 1, -2, 2, -3, -32768)
    assert (matrix.read(), y.read()) == (stored(DataType.float32, 0.1), -32768)


def test_an_array_of_what_no_server_supports_is_listed_and_of_no_use(
    client: ScrutinyClient, bench: Bench
) -> None:
    if not dialect_of(bench.release).list_has_factories:
        return
    with pytest.raises(OperationFailure, match="refused subscribe_watchable: Internal error"):
        client.watch("/arrays/huge[1]")


def test_elements_have_their_arrays_enum(device: Device, bench: Bench) -> None:
    if not dialect_of(bench.release).list_has_factories:
        return
    states = device["/arrays/states[1]"]

    assert states.read_enum() == "FAULT"
    states.write("ON")
    assert states.read_enum() == "ON"


@pytest.mark.parametrize(("path", "name", "number"), [("state", "FAULT", 3), ("error", "WORST", -(1 << 31))])
def test_enums_may_be_negative(device: Device, bench: Bench, path: str, name: str, number: int) -> None:
    value = device[f"/enums/{path}"]

    value.write(name if dialect_of(bench.release).watch_has_enum else number)

    assert value.read() == number
    if dialect_of(bench.release).watch_has_enum:
        assert value.read_enum() == name


# Aliases


def alias_cases(bench: Bench) -> dict[str, tuple[Any, bool | float, bool | float]]:
    """Return ``{alias: (first value, value written, the target's value then)}``."""
    cases: dict[str, tuple[Any, bool | float, bool | float]] = {
        "/alias/bool": (True, False, False),
        "/alias/gain": (-float(1 << 30), 16.5, 33),
        "/alias/offset": (-32771.0, 100.0, 103),
        "/alias/scaled": (32.18, 212.0, 100.0),
        "/alias/state": (1, 3, 3),
        "/alias/named": (255, 0, 0),
        "/alias/rpv": (pytest.approx(10.0), 50.0, 0.5),
    }
    if not bench.profile.is_big_endian:
        cases["/alias/bits"] = (21.25, 31.75, 127)
    # After somebody unwatched an array's element, a server of 0.10 takes no alias to it any more.
    if dialect_of(bench.release).list_has_factories and not bench.name.startswith("real-0.10."):
        cases["/alias/element"] = (4.0, -6.0, -3)
    if since(bench, "0.11.0"):
        cases["/alias/pointer"] = (0x1500, 0x1520, 0x1520)
    if since(bench, "0.6.0"):  # aliases gave floats until then, which lose the last bits
        cases["/alias/plain"] = ((1 << 53) + 1, (1 << 64) - 1, (1 << 64) - 1)
        cases["/alias/rpv64"] = ((1 << 53) + 1, (1 << 64) - 1, (1 << 64) - 1)
    return cases


@pytest.mark.parametrize("path", [row.path for row in ALIASES])
def test_an_alias_stands_for_its_target(device: Device, bench: Bench, path: str) -> None:
    cases = alias_cases(bench)
    if path not in cases:
        return
    before, written, reached = cases[path]
    alias = device[path]
    target = next(row.target for row in ALIASES if row.path == path)
    assert alias.read() == before
    assert alias.info.type is WatchableType.Alias

    alias.write(written)

    assert alias.read() == written
    assert exactly(device[target].read()) == exactly(reached)


@pytest.mark.parametrize("name", ["rpv", "gain", "offset", "scaled", "bool"])
@pytest.mark.parametrize(("truth", "number"), [(True, 1), ("true", 1), ("false", 0), (1, 1)])
def test_true_is_1_to_an_alias_too(device: Device, name: str, truth: bool | str, number: int) -> None:
    """A server applies no gain to true and false: through a gain of 100 true would be read as 100."""
    alias = device[f"/alias/{name}"]

    alias.write(truth, verify=True)

    assert alias.read() == pytest.approx(number)


def test_an_alias_with_a_gain_gives_floats_and_one_without_what_its_target_is(
    client: ScrutinyClient, bench: Bench
) -> None:
    scaled, plain = client.watch("/alias/gain"), client.watch("/alias/state")
    for handle in (scaled, plain):
        handle.wait_update(15, previous_counter=0)

    assert (scaled.datatype, type(scaled.value)) == (DataType.sint32, float)
    assert type(plain.value) is (int if since(bench, "0.6.0") else float)


def test_an_alias_of_a_forbidden_variable_has_no_value_and_no_reason(device: Device, bench: Bench) -> None:
    alias = device["/alias/forbidden"]
    if not dialect_of(bench.release).update_tells_invalid:
        with pytest.raises(TimeoutException, match="no fresh value"):
            alias.read(timeout=0.3)
        return

    with pytest.raises(InvalidValueError, match=r"^/alias/forbidden has no value: the server gives no value"):
        alias.read()
    assert device.raw.watch("/alias/forbidden").status is ValueStatus.ServerSetInvalidWithoutReason
