"""Array elements and their aliases: servers forget both as soon as nobody watches them."""

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import OperationFailure
from pytest_scrutiny.hil.device import Device
from pytest_scrutiny.protocol.dialect import Dialect, dialect_of
from tests.interop.benches import HOST, Bench
from tests.interop.conftest import TIMEOUT, renew, wait_usable

BENCH_DEVICES = ("types",)
ELEMENT, ALIAS = "/arrays/points[1]/y", "/alias/element"


@pytest.fixture(autouse=True)
def dialect(bench: Bench) -> Dialect:
    dialect = dialect_of(bench.release)
    if not dialect.list_has_factories or dialect.element_aliases == "refused":
        pytest.skip("releases before 0.9 know no arrays, and 0.10 no aliases of their elements")
    return dialect


@pytest.fixture
def client(bench: Bench, client: ScrutinyClient) -> ScrutinyClient:
    """A client of a server that has just loaded its firmware description, so that no alias is lost."""
    renew(client, bench)
    return client


def _another_test(client: ScrutinyClient, path: str) -> bool | float:
    device = Device(client)
    try:
        return device[path].read()
    finally:
        device.release()


def test_an_alias_of_an_element_is_there_for_every_test(client: ScrutinyClient, dialect: Dialect) -> None:
    if not dialect.watch_has_details:
        pytest.skip("0.9 does not tell that it is one")
    seen = [_another_test(client, ALIAS) for _ in range(3)]

    assert seen == [4, 4, 4]
    assert client.watches.watched() == []


def test_the_alias_survives_tests_of_its_element(client: ScrutinyClient, dialect: Dialect) -> None:
    if not dialect.watch_takes_rate:
        pytest.skip("before 0.13 whatever is watched costs the link its full rate")
    seen = [_another_test(client, path) for path in (ELEMENT, ELEMENT, ALIAS, ELEMENT, ALIAS)]

    assert seen == [2, 2, 4, 2, 4]


def test_an_element_that_was_kept_is_fast_again(client: ScrutinyClient, dialect: Dialect) -> None:
    _another_test(client, ELEMENT)

    handle = client.watch(ELEMENT)

    handle.wait_update(3, previous_counter=5)  # at one a second it would take 5 s


def test_a_server_survives_an_alias_that_was_lost(bench: Bench, client: ScrutinyClient) -> None:
    """Who leaves lets the server forget the alias; who watches it next must not end the server by leaving."""
    with ScrutinyClient(timeout=TIMEOUT).connect(HOST, bench.port) as first:
        wait_usable(first)
        first.watch(ALIAS)
    client.echo("the server has noticed that it left")

    for _ in range(2):
        with ScrutinyClient(timeout=TIMEOUT).connect(HOST, bench.port) as second:
            wait_usable(second)
            with pytest.raises(OperationFailure) as caught:
                second.watch_many(["/types/uint8", ALIAS, ELEMENT])
            assert second.watches.watched() == []

    assert client.echo("still there") == "still there"
    assert str(caught.value) == (
        "the server refused subscribe_watchable: Internal error, over /types/uint8, /alias/element, "
        "/arrays/points[1]/y; expected indices that fit their array, or an alias that the server still has: "
        "from 0.9 on it loses an alias of an array's element once nobody watches it any more (0.10 has none)."
        " Then let it load the firmware description again: reset the device, or restart the server."
    )
