"""What is written to have a value back: with a server that tells what it stored."""

from collections.abc import Callable

import pytest

from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.hil.originals import find_original, is_where_it_is_written, put_back, restorable
from pytest_scrutiny.model.values import EmbeddedDataType, ValueStatus, WatchableType
from pytest_scrutiny.model.watch import AliasDetails, Sample, VariableDetails, WatchableInfo

T = EmbeddedDataType


def variable(datatype: EmbeddedDataType, details: VariableDetails | None = None) -> WatchableInfo:
    return WatchableInfo("/v", WatchableType.Variable, datatype, "8", None, details)


def alias(datatype: EmbeddedDataType, **scale: float) -> WatchableInfo:
    details = AliasDetails("/target", WatchableType.Variable, **scale) if scale else None
    return WatchableInfo("/a", WatchableType.Alias, datatype, "8", None, details)


class Server:
    """Writes what it is told, changed by ``store``, and remembers it."""

    def __init__(self, store: Callable[[float], float]) -> None:
        self._store = store
        self.written: list[float] = []
        self.stored: float | None = None

    def write(self, value: bool | float) -> bool | float:
        self.written.append(value)
        self.stored = self._store(value)
        return self.stored


def clamp(bits: int) -> Callable[[float], float]:
    return lambda value: max(-(1 << bits - 1), min(value, (1 << bits - 1) - 1))


@pytest.mark.parametrize(
    ("info", "read", "store", "written"),
    [
        (variable(T.sint16), 29, clamp(16), [29]),
        (variable(T.sint16), 29, clamp(5), [29, -3]),  # before 0.10 nobody tells that it is a bit field
        (variable(T.sint8), 1, clamp(1), [1, -1]),
        (alias(T.sint16), 29.0, clamp(5), [29.0, -3.0]),
        (
            alias(T.sint16, gain=0.5, offset=1.0),
            15.5,
            lambda v: clamp(5)((v - 1) // 0.5) * 0.5 + 1,
            [15.5, -0.5],
        ),
        (alias(T.uint16), 0.29, lambda v: int(v / 0.01) * 0.01, [0.29, 0.2925]),
        (alias(T.uint16, gain=0.01), 0.2925, lambda v: int(v / 0.01) * 0.01, [0.2925]),
        (alias(T.float64), 32.18, lambda v: (v - 32) / 1.8 * 1.8 + 32, [32.18]),
        (variable(T.bool8), True, lambda v: v, [True]),
    ],
)
def test_what_the_server_changed_is_written_as_it_is_meant(
    info: WatchableInfo, read: float, store: Callable[[float], float], written: list[float]
) -> None:
    server = Server(store)

    put_back(info, read, server.write)

    assert server.written == pytest.approx(written)


@pytest.mark.parametrize(
    ("info", "read", "store"),
    [
        (alias(T.float32), 30.0, lambda _: 24.0),  # the alias' limits, which nobody tells
        (variable(T.sint16), 29, lambda _: 7),
        (variable(T.uint64), 2**53 + 1, lambda _: 2**53),
    ],
)
def test_what_cannot_be_had_back_is_told(
    info: WatchableInfo, read: float, store: Callable[[float], float]
) -> None:
    with pytest.raises(OperationFailure, match=f"was written as {read}, but the server stored"):
        put_back(info, read, Server(store).write)


def test_a_server_that_says_nothing_is_believed() -> None:
    put_back(variable(T.sint16), 29, lambda _: None)


@pytest.mark.parametrize(
    ("info", "read", "why"),
    [
        (alias(T.uint64), 2.0**53, "as a float, without the last bits"),
        (alias(T.sint64, gain=0.5), -(2.0**49), "as a float, without the last bits"),
        (variable(T.bool8, VariableDetails(0, 3, 1)), True, "no bit but a word's lowest one"),
        (alias(T.float32, max=24.0), 30.0, "the alias' limits"),
    ],
)
def test_what_could_not_be_put_back_is_refused(info: WatchableInfo, read: float, why: str) -> None:
    with pytest.raises(
        ValueError, match=rf"{info.path} is .*, which could not be put back .*{why}.*puts nothing"
    ):
        restorable(info, read)


@pytest.mark.parametrize(
    ("info", "read"),
    [
        (alias(T.uint64), 2.0**53 - 1),
        (alias(T.uint64), 2**53 + 1),  # from 0.6 on
        (alias(T.uint32), 1e15),
        (alias(T.float64), 1e200),
        (variable(T.bool8, VariableDetails(0, 3, 1)), False),
    ],
)
def test_what_can_be_put_back_is_not(info: WatchableInfo, read: float) -> None:
    assert restorable(info, read) == read


MIDDLE = variable(T.uint16, VariableDetails(0x1000, 4, 7))


@pytest.mark.parametrize(
    ("info", "value", "word", "is_right"),
    [
        (MIDDLE, 0x55, "5005", True),  # little-endian
        (MIDDLE, 0x55, "0550", True),  # big-endian, up to 0.14.0
        (MIDDLE, 0x2A, "0550", False),  # from 0.14.1 on
        (variable(T.bool8, VariableDetails(0x1000, 0, 1)), False, "09", False),
        (variable(T.bool8, VariableDetails(0x1000, 3, 1)), True, "09", True),
        (variable(T.uint16), 7, "0000", True),
    ],
)
def test_a_bit_field_has_to_lie_where_it_is_written(
    info: WatchableInfo, value: bool | float, word: str, is_right: bool
) -> None:
    assert is_where_it_is_written(info, value, bytes.fromhex(word)) is is_right


def test_a_bit_field_that_moves_is_looked_at_again() -> None:
    """Before 0.15 value and word are not of one moment."""
    values = iter((0x54, 0x55))

    found = find_original(
        MIDDLE, lambda: Sample(next(values), ValueStatus.Valid, None), lambda *_: bytes.fromhex("5005")
    )

    assert found == 0x55


def test_a_bit_field_that_is_read_elsewhere_is_refused() -> None:
    sample = Sample(0x2A, ValueStatus.Valid, None, bytes.fromhex("0550"))

    with pytest.raises(ValueError, match=r"/v is 42, .* from other bits than it writes"):
        find_original(MIDDLE, lambda: sample, lambda *_: b"")
