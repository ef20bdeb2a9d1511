"""The waits of a test author: the power supply is switched on, and its voltage settles."""

import pytest

from pytest_scrutiny.errors import TimeoutException, UnmetExpectation
from pytest_scrutiny.fakeserver.profiles import STATES
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.matchers import above, below, between
from pytest_scrutiny.protocol.dialect import dialect_of
from tests.interop.benches import Bench
from tests.interop.conftest import TIMEOUT
from tests.interop.profiles import FREE_ADDRESS

VOLTAGE = "/alias/ios/psu_voltage"


def test_the_voltage_settles_and_stays(device: Device, bench: Bench) -> None:
    has_names = dialect_of(bench.release).watch_has_enum  # from 0.3.0 on
    device["/alias/app/run"].write(True)

    device["/psu/state"].wait("DONE_OK" if has_names else STATES.vals["DONE_OK"], timeout=TIMEOUT)
    reached = device[VOLTAGE].wait(above(4.75), timeout=TIMEOUT, hold=0.1)
    device[VOLTAGE].stays(between(4.75, 5.25), for_=0.2)

    assert reached == pytest.approx(5.0, abs=0.05)
    assert len(device[VOLTAGE].history) > 2
    assert [sample.value for sample in device[VOLTAGE].history] == sorted(
        sample.value for sample in device[VOLTAGE].history if sample.value is not None
    )


def test_a_wait_that_fails_says_what_was_there_instead(device: Device) -> None:
    device["/app/run"].write(True)
    device[VOLTAGE].wait(above(4.9), timeout=TIMEOUT)

    with pytest.raises(TimeoutException) as caught:
        device[VOLTAGE].wait(above(6.0), timeout=0.3)

    text = str(caught.value)
    assert f"{VOLTAGE} did not reach above(6.0) within 0.30 s" in text
    assert "/app/run  False → True" in text
    assert "(unchanged)" in text


def test_a_value_that_leaves_ends_stays_at_once(device: Device) -> None:
    device["/app/run"].write(True)
    device[VOLTAGE].wait(above(4.9), timeout=TIMEOUT)
    device["/app/run"].write(False)

    with pytest.raises(UnmetExpectation, match=r"did not stay above\(4\.5\) for 30\.00 s: it left after"):
        device[VOLTAGE].stays(above(4.5), for_=30)


def test_what_may_never_happen_is_seen(device: Device) -> None:
    def switch_on() -> None:
        with device[VOLTAGE].never(above(2.0)):
            device["/app/run"].write(True)
            device[VOLTAGE].wait(above(4.9), timeout=TIMEOUT)

    with pytest.raises(UnmetExpectation, match=r"expected never above\(2\.0\)"):
        switch_on()


def test_no_write_hides_what_may_never_happen(device: Device) -> None:
    voltage = device.raw.watch(VOLTAGE)

    def provoke() -> None:
        with device[VOLTAGE].never(above(4.0)):
            device["/app/run"].write(True)
            while voltage.value < 4.5:
                voltage.wait_update(TIMEOUT)
            device["/app/run"].write(False)
            while voltage.value > 1.0:
                voltage.wait_update(TIMEOUT)
            device["/alias/app/run"].write(False)
            device.raw.write_watchable("/motor/speed", 3)
            device.raw.write_memory(FREE_ADDRESS, b"x")

    with pytest.raises(UnmetExpectation, match=r"expected never above\(4\.0\)"):
        provoke()


def test_what_the_server_made_up_after_a_write_is_no_offence(device: Device) -> None:
    """The server believes that it wrote 0.1, which a float32 cannot hold; the device never had it."""
    with device["/psu/setpoint"].never(lambda value: value == 0.1):
        device["/psu/setpoint"].write(0.1)
        device["/psu/setpoint"].read()
        device["/alias/psu/setpoint"].write(0.1)


def test_the_voltage_falls_again(device: Device) -> None:
    device["/app/run"].write(True)
    device[VOLTAGE].wait(above(4.9), timeout=TIMEOUT)

    with device[VOLTAGE].expect_change(timeout=TIMEOUT):
        device["/app/run"].write(False)

    assert device[VOLTAGE].wait(below(0.1), timeout=TIMEOUT) < 0.1
