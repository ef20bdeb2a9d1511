from decimal import Decimal
from fractions import Fraction

import pytest

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.write import check_value
from pytest_scrutiny.errors import BadEnumError, OperationFailure, TimeoutException
from pytest_scrutiny.model.values import (
    FLOAT32_MAX,
    FLOAT64_MAX,
    EmbeddedDataType,
    EmbeddedEnum,
    UnknownValue,
    WatchableType,
)
from pytest_scrutiny.model.watch import AliasDetails, VariableDetails, WatchableInfo
from tests.client.peer import Bench
from tests.clock import SECOND

T = EmbeddedDataType


def info(
    datatype: EmbeddedDataType | UnknownValue,
    details: VariableDetails | AliasDetails | None = None,
    enum: EmbeddedEnum | None = None,
) -> WatchableInfo:
    return WatchableInfo("/v", WatchableType.Variable, datatype, "8", enum, details)


def alias(**scale: float) -> AliasDetails:
    return AliasDetails("/target", WatchableType.Variable, **scale)


HUGE = 10**400
MODE = EmbeddedEnum("Mode", {"IDLE": 0, "RUN": 1})


@pytest.mark.parametrize(
    ("watchable", "value", "sent"),
    [
        (info(T.uint8), 255, 255),
        (info(T.uint8), 2.0, 2),
        (info(T.uint8), True, True),
        (info(T.uint8), Decimal(7), 7),
        (info(T.float64), Fraction(1, 4), 0.25),
        (info(T.sint8), -128, -128),
        (info(T.uint64), 2**64 - 1, 2**64 - 1),
        (info(T.sint64), -(2**63), -(2**63)),
        (info(T.float32), FLOAT32_MAX, FLOAT32_MAX),
        (info(T.float32), 3, 3),
        (info(T.float64), 1e300, 1e300),
        (info(T.float64), -0.0, -0.0),
        (info(T.bool8), False, False),
        (info(T.bool8), 1, 1),
        (info(T.ptr32), 0x20000000, 0x20000000),
        (info(T.uint8, enum=MODE), "RUN", 1),
        (info(T.uint32, VariableDetails(0, 4, 3)), 7, 7),
        (info(T.sint32, VariableDetails(0, 4, 3)), -4, -4),
        (info(T.uint8, alias(gain=0.5, offset=1.0)), 128.5, 128.5),
        (info(T.uint8, alias(min=0.0, max=10.0)), 10, 10),
        (info(UnknownValue("uint512")), 5, 5),
    ],
)
def test_what_fits_is_sent(watchable: WatchableInfo, value: object, sent: object) -> None:
    result = check_value(watchable, value)

    assert result == sent
    assert type(result) is type(sent)


@pytest.mark.parametrize(
    ("watchable", "value", "text"),
    [
        (info(T.uint8), 256, "value 256 does not fit /v: expected 0 to 255, the range of uint8"),
        (info(T.uint8), -1, "value -1 does not fit /v: expected 0 to 255, the range of uint8"),
        (info(T.uint8), 2.5, "value 2.5 does not fit /v: expected a whole number for uint8"),
        (
            info(T.float32),
            3.5e38,
            f"value 3.5e+38 does not fit /v: expected {-FLOAT32_MAX} to {FLOAT32_MAX}, the range of float32",
        ),
        (
            info(T.float32),
            HUGE,
            f"value {HUGE} does not fit /v: expected {-FLOAT32_MAX} to {FLOAT32_MAX}, the range of float32",
        ),
        (
            info(T.float128),
            HUGE,
            f"value {HUGE} does not fit /v: expected {-FLOAT64_MAX} to {FLOAT64_MAX}, the range of float128",
        ),
        (
            info(T.float64),
            float("nan"),
            "value nan does not fit /v: expected a finite number; a server takes no other",
        ),
        (info(T.bool8), 2, "value 2 does not fit /v: expected 0 to 1, the range of bool8"),
        (
            info(T.uint32, VariableDetails(0, 4, 3)),
            8,
            "value 8 does not fit /v: expected 0 to 7, the range of its 3 bits",
        ),
        (
            info(T.float32, alias(min=0.0, max=10.0)),
            10.5,
            "value 10.5 does not fit /v: expected 0.0 to 10.0, the alias' limits",
        ),
        (
            info(T.float32, alias(max=10.0)),
            11,
            "value 11 does not fit /v: expected -inf to 10.0, the alias' limits",
        ),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_does_not_fit_is_refused_before_the_wire(
    watchable: WatchableInfo, value: object, text: str
) -> None:
    with pytest.raises(ValueError, match="does not fit") as caught:
        check_value(watchable, value)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    "details", [alias(gain=1e-10), alias(gain=0.0), alias(gain=1e-300), alias(gain=-1e-3, offset=1e38)]
)
def test_an_alias_cannot_store_more_than_its_target_holds(details: AliasDetails) -> None:
    """What is stored in a float32 behind the gain ends a real server if it is over FLT_MAX."""
    with pytest.raises(ValueError, match="the range of float32"):
        check_value(info(T.float32, details), 3e38)


@pytest.mark.parametrize("value", [None, [], object(), b"1", 1j])
def test_no_number_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="does not fit /v: expected a number, true or false"):
        check_value(info(T.float32), value)


