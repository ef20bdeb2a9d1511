"""The gate: its stages, what it says when one is not reached, and where its time comes from."""

from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, cast

import attrs
import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.sfd import Loads
from pytest_scrutiny.errors import InvalidValueError, TimeoutException
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.link import DeviceLinkInfo, DeviceLinkType, SerialLinkConfig, UDPLinkConfig
from pytest_scrutiny.model.sfd import SFDInfo
from pytest_scrutiny.model.status import DeviceCommState, ServerInfo
from pytest_scrutiny.model.values import UnknownValue
from pytest_scrutiny.plugin.connect import Past
from pytest_scrutiny.plugin.gate import Gate, GateError
from pytest_scrutiny.plugin.markers import Wishes
from pytest_scrutiny.plugin.options import Settings
from pytest_scrutiny.plugin.progress import Progress
from pytest_scrutiny.plugin.unrest import Vain

SETTINGS = Settings(
    "localhost", 8765, "auto", False, "plain", 5.0, 10.0, "auto", (),
    MappingProxyType({"ready_timeout": "PYTEST_SCRUTINY_READY_TIMEOUT"}),
)  # fmt: skip
SERIAL = SerialLinkConfig(
    port="/dev/ttyUSB0",
    baudrate=115200,
    stopbits=SerialLinkConfig.StopBits.ONE,
    databits=SerialLinkConfig.DataBits.EIGHT,
    parity=SerialLinkConfig.Parity.NONE,
)


STEP = 0.25


class Board:
    """What its reports told."""

    def __init__(self) -> None:
        self.is_loading_sfd = False
        self.session_ids: list[str] = []
        self.loads = Loads()

    def note(self, info: ServerInfo | None) -> None:
        if info is not None and info.device_session_id not in (None, *self.session_ids):
            self.session_ids.append(str(info.device_session_id))


