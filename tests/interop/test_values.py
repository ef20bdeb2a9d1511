"""The official SDK's ways to values, on every server: handles, rates, batches, by path, bytes, text."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.client.write import Update
from pytest_scrutiny.errors import (
    BadEnumError,
    BadTypeError,
    InvalidValueError,
    NameNotFoundError,
    NotSupportedByServerError,
    OperationFailure,
    TimeoutException,
)
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.model.values import ValueStatus, WatchableType
from pytest_scrutiny.protocol.dialect import dialect_of
from pytest_scrutiny.protocol.expression import read_number
from tests.clock import MS
from tests.interop.benches import Bench
from tests.interop.conftest import TIMEOUT

SETPOINT, SETPOINT_MV, SPEED, LEVEL = "/psu/setpoint", "/alias/psu/setpoint_mv", "/motor/speed", "/rpv/x1001"


@contextlib.contextmanager
def put_back(client: ScrutinyClient, *paths: str) -> Iterator[None]:
    """Have these values again at the end as they are now; by hand, for the journal is not what is tested."""
    before = {path: Device(client)[path].read() for path in paths}
    client.watches.unwatch(list(paths), Deadline(TIMEOUT))
    try:
        yield
    finally:
        for path, value in before.items():
            client.write_watchable(path, value)


# Watching


def test_many_paths_are_watched_with_one_request(client: ScrutinyClient) -> None:
    paths = [SETPOINT, SETPOINT_MV, LEVEL]
    handles = client.watch_many(paths)
    client.wait_new_value_for_all(TIMEOUT)

    assert [handle.server_path for handle in handles] == paths
    assert [handle.value for handle in handles] == [5.0, 5000.0, 3.5]
    assert client.watch(SETPOINT) is handles[0]
    assert client.try_get_existing_watch_handle(LEVEL) is handles[2]
    assert client.try_get_existing_watch_handle_by_server_id(handles[1].server_id) is handles[1]
    assert client.try_get_existing_watch_handle("/psu/voltage") is None


def test_one_unknown_path_of_many_watches_none(client: ScrutinyClient) -> None:
    with pytest.raises(OperationFailure, match="Unknown watchable"):
        client.watch_many([SETPOINT, "/psu/votlage"])

    assert client.watches.watched() == []


def test_a_handle_tells_what_it_is(client: ScrutinyClient, bench: Bench) -> None:
    variable, alias, rpv = client.watch_many([SPEED, SETPOINT_MV, LEVEL])

    assert (variable.name, alias.name, rpv.name) == ("speed", "setpoint_mv", "x1001")
    assert (variable.type, alias.type) == (WatchableType.Variable, WatchableType.Alias)
    assert variable.datatype.name == "sint16"
    if not dialect_of(bench.release).watch_has_details:
        with pytest.raises(BadTypeError, match=r"the server tells no details of it \(0\.10 and later do\)"):
            _ = variable.var_details
        return
    assert variable.var_details.address == 0x101C
    assert (alias.alias_details.target, alias.alias_details.gain) == (SETPOINT, 1000.0)
    assert rpv.rpv_details.rpvid == 0x1001
    with pytest.raises(BadTypeError, match="is of type Variable; expected an alias with its details"):
        _ = variable.alias_details


def test_a_handle_that_is_unwatched_is_dead(client: ScrutinyClient) -> None:
    handle = client.watch(SETPOINT)
    handle.wait_update(TIMEOUT)
    handle.unwatch()

    assert (handle.is_dead, handle.status) == (True, ValueStatus.NotWatched)
    with pytest.raises(InvalidValueError, match="it is no longer watched"):
        handle.value = 1.0
    with pytest.raises(NameNotFoundError):
        client.unwatch(handle)
    assert client.watch(SETPOINT) is not handle


def test_a_slow_rate_is_slow_where_the_server_can(client: ScrutinyClient, bench: Bench) -> None:
    if not dialect_of(bench.release).watch_takes_rate:
        with pytest.raises(NotSupportedByServerError, match="change_subscription_update_rate") as caught:
            client.watch(SETPOINT, update_rate=2)
        assert caught.value.since == "0.13.0"
        assert client.watches.watched() == []
        with pytest.raises(NotSupportedByServerError):
            client.watch(SETPOINT).change_update_rate(2)
        return

    slow, fast = client.watch(SETPOINT, update_rate=2), client.watch(LEVEL)
    slow.wait_update(TIMEOUT, previous_counter=0)
    fast.wait_update(TIMEOUT, previous_counter=fast.update_counter + 20)
    slow_count, fast_count = slow.update_counter, fast.update_counter

    assert slow.requested_update_rate == 2.0
    assert slow_count * 3 < fast_count
    assert slow.change_update_rate(None) is None
    slow.wait_update(TIMEOUT, previous_counter=slow.update_counter + 20)


def test_throttling_is_there_from_0_12_on(client: ScrutinyClient, bench: Bench) -> None:
    if not dialect_of(bench.release).knows("set_throttling"):
        with pytest.raises(NotSupportedByServerError, match="set_throttling") as caught:
            client.set_server_throttling(10)
        assert caught.value.since == "0.12.0"
        return

    client.set_server_throttling(1000)
    client.set_server_throttling(0)
    client.watch(SETPOINT).wait_update(TIMEOUT)


def test_times_are_of_today(client: ScrutinyClient) -> None:
    handle = client.watch(SETPOINT)
    assert handle.last_write_timestamp is None
    handle.wait_update(TIMEOUT)
    with put_back(client, SETPOINT):
        handle = client.watch(SETPOINT)
        handle.value = 6.0
        handle.wait_update(TIMEOUT)
        written, updated = handle.last_write_timestamp, handle.last_update_timestamp

    assert written is not None
    assert updated is not None
    for moment in (written, updated):
        assert abs(datetime.now(UTC) - moment) < timedelta(seconds=2 * TIMEOUT)
    assert updated - written > timedelta(seconds=-1)


# Waiting


def test_a_value_is_waited_for(client: ScrutinyClient) -> None:
    with put_back(client, SPEED):
        handle = client.watch(SPEED)
        threading.Timer(50 * MS, client.write_watchable, (SPEED, 321)).start()
        handle.wait_value(321, TIMEOUT)

        assert handle.value == 321
        handle.wait_value(321, 0.2)  # it is so already


def test_what_was_written_is_waited_for_within_its_rounding(client: ScrutinyClient) -> None:
    with put_back(client, SETPOINT):
        handle = client.watch(SETPOINT)
        handle.value = 0.1
        handle.wait_value(0.1, TIMEOUT)

        assert handle.value == 0.10000000149011612


def test_a_value_that_does_not_come_is_told(client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    with pytest.raises(TimeoutException, match=r"/motor/speed did not become 5 within 0.3 s: it is -100"):
        handle.wait_value(5, 0.3)
    with pytest.raises(ValueError, match="/app/uptime_ms never becomes -1: its datatype is uint32"):
        client.watch("/app/uptime_ms").wait_value(-1, 1)


def test_an_enum_has_names_for_whoever_waits_and_writes(client: ScrutinyClient, bench: Bench) -> None:
    mode = client.watch("/app/mode")
    if not dialect_of(bench.release).watch_has_enum:
        assert not mode.has_enum()
        with pytest.raises(BadEnumError, match="has no enum"):
            mode.get_enum()
        return

    with put_back(client, "/app/mode"):
        mode = client.watch("/app/mode")
        mode.value_enum = "CALIBRATE"
        mode.wait_value("CALIBRATE", TIMEOUT)
        assert (mode.value_enum, mode.parse_enum_val("RUN")) == ("CALIBRATE", 1)
        mode.value = "RUN"
        mode.wait_value(1, TIMEOUT)


# Writing


def test_a_batch_is_written_in_its_order(client: ScrutinyClient) -> None:
    with put_back(client, SETPOINT, SPEED, LEVEL):
        setpoint, speed, level = client.watch_many([SETPOINT, SPEED, LEVEL])
        with client.batch_write(timeout=TIMEOUT):
            speed.value = 1
            setpoint.value = 3.5
            speed.value = 2
            level.value = -1.25
        client.wait_new_value_for_all(TIMEOUT)

        for handle, value in ((setpoint, 3.5), (speed, 2), (level, -1.25)):
            handle.wait_value(value, TIMEOUT)


def test_a_batch_that_raises_writes_nothing(client: ScrutinyClient) -> None:
    speed = client.watch(SPEED)
    with contextlib.suppress(RuntimeError), client.batch_write():
        speed.value = 7
        raise RuntimeError
    with client.batch_write():  # it has ended all the same
        pass

    assert Device(client)[SPEED].read() == -100


def write_both(client: ScrutinyClient, sealed: WatchableHandle, speed: WatchableHandle) -> None:
    with client.batch_write():
        sealed.value = 1
        speed.value = 8


def test_a_batch_tells_what_the_device_refused(client: ScrutinyClient) -> None:
    with put_back(client, SPEED):
        speed, sealed = client.watch_many([SPEED, "/region/readonly"])
        text = r"1 of 2 writes of a batch failed, the others are in the device: /region/readonly = 1: "
        with pytest.raises(OperationFailure, match=text):
            write_both(client, sealed, speed)

        speed.wait_value(8, TIMEOUT)


@pytest.mark.parametrize(
    ("path", "value"), [(SPEED, 17), (SETPOINT_MV, 3300), (LEVEL, 0.5), ("/app/run", True), (SPEED, "0x20")]
)
def test_a_value_nobody_watches_is_written_by_its_path(
    client: ScrutinyClient, path: str, value: bool | float | str
) -> None:
    with put_back(client, path):
        client.write_watchable(path, value)
        assert client.watches.watched() == []

        wanted = 32 if value == "0x20" else value
        assert Device(client)[path].read() == pytest.approx(wanted, rel=1e-6)


def test_a_value_that_is_watched_stays_watched_when_written_by_its_path(client: ScrutinyClient) -> None:
    with put_back(client, SPEED):
        handle = client.watch(SPEED)
        client.write_watchable(SPEED, 18)
        handle.wait_value(18, TIMEOUT)

        assert not handle.is_dead


def test_by_path_too_nothing_is_written_that_does_not_fit(client: ScrutinyClient) -> None:
    for path, value, text in (
        (SPEED, 40000, "value 40000 does not fit /motor/speed: expected -32768 to 32767"),
        (SETPOINT, 1e39, r"value 1e\+39 does not fit /psu/setpoint"),
        (SETPOINT, "10^39", "value '10.39' does not fit /psu/setpoint"),
        (LEVEL, 1e39, r"value 1e\+39 does not fit /rpv/x1001"),
    ):
        with pytest.raises(ValueError, match=text):
            client.write_watchable(path, value)
    with pytest.raises(OperationFailure, match="Unknown watchable"):
        client.write_watchable("/psu/votlage", 1)
    client.echo("still there")


def test_by_path_too_a_refusal_is_told(client: ScrutinyClient, bench: Bench) -> None:
    with pytest.raises(OperationFailure, match="the write of 1 to /region/readonly failed: "):
        client.write_watchable("/region/readonly", 1)


def test_bytes_are_written_as_they_are_from_0_15_on(client: ScrutinyClient, bench: Bench) -> None:
    if not dialect_of(bench.release).knows("write_single_watchable_by_data"):
        with pytest.raises(NotSupportedByServerError, match="write_single_watchable_by_data") as caught:
            client.write_watchable_memory(SETPOINT, bytes(4))
        assert caught.value.since == "0.15.0"
        return

    with put_back(client, SETPOINT):
        client.write_watchable_memory(SETPOINT, b"\x00\x00\x80\x40")
        assert Device(client)[SETPOINT].read() == 4.0
        client.write_watchable_memory(SETPOINT_MV, b"\x00\x00\x00\x40")
        assert Device(client)[SETPOINT].read() == 2.0
        assert client.watch(SETPOINT).snapshot().raw_data == b"\x00\x00\x00\x40"
        client.write_watchable_memory(SETPOINT, b"\x00\x00\xc0\x7f")  # NaN, which no number can be written as
        handle = client.watch(SETPOINT)
        handle.wait_update(TIMEOUT, previous_counter=handle.update_counter + 2)
        assert handle.value_float != handle.value_float
    with pytest.raises(ValueError, match="3 bytes do not fit /psu/setpoint: expected 4, the size of float32"):
        client.write_watchable_memory(SETPOINT, bytes(3))
    with pytest.raises(OperationFailure, match="No memory address tied to watchable /rpv/x1001"):
        client.write_watchable_memory(LEVEL, bytes(4))
    with pytest.raises(OperationFailure, match="Read only"):
        client.write_watchable_memory("/region/readonly", bytes(2))


TEXTS = [
    "1", " 2 ", "-3.5", "1.5e-2", ".5", "5.", "0x10", "-0x10", "true", "FALSE", "1+1", "2*3-4/8", "2^3^2",
    "-2^2", "2^-1", "sqrt(16)", "pi/2", "abs(-3)", "floor(1.23e5*cos(radians(5^2)))", "hypot(3, 4)",
    "round(2.567, 1)", "mod(7,4)", "ln(exp(2))", "log10(1000)", "degrees(pi)", "(1+2)*(3-4)", "0b101",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_means_to_us_what_it_means_to_a_server(client: ScrutinyClient, bench: Bench, text: str) -> None:
    """The text itself is sent here, past the check that turns it into a number."""
    with put_back(client, "/motor/torque_limit"):
        handle = client.watch("/motor/torque_limit")
        update = Update(handle.info, text, cast("float", text))
        try:
            client.writes.write([update], Deadline(TIMEOUT), text)
        except OperationFailure:
            assert not dialect_of(bench.release).write_takes_math
            return
        found = Device(client)["/motor/torque_limit"].read()

    assert found == pytest.approx(float(read_number(text)), rel=1e-12)


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/psu/voltage", "/psu/voltage/"),
        ("/psu/voltage", "psu/voltage"),
        ("/psu/voltage", "//psu//voltage"),
        ("/rpv/x1000", " rpv/x1000 "),
        ("/alias/ios/psu_voltage", "alias/ios/psu_voltage/"),
    ],
)
def test_two_spellings_of_a_path_are_one(client: ScrutinyClient, path: str, other: str) -> None:
    """A server that takes both has one id for them: two handles would take each other's updates away."""
    device = Device(client)
    first, second = client.watch(path), client.watch(other)

    assert first is second is client.try_get_existing_watch_handle(other)
    assert device[other] is device[path]
    device[path].read(), device[other].read(), device[path].read()
    client.unwatch(other)
    assert first.is_dead
