"""What holds on every server: the same assertions on the fake and on released ones."""

import re
import threading

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import (
    BadEnumError,
    DeviceResetError,
    InvalidValueError,
    NameNotFoundError,
    TimeoutException,
)
from pytest_scrutiny.fakeserver.profiles import FIRMWARE_ID, PLAIN
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.journal import Journal
from pytest_scrutiny.model.status import DeviceCommState, ServerState, SupportedFeatureMap
from pytest_scrutiny.model.values import ValueStatus, WatchableType
from pytest_scrutiny.protocol.dialect import dialect_of
from tests.interop.benches import HOST, Bench
from tests.interop.conftest import TIMEOUT, wait_usable

# Connecting and status


def test_nobody_needs_to_know_transport_or_release(bench: Bench) -> None:
    with ScrutinyClient().connect(HOST, bench.port) as client:
        assert client.get_server_status().device_link.type is bench.link_type
        assert client.server_state is ServerState.Connected


def test_a_client_can_connect_again(bench: Bench) -> None:
    client = ScrutinyClient()
    for _ in range(3):
        with client.connect(HOST, bench.port):
            client.wait_device_ready(TIMEOUT)


def test_a_client_leaves_no_thread(bench: Bench) -> None:
    before = set(threading.enumerate())
    with ScrutinyClient().connect(HOST, bench.port) as client:
        client.wait_device_ready(TIMEOUT)
        assert set(threading.enumerate()) > before

    assert set(threading.enumerate()) == before


def test_the_status_of_a_ready_device_is_whole(client: ScrutinyClient, bench: Bench) -> None:
    info = client.get_server_status()

    assert info.device_comm_state is DeviceCommState.ConnectedReady
    assert re.fullmatch("[0-9a-f]{32}", info.device_session_id or "")
    assert info.device is not None
    assert (info.device.device_id, info.device.display_name) == (FIRMWARE_ID, PLAIN.display_name)
    assert info.device.address_size_bits == 32
    assert info.sfd is not None
    assert info.sfd.firmware_id == FIRMWARE_ID
    assert info.sfd.metadata is not None
    assert PLAIN.sfd is not None
    assert info.sfd.metadata == PLAIN.sfd.metadata
    if dialect_of(bench.release).device_session_and_capabilities:
        assert info.device.session_id == info.device_session_id


def test_a_ready_device_tells_its_features(client: ScrutinyClient) -> None:
    device = client.get_server_status().device

    assert device is not None
    assert device.supported_features == SupportedFeatureMap(
        memory_write=True, datalogging=True, user_command=True, sixtyfour_bits=True
    )


def test_the_link_is_told(client: ScrutinyClient, bench: Bench) -> None:
    link = client.get_server_status().device_link
    dialect = dialect_of(bench.release)

    assert link.type is bench.link_type
    assert link.operational is (True if dialect.link_operational else None)
    assert link.demo_mode is (False if dialect.demo_mode else None)


def test_the_device_and_its_description_can_be_asked_for(client: ScrutinyClient) -> None:
    device, sfd = client.get_device_info(), client.get_loaded_sfd()

    assert device is not None
    assert device.device_id == FIRMWARE_ID
    assert sfd is not None
    assert sfd.firmware_id == FIRMWARE_ID
    assert FIRMWARE_ID in client.get_installed_sfds()


def test_a_status_comes_when_it_is_waited_for(client: ScrutinyClient) -> None:
    client.wait_server_status_update(TIMEOUT)

    assert client.request_server_status_update(wait=True) == client.get_server_status()


# Values

INITIAL = [
    ("/psu/setpoint", "float32", 5.0, WatchableType.Variable),
    ("/app/run", "bool8", False, WatchableType.Variable),
    ("/app/mode", "uint8", 0, WatchableType.Variable),
    ("/app/flags/limit", "uint32", 5, WatchableType.Variable),
    ("/motor/speed", "sint16", -100, WatchableType.Variable),
    ("/motor/torque_limit", "float64", 1.5, WatchableType.Variable),
    ("/alias/app/run", "bool8", False, WatchableType.Alias),
    ("/alias/psu/setpoint_mv", "float32", 5000.0, WatchableType.Alias),
    ("/alias/motor/percent", "sint16", -10.0, WatchableType.Alias),
    ("/alias/rpv/level", "float32", 3.5, WatchableType.Alias),
    ("/rpv/x1000", "float64", 1.25, WatchableType.RuntimePublishedValue),
    ("/rpv/x1002", "uint16", 0x1234, WatchableType.RuntimePublishedValue),
    ("/rpv/x1003", "sint8", -65, WatchableType.RuntimePublishedValue),
    ("/rpv/x1004", "bool8", True, WatchableType.RuntimePublishedValue),
]


