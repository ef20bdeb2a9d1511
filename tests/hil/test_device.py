"""What a test holds in its hands, on the fake: WebSocket and TCP, with and without a server clock."""

import collections
import re
from collections.abc import Iterator

import attrs
import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import (
    BadEnumError,
    DeviceLostError,
    DeviceResetError,
    NameNotFoundError,
    OperationFailure,
    TimeoutException,
)
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.hil.originals import restorable
from pytest_scrutiny.model.values import EmbeddedDataType, WatchableType
from pytest_scrutiny.model.watch import VariableDetails, WatchableInfo
from pytest_scrutiny.protocol.write import decode_write_completion
from tests.clock import MS, SECOND


@pytest.fixture(params=["0.3.0", "0.9.2", "0.16.0"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    """A started fake of a WebSocket and of two TCP releases."""
    with FakeServer(request.param) as fake:
        yield fake


@pytest.fixture
def device(fake: FakeServer) -> Iterator[Device]:
    """The fake's device, ready."""
    with ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        yield Device(client, Journal())


def restore(device: Device) -> list[str]:
    assert device.journal is not None
    return device.journal.restore()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/motor/speed", 1234),
        ("/motor/torque_limit", 2.5),
        ("/app/run", True),
        ("/app/flags/limit", 7),
        ("/psu/setpoint", 3.3),
        ("/alias/psu/setpoint", 12.0),
        ("/alias/psu/setpoint_mv", 1500.0),
        ("/rpv/x1001", 0.1),
        ("/rpv/x1003", -128),
    ],
)
def test_what_is_written_is_in_the_device_and_put_back(
    fake: FakeServer, device: Device, path: str, value: bool | float
) -> None:
    before = device[path].read()
    device[path].write(value, verify=True)
    in_device = fake.get(path)
    failures = restore(device)

    assert in_device == pytest.approx(value)
    assert failures == []
    assert fake.get(path) == pytest.approx(before)


def test_a_wide_integer_is_exact(fake: FakeServer, device: Device) -> None:
    wide = 2**53 + 1  # one more than a float could tell
    device["/stats/cycles"].write(wide)

    assert 0 <= device["/stats/cycles"].read() - wide <= 60  # it counts the seconds


def test_reading_sees_what_the_firmware_changed(fake: FakeServer, device: Device) -> None:
    device["/motor/speed"].read()
    fake.set("/motor/speed", 777)
    device["/motor/speed"].wait(777, timeout=5 * SECOND)  # a sample of before may be on its way

    assert device["/motor/speed"].read() == 777
    assert device["/motor/speed"].last == 777


def test_an_enum_is_written_and_read_by_name(fake: FakeServer, device: Device) -> None:
    if fake.dialect.watch_has_enum:
        device["/app/mode"].write("RUN")

        assert device["/app/mode"].read() == 1
        assert device["/app/mode"].read_enum() == "RUN"
        with pytest.raises(
            BadEnumError, match=r"expected one of IDLE=0, RUN=1, CALIBRATE=2; did you mean 'RUN'\?"
        ):
            device["/app/mode"].write("RUNN")


def test_several_writes_are_undone_to_the_first_value(fake: FakeServer, device: Device) -> None:
    for speed in (1, 2, 3):
        device["/motor/speed"].write(speed)
    device["/psu/setpoint"].write(1.0)
    count = len(device.journal or ())
    failures = restore(device)

    assert count == 2
    assert failures == []
    assert (fake.get("/motor/speed"), fake.get("/psu/setpoint")) == (-100, 5.0)


def test_the_last_change_is_undone_first(fake: FakeServer, device: Device) -> None:
    """A variable and its alias are one place: only the reverse order finds the way back."""
    device["/psu/setpoint"].write(1.0)
    device["/alias/psu/setpoint"].write(2.0)
    restore(device)

    assert fake.get("/psu/setpoint") == 5.0


def test_a_refused_write_leaves_nothing_to_put_back(fake: FakeServer, device: Device) -> None:
    with device.expect_reset(within=5 * SECOND):
        fake.set_features(memory_write=False)
    with pytest.raises(OperationFailure, match=r"the write of 5 to /motor/speed failed: "):
        device["/motor/speed"].write(5)

    assert restore(device) == []


def test_a_value_that_does_not_fit_leaves_nothing_to_put_back(device: Device) -> None:
    with pytest.raises(ValueError, match="value 40000 does not fit /motor/speed: expected -32768 to 32767"):
        device["/motor/speed"].write(40000)

    assert restore(device) == []