@pytest.mark.parametrize(
    ("watchable", "text"),
    [
        (info(T.uint8), "value 'RNU' does not fit /v: it has no enum; expected a number"),
        (
            info(T.uint8, enum=MODE),
            "value 'RNU' does not fit /v: expected one of IDLE=0, RUN=1; did you mean 'RUN'?",
        ),
    ],
)
def test_a_word_that_is_no_member_is_refused(watchable: WatchableInfo, text: str) -> None:
    with pytest.raises(BadEnumError) as caught:
        check_value(watchable, "RNU")

    assert str(caught.value) == text


def completion(bench: Bench, token: str, index: int, **more: object) -> bytes:
    fields = {"success": True, "completion_server_time_us": 1.0, **more}
    return bench.peer.encode(
        "inform_write_completion", watchable="8", request_token=token, batch_index=index, **fields
    )


def start(bench: Bench, count: int = 1, timeout: float = 5 * SECOND):  # type: ignore[no-untyped-def]
    updates = [("8", n) for n in range(count)]
    return bench.call(bench.writes.write, updates, Deadline(timeout), "1 to /v")


def test_a_write_is_complete_when_each_of_its_parts_is(bench: Bench) -> None:
    writing = start(bench, 3)
    request = bench.peer.next_request("write_watchable")
    bench.peer.reply(request, request_token="t", count=3)
    bench.peer.sock.sendall(b"".join(completion(bench, "t", index) for index in (2, 0, 1)))

    assert [done.batch_index for done in writing.result()] == [0, 1, 2]
    assert request["updates"][1] == {"batch_index": 1, "watchable": "8", "value": 1}


def test_completions_of_others_are_ignored(bench: Bench) -> None:
    writing = start(bench)
    request = bench.peer.next_request("write_watchable")
    bench.peer.sock.sendall(b"".join(completion(bench, f"other-{n}", 0) for n in range(200)))
    bench.peer.reply(request, request_token="t", count=1)
    bench.peer.sock.sendall(completion(bench, "t", 0))

    assert [done.token for done in writing.result()] == ["t"]
    assert len(bench.writes._inbox._strangers) <= 64


def test_a_completion_may_come_before_the_reply(bench: Bench) -> None:
    writing = start(bench)
    request = bench.peer.next_request("write_watchable")
    bench.peer.sock.sendall(completion(bench, "t", 0))
    bench.peer.reply(request, request_token="t", count=1)

    assert writing.result()[0].success


def test_a_write_that_is_not_completed_ends_in_its_time(bench: Bench) -> None:
    writing = start(bench, timeout=0.03)
    bench.peer.reply(bench.peer.next_request("write_watchable"), request_token="t", count=1)

    with pytest.raises(TimeoutException) as caught:
        writing.result()
    assert str(caught.value) == "the write of 1 to /v was not completed within 0.03 s"
    assert not bench.writes._inbox._ours


def test_a_refused_write_raises_the_servers_reason(bench: Bench) -> None:
    writing = start(bench)
    bench.peer.refuse(bench.peer.next_request("write_watchable"), "Unknown watchable ID")

    with pytest.raises(OperationFailure, match="Unknown watchable ID"):
        writing.result()


@pytest.mark.parametrize("gain", [0.01, 0.1, 1 / 3, -0.01, 2.5])
@pytest.mark.parametrize("offset", [0.0, -7.3])
def test_an_alias_of_a_whole_number_stores_the_one_that_is_meant(gain: float, offset: float) -> None:
    """A server truncates: 0.29 at a gain of 0.01 would be stored as 28."""
    details = alias(gain=gain, offset=offset)
    for number in range(0, 65536, 7):
        sent = check_value(info(T.uint16, details), number * gain + offset)

        assert int((sent - offset) / gain) == number


def test_an_alias_nobody_explains_takes_what_is_finite() -> None:
    """Servers before 0.10 do not tell what an alias stands for: 2.5 may be 25 at a gain of 0.1."""
    watchable = WatchableInfo("/v", WatchableType.Alias, T.uint8, "8")

    assert check_value(watchable, 2.5) == 2.5
