"""Names a test may use, and what it hears when it misspells one."""

from collections.abc import Iterator

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import NameNotFoundError, OperationFailure, ScrutinyError, TimeoutException
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.hil import names
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.hil.names import closest, is_about_name, similar_globs
from tests.clock import MS, SECOND


@pytest.fixture(params=["0.3.0", "0.8.0", "0.9.2", "0.16.0"])
def release(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


@pytest.fixture
def fake(release: str) -> Iterator[FakeServer]:
    with FakeServer(release) as fake:
        yield fake


@pytest.fixture
def device(fake: FakeServer) -> Iterator[Device]:
    """The fake's device, ready."""
    with ScrutinyClient().connect(fake.host, fake.port) as client:
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        yield Device(client)


def told(device: Device, path: str) -> str:
    with pytest.raises(NameNotFoundError) as caught:
        device[path].read()
    return str(caught.value)


# Suggestions


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/psu/voltge", "/psu/voltage, /alias/psu/voltage, /psu/state"),
        ("/PSU/Voltage", "/psu/voltage, /alias/psu/voltage, /alias/ios/psu_voltage"),
        ("/motr/speed", "/motor/speed"),
        ("/psu/setpiont", "/psu/setpoint, /alias/psu/setpoint, /psu/state"),
        ("/rpv/x1oo3", "/rpv/x1003"),
        ("/app/mode[0]", "/app/mode"),
    ],
)
def test_an_unknown_path_brings_those_it_may_have_meant(device: Device, path: str, meant: str) -> None:
    text = told(device, path)

    assert f"; expected the path of a variable, an alias or an RPV. Did you mean {meant}" in text


def test_a_path_like_no_other_brings_none(device: Device) -> None:
    assert told(device, "/nonsense").endswith("Check its spelling; Device.paths() lists all.")


@pytest.mark.parametrize("path", ["", "/", "//", "/[", "/*", "psu"])
def test_any_text_can_be_looked_for(device: Device, path: str) -> None:
    assert "is unknown to the server" in told(device, path)


@pytest.mark.parametrize("release", ["0.9.2", "0.16.0"])
@pytest.mark.parametrize(
    ("path", "array", "element"),
    [
        ("/app/table", "/app/table is an array, /app/table[2][3]", "/app/table[0][0]"),
        ("/app/table[2][0]", "/app/table is an array, /app/table[2][3]", "/app/table[0][0]"),
        ("/app/table[0]", "/app/table is an array, /app/table[2][3]", "/app/table[0][0]"),
        ("/app/points/x", "/app/points/x is an array, /app/points[4]/x", "/app/points[0]/x"),
    ],
)
def test_an_array_without_good_indices_tells_its_size(
    device: Device, path: str, array: str, element: str
) -> None:
    assert told(device, path).endswith(f": {array}; expected one of its elements, for example {element}.")


def test_a_search_that_fails_hides_nothing(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ScrutinyError("no list today")

    monkeypatch.setattr(names, "_download", fail)

    assert "/psu/voltge is unknown to the server" in told(device, "/psu/voltge")


def test_a_list_that_takes_too_long_is_given_up(fake: FakeServer, device: Device) -> None:
    fake.stall()

    with pytest.raises(TimeoutException, match=r"^the list was not complete \(0 entries came\) within"):
        device.paths(timeout=20 * MS)

    fake.resume_serving()
    assert device.paths("/app/run") == ["/app/run"]


@pytest.mark.parametrize(
    ("path", "reason", "is_name"),
    [
        ("/a", "Unknown watchable : /a", True),
        ("/a[9]", "Internal error", True),
        ("/a", "Internal error", False),
        ("/a[9]", "Device is busy", False),
    ],
)
def test_a_refusal_may_be_about_the_name(path: str, reason: str, is_name: bool) -> None:
    assert is_about_name(path, OperationFailure("refused", "subscribe_watchable", reason)) is is_name


@pytest.mark.parametrize(
    ("path", "globs"),
    [
        ("/psu/v1", ["/psu/*", "*/[vV]1*", "*[vV]1"]),
        ("/p[0]/voltage", ["/p[[]0]/*", "*/[vV][oO][lL][tT]*", "*[tT][aA][gG][eE]"]),
        ("/abc", ["*/[aA][bB][cC]*", "*[aA][bB][cC]"]),
        ("", []),
    ],
)
def test_the_server_is_asked_for_what_is_similar(path: str, globs: list[str]) -> None:
    assert similar_globs(path) == globs


def test_only_so_many_names_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_CANDIDATES", 2)

    assert closest("/abc", iter(["/x", "/abd", "/abc"])) == ["/abd"]


# Paths


def test_paths_lists_what_can_be_read(device: Device, release: str) -> None:
    everything = device.paths()

    arrays = 6 + 4 + 4 if release in ("0.9.2", "0.16.0") else 0
    assert len(everything) == len(set(everything)) == 12 + 9 + 5 + arrays
    assert everything == sorted(everything)
    for path in everything:
        device[path].read()


@pytest.mark.parametrize("release", ["0.9.2", "0.16.0"])
@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("/app/table*", [f"/app/table[{i}][{j}]" for i in range(2) for j in range(3)]),
        ("/app/table[[]1]*", ["/app/table[1][0]", "/app/table[1][1]", "/app/table[1][2]"]),
        ("/app/points[[][13]]/x", ["/app/points[1]/x", "/app/points[3]/x"]),
        ("/alias/psu/set*", ["/alias/psu/setpoint", "/alias/psu/setpoint_mv"]),
        ("/nothing", []),
    ],
)
def test_a_pattern_chooses_paths(device: Device, pattern: str, paths: list[str]) -> None:
    assert device.paths(pattern) == paths


@pytest.mark.parametrize("release", ["0.16.0"])
def test_of_a_very_large_array_only_the_first_element_is_listed(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST_ELEMENTS", 5)

    assert device.paths("/app/table*") == ["/app/table[0][0]"]
    assert device.paths("/app/points/x") == [f"/app/points[{index}]/x" for index in range(4)]
