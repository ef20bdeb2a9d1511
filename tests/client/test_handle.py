"""A handle on the fake: what only one release shows is in tests/interop/test_values.py."""

import math
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import (
    ConnectionError,
    InvalidValueError,
    OperationFailure,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.fakeserver.faults import unanswered
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.status import ServerState
from tests.clock import MS, SECOND

SPEED, SETPOINT = "/motor/speed", "/psu/setpoint"


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A started fake."""
    with FakeServer() as fake:
        yield fake


@pytest.fixture
def client(fake: FakeServer) -> Iterator[ScrutinyClient]:
    """A client whose device is ready, with its firmware description loaded."""
    with ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        yield client


# Waiting


def test_a_pulse_is_not_missed(fake: FakeServer, client: ScrutinyClient) -> None:
    """A client that looks every 20 ms sees one such pulse in six."""
    handle = client.watch(SPEED)
    for pulse in range(1, 21):
        waiting = threading.Thread(target=handle.wait_value, args=(pulse, 5 * SECOND))
        waiting.start()
        counter = handle.update_counter
        fake.set(SPEED, pulse)
        handle.wait_update(5 * SECOND, previous_counter=counter + 1)
        fake.set(SPEED, -pulse)
        waiting.join(5 * SECOND)

        assert not waiting.is_alive()


def test_the_servers_own_echo_is_not_the_devices_value(fake: FakeServer, client: ScrutinyClient) -> None:
    """A firmware that takes a write back at once never has the value that was written."""
    handle = client.watch("/psu/state")
    handle.value = "RAMPING"
    with pytest.raises(TimeoutException, match="/psu/state did not become 'RAMPING' within"):
        handle.wait_value("RAMPING", 100 * MS)


def test_a_wait_ends_when_the_device_goes(fake: FakeServer, client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    threading.Timer(30 * MS, fake.unplug).start()
    with pytest.raises(InvalidValueError, match="/motor/speed has no value: the device is gone"):
        handle.wait_value(7, 60 * SECOND)


def test_what_is_no_value_is_not_waited_for(client: ScrutinyClient) -> None:
    with pytest.raises(TypeError, match="value None does not fit /motor/speed: expected a number, true"):
        client.watch(SPEED).wait_value(None, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "value"),
    [("/psu/voltage", 1e39), ("/psu/voltage", -(10**400)), (SPEED, 10**400)],
    ids=["float32", "int", "sint16"],
)
def test_what_no_value_can_hold_is_not_waited_for(client: ScrutinyClient, path: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{path} never becomes .*; expected a number that it can hold"):
        client.watch(path).wait_value(value, 1)


def test_numbers_of_other_libraries_are_waited_for(client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    handle.write(Fraction(7))  # type: ignore[arg-type]

    handle.wait_value(Fraction(7), 5 * SECOND)  # type: ignore[arg-type]
    with pytest.raises(TimeoutException):
        client.watch("/psu/voltage").wait_value(math.inf, 30 * MS)


@pytest.mark.parametrize("path", [5, None, True, (1,), [1], b"/motor/speed"])
def test_what_is_no_path_is_a_type_error(client: ScrutinyClient, path: Any) -> None:
    text = r"^path .* is no string; expected a server path"

    with pytest.raises(TypeError, match=text):
        client.write_watchable(path, 1)
    with pytest.raises(TypeError, match=text):
        client.write_watchable_memory(path, b"12")
    with pytest.raises(TypeError, match=text):
        client.unwatch(path)


def test_an_alias_of_an_unsigned_value_can_be_negative(client: ScrutinyClient) -> None:
    """Only the device's own value cannot: an alias may have an offset."""
    with pytest.raises(TimeoutException):
        client.watch("/alias/psu/voltage").wait_value(-1, 30 * MS)


def test_what_did_not_come_for_all_is_named(fake: FakeServer, client: ScrutinyClient) -> None:
    client.watch_many([SPEED, SETPOINT])
    client.wait_new_value_for_all(5 * SECOND)
    fake.hang()
    text = r"not all of 2 values came within .* s; nothing came of /motor/speed, /psu/setpoint"
    with pytest.raises(TimeoutException, match=text):
        client.wait_new_value_for_all(50 * MS)


def test_nothing_watched_is_nothing_to_wait_for(client: ScrutinyClient) -> None:
    client.wait_new_value_for_all(0)


# Rates


def test_a_rate_outlives_a_reset(fake: FakeServer, client: ScrutinyClient) -> None:
    slow, fast = client.watch(SPEED, update_rate=1), client.watch(SETPOINT)
    fake.reset()
    client.wait_server_status(
        lambda info: info.device_session_id == slow.session_id and not slow.is_dead and info.sfd is not None,
        5 * SECOND,
        "the handles did not come back",
    )
    slow.wait_update(5 * SECOND, previous_counter=slow.update_counter)
    before = slow.update_counter
    fast.wait_update(5 * SECOND, previous_counter=fast.update_counter + 10)

    assert slow.requested_update_rate == 1.0
    assert slow.update_counter - before <= 1


@pytest.mark.parametrize(
    "rate", [0, -1, float("nan"), float("inf"), 10**400], ids=lambda rate: f"{rate!r:.6}"
)
def test_a_rate_that_is_none_is_refused(client: ScrutinyClient, rate: float) -> None:
    with pytest.raises(ValueError, match="is out of range; expected more than 0 updates per second"):
        client.watch(SPEED, update_rate=rate)
    with pytest.raises(TypeError, match="update_rate '5' is no number"):
        client.watch(SPEED, update_rate="5")  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [-1, float("nan"), float("inf")])