class ScriptedClient:
    """A client with a clock: its server publishes one of the given statuses each STEP seconds.

    The last one goes on for ever; None is a step without any.
    """

    def __init__(
        self, *statuses: ServerInfo | None, installed: tuple[str, ...] = (), answers: Sequence[object] = ()
    ) -> None:
        self._statuses = [*statuses] or [None]
        self._installed = installed
        self._answers = [*answers]
        self.now = 1000.0
        self.timeouts: list[float] = []
        self.board = Board()

    def wait_server_status(
        self, predicate: Callable[[ServerInfo], bool], timeout: float, what: str
    ) -> ServerInfo:
        self.timeouts.append(timeout)
        end = self.now + timeout
        while self.now < end:
            info = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
            self.board.note(info)
            if info is not None and predicate(info):
                return info
            self.now += STEP
        raise TimeoutException(what)

    def get_installed_sfds(self, timeout: float) -> dict[str, SFDInfo]:
        self.timeouts.append(timeout)
        return {firmware: SFDInfo(firmware) for firmware in self._installed}

    def probe_device(self, timeout: float) -> object:
        self.timeouts.append(timeout)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Told:
    """Progress that only remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @property
    def has_told(self) -> bool:
        return self.lines != []

    def tell(self, text: str) -> None:
        if text not in self.lines[-1:]:
            self.lines.append(text)


def gate_of(
    client: ScriptedClient,
    *,
    past: Past | None = None,
    told: Told | None = None,
    settings: Settings = SETTINGS,
    test: str = "test_it.py::test_now",
    **wishes: Any,
) -> Gate:
    return Gate(
        cast("ScrutinyClient", client),
        settings,
        Wishes(**wishes),
        past=past or Past(),
        progress=cast("Progress", told or Told()),
        test=test,
        clock=lambda: client.now,
    )


def pass_gate(client: ScriptedClient, **wishes: Any) -> ServerInfo:
    return gate_of(client, **wishes).wait()


@pytest.fixture(scope="module")
def ready() -> Iterator[ServerInfo]:
    """A status of a ready device with its firmware description."""
    with FakeServer() as server, ScrutinyClient().connect(server.host, server.port) as client:
        yield client.wait_server_status(lambda info: info.sfd is not None, 5, "no SFD")


def away(info: ServerInfo, **changes: Any) -> ServerInfo:
    """Return a status without device."""
    changes = {"device_comm_state": DeviceCommState.Disconnected, **changes}
    return attrs.evolve(info, device_session_id=None, device=None, sfd=None, **changes)


def link(kind: DeviceLinkType, config: object = None, operational: bool | None = True) -> DeviceLinkInfo:
    return DeviceLinkInfo(kind, config, operational)  # type: ignore[arg-type]  # any configuration will do


UDP = link(DeviceLinkType.UDP, UDPLinkConfig("10.0.0.2", 12345))
STAGES = [
    pytest.param(
        {"device_link": link(DeviceLinkType.NONE)},
        "reached status received; expected link configured, but the server has no link to a device. "
        "Choose the device's link in the server's configuration or GUI.",
        id="link configured",
    ),
    pytest.param(
        {"device_link": link(DeviceLinkType.Serial, SERIAL, operational=False)},
        "reached link configured; expected link operational, but the server cannot open its link (Serial "
        "/dev/ttyUSB0, 115200 baud). Check that the port or host exists and that nobody else has opened it.",
        id="link operational",
    ),
    pytest.param(
        {"device_link": UDP},
        "reached link operational; expected handshake, but no device answers: UDP 10.0.0.2:12345, "
        "Disconnected. Check the device's power and that its firmware calls Scrutiny's main handler.",
        id="handshake",
    ),
    pytest.param(
        {"device_link": link(DeviceLinkType.CAN, None, None), "device_comm_state": UnknownValue("sleeping")},
        "reached link configured; expected handshake, but no device answers: CAN, sleeping. "
        "Check the device's power and that its firmware calls Scrutiny's main handler, and that the server "
        "could open its link (releases up to 0.3 do not say).",
        id="an unknown state",
    ),
    pytest.param(
        {"device_link": UDP, "device_comm_state": DeviceCommState.Connecting},
        "reached handshake; expected device ready, but the device answered without becoming ready "
        "(Connecting). Give it more time, or check the link's quality.",
        id="device ready",
    ),
]


@pytest.mark.parametrize(("changes", "text"), STAGES)
def test_a_timeout_names_the_stage(ready: ServerInfo, changes: dict[str, object], text: str) -> None:
    with pytest.raises(TimeoutException) as caught:
        pass_gate(ScriptedClient(away(ready, **changes)))

    assert str(caught.value) == f"device not ready within 10 s (PYTEST_SCRUTINY_READY_TIMEOUT): {text}"


def test_a_timeout_without_any_status(ready: ServerInfo) -> None:
    with pytest.raises(TimeoutException) as caught:
        pass_gate(ScriptedClient())

    assert str(caught.value).endswith(
        "reached transport recognised; expected status received, but the server sent none. "
        "Look into its log; if it is loading a large SFD, give it more time."
    )


def test_the_last_status_counts_in_the_text(ready: ServerInfo) -> None:
    no_link = away(ready, device_link=link(DeviceLinkType.NONE))

    with pytest.raises(TimeoutException, match="reached link operational"):
        pass_gate(ScriptedClient(no_link, away(ready, device_link=UDP)))


def test_a_slow_server_is_given_more_and_more_time_for_an_answer(ready: ServerInfo) -> None:
    """While it loads a large SFD each answer may take seconds, and a question asked anew starts again."""
    client = ScriptedClient()

    with pytest.raises(TimeoutException):
        pass_gate(client)

    assert client.timeouts == [1, 2, 4, 3]
    assert client.now == 1010


def test_a_missing_firmware_description_is_waited_for_if_the_server_has_it(ready: ServerInfo) -> None:
    assert ready.device is not None
    without = attrs.evolve(ready, sfd=None)
    client = ScriptedClient(without, without, ready, installed=(ready.device.device_id,))

    info = pass_gate(client)

    assert info.sfd == ready.sfd
    assert client.now < 1001


def test_another_firmwares_description_is_not_enough(ready: ServerInfo) -> None:
    assert ready.device is not None
    other = attrs.evolve(ready, sfd=SFDInfo("0" * 32))

    with pytest.raises(TimeoutException) as caught:
        pass_gate(ScriptedClient(other, other, installed=(ready.device.device_id,)))

    assert str(caught.value).endswith(
        "reached device ready; expected SFD loaded, but the server, which has one for this firmware, loaded "
        f"{'0' * 32}. Look into the server's log, or mark the test scrutiny_ready(sfd=False)."
    )


@pytest.mark.parametrize(
    ("is_installed", "sfd"), [(False, None), (True, False)], ids=["not installed", "not wanted"]
)
def test_no_firmware_description_is_waited_for(
    ready: ServerInfo, is_installed: bool, sfd: bool | None
) -> None:
    assert ready.device is not None
    without = attrs.evolve(ready, sfd=None)
    client = ScriptedClient(without, installed=(ready.device.device_id,) if is_installed else ())

    assert pass_gate(client, sfd=sfd) == without


def test_a_server_that_falls_silent_is_not_taken_for_a_device_that_does(ready: ServerInfo) -> None:
    with pytest.raises(TimeoutException) as caught:
        pass_gate(ScriptedClient(away(ready, device_link=UDP), None))

    assert str(caught.value).endswith(
        "reached link operational; expected handshake, but the server says nothing any more. "
        "Look into its log; if it is loading a large SFD, give it more time."
    )
    assert caught.value.category == "server"


def test_a_firmware_description_that_is_asked_for_must_be_installed(ready: ServerInfo) -> None:
    assert ready.device is not None
    without = attrs.evolve(ready, sfd=None)
    client = ScriptedClient(without, installed=("2" * 32, "1" * 32))

    with pytest.raises(GateError) as caught:
        pass_gate(client, sfd=True)

    assert str(caught.value) == (
        f"no description (SFD) of firmware {ready.device.device_id}, and the test is marked "
        "scrutiny_ready(sfd=True): reached device ready; expected the server to have the SFD, but it has "
        f"{'1' * 32}, {'2' * 32}. Install it on the server's machine: scrutiny install-sfd FILE"
    )
    assert caught.value.category == "config"
    assert client.now == 1000


def test_a_session_that_lasts_only_a_moment_is_not_ready(ready: ServerInfo) -> None:
    """A real server says ready at the end of a load that took too long, and loses the device right after."""
    assert ready.device is not None
    moment, lasting = (attrs.evolve(ready, device_session_id=f"{n}session{n * 24}") for n in ("b", "c"))
    gone = away(ready, device_link=UDP)
    client = ScriptedClient(gone, gone, gone, gone, moment, gone, gone, lasting)

    assert pass_gate(client) is lasting


def test_sessions_that_come_and_go_over_several_waits_are_a_diagnosis_too(ready: ServerInfo) -> None:
    """A real server makes a new one every 6 s, so that a wait of 10 s sees one of them at times."""
    assert ready.device is not None
    one, two, three = (
        attrs.evolve(ready, sfd=None, device_session_id=f"{n}session{n * 24}") for n in ("a", "b", "c")
    )
    gone, past = away(ready, device_link=UDP), Past()
    firmware = (ready.device.device_id,)
    with pytest.raises(
        TimeoutException,
        match=r"a new session began meanwhile: bsession\. .* If sessions go on to begin, raise device\.resp",
    ):
        gate_of(ScriptedClient(one, gone, two, gone, installed=firmware), past=past).wait()
    client = ScriptedClient(gone, three, gone, installed=firmware)
    client.board.session_ids = [str(info.device_session_id) for info in (one, two)]

    with pytest.raises(GateError, match="new ones began: bsession, csession"):
        gate_of(client, past=past).wait()


def test_two_new_sessions_are_a_diagnosis(ready: ServerInfo) -> None:
    assert ready.device is not None
    one, two, three = (
        attrs.evolve(ready, sfd=None, device_session_id=f"{n}session{n * 24}") for n in ("a", "b", "c")
    )
    gone = away(ready, device_link=UDP)
    client = ScriptedClient(one, one, gone, two, gone, three, installed=(ready.device.device_id,))

    with pytest.raises(GateError) as caught:
        pass_gate(client)

    assert str(caught.value) == (
        "device not ready after 1.0 s of 10 s (PYTEST_SCRUTINY_READY_TIMEOUT): reached device ready again "
        "and again; expected its session to last, but new ones began: bsession, csession. Raise "
        "device.response_timeout in the server's configuration: if to load its SFD takes longer, a server "
        "loses the device each time."
    )
    assert caught.value.category == "config"


def test_a_diagnosis_holds_for_the_next_test(ready: ServerInfo) -> None:
    """It waits shortly, and says the same when its time is over, though it saw nothing new itself."""
    assert ready.device is not None
    one, two, three = (
        attrs.evolve(ready, sfd=None, device_session_id=f"{n}session{n * 24}") for n in ("a", "b", "c")
    )
    gone, past = away(ready, device_link=UDP), Past()
    client = ScriptedClient(one, gone, two, gone, three, gone, installed=(ready.device.device_id,))
    with pytest.raises(GateError, match=r"after 0\.8 s of 10 s"):
        gate_of(client, past=past, test="test_psu.py::test_first").wait()

    with pytest.raises(TimeoutException) as caught:
        gate_of(client, past=past).wait()

    assert str(caught.value).startswith(
        "device not ready within 2 s (instead of 10 s, for test_psu.py::test_first waited 0.8 s in vain): "
        "reached link operational; expected handshake, but no device answers: UDP 10.0.0.2:12345, "
        "Disconnected; and expected its session to last, but new ones began: bsession, csession. Raise "
    )
    assert caught.value.category == "config"
    assert gate_of(ScriptedClient(ready), past=past).wait() == ready
    assert past.vain is None


def test_a_session_that_a_load_cost_while_connecting_counts_for_the_first_wait_only(
    ready: ServerInfo,
) -> None:
    past, client = Past(), ScriptedClient(away(ready, device_link=UDP))
    client.board.loads.lost.append("a" * 32)
    with pytest.raises(
        TimeoutException, match=r"it ended as soon as its SFD was loaded: aaaaaaaa\. Raise"
    ) as first:
        gate_of(client, past=past).wait()
    with pytest.raises(TimeoutException, match=r"it ended as soon as its SFD was loaded: aaaaaaaa\. Raise"):
        gate_of(client, past=past).wait()
    past.vain = None  # a test was let through
    with pytest.raises(TimeoutException, match=r"Disconnected\. Check the device's power") as later:
        gate_of(client, past=past).wait()

    assert (first.value.category, later.value.category) == ("config", "device")


def test_many_sessions_are_counted_and_the_last_ones_named(ready: ServerInfo) -> None:
    past = Past()
    past.vain = Vain("test_psu.py::test_first", 10, frozenset({"a" * 32}))
    client = ScriptedClient(away(ready, device_link=UDP))
    client.board.session_ids = [letter * 32 for letter in "abcdef"]

    with pytest.raises(TimeoutException, match=r"began: 2 more, dddddddd, eeeeeeee, ffffffff\. Raise"):
        gate_of(client, past=past).wait()


def test_a_firmware_description_that_never_loads_costs_its_time_once(ready: ServerInfo) -> None:
    assert ready.device is not None
    past, took = Past(), []
    for _ in range(3):
        client = ScriptedClient(attrs.evolve(ready, sfd=None), installed=(ready.device.device_id,))
        start = client.now
        with pytest.raises(TimeoutException, match="loaded none"):
            gate_of(client, past=past).wait()
        took.append(client.now - start)

    assert took == [10, 2, 2]


def test_one_new_session_may_be_meant(ready: ServerInfo) -> None:
    assert ready.device is not None
    again = attrs.evolve(ready, device_session_id="b" * 32)
    client = ScriptedClient(
        attrs.evolve(ready, sfd=None), away(ready), again, installed=(ready.device.device_id,)
    )

    assert pass_gate(client) == again


def test_a_timeout_tells_of_a_new_session(ready: ServerInfo) -> None:
    assert ready.device is not None
    again = attrs.evolve(ready, sfd=None, device_session_id="b" * 32)
    client = ScriptedClient(attrs.evolve(ready, sfd=None), again, installed=(ready.device.device_id,))

    with pytest.raises(
        TimeoutException, match=r"loaded none; a new session began meanwhile: bbbbbbbb\. Look"
    ):
        pass_gate(client)


# The probe


def test_the_probe_asks_the_device_itself(ready: ServerInfo) -> None:
    client = ScriptedClient(ready, answers=["/rpv/x1000"])

    assert pass_gate(client, probe=True) == ready
    assert client.timeouts == [1, 10]


def test_a_session_that_ends_under_the_probe_is_waited_for_again(ready: ServerInfo) -> None:
    again = attrs.evolve(ready, device_session_id="b" * 32)
    client = ScriptedClient(ready, again, answers=[InvalidValueError("gone"), "/rpv/x1000"])

    assert pass_gate(client, probe=True) == again


def test_a_device_that_does_not_answer_the_probe(ready: ServerInfo) -> None:
    client = ScriptedClient(ready, answers=[TimeoutException("no fresh value came")])

    with pytest.raises(TimeoutException) as caught:
        pass_gate(client, probe=True)

    assert str(caught.value) == (
        "device not ready within 10 s (PYTEST_SCRUTINY_READY_TIMEOUT): reached SFD loaded; expected probe "
        "answered, but the device gives no value, though the server takes it for ready. "
        "Check whether its firmware hangs."
    )
    assert caught.value.category == "device"


def test_nothing_to_probe_the_device_with(ready: ServerInfo) -> None:
    client = ScriptedClient(attrs.evolve(ready, sfd=None), answers=[None])

    with pytest.raises(GateError) as caught:
        pass_gate(client, probe=True)

    assert str(caught.value) == (
        "nothing to probe the device with, and the test is marked scrutiny_ready(probe=True): reached device "
        "ready; expected a value that can be read, but the server lists none. Install the firmware's SFD on "
        "the server."
    )
    assert caught.value.category == "config"


# What earlier tests found out


def test_a_device_that_was_waited_for_in_vain_is_waited_for_shortly(ready: ServerInfo) -> None:
    past = Past()
    client = ScriptedClient(away(ready, device_link=UDP))
    with pytest.raises(TimeoutException):
        gate_of(client, past=past, test="test_psu.py::test_first").wait()

    client.now = 0
    with pytest.raises(TimeoutException) as caught:
        gate_of(client, past=past, test="test_psu.py::test_second").wait()

    assert client.now == 2
    assert str(caught.value).startswith(
        "device not ready within 2 s (instead of 10 s, for test_psu.py::test_first waited 10 s in vain): "
        "reached link operational; expected handshake"
    )
    assert past.vain is not None
    assert past.vain[:2] == ("test_psu.py::test_first", 10)


@pytest.mark.parametrize("timeout", [30, 1])
def test_a_marker_that_names_a_timeout_is_obeyed_all_the_same(ready: ServerInfo, timeout: float) -> None:
    past = Past()
    past.vain = Vain("test_psu.py::test_first", 10, frozenset())
    client = ScriptedClient(away(ready, device_link=UDP))
    client.now = 0

    with pytest.raises(TimeoutException, match=rf"within {timeout} s \(marker scrutiny_ready\)"):
        gate_of(client, past=past, ready_timeout=timeout).wait()

    assert client.now == timeout


def test_a_device_that_is_back_is_given_all_of_its_time_again(ready: ServerInfo) -> None:
    past = Past()
    past.vain = Vain("test_psu.py::test_first", 10, frozenset())
    gate_of(ScriptedClient(ready), past=past).wait()

    assert past.vain is None


def test_a_wait_that_a_marker_cut_short_proves_nothing(ready: ServerInfo) -> None:
    past = Past()

    with pytest.raises(TimeoutException):
        gate_of(ScriptedClient(away(ready, device_link=UDP)), past=past, ready_timeout=0.5).wait()

    assert past.vain is None


def test_times_shorter_than_the_short_one_stay_as_they_are(ready: ServerInfo) -> None:
    past = Past()
    past.vain = Vain("test_psu.py::test_first", 1, frozenset())

    with pytest.raises(TimeoutException, match=r"within 1 s \(PYTEST_SCRUTINY_READY_TIMEOUT\)"):
        gate_of(
            ScriptedClient(away(ready, device_link=UDP)),
            past=past,
            settings=SETTINGS._replace(ready_timeout=1.0),
        ).wait()


# Progress


WAITING = "waiting for the device, 10 s at most (PYTEST_SCRUTINY_READY_TIMEOUT): reached"
UDP_TEXT = "UDP 10.0.0.2:12345"
CONNECTING = "the device answered without becoming ready (Connecting)"


def test_what_takes_longer_than_a_second_is_told(ready: ServerInfo) -> None:
    told = Told()
    gone, connecting = (
        away(ready, device_link=UDP, device_comm_state=state)
        for state in (DeviceCommState.Disconnected, DeviceCommState.Connecting)
    )

    gate_of(ScriptedClient(*[gone] * 8, *[connecting] * 4, ready), told=told).wait()

    assert told.lines == [
        f"{WAITING} link operational; expected handshake, but no device answers: {UDP_TEXT}, Disconnected",
        f"{WAITING} handshake; expected device ready, but {CONNECTING}",
        "device ready after 3.2 s",  # the last 0.2 to see whether its session lasts
    ]


def test_a_silent_server_is_told_too() -> None:
    told = Told()

    with pytest.raises(TimeoutException):
        gate_of(ScriptedClient(), told=told).wait()

    assert told.lines == [
        f"{WAITING} transport recognised; expected status received, but the server sent none"
    ]


def test_what_is_quick_is_not_told(ready: ServerInfo) -> None:
    told = Told()

    gate_of(ScriptedClient(*[away(ready)] * 3, ready), told=told).wait()

    assert told.lines == []


# With a server and a client


GATED = "import pytest\n{mark}\ndef test_it(scrutiny_device): assert scrutiny_device.info\n"
UNPLUGGED = "reached link operational; expected handshake, but no device answers"


@pytest.mark.parametrize(
    ("mark", "options", "environment", "time"),
    [
        (
            "@pytest.mark.scrutiny_ready(timeout=0.1)",
            ["--scrutiny-ready-timeout=60"],
            "60",
            "0.1 s (marker scrutiny_ready)",
        ),
        ("", ["--scrutiny-ready-timeout=0.1"], "60", "0.1 s (--scrutiny-ready-timeout)"),
        ("", [], "0.1", "0.1 s (PYTEST_SCRUTINY_READY_TIMEOUT)"),
        ("", ["-o", "scrutiny_ready_timeout=0.1"], None, "0.1 s (-o scrutiny_ready_timeout)"),
    ],
    ids=["marker", "option", "environment", "ini"],
)
def test_the_timeout_and_its_source(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    mark: str,
    options: list[str],
    environment: str | None,
    time: str,
) -> None:
    pytester.makepyfile(GATED.format(mark=mark))
    if environment is not None:
        monkeypatch.setenv("PYTEST_SCRUTINY_READY_TIMEOUT", environment)

    with FakeServer(ready_delay=None) as server:
        result = pytester.runpytest_inprocess(*options, "--scrutiny-url", server.url)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"device not ready within {time}: {UNPLUGGED}*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_gate_waits_until_the_device_is_ready(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(GATED.format(mark=""))

    with FakeServer(ready_delay=0.2) as server:
        result = pytester.runpytest_inprocess("--scrutiny-url", server.url)

    result.assert_outcomes(passed=1)


def test_the_gate_waits_for_the_firmware_description_unless_told_not_to(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scrutiny_ready(sfd=False)
        def test_ready(scrutiny_gate):
            assert scrutiny_gate.sfd is None

        @pytest.mark.scrutiny_ready(timeout=0.1)
        def test_described(scrutiny_gate):
            raise AssertionError("it ran")
        """
    )

    with FakeServer(timing=Timing(sfd=3600, sfd_blocks=False)) as server:
        result = pytester.runpytest_inprocess("--scrutiny-url", server.url)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*reached device ready; expected SFD loaded, but the server*loaded none.*"])


