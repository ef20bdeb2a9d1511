"""Finding what can be watched: on the fake of several releases, and against a scripted server."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.listing import PartCallback, WatchableListDownloadRequest
from pytest_scrutiny.errors import (
    BadResponseError,
    BadTypeError,
    ConnectionError,
    InvalidValueError,
    NotSupportedByServerError,
    OperationFailure,
    RemoteProtocolError,
    TimeoutException,
)
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.listing import ServerDatastoreContentType as Kind
from pytest_scrutiny.model.listing import WatchableListContentPart
from pytest_scrutiny.model.values import EmbeddedDataType, WatchableType
from pytest_scrutiny.model.watch import VariableDetails
from tests.client.peer import Bench
from tests.clock import MS, SECOND

RELEASES = ("0.1.0", "0.3.0", "0.5.2", "0.8.0", "0.9.2", "0.16.0")


def has_arrays(release: str) -> bool:
    return release in ("0.9.2", "0.16.0")


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


@pytest.fixture
def client(release: str) -> Iterator[ScrutinyClient]:
    """A client of a fake whose device is ready and whose firmware description is loaded."""
    with FakeServer(release) as fake, ScrutinyClient(timeout=5 * SECOND) as client:
        client.connect(fake.host, fake.port)
        client.wait_server_status(lambda info: info.sfd is not None, 5 * SECOND, "no SFD was loaded")
        yield client


def listed(client: ScrutinyClient, **arguments: Any) -> WatchableListContentPart:
    request = client.download_watchable_list(**arguments)
    request.wait_for_completion()
    assert request.completed
    assert request.is_success
    return request.get()


# On every release


def test_the_whole_list_comes_page_by_page(client: ScrutinyClient, release: str) -> None:
    content = listed(client, max_per_response=4)

    assert (len(content.var), len(content.alias), len(content.rpv)) == (12, 9, 5)
    assert content.var["/psu/state"].datatype is EmbeddedDataType.uint8
    assert content.var["/psu/state"].enum is not None
    assert content.var["/psu/state"].enum.vals["FAULT"] == 3
    assert content.rpv["/rpv/x1004"].datatype is EmbeddedDataType.bool8
    dims = {path: dict(array.array_dims) for path, array in content.var_factory.items()}
    assert dims == (
        {
            "/app/table": {"/app/table": (2, 3)},
            "/app/points/x": {"/app/points": (4,)},
            "/app/points/y": {"/app/points": (4,)},
        }
        if has_arrays(release)
        else {}
    )


def test_the_counts_are_those_of_the_list(client: ScrutinyClient, release: str) -> None:
    arrays = 3 if has_arrays(release) else 0

    assert client.get_watchable_count() == {
        Kind.Variable: 12,
        Kind.Alias: 9,
        Kind.RuntimePublishedValue: 5,
        Kind.VariableFactory: arrays,
    }


@pytest.mark.parametrize("globs", [["/psu/s*"], ("/psu/s*", "/rpv/*[13]"), ["/alias/p*", "/app/run", "/no"]])
def test_globs_choose_on_every_release(client: ScrutinyClient, globs: list[str]) -> None:
    content = listed(client, name_patterns=globs, max_per_response=3)

    names = {*content.var, *content.alias, *content.rpv}
    assert (
        names
        == {
            ("/psu/s*",): {"/psu/state", "/psu/setpoint"},
            ("/psu/s*", "/rpv/*[13]"): {"/psu/state", "/psu/setpoint", "/rpv/x1001", "/rpv/x1003"},
            ("/alias/p*", "/app/run", "/no"): {
                "/alias/psu/voltage",
                "/alias/psu/setpoint",
                "/alias/psu/setpoint_mv",
                "/alias/psu/state",
                "/alias/psu/temperature_f",
                "/app/run",
            },
        }[tuple(globs)]
    )


def test_types_choose_too(client: ScrutinyClient) -> None:
    content = listed(client, types=[WatchableType.Alias, WatchableType.RuntimePublishedValue])

    assert (len(content.var), len(content.alias), len(content.rpv), len(content.var_factory)) == (0, 9, 5, 0)


def test_a_callback_gets_the_parts_on_the_waiting_thread(client: ScrutinyClient) -> None:
    got: list[tuple[int, bool, str]] = []

    def take(part: WatchableListContentPart, is_last: bool) -> None:
        client.get_watchable_count()  # would never return with a lock held, or on the reader thread
        got.append((part.count(), is_last, threading.current_thread().name))

    request = client.download_watchable_list(
        types=[WatchableType.Variable],
        name_patterns=["/app/[rmu]*", "/psu/*"],
        max_per_response=3,
        partial_reception_callback=take,
    )
    request.wait_for_completion()

    assert sum(count for count, _, _ in got) == 8
    assert [is_last for _, is_last, _ in got] == [False] * (len(got) - 1) + [True]
    assert len(got) > 1
    assert {name for _, _, name in got} == {threading.current_thread().name}
    with pytest.raises(
        InvalidValueError, match=r"^there is no list to get: its parts go to partial_reception"
    ):
        request.get()


def test_info_tells_what_a_subscription_would(client: ScrutinyClient, release: str) -> None:
    if release != "0.16.0":
        with pytest.raises(NotSupportedByServerError) as caught:
            client.get_watchable_info(["/psu/state"])
        assert (caught.value.since, caught.value.command) == ("0.10.0", "get_watchable_info")
        return

    infos = client.get_watchable_info(["/psu/state", "/rpv/x1000", "/psu/state"])

    assert list(infos) == ["/psu/state", "/rpv/x1000"]
    assert infos["/psu/state"].details == VariableDetails(0x100C)
    assert client.get_var_watchable_info("/psu/state").address == 0x100C
    assert client.get_alias_watchable_info("/alias/psu/voltage").gain == 0.001
    assert client.get_rpv_watchable_info("/rpv/x1000").rpvid == 0x1000


@pytest.mark.parametrize("release", ["0.16.0"])
@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        (
            "get_var_watchable_info",
            "/rpv/x1000",
            "is of type RuntimePublishedValue; expected the path of a variable",
        ),
        ("get_alias_watchable_info", "/psu/state", "is of type Variable; expected the path of an alias"),
        ("get_rpv_watchable_info", "/alias/psu/voltage", "is of type Alias; expected the path of an RPV"),
    ],
)
def test_info_of_another_kind_is_refused(client: ScrutinyClient, method: str, path: str, text: str) -> None:
    with pytest.raises(BadTypeError, match=f"^{path} {text}"):
        getattr(client, method)(path)


@pytest.mark.parametrize("release", ["0.16.0"])
def test_info_of_an_unknown_path_is_refused(client: ScrutinyClient) -> None:
    with pytest.raises(OperationFailure, match=r"Unknown watchable : /nope$"):
        client.get_watchable_info(["/psu/state", "/nope"])


# What the caller may not ask


@pytest.mark.parametrize("release", ["0.16.0"])
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"max_per_response": 0}, ValueError, "max_per_response 0 is out of range; expected 1 or more"),
        ({"max_per_response": -1}, ValueError, "max_per_response -1 is out of range; expected 1 or more"),
        (
            {"max_per_response": True},
            TypeError,
            "max_per_response True is no whole number; expected 1 or more",
        ),
        ({"max_per_response": 1.5}, TypeError, "max_per_response 1.5 is no whole number; expected 1 or more"),
        ({"types": "var"}, TypeError, "types 'var' is no list; expected one of WatchableType's members"),
        ({"types": ["var"]}, TypeError, "type 'var' is none; expected a member of WatchableType"),
        (
            {"name_patterns": "/a"},
            TypeError,
            "name_patterns '/a' is no list; expected a list of globs, for example ['/psu/*']",
        ),
        (
            {"name_patterns": [5]},
            TypeError,
            "name_patterns has 5, which is no string; expected globs, for example ['/psu/*']",
        ),
    ],
)
def test_a_wrong_argument_never_reaches_the_wire(
    client: ScrutinyClient, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        client.download_watchable_list(**arguments)

    assert str(caught.value) == text


@pytest.mark.parametrize("release", ["0.16.0"])
def test_paths_of_info_are_checked_before_the_wire(client: ScrutinyClient) -> None:
    with pytest.raises(
        TypeError, match=r"^paths '/a' is no list; expected a list of server paths, for example"
    ):
        client.get_watchable_info("/a")  # type: ignore[arg-type]


# Against a scripted server


def ask(
    bench: Bench, callback: PartCallback | None = None, timeout: float = 5 * SECOND
) -> WatchableListDownloadRequest:
    request = WatchableListDownloadRequest(bench.session, timeout, callback)
    request.start([], [], 2)
    return request


def send_page(bench: Bench, asked: dict[str, Any], *paths: str, done: bool = False) -> None:
    entries = [{"path": path, "dtype": "uint8"} for path in paths]
    bench.peer.reply(asked, qty={}, content={"var": entries, "alias": [], "rpv": []}, done=done)


def test_pages_come_at_any_time(bench: Bench) -> None:
    request = ask(bench)
    asked = bench.peer.next_request("get_watchable_list")
    waiting = bench.call_and_wait(request.wait_for_completion, 5 * SECOND)
    send_page(bench, asked, "/a", "/b")
    assert (request.completed, request.completion_datetime, request.failure_reason) == (False, None, "")
    with pytest.raises(InvalidValueError, match=r"^there is no list to get: it is not complete; call wait"):
        request.get()

    send_page(bench, asked, "/c", done=True)
    waiting.result()

    assert list(request.get().var) == ["/a", "/b", "/c"]
    assert request.completion_datetime is not None
    assert repr(request) == "<WatchableListDownloadRequest complete, 3 entries came>"
    request.wait_for_completion()  # again, at once


def test_a_wait_that_is_too_short_ends_and_the_list_goes_on(bench: Bench) -> None:
    request = ask(bench)
    asked = bench.peer.next_request("get_watchable_list")

    with pytest.raises(
        TimeoutException, match=r"^the list was not complete \(0 entries came\) within 0.01 s$"
    ):
        request.wait_for_completion(0.01)
    send_page(bench, asked, "/a", done=True)
    request.wait_for_completion(5 * SECOND)

    assert list(request.get().var) == ["/a"]


def test_a_server_that_falls_silent_is_not_waited_for_for_ever(bench: Bench) -> None:
    request = ask(bench, timeout=30 * MS)
    asked = bench.peer.next_request("get_watchable_list")
    send_page(bench, asked, "/a")

    with pytest.raises(
        TimeoutException, match=r"^the server sent no more of its list for .* Check that the server"
    ):
        request.wait_for_completion()

    assert (request.completed, request.is_success) == (True, False)
    send_page(bench, asked, "/b", done=True)
    with pytest.raises(InvalidValueError, match="it failed: the server sent no more of its list"):
        request.get()


def test_a_lost_connection_ends_the_wait_at_once(bench: Bench) -> None:
    request = ask(bench)
    bench.peer.next_request("get_watchable_list")
    waiting = bench.call_and_wait(request.wait_for_completion)

    bench.peer.sock.close()

    with pytest.raises(ConnectionError, match="the server closed the connection"):
        waiting.result(5 * SECOND)
    assert request.completed
    assert request.failure_reason == "the server closed the connection"


def test_a_refusal_is_raised(bench: Bench) -> None:
    request = ask(bench)
    bench.peer.refuse(bench.peer.next_request("get_watchable_list"), "Internal error")

    with pytest.raises(OperationFailure, match=r"^the server refused get_watchable_list: Internal error$"):
        request.wait_for_completion(5 * SECOND)


def test_a_broken_page_is_raised_and_the_rest_ignored(bench: Bench) -> None:
    request = ask(bench)
    asked = bench.peer.next_request("get_watchable_list")
    send_page(bench, asked, "/a")
    bench.peer.reply(asked, content={"var": [5], "alias": [], "rpv": []}, done=False)
    send_page(bench, asked, "/b", done=True)

    with pytest.raises(RemoteProtocolError, match=r"content\.var\[0\]: 5; expected an object"):
        request.wait_for_completion(5 * SECOND)
    assert bench.session.is_open


def test_a_cancelled_list_is_over(bench: Bench) -> None:
    got: list[int] = []
    request = ask(bench, lambda part, _: got.append(part.count()))
    asked = bench.peer.next_request("get_watchable_list")

    request.cancel()
    send_page(bench, asked, "/a", done=True)

    with pytest.raises(OperationFailure, match=r"^get_watchable_list was cancelled by this client$"):
        request.wait_for_completion(5 * SECOND)
    assert got == []
    with pytest.raises(OperationFailure, match=r"cannot be cancelled: the list has ended already$"):
        request.cancel()


def test_a_callback_that_raises_loses_its_part_only(bench: Bench) -> None:
    got: list[str] = []

    def take(part: WatchableListContentPart, _: bool) -> None:
        got.extend(part.var)
        if "/a" in part.var:
            raise ArithmeticError("the caller's own")

    request = ask(bench, take)
    asked = bench.peer.next_request("get_watchable_list")
    send_page(bench, asked, "/a")
    send_page(bench, asked, "/b", done=True)

    with pytest.raises(ArithmeticError):
        request.wait_for_completion(5 * SECOND)
    request.wait_for_completion(5 * SECOND)

    assert got == ["/a", "/b"]


def test_info_that_leaves_a_path_out_is_refused() -> None:
    bench = Bench()
    client = ScrutinyClient(timeout=5 * SECOND)
    client._session = bench.session
    bench.session.start()
    future = bench.call(client.get_watchable_info, ["/a"])
    bench.peer.reply(bench.peer.next_request("get_watchable_info"), info={})

    with pytest.raises(
        BadResponseError, match=r"^the server told nothing about /a; expected all that was asked$"
    ):
        future.result(5 * SECOND)
    client._session = None
    bench.close()
