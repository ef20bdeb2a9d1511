"""The simulated device by itself."""

import math
import struct

import attrs
import pytest

from pytest_scrutiny.errors import BadEnumError, NameNotFoundError
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.exchange import Exchange, Reading, WriteRefused
from pytest_scrutiny.fakeserver.profiles import PLAIN, PROFILES, make_device
from pytest_scrutiny.fakeserver.rows import Alias, Profile, Row, Variable
from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.model.values import EmbeddedDataType, EmbeddedEnum, ValueStatus
from pytest_scrutiny.protocol.dialect import LATEST, dialect_of

DIALECT = dialect_of(LATEST)


def write(device: SimulatedDevice, path: str, value: float) -> Reading:
    return Exchange(device, DIALECT).write(device.row(path), value)


def reading(device: SimulatedDevice, path: str) -> Reading:
    return Exchange(device, DIALECT).read(device.row(path))


def read(device: SimulatedDevice, path: str) -> object:
    return reading(device, path).value


def test_a_write_changes_the_bytes_in_memory() -> None:
    device = make_device()

    write(device, "/psu/setpoint", 1.1)

    assert reading(device, "/psu/setpoint").data == struct.pack("<f", 1.1)
    assert read(device, "/psu/setpoint") == 1.100000023841858


def test_a_server_believes_what_it_wrote_before_memory_rounds_it() -> None:
    device = make_device()

    written = write(device, "/psu/setpoint", 1.1)

    assert (written.value, written.data) == (1.1, struct.pack("<f", 1.1))


def test_a_big_endian_device_has_its_bytes_the_other_way_round() -> None:
    device = SimulatedDevice(attrs.evolve(PLAIN, is_big_endian=True))

    device.set("/motor/speed", 0x0102)
    device.set("/app/flags/limit", 3)

    assert reading(device, "/motor/speed").data == b"\x01\x02"
    assert reading(device, "/app/flags/limit").data == b"\x00\x00\x00\x30"
    assert device.get("/app/flags/limit") == 3


@pytest.mark.parametrize(
    ("alias", "value", "target", "stored"),
    [
        ("/alias/psu/setpoint_mv", 3300.0, "/psu/setpoint", pytest.approx(3.3)),
        ("/alias/psu/temperature_f", 50.0, "/psu/temperature", pytest.approx(10.0)),
        ("/alias/psu/setpoint", 99.0, "/psu/setpoint", 24.0),
        ("/alias/psu/setpoint", -1, "/psu/setpoint", 0.0),
        ("/alias/motor/percent", 50.0, "/motor/speed", 500),
        ("/alias/rpv/level", 0.5, "/rpv/x1001", 0.5),
        ("/alias/app/run", True, "/app/run", True),
    ],
)
def test_an_alias_scales_and_clamps(alias: str, value: float, target: str, stored: float) -> None:
    device = make_device()

    write(device, alias, value)

    assert read(device, target) == stored


def test_a_read_of_an_alias_is_not_clamped() -> None:
    device = make_device()

    device.set("/psu/setpoint", 30.0)

    assert read(device, "/alias/psu/setpoint") == 30.0


def test_an_alias_of_whole_numbers_with_a_gain_gives_floats() -> None:
    device = make_device()

    device.set("/psu/adc", 4987)

    assert read(device, "/alias/psu/voltage") == pytest.approx(4.987)


def test_without_memory_write_only_rpvs_can_be_written() -> None:
    device = make_device("sealed")

    for path in ("/psu/setpoint", "/alias/psu/setpoint", "/app/flags/limit"):
        with pytest.raises(WriteRefused, match=r"^Not allowed$"):
            write(device, path, 1)
    write(device, "/rpv/x1002", 77)
    write(device, "/alias/rpv/level", 0.25)

    assert (read(device, "/rpv/x1002"), read(device, "/rpv/x1001")) == (77, 0.25)
    assert read(device, "/psu/setpoint") == 5.0


def test_regions_keep_the_server_out_and_the_bench_in() -> None:
    speed = MemoryRegion(0x101D, 1)  # the second byte only
    readonly = SimulatedDevice(attrs.evolve(PLAIN, readonly=(speed,)))
    forbidden = SimulatedDevice(attrs.evolve(PLAIN, forbidden=(speed,)))

    for device in (readonly, forbidden):
        with pytest.raises(WriteRefused, match=r"^Not allowed$"):
            write(device, "/motor/speed", 1)
        device.set("/motor/speed", 5)
        assert device.get("/motor/speed") == 5
    assert read(readonly, "/motor/speed") == 5
    assert reading(forbidden, "/motor/speed").status is ValueStatus.ForbiddenRegion
    assert read(forbidden, "/motor/speed") is None


def test_more_than_a_float32_holds_is_refused() -> None:
    """A real server ends here."""
    device = make_device()

    with pytest.raises(WriteRefused, match=r"^Failed to encode$"):
        write(device, "/psu/setpoint", 1e39)


