"""Names, subscriptions and updates."""

import base64
import itertools
import struct

import attrs
import pytest

from pytest_scrutiny.model.status import MemoryRegion
from pytest_scrutiny.protocol.dialect import RELEASES, dialect_of
from tests.fakeserver.desk import TIMING, Desk, Talker

PATH = "/psu/setpoint"


@pytest.fixture
def desk() -> Desk:
    return Desk.ready()


@pytest.fixture
def talker(desk: Desk) -> Talker:
    return desk.connect()


# Names


def test_names_are_counted(talker: Talker) -> None:
    assert talker.ask("get_watchable_count")["qty"] == {"var": 12, "alias": 9, "rpv": 5, "var_factory": 3}


def test_releases_before_arrays_know_no_factories() -> None:
    assert Desk.ready("0.8.0").connect().ask("get_watchable_count")["qty"] == {
        "var": 12,
        "alias": 9,
        "rpv": 5,
    }


@pytest.mark.parametrize("size", [1, 2, 5, 7, 29, 1000])
def test_pages_hold_every_name_once_in_order(talker: Talker, size: int) -> None:
    pages = talker.ask_all("get_watchable_list", max_per_response=size)

    names = [
        entry["path"]
        for page in pages
        for kind in ("rpv", "alias", "var", "var_factory")
        for entry in page["content"][kind]
    ]
    counts = [sum(page["qty"].values()) for page in pages]
    assert [page["done"] for page in pages] == [False] * (len(pages) - 1) + [True]
    assert counts[:-1] == [size] * (len(pages) - 1)
    assert len(names) == len(set(names)) == sum(counts) == 29
    assert names[:6] == [
        "/rpv/x1000",
        "/rpv/x1001",
        "/rpv/x1002",
        "/rpv/x1003",
        "/rpv/x1004",
        "/alias/app/run",
    ]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"name": "/psu/s*"}, {"/psu/state", "/psu/setpoint"}),
        ({"name": ["/app/run", "*speed"]}, {"/app/run", "/motor/speed"}),
        ({"type": ["rpv"], "name": "*[24]"}, {"/rpv/x1002", "/rpv/x1004"}),
        ({"type": ["alias", "var"], "name": "*run"}, {"/app/run", "/alias/app/run"}),
        ({"type": "rpv", "name": "/app/run"}, {"/app/run"}),  # a bare string is ignored
        ({"name": "/nothing"}, set()),
    ],
)
def test_a_list_can_be_narrowed(talker: Talker, wanted: dict[str, object], names: set[str]) -> None:
    (page,) = talker.ask_all("get_watchable_list", filter=wanted)

    assert {entry["path"] for entries in page["content"].values() for entry in entries} == names
    assert page["done"] is True


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"filter": {"type": ["x"]}}, 'Unsupported type filter :"x"'),
        ({"filter": {"name": 5}}, "Invalid name filter"),
        ({"filter": None}, "Internal error"),
        ({"max_per_response": -1}, "Internal error"),
        ({"max_per_response": 0}, "Internal error"),  # a real server never ends
    ],
)
def test_a_wrong_list_request_is_refused(talker: Talker, fields: dict[str, object], text: str) -> None:
    assert talker.refusal("get_watchable_list", **fields) == text


@pytest.mark.parametrize(
    ("release", "keys"),
    [("0.3.0", {"id", "display_path", "datatype", "enum"}), ("0.16.0", {"path", "dtype", "enum"})],
)
def test_a_listed_name_has_its_releases_keys(release: str, keys: set[str]) -> None:
    (page,) = Desk.ready(release).connect().ask_all("get_watchable_list", filter={"name": "/app/mode"})

    (entry,) = page["content"]["var"]
    assert set(entry) == keys
    assert entry["enum"] == {"name": "AppMode", "values": {"IDLE": 0, "RUN": 1, "CALIBRATE": 2}}


def test_info_tells_all_without_a_subscription(desk: Desk, talker: Talker) -> None:
    info = talker.ask("get_watchable_info", watchables=[PATH, "/alias/psu/setpoint_mv", "/rpv/x1001"])["info"]
    desk.advance(0.1)

    assert info[PATH]["address"] == 0x1014
    details = {"target": PATH, "target_type": "var", "gain": 1000.0, "bias": None, "min": 0.0, "max": 24000.0}
    assert details.items() <= info["/alias/psu/setpoint_mv"].items()
    assert info["/rpv/x1001"]["rpvid"] == 0x1001
    assert talker.records() == []


# Subscriptions


