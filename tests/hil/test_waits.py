"""Waits on the fake's power supply, and what they say when they fail."""

import itertools
import re
from collections.abc import Callable, Iterator

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import BadEnumError, DeviceLostError, TimeoutException, UnmetExpectation
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.hil.matchers import Matcher, above, below, between, bounds_of
from pytest_scrutiny.hil.story import show_number, sparkline
from pytest_scrutiny.hil.waits import Stretch
from tests.clock import MS, SECOND

STATE, VOLTAGE, SPEED = "/psu/state", "/psu/voltage", "/motor/speed"


@pytest.fixture(params=["0.3.0", "0.16.0"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    """A started fake, without and with a server clock."""
    with FakeServer(request.param) as fake:
        yield fake


@pytest.fixture
def device(fake: FakeServer) -> Iterator[Device]:
    """The fake's device, ready."""
    with ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        yield Device(client, Journal())


def test_a_voltage_that_comes_up_is_waited_for(device: Device) -> None:
    device["/app/run"].write(True)
    reached = device[VOLTAGE].wait(between(4.75, 5.25), timeout=5 * SECOND, hold=50 * MS)

    assert 4.75 <= reached <= 5.25
    assert device[STATE].wait(2, timeout=5 * SECOND) == 2


def test_what_is_so_already_needs_one_more_sample_only(fake: FakeServer, device: Device) -> None:
    assert device[SPEED].wait(-100, timeout=5 * SECOND) == -100


def test_the_servers_echo_of_a_write_does_not_end_a_wait(device: Device) -> None:
    """The server believes that it wrote 0.1, which a float32 cannot hold; the device knows better."""
    setpoint = device["/psu/setpoint"]
    setpoint.write(0.1)
    found = setpoint.wait(0.1, timeout=5 * SECOND)

    assert found == 0.10000000149011612


def test_a_number_is_compared_within_the_rounding_of_the_datatype(device: Device) -> None:
    setpoint = device["/psu/setpoint"]
    setpoint.write(0.1)
    setpoint.stays(0.1, for_=20 * MS)

    with pytest.raises(UnmetExpectation, match=r"was 0\.1\d+; expected never 0\.1"), setpoint.never(0.1):
        pass


def test_hold_asks_for_an_unbroken_time(fake: FakeServer, device: Device) -> None:
    speed = device[SPEED]
    speed.read()
    fake.set(SPEED, 7)
    seen = speed.wait(7, timeout=5 * SECOND, hold=60 * MS)
    history = [sample.value for sample in speed.history]

    assert seen == 7
    assert history.count(7) >= 3


def test_a_wait_that_fails_tells_the_story(fake: FakeServer, device: Device) -> None:
    device["/app/run"].write(True)
    with pytest.raises(TimeoutException) as caught:
        device[VOLTAGE].wait(above(6), timeout=0.3, hold=0.1)
    lines = str(caught.value).splitlines()

    assert lines[0] == "/psu/voltage did not reach above(6) within 0.30 s (hold 0.10 s)"
    assert re.fullmatch(r"  last     [\d.]+   \d+ ms old   \d+ updates seen   Valid", lines[1])
    assert re.fullmatch(r"  range    [\d.e-]+ \.\. [\d.]+   [▁▂▃▄▅▆▇█]+", lines[2])
    assert re.fullmatch(r"  writes   -0\.\d{3} s  /app/run  False → True", lines[3])
    session = (device.session_id or "")[:8]
    assert lines[4] == f"  device   Simulated PSU  firmware 5c7a71fa…  session {session} (unchanged)"
    assert len(lines) == 5
    assert caught.value.category == "test"


def test_a_value_that_goes_again_is_told_from_one_that_never_came(fake: FakeServer, device: Device) -> None:
    """The matcher stands for the device: it says for which of the updates the value is as expected."""
    updates = itertools.count()

    def first_two(_value: float) -> bool:
        return next(updates) < 2

    with pytest.raises(
        TimeoutException, match=r"^/motor/speed did not hold first_two .*it went again, after "
    ):
        device[SPEED].wait(first_two, timeout=0.3, hold=0.25)


@pytest.mark.parametrize(
    ("course", "told"),
    [
        ("..", "did not reach above(6) within 2.00 s (hold 0.50 s)"),
        ("xxx.x.", "did not hold above(6) for 0.50 s within 2.00 s: it went again, after 0.20 s at most"),
        (
            "xxx.xx",
            "did not hold above(6) for 0.50 s within 2.00 s: it came late, and held for the last 0.10 s",
        ),
        (".x", "did not hold above(6) for 0.50 s within 2.00 s: it came late, and held for the last 0.00 s"),
    ],
)
def test_how_a_value_did_not_hold_is_told(course: str, told: str) -> None:
    stretch = Stretch()
    for number, letter in enumerate(course):
        if letter == "x":
            stretch.go_on(number * 1e5)
        else:
            stretch.end()

    assert stretch.complaint(above(6), 2.0, 0.5) == told


def test_a_wait_without_any_update_says_so(fake: FakeServer, device: Device) -> None:
    device[SPEED].read()
    fake.hang()
    device.raw.echo("what was sent before has come")
    with pytest.raises(TimeoutException) as caught:
        device[SPEED].wait(5, timeout=100 * MS)

    assert "last     no update came meanwhile (the latest " in str(caught.value)
    assert caught.value.category == "device"


def test_a_wait_ends_when_the_device_goes(fake: FakeServer, device: Device) -> None:
    calls: list[float] = []

    def unplug_at_the_second_look(value: float) -> bool:
        calls.append(value)
        if len(calls) == 2:
            fake.unplug()
        return False

    with pytest.raises(DeviceLostError, match="the device went away while /motor/speed was waited for"):
        device[SPEED].wait(unplug_at_the_second_look, timeout=60 * SECOND)


def test_an_enum_is_waited_for_by_name(fake: FakeServer, device: Device) -> None:
    if not fake.dialect.watch_has_enum:
        with pytest.raises(BadEnumError, match="it has no enum"):
            device[STATE].wait("DONE_OK", timeout=1)
    else:
        device["/app/run"].write(True)
        device[STATE].wait("DONE_OK", timeout=5 * SECOND)
        with pytest.raises(TimeoutException) as caught:
            device[STATE].wait("FAULT", timeout=50 * MS)
        assert "/psu/state did not reach 'FAULT' (3) within 0.05 s" in str(caught.value)
        assert "last     DONE_OK (2)" in str(caught.value)


def test_staying_returns_when_the_time_is_over(device: Device) -> None:
    device[SPEED].stays(-100, for_=50 * MS)


def test_leaving_is_told_at_once(fake: FakeServer, device: Device) -> None:
    device["/app/run"].write(True)
    with pytest.raises(
        UnmetExpectation, match=r"did not stay below\(2\) for 60\.00 s: it left after 0\.\d{3} s"
    ):
        device[VOLTAGE].stays(below(2), for_=60)


def test_staying_without_updates_is_a_timeout(fake: FakeServer, device: Device) -> None:
    device[SPEED].read()
    device.raw.timeout = 50 * MS
    fake.hang()
    with pytest.raises(
        TimeoutException, match=r"/motor/speed could not be seen to stay -100: no update came"
    ):
        device[SPEED].stays(-100, for_=60)


def test_what_never_happens_passes(device: Device) -> None:
    with device[VOLTAGE].never(above(30)):
        device["/app/run"].write(True)
        device[VOLTAGE].wait(above(4), timeout=5 * SECOND)


def test_what_may_never_happen_stops_the_next_wait(device: Device) -> None:
    voltage = device[VOLTAGE]
    voltage.read()

    def provoke() -> None:
        with voltage.never(above(2)):
            device["/app/run"].write(True)
            device[SPEED].wait(12345, timeout=60 * SECOND)

    with pytest.raises(UnmetExpectation, match=r"/psu/voltage was [\d.]+; expected never above\(2\)"):
        provoke()
    assert device.watchers == []


def test_what_may_never_happen_is_found_at_the_end_of_the_block(fake: FakeServer, device: Device) -> None:
    speed = device[SPEED]

    def provoke() -> None:
        with speed.never(999):
            fake.set(SPEED, 999)

    with pytest.raises(UnmetExpectation, match=r"/motor/speed was 999; expected never 999"):
        provoke()


def write_from_another_client(device: Device) -> None:
    device.raw.watch("/app/mode")
    with ScrutinyClient().connect("127.0.0.1", device.raw.port or 0) as other:
        other.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        other.watch("/app/mode").write(1)


WRITES: dict[str, Callable[[Device], None]] = {
    "itself": lambda device: device[SPEED].write(5),
    "an alias of itself": lambda device: device["/alias/motor/percent"].write(5),
    "another value": lambda device: device["/app/mode"].write(1),
    "an alias of another value": lambda device: device["/alias/psu/setpoint"].write(5),
    "another value by its path": lambda device: device.raw.write_watchable("/app/mode", 1),
    "memory": lambda device: device.memory.write(0x1200, b"x"),
    "from another client": write_from_another_client,
}


def show_for_a_moment(fake: FakeServer, device: Device, value: int) -> None:
    """Let the device have another value until the client has seen it, and nobody else has."""
    handle = device.raw.watch(SPEED)
    before = handle.value
    fake.set(SPEED, value)
    handle.wait_value(value, 5 * SECOND)
    fake.set(SPEED, before)
    handle.wait_value(before, 5 * SECOND)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_no_write_hides_what_may_never_happen(
    fake: FakeServer, device: Device, write: Callable[[Device], None]
) -> None:
    def provoke() -> None:
        with device[SPEED].never(999):
            show_for_a_moment(fake, device, 999)
            write(device)

    with pytest.raises(UnmetExpectation, match=r"/motor/speed was 999; expected never 999"):
        provoke()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_no_write_hides_a_change(fake: FakeServer, device: Device, write: Callable[[Device], None]) -> None:
    before = device[SPEED].read()
    with device[SPEED].expect_change(timeout=5 * SECOND):
        show_for_a_moment(fake, device, 999)
        write(device)
        fake.set(SPEED, before)
    device[SPEED].wait(before, timeout=5 * SECOND)


@pytest.mark.parametrize("path", ["/psu/setpoint", "/alias/psu/setpoint"])
def test_what_the_server_made_up_after_a_write_is_no_offence(device: Device, path: str) -> None:
    """The server believes that it wrote 0.1, which a float32 cannot hold; the device never had it."""
    with device["/psu/setpoint"].never(lambda value: value == 0.1):
        device[path].write(0.1)
        device["/psu/setpoint"].read()
        device[path].write(0.2)


def test_an_error_in_the_block_is_not_hidden_by_never(device: Device) -> None:
    def provoke() -> None:
        with device[SPEED].never(-100):
            raise KeyError("the test's own")

    with pytest.raises(KeyError):
        provoke()


def test_a_change_is_expected(fake: FakeServer, device: Device) -> None:
    with device[SPEED].expect_change(timeout=5 * SECOND):
        fake.set(SPEED, 1)
    with (
        pytest.raises(TimeoutException, match=r"/motor/speed did not change from 1 within"),
        device[SPEED].expect_change(timeout=50 * MS),
    ):
        pass


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda value: value.wait(1, timeout=-1), ValueError),
        (lambda value: value.wait(1, timeout="soon"), TypeError),
        (lambda value: value.wait(1, timeout=1, hold=float("nan")), ValueError),
        (lambda value: value.stays(1, for_=None), TypeError),
    ],
)
def test_times_are_checked(device: Device, call: Callable[[object], object], error: type[Exception]) -> None:
    with pytest.raises(error, match="expected"):
        call(device[SPEED])