def test_a_throttle_that_is_none_is_refused(client: ScrutinyClient, rate: float) -> None:
    with pytest.raises(ValueError, match="is out of range; expected 0 or more updates per second"):
        client.set_server_throttling(rate)


# Paths


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"previous_counter": -1}, ValueError, "previous_counter -1 is negative; expected an update_counter"),
        ({"previous_counter": 1.5}, TypeError, "previous_counter 1.5 is no whole number"),
        ({"previous_counter": True}, TypeError, "previous_counter True is no whole number"),
        ({"sleep_interval": -1}, ValueError, "sleep_interval"),
        ({"sleep_interval": "x"}, TypeError, "sleep_interval"),
    ],
)
def test_a_wait_checks_what_it_is_given(
    client: ScrutinyClient, wrong: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        client.watch(SPEED).wait_update(SECOND, **wrong)


def test_without_a_connection_nothing_is_watched(client: ScrutinyClient) -> None:
    server_id = client.watch(SPEED).server_id
    assert client.try_get_existing_watch_handle_by_server_id(server_id) is not None
    client.disconnect()

    assert client.try_get_existing_watch_handle(SPEED) is None
    assert client.try_get_existing_watch_handle_by_server_id(server_id) is None
    with pytest.raises(TypeError, match="server_id 5 is no string"):
        client.try_get_existing_watch_handle_by_server_id(5)  # type: ignore[arg-type]


def test_one_path_is_no_list_of_paths(client: ScrutinyClient) -> None:
    with pytest.raises(TypeError, match="is one path; expected a list of them, or call watch"):
        client.watch_many(SPEED)
    with pytest.raises(TypeError, match="path 5 is no string"):
        client.watch_many([5])  # type: ignore[list-item]

    assert client.watch_many([]) == []


def test_a_path_is_described_once_a_session(fake: FakeServer, client: ScrutinyClient) -> None:
    client.write_watchable(SPEED, 1)
    fake.inject(unanswered("get_watchable_info"))
    client.write_watchable(SPEED, 2)
    fake.reset()
    client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
    with pytest.raises(TimeoutException, match="did not answer get_watchable_info"):
        client.write_watchable(SPEED, 3, timeout=50 * MS)


# Batches


def test_a_batch_in_a_batch_is_refused(client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    with client.batch_write():
        handle.value = 5
        with pytest.raises(OperationFailure, match="a batch is being written already"):
            client.batch_write().__enter__()
    handle.wait_value(5, 5 * SECOND)


def test_a_batch_is_of_its_own_thread(fake: FakeServer, client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    with client.batch_write():
        other = threading.Thread(target=handle.write, args=(11,))
        other.start()
        other.join(5 * SECOND)

        assert fake.get(SPEED) == 11


def test_a_batch_is_checked_where_it_is_written(fake: FakeServer, client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    with client.batch_write(), pytest.raises(ValueError, match="value 40000 does not fit /motor/speed"):
        handle.value = 40000

    assert fake.get(SPEED) == -100


def test_more_than_a_request_holds_is_written_in_its_order(fake: FakeServer, client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    with client.batch_write(timeout=30 * SECOND):
        for number in range(1201):
            handle.value = number

    assert fake.get(SPEED) == 1200


def test_a_batch_that_was_never_entered_holds_nothing_back(fake: FakeServer, client: ScrutinyClient) -> None:
    client.batch_write()
    client.watch(SPEED).value = 12

    assert fake.get(SPEED) == 12


# Nothing blocks for ever


def test_closing_the_socket_ends_every_wait(client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    threading.Timer(30 * MS, client.close_socket).start()
    with pytest.raises(ConnectionError, match=r"was closed with close_socket\(\); call connect to go on"):
        handle.wait_value(7, 60 * SECOND)

    assert client.server_state is ServerState.Error


def test_what_was_sent_so_far_has_been_taken_in(fake: FakeServer, client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    handle.wait_update(5 * SECOND)
    fake.set(SPEED, 77)
    handle.wait_value(77, 5 * SECOND)
    client.wait_process()

    assert handle.value == 77
    assert client.logger.name == "pytest_scrutiny.client"


def test_writes_end_when_nobody_answers(fake: FakeServer, client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    client.write_watchable(SETPOINT, 1)
    fake.hang()
    with pytest.raises(TimeoutException):
        handle.write(1, timeout=30 * MS)
    with pytest.raises(TimeoutException):
        client.write_watchable(SETPOINT, 2, timeout=30 * MS)
    with pytest.raises(TimeoutException):
        client.write_watchable_memory(SETPOINT, bytes(4), timeout=30 * MS)
    with pytest.raises(TimeoutException), client.batch_write(timeout=30 * MS):
        handle.value = 2


def test_writes_end_when_the_connection_goes(fake: FakeServer, client: ScrutinyClient) -> None:
    handle = client.watch(SPEED)
    fake.hang()
    threading.Timer(30 * MS, fake.kill).start()
    with pytest.raises(ScrutinyError, match="connection"):
        handle.write(1, timeout=60 * SECOND)