# Without a server


REFUSED = (
    "cannot connect to 127.0.0.1:{port}: refused; expected a Scrutiny server there.*(address: {source};*"
)
THREE = "".join(f"def test_{n}(scrutiny_client): raise AssertionError('it ran')\n" for n in "abc")


@pytest.mark.parametrize(
    ("missing", "named", "outcomes"),
    [
        ("auto", True, {"errors": 3}),
        ("auto", False, {"skipped": 3}),
        ("skip", True, {"skipped": 3}),
        ("fail", False, {"errors": 3}),
    ],
)
def test_a_missing_server_skips_or_fails(
    pytester: pytest.Pytester, closed_port: int, missing: str, named: bool, outcomes: dict[str, int]
) -> None:
    """Nobody named it: that is the default address, here moved to a port that is surely closed."""
    pytester.makeconftest(
        f"""
        import pytest

        @pytest.fixture(scope="session")
        def scrutiny_settings(scrutiny_settings):
            return scrutiny_settings._replace(host="127.0.0.1", port={closed_port})
        """
    )
    pytester.makepyfile(THREE)
    address = ["--scrutiny-host=127.0.0.1"] if named else []

    result = pytester.runpytest_inprocess("-rs", f"--scrutiny-missing={missing}", *address)

    result.assert_outcomes(**outcomes)
    text = REFUSED.format(port=closed_port, source="--scrutiny-host" if named else "default")
    if "skipped" in outcomes:
        result.stdout.fnmatch_lines([
            f"SKIPPED [[]1] test_a_missing_server_skips_or_fails.py:{line}: {text}" for line in (1, 2, 3)
        ])  # fmt: skip
    else:
        result.stdout.fnmatch_lines([text] * 3)
        result.stdout.no_fnmatch_line("*exception*")