def test_what_cannot_be_put_back_is_told(fake: FakeServer, device: Device) -> None:
    device["/motor/speed"].write(5)
    device["/psu/setpoint"].write(1.0)
    fake.stop()
    failures = restore(device)

    assert len(failures) == 2
    assert failures[0].startswith("/psu/setpoint could not be put back to 5.0: ")
    assert failures[1].startswith("/motor/speed could not be put back to -100: ")


def test_a_value_that_changes_under_the_writer_is_found_by_verify(fake: FakeServer, device: Device) -> None:
    """The firmware owns the uptime: the server echoes what was written, the device says otherwise."""
    with pytest.raises(OperationFailure, match=r"/psu/voltage was written as 4\.0 but reads back as "):
        device["/psu/voltage"].write(4.0, verify=True)


def test_an_unknown_path_says_what_is_there(device: Device) -> None:
    with pytest.raises(NameNotFoundError) as caught:
        device["/nope"].read()

    assert str(caught.value) == (
        "/nope is unknown to the server (firmware 5c7a71fa…, SFD loaded); "
        "expected the path of a variable, an alias or an RPV. Check its spelling; Device.paths() lists all."
    )


def test_without_a_firmware_description_the_error_says_so() -> None:
    with (
        FakeServer("0.16.0", device=make_device("nameless")) as fake,
        ScrutinyClient().connect(fake.host, fake.port) as client,
    ):
        client.wait_device_ready(5 * SECOND)
        device = Device(client, Journal())
        level = device["/rpv/x1001"].read()
        with pytest.raises(NameNotFoundError) as caught:
            device["/app/run"].read()

    assert level == 3.5
    assert "no firmware description (SFD) is loaded for firmware" in str(caught.value)
    assert str(caught.value).endswith(
        "so only RPVs like /rpv/x1000 exist. Install the firmware's SFD on the server."
    )


def test_losing_the_device_while_reading_is_told_as_such(fake: FakeServer, device: Device) -> None:
    value = device["/motor/speed"]
    value.read()
    fake.unplug()
    with pytest.raises((DeviceLostError, NameNotFoundError), match="device"):
        collections.deque((value.read() for _ in range(100)), maxlen=0)


def test_a_value_survives_a_reset_that_was_expected(fake: FakeServer, device: Device) -> None:
    value, session = device["/motor/speed"], device.session_id
    value.write(5)
    with device.expect_reset(within=5 * SECOND) as reset:
        fake.reset()

    assert value.read() == -100
    assert (reset.before, reset.after) == (session, device.session_id)
    assert reset.before != reset.after
    assert reset.downtime is not None
    assert 0 <= reset.downtime < 5 * SECOND


def test_a_reset_that_nobody_expected_fails_the_next_use(fake: FakeServer, device: Device) -> None:
    before = device.session_id or ""
    device["/motor/speed"].write(5)
    fake.reset()
    device.raw.wait_server_status(
        lambda info: info.device_session_id not in (None, before), 5 * SECOND, "the device did not come back"
    )
    with pytest.raises(DeviceResetError) as caught:
        device["/motor/speed"].read()

    after = (device.session_id or "")[:8]
    lines = str(caught.value).splitlines()
    assert re.fullmatch(
        rf"the device was reset: session {before[:8]} ended \d\.\d\d s into the test and \d\.\d\d s after "
        rf"the last write, and {after} began \d\.\d\d s later\. Expected no reset: look for a watchdog, a "
        r"brown-out or a crash, or declare it with expect_reset\(\)\.",
        lines[0],
    )
    assert re.fullmatch(r"  last     5   /motor/speed   \d+ ms before", lines[1])
    assert re.fullmatch(r"  writes   -0\.\d{3} s  /motor/speed  -100 → 5", lines[2])
    assert lines[3] == f"  device   Simulated PSU  firmware 5c7a71fa…  session {after} (was {before[:8]})"
    assert len(lines) == 4
    assert device["/motor/speed"].read() == -100  # it is told once


def test_a_reset_that_does_not_come_is_told(device: Device) -> None:
    with (
        pytest.raises(TimeoutException, match=r"no reset came within .*; expected a session after"),
        device.expect_reset(within=50 * MS),
    ):
        pass