@pytest.mark.parametrize(("path", "datatype", "initial", "kind"), INITIAL, ids=[row[0] for row in INITIAL])
def test_a_value_is_read(
    client: ScrutinyClient, path: str, datatype: str, initial: bool | float, kind: WatchableType
) -> None:
    value = Device(client)[path]

    found = value.read()

    assert found == initial
    assert isinstance(found, bool) == isinstance(initial, bool)
    assert value.info.datatype.name == datatype
    assert value.info.type is kind


def test_a_uint64_keeps_every_bit(client: ScrutinyClient) -> None:
    with_every_bit = (1 << 63) + 1
    journal = Journal()
    cycles = Device(client, journal)["/stats/cycles"]

    cycles.write(with_every_bit)

    assert 0 <= cycles.read() - with_every_bit < 60  # it counts the seconds
    assert journal.restore() == []


def test_an_enum_has_names(client: ScrutinyClient, bench: Bench) -> None:
    mode = Device(client)["/app/mode"]
    if not dialect_of(bench.release).watch_has_enum:  # 0.1.0 to 0.2.2
        assert mode.info.enum is None
        with pytest.raises(BadEnumError, match=r"^/app/mode has no enum; use its number"):
            mode.read_enum()
        return

    assert mode.read_enum() == "IDLE"
    assert mode.info.enum is not None
    assert dict(mode.info.enum.vals) == {"IDLE": 0, "RUN": 1, "CALIBRATE": 2}


def test_updates_keep_coming(client: ScrutinyClient) -> None:
    handle = client.watch("/app/uptime_ms")
    handle.wait_update(TIMEOUT)
    first, count = handle.value_int, handle.update_counter

    handle.wait_update(TIMEOUT, previous_counter=count + 2)

    assert handle.value_int > first


def test_an_unknown_path_is_named(client: ScrutinyClient) -> None:
    with pytest.raises(NameNotFoundError, match=r"^/psu/votlage is unknown to the server"):
        Device(client)["/psu/votlage"].read()


WRITTEN = [
    ("/psu/setpoint", 7.5),
    ("/app/run", True),
    ("/app/mode", 2),
    ("/app/flags/limit", 2),
    ("/motor/speed", -32768),
    ("/motor/torque_limit", 1e300),
    ("/alias/psu/setpoint_mv", 3300.0),
    ("/alias/psu/setpoint", 24.0),
    ("/rpv/x1000", -2.5),
    ("/rpv/x1002", 65535),
    ("/rpv/x1004", False),
    ("/alias/rpv/level", 0.25),
]


@pytest.mark.parametrize(("path", "value"), WRITTEN, ids=[row[0] for row in WRITTEN])
def test_a_write_reaches_the_device_and_is_put_back(
    client: ScrutinyClient, path: str, value: bool | float
) -> None:
    journal = Journal()
    device = Device(client, journal)
    original = device[path].read()
    assert original != value

    device[path].write(value, verify=True)

    assert device[path].read() == pytest.approx(value)
    assert journal.restore() == []
    assert device[path].read() == original


def test_an_enum_is_written_by_name(client: ScrutinyClient, bench: Bench) -> None:
    journal = Journal()
    mode = Device(client, journal)["/app/mode"]
    if not dialect_of(bench.release).watch_has_enum:  # 0.1.0 to 0.2.2
        with pytest.raises(BadEnumError, match=r"^value 'RUN' does not fit /app/mode: it has no enum"):
            mode.write("RUN")
        return

    mode.write("RUN")

    assert mode.read_enum() == "RUN"
    assert journal.restore() == []
    assert mode.read_enum() == "IDLE"


def test_what_does_not_fit_never_leaves_us(client: ScrutinyClient) -> None:
    speed = Device(client)["/motor/speed"]

    with pytest.raises(ValueError, match=r"^value 40000 does not fit /motor/speed"):
        speed.write(40000)

    assert speed.read() == -100