def test_the_bench_sets_enums_by_name() -> None:
    device = make_device()

    device.set("/alias/psu/state", "FAULT")

    assert device.get("/psu/state") == 3


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        ("/app/mode", "RUNN", "'RUNN' is no value of /app/mode; expected one of IDLE, RUN, CALIBRATE"),
        ("/app/run", "ON", "'ON' is no value of /app/run; expected one of nothing: it has no enum"),
    ],
)
def test_an_unknown_member_is_named_with_the_known_ones(path: str, name: str, text: str) -> None:
    with pytest.raises(BadEnumError) as caught:
        make_device().set(path, name)

    assert str(caught.value) == text


def test_an_alias_may_bring_its_own_enum() -> None:
    enum = EmbeddedEnum("Own", {"A": 1})
    profile = Profile(
        firmware_id="00" * 16,
        display_name="x",
        variables=(Variable("/v", EmbeddedDataType.uint8, 0x1000),),
        aliases=(Alias("/a", "/v", enum=enum),),
    )
    device = SimulatedDevice(profile)

    assert device.enum_of(device.row("/a")) is enum
    assert device.enum_of(device.row("/v")) is None


def test_a_misspelt_path_is_answered_with_near_ones() -> None:
    with pytest.raises(NameNotFoundError, match=r"there is no '/psu/voltag' .* did you mean /psu/voltage"):
        make_device().get("/psu/voltag")


def test_64_bit_rpvs_need_the_feature_64_bit_variables_do_not() -> None:
    device = make_device(without=["sixtyfour_bits"])

    assert "/rpv/x1000" not in [rpv.path for rpv in device.rpvs()]
    assert len(device.rpvs()) == len(PLAIN.rpvs) - 1
    assert read(device, "/stats/cycles") == 1 << 40


@pytest.mark.parametrize("feature", ["memory_write", "datalogging", "user_command", "sixtyfour_bits"])
def test_each_feature_can_be_switched(feature: str) -> None:
    device = make_device(without=[feature])

    features = attrs.asdict(device.describe("s").supported_features)
    assert features == {name: name != feature for name in features}
    assert (device.describe("s").datalogging_capabilities is None) is (feature == "datalogging")


def test_a_misspelt_feature_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        NameNotFoundError, match="there is no feature 'datalog'; expected one of memory_write, datalogging"
    ):
        make_device(without=["datalog"])


def test_a_misspelt_profile_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NameNotFoundError, match=r"there is no profile 'plan' .* expected one of plain, bare"):
        make_device("plan")


@pytest.mark.parametrize("name", [name for name in PROFILES if not name.startswith("types")])
def test_every_value_of_every_profile_can_be_read(name: str) -> None:
    device = make_device(name)

    rows: tuple[Row, ...] = (*device.profile.variables, *device.profile.aliases, *device.profile.rpvs)
    for row in rows:
        assert reading(device, row.path).status is ValueStatus.Valid


def test_no_two_variables_of_a_profile_share_memory() -> None:
    taken: set[int] = set()
    for variable in PLAIN.variables:
        places = set(range(variable.address, variable.address + variable.datatype.get_size_bit() // 8))
        assert not places & taken, variable.path
        taken |= places


def test_the_counter_ticks_with_the_clock_from_where_it_was_set() -> None:
    device = make_device()
    device.advance(10.0)

    device.advance(10.25)
    assert device.get("/app/uptime_ms") == 250
    device.set("/app/uptime_ms", 0xFFFFFFFF)
    device.advance(10.26)
    assert device.get("/app/uptime_ms") == 9  # it wraps


def test_the_voltage_follows_the_setpoint_while_running() -> None:
    device = make_device()
    device.advance(0.0)
    seen = []

    device.set("/app/run", True)
    for now in (0.01, 1.0):
        device.advance(now)
        seen.append((device.get("/psu/state"), device.get("/psu/voltage")))
    device.set("/app/run", False)
    device.advance(2.0)

    assert [state for state, _voltage in seen] == [1, 2]
    assert [voltage for _state, voltage in seen] == pytest.approx([5.0 * (1 - math.exp(-0.01 / 0.05)), 5.0])
    assert device.get("/psu/state") == 0
    assert device.get("/psu/voltage") == pytest.approx(0.0, abs=1e-6)


def test_a_fault_stays_until_somebody_clears_it() -> None:
    device = make_device()
    device.advance(0.0)

    device.set("/psu/state", "FAULT")
    device.advance(1.0)

    assert device.get("/psu/state") == 3


def test_a_reboot_puts_everything_back() -> None:
    device = make_device()
    device.set("/psu/setpoint", 1.0)
    device.set("/rpv/x1001", 1.0)

    device.reboot()

    assert (device.get("/psu/setpoint"), device.get("/rpv/x1001")) == (5.0, 3.5)