def test_a_reset_that_was_provoked_before_can_be_waited_for(fake: FakeServer, device: Device) -> None:
    fake.reset()
    reset = device.wait_reset(timeout=5 * SECOND)

    assert device["/motor/speed"].read() == -100
    assert reset.after == device.session_id


def test_after_a_reset_everything_is_put_back_all_the_same(fake: FakeServer, device: Device) -> None:
    device["/motor/speed"].write(5)
    with device.expect_reset(within=5 * SECOND):
        fake.reset()
    fake.set("/motor/speed", 6)
    failures = restore(device)

    assert failures == []
    assert fake.get("/motor/speed") == -100


def test_info_tells_what_the_value_is(device: Device) -> None:
    info = device["/psu/setpoint"].info

    assert (info.type, info.datatype) == (WatchableType.Variable, EmbeddedDataType.float32)


def test_a_device_tells_what_it_is(device: Device) -> None:
    assert device.features.datalogging
    assert device.info.display_name == "Simulated PSU"
    assert device.firmware_id == device.info.device_id
    assert repr(device) == f"<Device Simulated PSU firmware {device.firmware_id}>"
    assert device["/motor/speed"] is device["/motor/speed"]


def test_a_path_must_be_a_string(device: Device) -> None:
    with pytest.raises(
        TypeError, match="path 5 is no string; expected a server path, for example '/rpv/x1000'"
    ):
        device[5]  # type: ignore[index]  # that is the point


def test_without_a_device_its_information_is_an_error(fake: FakeServer, device: Device) -> None:
    fake.unplug()
    device.raw.wait_server_status(lambda info: info.device is None, 5 * SECOND, "the device is still there")

    with pytest.raises(
        DeviceLostError, match="no device is connected to the server; check its power and its link"
    ):
        _ = device.info
    assert repr(device) == "<Device gone>"
    with pytest.raises(DeviceLostError) as caught:
        device["/motor/speed"].read()
    assert str(caught.value).startswith("the device went away before /motor/speed could be watched, 0.")
    assert str(caught.value.__cause__) == (
        "/motor/speed cannot be watched: no device is connected to the server; "
        "expected the one this test began with. Check its power and its link."
    )


def test_releasing_stops_only_what_the_device_watched_itself(fake: FakeServer, device: Device) -> None:
    kept = device.raw.watch("/motor/speed")
    device["/motor/speed"].read()
    device["/psu/setpoint"].read()
    device["/psu/adc"].read()
    device.release()
    watched = device.raw.watches.watched()
    again = device["/psu/setpoint"].read()

    assert watched == ["/motor/speed"]
    assert not kept.is_dead
    assert again == 5.0


def test_releasing_without_a_connection_is_harmless(device: Device) -> None:
    device["/psu/setpoint"].read()
    device.raw.disconnect()
    device.release()


def test_a_write_that_failed_and_is_in_the_device_all_the_same_is_undone(
    fake: FakeServer, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer may be lost where the write was not."""
    decode = decode_write_completion
    monkeypatch.setattr(
        "pytest_scrutiny.client.write.decode_write_completion",
        lambda message: attrs.evolve(decode(message), success=False),
    )
    with pytest.raises(OperationFailure):
        device["/motor/speed"].write(9)
    in_device = fake.get("/motor/speed")
    monkeypatch.undo()
    failures = restore(device)

    assert in_device == 9
    assert failures == []
    assert fake.get("/motor/speed") == -100


def test_what_could_not_be_put_back_is_not_written(fake: FakeServer, device: Device) -> None:
    if fake.dialect.watch_has_details:
        fake.set("/psu/setpoint", 30.0)  # over the alias' maximum of 24
        with pytest.raises(ValueError, match=r"/alias/psu/setpoint is 30\.0, which could not be put back"):
            device["/alias/psu/setpoint"].write(5.0)

        assert fake.get("/psu/setpoint") == 30.0


def test_a_signed_bit_field_is_put_back_with_its_sign() -> None:
    info = WatchableInfo(
        "/v", WatchableType.Variable, EmbeddedDataType.sint32, "8", None, VariableDetails(0, 4, 3)
    )

    assert [restorable(info, read) for read in (0, 3, 4, 7)] == [0, 3, -4, -1]


def test_a_device_that_is_gone_at_the_end_is_told(fake: FakeServer, device: Device) -> None:
    fake.unplug()
    with pytest.raises(
        DeviceLostError, match=r"the device is gone: session [0-9a-f]{8} ended; expected it to be"
    ):
        device.check_session(is_fresh=True)
