"""Several values at once, and the names on the server, on every bench."""

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import NotSupportedByServerError
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.model.listing import ServerDatastoreContentType as Kind
from pytest_scrutiny.model.values import WatchableType
from pytest_scrutiny.protocol.dialect import dialect_of
from tests.interop.benches import Bench
from tests.interop.conftest import TIMEOUT, wait_usable

SPEED, LIMIT, SETPOINT = "/motor/speed", "/motor/torque_limit", "/alias/psu/setpoint_mv"

# Several values


def test_a_batch_is_written_in_its_order_and_put_back(device: Device) -> None:
    with device.batch() as batch:
        batch.write(SPEED, 7)
        batch.write(SETPOINT, 3300)
        batch.write(SPEED, 8)
        batch.write(LIMIT, 0.25)

    assert (device[SPEED].read(), device[LIMIT].read()) == (8, 0.25)
    assert device[SETPOINT].read() == pytest.approx(3300)
    assert device.journal is not None
    assert device.journal.restore() == []
    assert (device[SPEED].read(), device[LIMIT].read(), device[SETPOINT].read()) == (-100, 1.5, 5000)


def test_an_override_ends_with_its_block(device: Device) -> None:
    with device.override({SPEED: 9, LIMIT: 2}):
        assert (device[SPEED].read(), device[LIMIT].read()) == (9, 2)

    assert (device[SPEED].read(), device[LIMIT].read()) == (-100, 1.5)


def test_a_snapshot_has_all_its_values_close_together(device: Device) -> None:
    device[SPEED].write(11)

    snapshot = device.snapshot(SPEED, LIMIT, SETPOINT, "/rpv/x1001", timeout=TIMEOUT)

    assert dict(snapshot) == {SPEED: 11, LIMIT: 1.5, SETPOINT: 5000, "/rpv/x1001": 3.5}
    assert 0 <= snapshot.span < 1


# Names


def test_the_names_are_counted_listed_and_described(client: ScrutinyClient, bench: Bench) -> None:
    wait_usable(client)
    has_arrays = dialect_of(bench.release).list_has_factories
    profile = bench.profile
    rpvs = [row.path for row in profile.rpvs]
    motor = [row.path for row in profile.variables if row.path.startswith("/motor/")]

    counts = client.get_watchable_count()
    request = client.download_watchable_list(name_patterns=["/motor/*", "/rpv/*"])
    request.wait_for_completion(TIMEOUT)
    listed = request.get()

    assert counts[Kind.Variable] == len(profile.variables)
    assert counts[Kind.Alias] == len(profile.aliases)
    assert counts[Kind.RuntimePublishedValue] == len(profile.rpvs)
    assert counts[Kind.VariableFactory] == (len(profile.arrays) if has_arrays else 0)
    assert (sorted(listed.var), sorted(listed.rpv)) == (sorted(motor), sorted(rpvs))
    assert not listed.alias


def test_a_name_is_described_without_watching_it(client: ScrutinyClient, bench: Bench) -> None:
    wait_usable(client)
    if dialect_of(bench.release).version < (0, 10, 0):
        with pytest.raises(NotSupportedByServerError) as caught:
            client.get_watchable_info([SPEED])
        assert caught.value.since == "0.10.0"
        return

    info = client.get_watchable_info([SPEED, SETPOINT])

    assert info[SPEED].type is WatchableType.Variable
    assert client.get_var_watchable_info(SPEED).address == 0x101C
    assert client.get_alias_watchable_info(SETPOINT).target == "/psu/setpoint"
    assert client.get_alias_watchable_info(SETPOINT).gain == 1000