@pytest.mark.parametrize("release", RELEASES)
def test_a_subscription_brings_the_value_with_the_next_read(release: str) -> None:
    desk = Desk.ready(release)
    talker = desk.connect()
    dialect = dialect_of(release)

    (server_id,) = talker.watch(PATH)
    assert talker.records() == []  # never with the subscription itself
    desk.advance(0.001)
    (record,) = talker.records()

    assert (record["id"], record[dialect.value_key]) == (server_id, 5.0)
    assert ("t" in record, "d" in record) == (dialect.update_has_time, dialect.update_has_data)


def test_values_repeat_at_the_poll_rate_changed_or_not(desk: Desk, talker: Talker) -> None:
    talker.watch(PATH)

    desk.advance(0.1005)

    records = talker.records()
    assert [record["v"] for record in records] == [5.0] * 10
    gaps = [after["t"] - before["t"] for before, after in itertools.pairwise(records)]
    assert gaps == pytest.approx([10_000] * 9)


def test_a_record_carries_the_bytes_in_memory_but_not_for_an_rpv(desk: Desk, talker: Talker) -> None:
    variable, alias, rpv = talker.watch(PATH, "/alias/psu/setpoint_mv", "/rpv/x1001")
    desk.advance(0.001)

    data = {record["id"]: record.get("d") for record in talker.records()}
    bytes_of = base64.b64encode(struct.pack("<f", 5.0)).decode()
    assert data == {variable: bytes_of, alias: bytes_of, rpv: None}


@pytest.mark.parametrize(("release", "messages"), [("0.11.3", 3), ("0.12.0", 1)])
def test_one_read_is_one_message_from_0_12_on(release: str, messages: int) -> None:
    desk = Desk.ready(release)
    talker = desk.connect()
    talker.watch(PATH, "/motor/speed", "/rpv/x1001")

    desk.advance(0.005)

    assert len(talker.take("watchable_update")) == messages


def test_all_paths_are_subscribed_or_none(desk: Desk, talker: Talker) -> None:
    text = talker.refusal("subscribe_watchable", watchables=[PATH, "/nothing"])
    desk.advance(0.1)

    assert text == "Unknown watchable : /nothing"
    assert talker.records() == []


@pytest.mark.parametrize(
    ("release", "text"), [("0.3.0", "Unknown watchable : 5"), ("0.16.0", "Internal error")]
)
def test_a_path_is_a_string(release: str, text: str) -> None:
    assert Desk.ready(release).connect().refusal("subscribe_watchable", watchables=[5]) == text


def test_a_second_subscription_changes_nothing(desk: Desk, talker: Talker) -> None:
    (first,) = talker.watch(PATH)
    (second,) = talker.watch(PATH)

    desk.advance(0.005)

    assert first == second
    assert len(talker.records()) == 1


def test_an_ended_subscription_brings_nothing(desk: Desk, talker: Talker) -> None:
    talker.watch(PATH, "/motor/speed")

    reply = talker.ask("unsubscribe_watchable", watchables=[PATH])
    desk.advance(0.005)

    assert (reply["cmd"], reply["unsubscribed"]) == ("response_unsubscribe_watchable", [PATH])
    assert [record["v"] for record in talker.records()] == [-100]


def test_until_0_10_an_ended_subscription_is_answered_by_the_wrong_name() -> None:
    talker = Desk.ready("0.10.1").connect()

    assert talker.ask("unsubscribe_watchable", watchables=[PATH])["cmd"] == "response_subscribe_watchable"


def test_clients_watch_for_themselves(desk: Desk, talker: Talker) -> None:
    other = desk.connect()
    talker.watch(PATH)
    other.watch("/motor/speed")

    desk.advance(0.005)

    assert [record["v"] for record in talker.records()] == [5.0]
    assert [record["v"] for record in other.records()] == [-100]


def test_subscriptions_end_with_the_device_and_ids_with_them(desk: Desk, talker: Talker) -> None:
    (before,) = talker.watch(PATH)

    desk.api.link.reset(desk.now)
    desk.advance(0.1)
    talker.take()
    desk.advance(0.1)
    assert talker.records() == []
    (after,) = talker.watch(PATH)

    assert after != before
    assert talker.ask("write_watchable", updates=[{"batch_index": 0, "watchable": before, "value": 1}])[
        "msg"
    ] == (f"Unknown watchable ID {before}")


def test_a_silent_device_brings_nothing_and_goes_on_where_it_was(desk: Desk, talker: Talker) -> None:
    talker.watch(PATH)
    desk.advance(0.005)
    talker.take()

    desk.api.link.hang(desk.now)
    desk.advance(0.5)
    assert talker.take() == []
    desk.api.link.resume(desk.now)
    desk.advance(0.015)

    assert len(talker.records()) == 2