@pytest.mark.parametrize(
    ("numbers", "bars"),
    [
        ([0.0, 1.0], "▁█"),
        ([float(n) for n in range(8)], "▁▂▃▄▅▆▇█"),
        ([1.0, 1.0], "▁▁"),
        ([-1.7e308, 1.7e308], ""),
    ],
)
def test_a_course_is_shown_in_bars(numbers: list[float], bars: str) -> None:
    assert sparkline(numbers) == bars


def test_a_long_course_fits_a_line() -> None:
    assert len(sparkline([float(n) for n in range(10_000)])) <= 24


def test_what_nobody_waits_for_is_watched_slowly(fake: FakeServer, device: Device) -> None:
    """One value at full rate doubles the time of a write; servers from 0.13 on take a rate."""
    value = device[SPEED]
    value.read()
    handle = device.raw.watch(SPEED)
    before = handle.update_counter
    device[VOLTAGE].wait(0, timeout=5 * SECOND, hold=100 * MS)
    slow = handle.update_counter - before
    with value.never(12345):
        device[VOLTAGE].wait(0, timeout=5 * SECOND, hold=100 * MS)
    fast = handle.update_counter - before - slow

    assert fast >= 5
    assert slow <= 2 if fake.dialect.watch_takes_rate else slow >= 5


