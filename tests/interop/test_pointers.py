"""Pointers, and what lies behind them: from release 0.11 on, the same on every server."""

import subprocess
import sys

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.errors import InvalidValueError, NameNotFoundError, OperationFailure, TimeoutException
from pytest_scrutiny.fakeserver.datatypes import FIRST, FORBIDDEN, SECOND
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.model.values import ValueStatus
from pytest_scrutiny.protocol.dialect import dialect_of
from tests.interop.benches import HOST, Bench
from tests.interop.conftest import TIMEOUT, renew, wait_usable

BENCH_DEVICES = ("types", "types-big")
NODE, ID, VALUE = "/pointers/node", "/pointers/*node/id", "/pointers/*node/value"


@pytest.fixture(autouse=True)
def _with_pointers(bench: Bench) -> None:
    if not dialect_of(bench.release).knows_pointers:
        pytest.skip("releases before 0.11 know no pointers")


def _wait_status(handle: WatchableHandle, status: ValueStatus) -> None:
    handle._session.wait_for(
        lambda: handle._latest().status is status, Deadline(TIMEOUT), f"{handle.info.path} was not {status}"
    )


def test_a_pointer_is_an_address(device: Device) -> None:
    assert device[NODE].info.datatype.name == "ptr32"
    assert device[NODE].read() == FIRST


def test_what_is_behind_a_pointer_is_read_and_written(device: Device, bench: Bench) -> None:
    number, value = device[ID], device[VALUE]

    assert number.wait(-5, timeout=TIMEOUT) == -5
    assert value.wait(-7.5, timeout=TIMEOUT) == -7.5
    number.write(1234)
    assert number.read() == 1234
    assert device["/nodes/first/id"].read() == 1234


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (VALUE, -7.5),
        ("/pointers/*table[2]", 77),
        ("/pointers/*node/samples[2]", 30),
        ("/alias/behind", -10),
        ("/pointers/*forbidden", None),
    ],
)
def test_the_first_read_after_a_reset_is_right(
    client: ScrutinyClient, bench: Bench, path: str, expected: float | None
) -> None:
    """The server has not read the pointer yet, and its first update says that it is null."""
    renew(client, bench)
    value = Device(client)[path]
    if expected is not None:
        assert value.read() == expected
    elif dialect_of(bench.release).update_tells_invalid:
        with pytest.raises(InvalidValueError, match="lies in a forbidden memory region"):
            value.read()


def test_a_pointer_leads_where_it_points_to(device: Device) -> None:
    device[ID].wait(-5, timeout=TIMEOUT)
    device[NODE].write(SECOND)

    assert device[ID].wait(77, timeout=TIMEOUT) == 77


def test_behind_a_null_pointer_there_is_no_value(client: ScrutinyClient, bench: Bench) -> None:
    value = Device(client)["/pointers/*null/id"]
    if not dialect_of(bench.release).update_tells_invalid:  # 0.11 says nothing at all
        with pytest.raises(TimeoutException):
            value.read(timeout=0.3)
        return

    with pytest.raises(InvalidValueError, match="has no value: it is behind a null pointer"):
        value.read()
    assert client.watch(value.path).status is ValueStatus.NullPtrDereferenced
    with pytest.raises(OperationFailure):
        client.watch(value.path).write(1)


def test_a_pointer_that_becomes_null_takes_the_value_away(device: Device, bench: Bench) -> None:
    if not dialect_of(bench.release).update_tells_invalid:
        return
    handle = device.raw.watch(ID)
    device[ID].wait(-5, timeout=TIMEOUT)
    device[NODE].write(0)
    _wait_status(handle, ValueStatus.NullPtrDereferenced)

    with pytest.raises(InvalidValueError, match="behind a null pointer"):
        _ = handle.value


def test_a_pointer_into_a_forbidden_region_leads_nowhere(client: ScrutinyClient, bench: Bench) -> None:
    if not dialect_of(bench.release).update_tells_invalid:
        return
    handle = client.watch("/pointers/*forbidden")
    _wait_status(handle, ValueStatus.ForbiddenRegion)

    assert Device(client)["/pointers/forbidden"].read() == FORBIDDEN.start


def test_a_pointer_to_an_array_has_elements(device: Device) -> None:
    samples = device["/pointers/*node/samples[2]"]

    assert samples.wait(30, timeout=TIMEOUT) == 30


def test_an_array_of_pointers_leads_to_each(device: Device) -> None:
    assert device["/pointers/*table[0]"].wait(-5, timeout=TIMEOUT) == -5
    assert device["/pointers/*table[2]"].wait(77, timeout=TIMEOUT) == 77


@pytest.mark.parametrize("path", ["/pointers/*table[2]", ID, "/pointers/*null/id", "/alias/behind"])
def test_a_server_survives_that_we_leave_while_we_watch(
    client: ScrutinyClient, bench: Bench, path: str
) -> None:
    """Real servers end when a client that watches what is behind a pointer just leaves."""
    with ScrutinyClient(timeout=TIMEOUT).connect(HOST, bench.port) as other:
        wait_usable(other)
        other.watch(path)
        other.watch(NODE).wait_update(TIMEOUT, previous_counter=3)

    assert client.echo("still there") == "still there"


@pytest.mark.parametrize("how", ["c.close_socket()", "del c, h", "raise SystemExit", "pass"])
def test_a_server_survives_that_a_script_just_ends(client: ScrutinyClient, bench: Bench, how: str) -> None:
    script = (
        "from pytest_scrutiny import ScrutinyClient\n"
        f"c = ScrutinyClient(timeout={TIMEOUT}).connect({HOST!r}, {bench.port})\n"
        f"c.wait_server_status(lambda info: info.sfd is not None, {TIMEOUT}, 'no SFD')\n"
        f"h = c.watch('/pointers/*table[2]')\nh.wait_update({TIMEOUT}, previous_counter=3)\n{how}\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=4 * TIMEOUT)

    assert client.echo("still there") == "still there"


def test_behind_no_pointer_there_is_no_name(device: Device) -> None:
    with pytest.raises(NameNotFoundError, match="is unknown to the server"):
        device["/pointers/*nobody/id"].read()
