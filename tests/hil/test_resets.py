"""Gone, reset, silent, cut off: what became of the device is told apart in the test's own error."""

import collections
import re
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.errors import (
    ConnectionError,
    DeviceLostError,
    DeviceResetError,
    OperationFailure,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil import resets
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.resets import explain
from tests.clock import MS, SECOND

SPEED = "/motor/speed"


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A fake whose device is polled every 50 ms, so that there is time to pull a plug."""
    with FakeServer(timing=Timing(poll=50 * MS, reconnect=10 * MS)) as fake:
        yield fake


@pytest.fixture
def device(fake: FakeServer) -> Iterator[Device]:
    """The fake's device, with one value watched."""
    with ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        device = Device(client)
        device[SPEED].read()
        yield device


def while_reading(device: Device, event: Callable[[], object], timeout: float = 5 * SECOND) -> ScrutinyError:
    """Return what a read raises when something happens in its middle."""
    session = device.raw.session

    def happen() -> None:
        pause = threading.Event()
        while not session._waiting:
            pause.wait(MS)
        event()

    happened = threading.Thread(target=happen)
    happened.start()
    with pytest.raises(ScrutinyError) as caught:
        collections.deque((device[SPEED].read(timeout) for _ in range(1000)), maxlen=0)
    happened.join()
    return caught.value


def test_a_device_that_goes_away_is_lost(fake: FakeServer, device: Device) -> None:
    session = (device.session_id or "")[:8]
    device[SPEED].write(5)
    error = while_reading(device, fake.unplug)

    assert isinstance(error, DeviceLostError)
    assert error.category == "device"
    # Which of two depends on whether the plug was pulled in a read or between two.
    assert re.fullmatch(
        rf"the device went away (before {SPEED} could be watched|while {SPEED} was read "
        rf"\({SPEED} has no value: the device is gone\)), "
        rf"\d\.\d\d s into the test and \d\.\d\d s after the last write; "
        rf"expected session {session} to go on\. "
        r"Check its power and its link\."
        rf"\n  last     5   {SPEED}   \d+ ms before"
        rf"\n  writes   -\d\.\d{{3}} s  {SPEED}  -100 → 5"
        rf"\n  device   gone \(session {session} ended\)",
        str(error),
    )


def test_a_device_that_comes_back_was_reset(fake: FakeServer, device: Device) -> None:
    before = device.session_id
    error = while_reading(device, fake.reset)
    # Whether the new session is there already when the error asks is a matter of milliseconds.
    if isinstance(error, DeviceLostError):
        device.raw.wait_device_ready(5 * SECOND)
        error = explain(device, before, f"{SPEED} was read", error)

    assert isinstance(error, DeviceResetError)
    assert error.category == "device"
    assert f"session {(before or '')[:8]} ended " in str(error)
    assert f", and {(device.session_id or '')[:8]} began " in str(error)


def test_a_silent_device_is_a_timeout_of_the_device(fake: FakeServer, device: Device) -> None:
    fake.hang()
    with pytest.raises(TimeoutException, match=f"no fresh value of {SPEED} came within") as caught:
        # One update may be on its way already.
        collections.deque((device[SPEED].read(200 * MS) for _ in range(3)), maxlen=0)

    assert caught.value.category == "device"


def test_a_link_that_is_down_is_a_matter_of_the_bench(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    import attrs

    info = device.raw.get_server_status()
    broken = attrs.evolve(info, device_link=attrs.evolve(info.device_link, operational=False))
    monkeypatch.setattr(resets, "_ask", lambda *_: broken)
    error = explain(device, info.device_session_id, f"{SPEED} was read", TimeoutException("late"))

    assert isinstance(error, DeviceLostError)
    assert error.category == "bench"
    assert str(error) == (
        f"the link to the device is down (UDP), found while {SPEED} was read (late); expected it to be "
        "operational. Check cable, port and adapter."
    )


def test_a_server_that_stops_is_told_as_such(fake: FakeServer, device: Device) -> None:
    error = while_reading(device, fake.stop)

    assert isinstance(error, ConnectionError)
    assert error.category == "server"
    assert re.search(
        r"the server at \S+ was lost while|connection to the server was lost|closed the conn", str(error)
    )


def test_a_server_that_hangs_is_told_from_a_device_that_does(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object) -> None:
        raise TimeoutException("the server did not answer get_server_status within 1 s")

    monkeypatch.setattr(resets, "_ask", ask)
    failure = TimeoutException("no fresh value.\n  last     5")
    error = explain(device, device.session_id, f"{SPEED} was read", failure)

    assert isinstance(error, TimeoutException)
    assert error.category == "server"
    assert str(error) == (
        "the server hangs: it left a status request unanswered for 0.4 s after no fresh value. "
        "Look into its log, or restart it.\n  last     5"
    )


OTHER = "/psu/setpoint"
SHORT = 0.2 * SECOND
USES: dict[str, Callable[[Device], object]] = {
    "read": lambda device: device[SPEED].read(SHORT),
    "first read": lambda device: device[OTHER].read(SHORT),
    "wait": lambda device: device[SPEED].wait(9, timeout=SHORT),
    "first wait": lambda device: device[OTHER].wait(9, timeout=SHORT),
    "write": lambda device: device[SPEED].write(5, timeout=SHORT),
    "first write": lambda device: device[OTHER].write(5, timeout=SHORT),
    "snapshot": lambda device: device.snapshot(SPEED, OTHER, timeout=SHORT),
    "memory": lambda device: device.memory.read(0x1000, 4, timeout=SHORT),
    "command": lambda device: device.command(1, timeout=SHORT),
    "reset": lambda device: device.wait_reset(SHORT),
}


@pytest.mark.parametrize("use", USES)
def test_a_server_that_hangs_is_named_in_the_time_of_the_call(
    fake: FakeServer, device: Device, use: str
) -> None:
    fake.stall()
    pause = threading.Event()
    pause.wait(100 * MS)  # what was on its way has come
    start = monotonic()

    with pytest.raises(TimeoutException, match=r"^the server hangs: .* Look into its log") as caught:
        USES[use](device)
    took = monotonic() - start
    fake.resume_serving()

    assert caught.value.category == "server"
    assert took < SHORT + 0.5 * SECOND


def test_a_batch_on_a_server_that_hangs_ends_in_its_time(fake: FakeServer, device: Device) -> None:
    device[OTHER].read()
    fake.stall()
    start = monotonic()

    with pytest.raises(TimeoutException, match="the server hangs"), device.batch(SHORT) as batch:
        batch.write(OTHER, 2)
    took = monotonic() - start
    fake.resume_serving()

    assert took < SHORT + 0.5 * SECOND


def test_a_lost_device_is_told_once(fake: FakeServer, device: Device) -> None:
    while_reading(device, fake.unplug)

    assert device.sessions.has_told


SILENT_DEVICE = (
    "Servers up to 0.16 at least end when their device falls silent during a write: look at the device "
    "first, then into the server's log."
)


@pytest.mark.parametrize(
    ("doing", "advice"),
    [(f"{SPEED} was read", "Look into its log, or restart it."), (f"{SPEED} was written", SILENT_DEVICE)],
)
def test_a_lost_server_is_told_with_its_address_and_what_to_do(
    device: Device, fake: FakeServer, doing: str, advice: str
) -> None:
    error = explain(device, device.session_id, doing, ConnectionError("the server closed the connection"))

    where = f"127.0.0.1:{fake.port}"
    assert type(error) is ConnectionError
    assert str(error) == (
        f"the server at {where} was lost while {doing}: the server closed the connection. {advice}"
    )


def test_a_refusal_is_not_made_into_a_loss(device: Device) -> None:
    refusal = OperationFailure("the device says no")

    assert explain(device, device.session_id, f"{SPEED} was written", refusal) is refusal


def test_a_write_that_the_device_leaves_unanswered_is_a_loss(fake: FakeServer, device: Device) -> None:
    fake.hang()
    with pytest.raises((DeviceLostError, TimeoutException)) as caught:
        device[SPEED].write(5, timeout=3 * SECOND)

    assert caught.value.category == "device"


def test_the_downtime_is_the_devices_also_when_nobody_waited_for_it(fake: FakeServer, device: Device) -> None:
    """By the time the test asks, the device is back already."""
    before = device.session_id
    fake.unplug()
    device.raw.wait_server_status(lambda info: info.device is None, 5 * SECOND, "it stayed")
    start = monotonic()
    device.raw.session.wait_for(
        lambda: monotonic() - start > 100 * MS, Deadline(5 * SECOND), "no time passed"
    )
    fake.plug()
    device.raw.wait_server_status(
        lambda info: info.sfd is not None and info.device_session_id != before, 5 * SECOND, "it stayed away"
    )
    longest = monotonic() - start + 1 * SECOND

    reset = device.wait_reset(5 * SECOND)

    assert reset.downtime is not None
    assert 90 * MS <= reset.downtime <= longest


def test_what_one_object_declared_surprises_no_other(fake: FakeServer, device: Device) -> None:
    other = Device(device.raw)
    other[SPEED].read()
    with device.expect_reset(within=5 * SECOND):
        fake.reset()

    assert other[SPEED].read() == -100


def test_what_a_block_declared_in_vain_may_still_come_but_once(fake: FakeServer, device: Device) -> None:
    with pytest.raises(TimeoutException, match="no reset came"), device.expect_reset(within=10 * MS):
        pass
    reset_and_wait(fake, device)
    assert device[SPEED].read() == -100
    reset_and_wait(fake, device)

    with pytest.raises(DeviceResetError):
        device[SPEED].read()


def reset_and_wait(fake: FakeServer, device: Device) -> None:
    before = device.session_id
    fake.reset()
    device.raw.wait_server_status(
        lambda info: info.sfd is not None and info.device_session_id != before, 5 * SECOND, "no reset came"
    )