def test_what_the_client_watches_keeps_its_rate(device: Device) -> None:
    handle = device.raw.watch(SPEED)
    device[SPEED].read()
    before = handle.update_counter
    device[VOLTAGE].wait(0, timeout=5 * SECOND, hold=100 * MS)

    assert handle.update_counter - before >= 5


@pytest.mark.parametrize(
    ("number", "bounds", "shown"),
    [
        (3.2714999999, (4.75, 5.25), "3.2715"),
        (4.7499999999, (4.75, 5.25), "4.7499999999"),  # "4.75" would be between them
        (4.7499999999, (4.74999999995,), "4.7499999999"),  # "4.75" would be above it
        (5.2500000001, (4.75, 5.25), "5.2500000001"),
        (4.75, (4.75, 5.25), "4.75"),
        (4.7499999999, (), "4.75"),
        (0.1, (float("inf"),), "0.1"),
        (float("nan"), (4.75,), "nan"),
    ],
)
def test_a_short_number_never_crosses_a_bound(number: float, bounds: tuple[float, ...], shown: str) -> None:
    assert show_number(number, bounds) == shown


def test_the_story_of_a_near_miss_does_not_contradict_itself(fake: FakeServer, device: Device) -> None:
    fake.set("/psu/setpoint", 4.7499995)
    with pytest.raises(TimeoutException) as caught:
        device["/psu/setpoint"].wait(between(4.75, 5.25), timeout=0.2)

    assert "last     4.749999523162842   " in str(caught.value)


@pytest.mark.parametrize("matcher", [above(4.75), below(4.75), between(4.75, 5.25)])
def test_the_bounds_of_a_matcher_are_known(matcher: Matcher) -> None:
    assert 4.75 in bounds_of(matcher)


def test_a_matcher_of_somebody_else_has_no_bounds() -> None:
    class Even:
        def matches(self, value: bool | float) -> bool:
            return value % 2 == 0

    assert bounds_of(Even()) == ()