def test_a_forbidden_value_is_told_with_its_reason(desk: Desk, talker: Talker) -> None:
    desk.device.profile = attrs.evolve(desk.device.profile, forbidden=(MemoryRegion(0x1014, 4),))
    talker.watch(PATH)
    desk.advance(0.001)

    (record,) = talker.records()
    assert (record["v"], record["r"]) == (None, "forbidden")
    assert "d" not in record


# Rates


@pytest.mark.parametrize(("rate", "count"), [(None, 100), (50, 50), (10, 10), (1, 1), (1000, 100)])
def test_a_rate_thins_the_updates(desk: Desk, talker: Talker, rate: float | None, count: int) -> None:
    talker.watch(PATH, rate=rate)

    desk.advance(1.0005)

    assert len(talker.records()) == count


def test_the_fastest_watcher_sets_the_pace(desk: Desk, talker: Talker) -> None:
    other = desk.connect()
    (server_id,) = talker.watch(PATH, rate=1)
    other.watch(PATH, rate=20)

    def change(who: Talker, rate: float | None) -> object:
        return who.ask("change_subscription_update_rate", changes=[{"id": server_id, "rate": rate}])[
            "effective_rates"
        ]

    assert change(talker, 2) == {server_id: 20}
    assert change(other, 1) == {server_id: 2}
    assert change(other, None) == {server_id: None}


def test_a_changed_rate_brings_a_value_soon(desk: Desk, talker: Talker) -> None:
    (server_id,) = talker.watch(PATH, rate=1)
    desk.advance(0.2)
    talker.take()

    talker.ask("change_subscription_update_rate", changes=[{"id": server_id, "rate": None}])
    desk.advance(0.0125)

    assert len(talker.records()) == 2


@pytest.mark.parametrize("rate", [0, -1, float("inf")])
def test_a_rate_is_more_than_nothing(talker: Talker, rate: float) -> None:
    (server_id,) = talker.watch(PATH)

    text = talker.refusal("change_subscription_update_rate", changes=[{"id": server_id, "rate": rate}])

    assert text.startswith("Cannot change update rate : ")
    assert text.endswith(f"{rate} is no rate")


def test_only_what_is_watched_has_a_rate(talker: Talker) -> None:
    text = talker.refusal("change_subscription_update_rate", changes=[{"id": "0", "rate": 1}])

    assert text == "Cannot change update rate : Not watching 0"


def test_servers_before_0_13_ignore_a_rate() -> None:
    desk = Desk.ready("0.12.0")
    talker = desk.connect()

    talker.watch(PATH, rate=-1)
    desk.advance(0.1005)

    assert len(talker.records()) == 10


def test_throttling_limits_all_updates_together_and_keeps_the_latest(desk: Desk, talker: Talker) -> None:
    assert talker.ask("set_throttling", update_rate=20)["enabled"] is True
    talker.watch("/app/uptime_ms", "/motor/speed")

    desk.advance(1.0)

    records = talker.records()
    uptimes = [record["v"] for record in records if record["v"] != -100]
    assert 18 <= len(records) <= 24
    assert uptimes == sorted(set(uptimes))
    assert desk.device.get("/app/uptime_ms") - uptimes[-1] <= 100 + 1000 * TIMING.poll


@pytest.mark.parametrize("rate", [None, 0])
def test_throttling_can_be_ended(desk: Desk, talker: Talker, rate: float | None) -> None:
    talker.ask("set_throttling", update_rate=1)

    reply = talker.ask("set_throttling", update_rate=rate)
    talker.watch(PATH)
    desk.advance(0.1005)

    assert (reply["enabled"], reply["update_rate"]) == (False, None)
    assert len(talker.records()) == 10


@pytest.mark.parametrize(
    ("release", "taken"),
    [
        ("0.3.0", ""),
        ("0.4.1", "psu/voltage|/psu/voltage/| /psu/voltage "),
        ("0.8.0", "psu/voltage|/psu/voltage/| /psu/voltage "),
        ("0.9.0", "psu/voltage|/psu/voltage/|/psu//voltage"),
        ("0.16.0", "psu/voltage|/psu/voltage/|/psu//voltage"),
    ],
)
def test_other_spellings_of_a_path_are_taken_as_by_real_servers(release: str, taken: str) -> None:
    talker = Desk.ready(release).connect()
    [server_id] = talker.watch("/psu/voltage")
    spellings = ("psu/voltage", "/psu/voltage/", "/psu//voltage", " /psu/voltage ")
    replies = {path: talker.ask("subscribe_watchable", watchables=[path]) for path in spellings}

    found = {path: reply["subscribed"] for path, reply in replies.items() if "subscribed" in reply}
    assert "|".join(sorted(found)) == "|".join(sorted(filter(None, taken.split("|"))))
    assert {entries[path]["id"] for path, entries in found.items()} <= {server_id}
