"""Arrays of the simulated device: listed as factories, used by their elements."""

import pytest

from pytest_scrutiny.errors import NameNotFoundError
from pytest_scrutiny.fakeserver.arrays import Array, bare_path, indices_of
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.model.values import EmbeddedDataType as DataType
from tests.fakeserver.desk import Desk, Talker

ELEMENT = "/app/table[1][2]"


@pytest.fixture
def desk() -> Desk:
    return Desk.ready()


@pytest.fixture
def talker(desk: Desk) -> Talker:
    return desk.connect()


@pytest.mark.parametrize(
    ("path", "bare", "indices"),
    [
        ("/a/b", "/a/b", {}),
        ("/a/b[1]", "/a/b", {"/a/b": (1,)}),
        ("/a[0][12]/b", "/a/b", {"/a": (0, 12)}),
        ("/a[1]/b[2]/c", "/a/b/c", {"/a": (1,), "/a/b": (2,)}),
        ("/a[x]", "/a[x]", {}),
        ("/a[1]b", "/a[1]b", {}),
    ],
)
def test_indices_are_told_from_names(path: str, bare: str, indices: dict[str, tuple[int, ...]]) -> None:
    assert bare_path(path) == bare
    assert indices_of(path) == indices


def test_elements_lie_one_behind_the_other() -> None:
    table = Array("/t", DataType.uint16, 0x100, (2, 3))
    points = Array("/p/x", DataType.float32, 0x200, (4,), node="/p", stride=12)

    assert table.address_of(table.number_of("/t[1][2]")) == 0x100 + 5 * 2
    assert points.address_of(points.number_of("/p[3]/x")) == 0x200 + 3 * 12


@pytest.mark.parametrize("path", ["/t", "/t[1]", "/t[1][2][0]", "/t[2][0]", "/t[0][3]"])
def test_indices_must_fit(path: str) -> None:
    with pytest.raises(IndexError, match=r"is no element of /t\[2\]\[3\]$"):
        Array("/t", DataType.uint16, 0x100, (2, 3)).number_of(path)


def test_the_bench_reads_and_sets_elements() -> None:
    device = make_device()

    device.set("/app/points[2]/y", 1.5)

    assert device.get(ELEMENT) == 22
    assert device.get("/app/points[2]/y") == 1.5
    assert device.get("/app/points[2]/x") == 0.0


@pytest.mark.parametrize("path", ["/app/table", "/app/table[2][0]", "/app/tabel[0][0]"])
def test_the_bench_hears_what_is_no_element(path: str) -> None:
    with pytest.raises(NameNotFoundError, match=r"did you mean .*/app/table"):
        make_device().get(path)


def test_an_array_is_listed_as_a_factory(talker: Talker) -> None:
    (page,) = talker.ask_all("get_watchable_list", filter={"name": "/app/table", "type": ["var"]})

    assert page["qty"] == {"var": 0, "alias": 0, "rpv": 0, "var_factory": 1}
    assert page["content"]["var_factory"] == [
        {
            "path": "/app/table",
            "dtype": "uint16",
            "factory_params": {"array_nodes": {"/app/table": [2, 3]}},
        }
    ]


def test_factories_come_and_go_with_the_firmware_description(desk: Desk, talker: Talker) -> None:
    desk.api.link.unplug()
    desk.advance(5)

    assert talker.ask("get_watchable_count")["qty"]["var_factory"] == 0
    assert talker.refusal("subscribe_watchable", watchables=[ELEMENT]) == f"Unknown watchable : {ELEMENT}"


def test_an_element_is_watched_and_written(desk: Desk, talker: Talker) -> None:
    (server_id,) = talker.watch(ELEMENT)
    desk.advance(0.05)
    before = talker.records()
    talker.write((server_id, 77))

    assert {record["v"] for record in before} == {22}
    assert desk.device.get(ELEMENT) == 77
    assert desk.device.get("/app/table[1][1]") == 21


def test_an_element_is_known_by_name_while_somebody_watches_it(talker: Talker) -> None:
    def count() -> int:
        number: int = talker.ask("get_watchable_count")["qty"]["var"]
        return number

    before = count()
    talker.watch(ELEMENT)
    meanwhile = count()
    talker.ask("unsubscribe_watchable", watchables=[ELEMENT])

    assert (meanwhile, count()) == (before + 1, before)


@pytest.mark.parametrize("path", ["/app/table[2][0]", "/app/table[0]", "/app/points[0]/x[1]"])
def test_indices_that_do_not_fit_are_an_internal_error(talker: Talker, path: str) -> None:
    assert talker.refusal("subscribe_watchable", watchables=[path]) == "Internal error"


@pytest.mark.parametrize("path", ["/app/table", "/app/mode[0]"])
def test_what_is_no_element_is_unknown(talker: Talker, path: str) -> None:
    assert talker.refusal("subscribe_watchable", watchables=[path]) == f"Unknown watchable : {path}"


def test_releases_before_arrays_know_no_elements() -> None:
    talker = Desk.ready("0.8.0").connect()

    assert talker.refusal("subscribe_watchable", watchables=[ELEMENT]) == f"Unknown watchable : {ELEMENT}"


def test_websocket_releases_take_one_glob_only() -> None:
    talker = Desk.ready("0.3.0").connect()

    assert talker.refusal("get_watchable_list", filter={"name": ["/app/*", "/psu/*"]}) == "Internal error"
    assert talker.ask("get_watchable_list", filter={"name": "/app/m*"})["qty"]["var"] == 1


@pytest.mark.parametrize(
    ("release", "is_watched", "is_watched_again", "survives"),
    [
        ("0.9.0", True, False, True),
        ("0.10.1", False, False, True),
        ("0.11.3", True, False, True),
        ("0.12.0", True, False, False),
        ("0.16.0", True, False, False),
    ],
)
def test_an_alias_is_lost_with_its_element(
    release: str, is_watched: bool, is_watched_again: bool, survives: bool
) -> None:
    """As on real servers; where these end, the fake does so too."""
    desk = Desk.ready(release, "types")
    talker, other = desk.connect(), desk.connect()
    paths = ["/alias/element"]
    commands = ("subscribe_watchable", "unsubscribe_watchable", "subscribe_watchable")
    replies = [talker.ask(command, watchables=paths).get("msg") for command in commands]
    desk.api.close(talker.client)

    assert replies[0] == (None if is_watched else "Internal error")
    assert replies[2] == (None if is_watched_again else "Internal error")
    assert desk.api.has_ended is not survives
    assert other.watch("/arrays/points[1]/y")


def test_to_unwatch_a_lost_alias_heals_the_server() -> None:
    desk = Desk.ready("0.16.0", "types")
    talker = desk.connect()
    talker.watch("/alias/element")
    talker.ask("unsubscribe_watchable", watchables=["/alias/element"])
    talker.refusal("subscribe_watchable", watchables=["/alias/element"])

    assert talker.refusal("unsubscribe_watchable", watchables=["/alias/element"]) == "Internal error"
    desk.api.close(talker.client)
    assert not desk.api.has_ended


def test_an_alias_lives_while_somebody_watches_its_element() -> None:
    desk = Desk.ready("0.16.0", "types")
    talker = desk.connect()
    talker.watch("/alias/element", "/arrays/points[1]/y")
    talker.ask("unsubscribe_watchable", watchables=["/alias/element"])

    assert talker.watch("/alias/element")
