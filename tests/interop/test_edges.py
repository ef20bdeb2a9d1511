"""Every type of value at its limits, on every server: written, read back and found in memory, exactly."""

import math

import pytest

from pytest_scrutiny.fakeserver.memory import encode_value
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.model.values import FLOAT32_MAX, EmbeddedDataType
from tests.interop.exact import exactly, stored
from tests.interop.profiles import EDGE_RPVS, EDGE_VARIABLES, EDGES

each_datatype = pytest.mark.parametrize("datatype", EDGES, ids=[datatype.name for datatype in EDGES])


@each_datatype
def test_a_variable_holds_every_limit_exactly(device: Device, datatype: EmbeddedDataType) -> None:
    variable = EDGE_VARIABLES[datatype]
    value = device[variable.path]
    found, data = [], []

    for edge in EDGES[datatype]:
        value.write(edge)
        found.append(exactly(value.read()))
        data.append(device.memory.read(variable.address, datatype.get_size_bit() // 8))

    assert data == [encode_value(datatype, edge) for edge in EDGES[datatype]]
    assert found == [exactly(stored(datatype, edge)) for edge in EDGES[datatype]]


@each_datatype
def test_an_rpv_holds_every_limit_exactly(device: Device, datatype: EmbeddedDataType) -> None:
    value = device[EDGE_RPVS[datatype].path]
    found = []

    for edge in EDGES[datatype]:
        value.write(edge)
        found.append(exactly(value.read()))

    assert found == [exactly(stored(datatype, edge)) for edge in EDGES[datatype]]


@pytest.mark.parametrize(
    "datatype", [EmbeddedDataType.float32, EmbeddedDataType.float64], ids=lambda t: t.name
)
def test_what_no_server_takes_is_read_all_the_same(device: Device, datatype: EmbeddedDataType) -> None:
    """NaN and the infinities cannot be written through a server; a firmware computes them."""
    variable = EDGE_VARIABLES[datatype]
    value = device[variable.path]
    value.read()
    found = []

    for number in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=f"does not fit {variable.path}: expected a finite number"):
            value.write(number)
        device.memory.write(variable.address, encode_value(datatype, number))
        found.append(value.read())

    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf]


@each_datatype
def test_one_more_than_fits_never_leaves_us(device: Device, datatype: EmbeddedDataType) -> None:
    limits = datatype.limits()
    low, high = (0, 1) if limits is None else limits
    value = device[EDGE_VARIABLES[datatype].path]
    before = value.read()

    for beyond in (low - 1, high + 1) if isinstance(high, int) else (math.nextafter(high, math.inf), 10**400):
        with pytest.raises(ValueError, match="does not fit"):
            value.write(beyond)

    assert value.read() == before


@pytest.mark.parametrize("path", ["/alias/rpv/level", "/alias/psu/temperature_f", "/alias/ios/psu_voltage"])
@pytest.mark.parametrize("beyond", [1e39, -1e300, "1e39", 10**400])
def test_an_alias_takes_nothing_that_ends_its_server(device: Device, path: str, beyond: float | str) -> None:
    """Before 0.10 nobody tells what it stands for, and more than a float32 holds ends the server."""
    with pytest.raises(ValueError, match="does not fit"):
        device.raw.write_watchable(path, beyond)
    with pytest.raises(ValueError, match="does not fit"):
        device[path].write(beyond)

    device.raw.write_watchable("/rpv/x1000", 2.5)
    assert device["/rpv/x1000"].read() == 2.5


def test_flt_max_may_be_written_as_everybody_writes_it(device: Device) -> None:
    value = device[EDGE_VARIABLES[EmbeddedDataType.float32].path]

    value.write(3.4028235e38, verify=True)

    assert value.read() == FLOAT32_MAX
