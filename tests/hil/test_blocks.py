"""What looks right and does nothing is refused: a test with it would be green whatever the device does."""

from collections.abc import Callable, Iterator

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import NotAllowedError
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from tests.clock import SECOND

SPEED = "/motor/speed"


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    """The fake's device, ready."""
    with FakeServer() as fake, ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        yield Device(client, Journal())


def set_value(device: Device) -> None:
    device[SPEED].value = 250


def set_item(device: Device) -> None:
    device[SPEED] = 250


def set_other(device: Device) -> None:
    device[SPEED].speed = 250  # type: ignore[attr-defined]  # that is the point


def set_memory(device: Device) -> None:
    device.memory[0x1200:0x1202] = b"ab"


def set_byte(device: Device) -> None:
    device.memory[0x1200] = 7


WAY = "it is the way to a device's value; write dev['/motor/speed']"


@pytest.mark.parametrize(
    ("use", "error", "text"),
    [
        (lambda dev: bool(dev[SPEED]), TypeError, f"{SPEED} is no truth value: {WAY}.read()"),
        (lambda dev: dev[SPEED] == 5, TypeError, f"{SPEED} cannot be compared with 5: {WAY}.read() == 5"),
        (
            lambda dev: dev[SPEED] != 5.0,
            TypeError,
            f"{SPEED} cannot be compared with 5.0: {WAY}.read() == 5.0",
        ),
        (lambda dev: dev[SPEED] > 5, TypeError, f"{SPEED} cannot be compared with 5: {WAY}.read()"),
        (lambda dev: dev[SPEED] < 5, TypeError, f"{SPEED} cannot be compared with 5: {WAY}.read()"),
        (lambda dev: float(dev[SPEED]), TypeError, f"{SPEED} is no number: {WAY}.read()"),
        (lambda dev: int(dev[SPEED]), TypeError, f"{SPEED} is no number: {WAY}.read()"),
        (lambda dev: round(dev[SPEED], 2), TypeError, f"{SPEED} is no number: {WAY}.read()"),
        (lambda dev: abs(dev[SPEED]), TypeError, f"{SPEED} is no number: {WAY}.read()"),
        (lambda dev: dev[SPEED] - 5, TypeError, f"{SPEED} is no number: {WAY}.read()"),
        (lambda dev: 5 / dev[SPEED], TypeError, f"{SPEED} is no number: {WAY}.read()"),
        (lambda dev: f"{dev[SPEED]:.2f}", TypeError, f"{SPEED} cannot be formatted as '.2f': {WAY}.read()"),
        (
            lambda dev: SPEED in dev,
            TypeError,
            f"a device does not know its paths by heart; write: '{SPEED}' in dev.paths()",
        ),
        (list, TypeError, "a device does not know its paths by heart; write: dev.paths()"),
        (set_memory, TypeError, r"memory is not set like this; write: memory.write(0x1200, b'ab')"),
        (set_byte, TypeError, r"memory is not set like this; write: memory.write(0x1200, 7)"),
        (
            lambda dev: dev.memory.write("0x1000", b"a"),
            TypeError,
            "address '0x1000' is no whole number; expected one, for example 0x20000000",
        ),
        (
            lambda dev: dev.memory.read("0x1000", 1),
            TypeError,
            "address '0x1000' is no whole number; expected one, for example 0x20000000",
        ),
        (
            lambda dev: dev.memory.read_struct(0x1000, None),
            TypeError,
            "layout None is no string; expected one as for the module struct, like '<If'",
        ),
        (lambda dev: dev[SPEED].value, AttributeError, f"{SPEED} has no attribute 'value': {WAY}.read()"),
        (set_value, AttributeError, f"{SPEED} has no attribute 'value': {WAY}.write(250)"),
        (set_item, TypeError, "a value is not set like this; write: dev['/motor/speed'].write(250)"),
        (set_other, AttributeError, "'Value' object has no attribute 'speed'"),
    ],
)
def test_a_value_is_not_mistaken_for_what_it_holds(
    device: Device, use: Callable[[Device], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        use(device)

    assert str(caught.value) == text


def test_values_are_equal_if_they_are_the_same(device: Device) -> None:
    assert device[SPEED] == device[SPEED]
    assert device[SPEED] != device["/psu/setpoint"]
    assert len({device[SPEED], device[SPEED]}) == 1


NOTHING = "was never entered, so it did nothing; write:"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda dev: dev[SPEED].never(5),
            "/motor/speed: never(5) was never entered, so it did nothing; write: with never(...):",
        ),
        (
            lambda dev: dev[SPEED].expect_change(timeout=1),
            f"/motor/speed: expect_change(timeout=1) {NOTHING} with expect_change(...):",
        ),
        (
            lambda dev: dev.expect_reset(1),
            "expect_reset(1) was never entered, so it did nothing; write: with expect_reset(...):",
        ),
        (
            lambda dev: dev.override({SPEED: 1}),
            "override({'/motor/speed': 1}) was never entered, so it did nothing; write: with override(...):",
        ),
    ],
)
def test_a_block_that_was_never_entered_is_known(
    device: Device, make: Callable[[Device], object], text: str
) -> None:
    device.unentered.clear()
    make(device)

    assert [block.complaint() for block in device.unentered] == [text]


def test_a_block_that_is_entered_is_none_of_them(device: Device) -> None:
    device.unentered.clear()
    with device[SPEED].never(5), device.batch():
        pass

    assert device.unentered == []


def test_a_batch_without_with_says_how_it_is_meant(device: Device) -> None:
    with pytest.raises(AttributeError) as caught:
        device.batch().write(SPEED, 1)  # type: ignore[attr-defined]  # that is the point

    assert str(caught.value) == "batch() has no attribute 'write'; write: with batch(...):"


def test_a_hold_longer_than_its_timeout_is_refused(device: Device) -> None:
    with pytest.raises(ValueError, match=r"hold 0\.5 is longer than timeout 0\.2, which includes it"):
        device[SPEED].wait(5, timeout=0.2, hold=0.5)


def test_a_device_whose_server_is_lost_shows_as_such() -> None:
    with FakeServer() as fake, ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_device_ready(5 * SECOND)
        device = Device(client)
    assert repr(device) == "<Device, server lost>"


def test_a_value_shows_itself_without_a_format(device: Device) -> None:
    assert f"{device[SPEED]}" == repr(device[SPEED])


def test_a_block_is_for_once(device: Device) -> None:
    block = device[SPEED].never(999)
    with block:
        pass

    with (
        pytest.raises(
            NotAllowedError,
            match=r"^/motor/speed: never\(999\) was entered already, and is for once; write: with nev",
        ),
        block,
    ):
        pass