def test_two_clients_see_the_same_device(client: ScrutinyClient, bench: Bench) -> None:
    journal = Journal()
    with ScrutinyClient().connect(HOST, bench.port) as other:
        other.wait_device_ready(TIMEOUT)
        assert other.get_server_status().device_session_id == client.get_server_status().device_session_id

        Device(client, journal)["/motor/speed"].write(123)

        assert Device(other)["/motor/speed"].read() == 123
    assert journal.restore() == []


# The device comes and goes


def test_a_lost_device_comes_back_in_a_new_session(client: ScrutinyClient, bench: Bench) -> None:
    before = client.get_server_status().device_session_id
    device = Device(client)
    value = device["/psu/setpoint"]
    value.read()
    handle = client.watch("/psu/setpoint")
    handle.wait_update(TIMEOUT)

    bench.unplug()
    try:
        lost = client.wait_server_status(
            lambda info: info.device_session_id is None, TIMEOUT, "the loss was not noticed"
        )
        assert lost.device_comm_state is not DeviceCommState.ConnectedReady
        assert lost.device is None
        assert handle.status in (ValueStatus.DeviceGone, ValueStatus.SFDUnloaded)
        count = handle.update_counter
        with pytest.raises(InvalidValueError, match=r"^/psu/setpoint"):
            _ = handle.value
        with pytest.raises(TimeoutException, match="did not become ready"):
            client.wait_device_ready(0.2)
    finally:
        bench.plug()
        after = wait_usable(client, other_than=before)

    assert after != before
    with pytest.raises(DeviceResetError, match=r"^the device was reset: session "):
        value.read()
    assert device.session_id == after
    assert value.read() == 5.0  # it is told once
    handle.wait_update(TIMEOUT, previous_counter=count)
    assert handle.value == 5.0


def test_a_reset_is_a_new_session_with_first_values(client: ScrutinyClient, bench: Bench) -> None:
    device = Device(client)
    before = device.session_id
    speed = device["/motor/speed"]
    speed.write(77)

    with device.expect_reset(within=TIMEOUT) as reset:
        bench.reset()

    assert reset.before == before
    assert reset.after == device.session_id
    assert reset.after not in (None, before)
    assert speed.read() == -100


def test_whoever_watches_goes_on_after_a_reset(client: ScrutinyClient, bench: Bench) -> None:
    before = wait_usable(client)
    handles = [client.watch(path) for path in ("/app/uptime_ms", "/alias/psu/setpoint_mv", "/rpv/x1001")]
    for handle in handles:
        handle.wait_update(TIMEOUT, previous_counter=0)
    assert {handle.session_id for handle in handles} == {before}

    bench.reset()
    after = wait_usable(client, other_than=before)
    handles[2].write(4.5)  # at once

    for handle in handles:
        handle.wait_update(TIMEOUT, previous_counter=handle.update_counter + 1)
        assert not handle.is_dead
        assert handle.session_id == after
        assert handle.status is ValueStatus.Valid
    found = [handle.value for handle in handles[1:]]
    handles[2].write(3.5)
    assert found == [5000.0, 4.5]
    assert client.watch("/app/uptime_ms") is handles[0]


def test_a_feature_that_is_off_skips_the_tests_that_need_it(
    client: ScrutinyClient, bench: Bench, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.scrutiny_requires("datalogging")
        def test_records(scrutiny_device):
            raise AssertionError("it should have been skipped")

        @pytest.mark.scrutiny_requires("memory_write")
        def test_writes(scrutiny_device):
            scrutiny_device["/motor/speed"].write(55, verify=True)
    """)
    before = client.get_server_status().device_session_id
    bench.switch_feature("datalogging", False)
    try:
        session = wait_usable(client, other_than=before)

        result = pytester.runpytest(
            "-rs",
            f"--scrutiny-host={HOST}",
            f"--scrutiny-port={bench.port}",
            f"--scrutiny-ready-timeout={TIMEOUT}",
        )

        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines(["SKIPPED*datalogging*"])
    finally:
        bench.switch_feature("datalogging", True)
        wait_usable(client, other_than=session)
    assert Device(client)["/motor/speed"].read() == -100
