"""Several values at once, on the fake."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import NotAllowedError, OperationFailure
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from tests.clock import MS, SECOND

SPEED, SETPOINT, MODE = "/motor/speed", "/psu/setpoint", "/app/mode"


@pytest.fixture(params=["0.3.0", "0.9.2", "0.16.0"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    """A started fake."""
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


def test_a_batch_is_one_request_and_is_put_back(fake: FakeServer, device: Device) -> None:
    with device.batch() as batch:
        batch.write(SPEED, 1)
        batch.write(SETPOINT, 2.5)
        batch.write(SPEED, 3)
        nothing_yet = fake.get(SPEED)
    written = (fake.get(SPEED), fake.get(SETPOINT))
    failures = restore(device)

    assert nothing_yet == -100
    assert written == (3, 2.5)
    assert failures == []
    assert (fake.get(SPEED), fake.get(SETPOINT)) == (-100, 5.0)


def test_a_batch_whose_block_raises_is_not_sent(fake: FakeServer, device: Device) -> None:
    def give_up() -> None:
        with device.batch() as batch:
            batch.write(SPEED, 1)
            raise KeyError("the test's own")

    with pytest.raises(KeyError):
        give_up()
    assert fake.get(SPEED) == -100


def test_a_value_that_does_not_fit_is_refused_where_it_stands(device: Device) -> None:
    with device.batch() as batch, pytest.raises(ValueError, match="value 40000 does not fit /motor/speed"):
        batch.write(SPEED, 40000)


def test_an_empty_batch_is_nothing(device: Device) -> None:
    with device.batch():
        pass

    assert device.writes == []


def test_a_batch_tells_which_writes_failed(fake: FakeServer, device: Device) -> None:
    with device.expect_reset(within=5 * SECOND):
        fake.set_features(memory_write=False)

    def write_both() -> None:
        with device.batch() as batch:
            batch.write("/rpv/x1001", 1.5)  # RPVs can be written all the same
            batch.write(SPEED, 1)

    with pytest.raises(OperationFailure, match=r"1 of 2 writes of a batch failed, .*: /motor/speed = 1: "):
        write_both()
    assert fake.get("/rpv/x1001") == 1.5
    assert restore(device) == []  # what was refused needs no putting back
    assert fake.get("/rpv/x1001") == 3.5


def test_an_override_lasts_as_long_as_its_block(fake: FakeServer, device: Device) -> None:
    with device.override({SPEED: 7, SETPOINT: 1.5}):
        inside = (fake.get(SPEED), fake.get(SETPOINT))

    assert inside == (7, 1.5)
    assert (fake.get(SPEED), fake.get(SETPOINT)) == (-100, 5.0)


def test_an_override_ends_also_when_its_block_raises(fake: FakeServer, device: Device) -> None:
    def give_up() -> None:
        with device.override({SPEED: 7}):
            raise KeyError("the test's own")

    with pytest.raises(KeyError):
        give_up()
    assert fake.get(SPEED) == -100


def test_an_override_that_cannot_begin_is_undone(fake: FakeServer, device: Device) -> None:
    def begin() -> None:
        with device.override({SPEED: 7, SETPOINT: 1e39}):
            pass

    with pytest.raises(ValueError, match="does not fit /psu/setpoint"):
        begin()
    assert fake.get(SPEED) == -100


def test_a_snapshot_is_of_one_moment(fake: FakeServer, device: Device) -> None:
    device[SPEED].write(5)
    snapshot = device.snapshot(SPEED, SETPOINT, MODE)

    assert dict(snapshot) == {SPEED: 5, SETPOINT: 5.0, MODE: 0}
    assert snapshot[SPEED] == 5
    assert len(snapshot) == 3
    assert 0 <= snapshot.span < 100 * MS


def test_a_snapshot_of_nothing_is_refused_at_once(device: Device) -> None:
    with pytest.raises(
        ValueError, match=r"snapshot\(\) has no paths, so there is nothing to read; expected some"
    ):
        device.snapshot()


@pytest.mark.parametrize("how", ["well", "badly"])
def test_a_batch_that_has_ended_takes_no_more_writes(device: Device, how: str) -> None:
    with contextlib.suppress(KeyError), device.batch() as batch:
        if how == "badly":
            raise KeyError(how)

    with pytest.raises(
        NotAllowedError,
        match=r"^2 is not written to /motor/speed: the batch has ended; expected its writes in its block\. ",
    ):
        batch.write("/motor/speed", 2)


def test_a_batch_is_not_set_like_a_dict(device: Device) -> None:
    with device.batch() as batch, pytest.raises(TypeError, match=r"write: batch\.write\('/motor/speed', 2\)"):
        batch["/motor/speed"] = 2


def test_an_override_is_a_mapping(device: Device) -> None:
    pairs: Any = [("/motor/speed", 1)]
    with (
        pytest.raises(
            TypeError, match=r"^\[\('/motor/speed', 1\)\] is no mapping; write: override\({path: value}\)$"
        ),
        device.override(pairs),
    ):
        pass
