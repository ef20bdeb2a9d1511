"""The gate: its stages, what it says when one is not reached, and where its time comes from."""

import re
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any, cast

import attrs
import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import TimeoutException
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.link import DeviceLinkInfo, DeviceLinkType, SerialLinkConfig, UDPLinkConfig
from pytest_scrutiny.model.sfd import SFDInfo
from pytest_scrutiny.model.status import DeviceCommState, ServerInfo
from pytest_scrutiny.model.values import UnknownValue
from pytest_scrutiny.plugin.gate import Gate
from pytest_scrutiny.plugin.markers import Wishes
from pytest_scrutiny.plugin.options import Settings
from tests.plugin.conftest import SilentPort

SETTINGS = Settings(
    "localhost", 8765, "auto", False, "plain", 5.0, 10.0, "auto",
    MappingProxyType({"ready_timeout": "PYTEST_SCRUTINY_READY_TIMEOUT"}),
)  # fmt: skip
SERIAL = SerialLinkConfig(
    port="/dev/ttyUSB0",
    baudrate=115200,
    stopbits=SerialLinkConfig.StopBits.ONE,
    databits=SerialLinkConfig.DataBits.EIGHT,
    parity=SerialLinkConfig.Parity.NONE,
)


class ScriptedClient:
    """A client whose server publishes the given statuses, and then no more."""

    def __init__(self, *statuses: ServerInfo, installed: tuple[str, ...] = ()) -> None:
        self._statuses = [*statuses]
        self._installed = installed
        self.timeouts: list[float] = []

    def wait_server_status(
        self, predicate: Callable[[ServerInfo], bool], timeout: float, what: str
    ) -> ServerInfo:
        self.timeouts.append(timeout)
        while self._statuses:
            info = self._statuses.pop(0)
            if predicate(info):
                return info
        raise TimeoutException(what)

    def get_installed_sfds(self) -> dict[str, SFDInfo]:
        return {firmware: SFDInfo(firmware) for firmware in self._installed}


def pass_gate(client: ScriptedClient, *, sfd: bool = True) -> ServerInfo:
    wishes = Wishes(sfd=sfd)
    return Gate(cast("ScrutinyClient", client), SETTINGS, wishes).wait()


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
        "reached link operational; expected handshake, but no device answers: CAN, sleeping. "
        "Check the device's power and that its firmware calls Scrutiny's main handler.",
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
        "Check that the server is not overloaded."
    )


def test_the_last_status_counts_in_the_text(ready: ServerInfo) -> None:
    no_link = away(ready, device_link=link(DeviceLinkType.NONE))

    with pytest.raises(TimeoutException, match="reached link operational"):
        pass_gate(ScriptedClient(no_link, away(ready, device_link=UDP)))


def test_a_missing_firmware_description_is_waited_for_if_the_server_has_it(ready: ServerInfo) -> None:
    assert ready.device is not None
    without = attrs.evolve(ready, sfd=None)
    client = ScriptedClient(without, without, ready, installed=(ready.device.device_id,))

    info = pass_gate(client)

    assert info.sfd == ready.sfd
    assert client.timeouts[1] < client.timeouts[0] <= 10


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
    ("is_installed", "sfd"), [(False, True), (True, False)], ids=["not installed", "not wanted"]
)
def test_no_firmware_description_is_waited_for(ready: ServerInfo, is_installed: bool, sfd: bool) -> None:
    assert ready.device is not None
    without = attrs.evolve(ready, sfd=None)
    client = ScriptedClient(without, installed=(ready.device.device_id,) if is_installed else ())

    assert pass_gate(client, sfd=sfd) == without


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

    with FakeServer(timing=Timing(sfd=3600)) as server:
        result = pytester.runpytest_inprocess("--scrutiny-url", server.url)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*reached device ready; expected SFD loaded, but the server*loaded none.*"])


def test_a_server_that_dies_costs_no_later_test_any_time(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        from pytest_scrutiny import FakeServer

        @pytest.fixture(scope="session")
        def server():
            with FakeServer() as server:
                yield server

        @pytest.fixture(scope="session")
        def scrutiny_settings(scrutiny_settings, server):
            return scrutiny_settings._replace(host=server.host, port=server.port, ready_timeout=600)
        """
    )
    pytester.makepyfile(
        """
        def test_kill(scrutiny_features, server):
            server.stop()

        def test_next(scrutiny_features): raise AssertionError("it ran")
        def test_last(scrutiny_device): raise AssertionError("it ran")
        """
    )

    result = pytester.runpytest_inprocess("--scrutiny-port=1")

    result.assert_outcomes(passed=1, errors=2)
    lines = [line for line in result.outlines if line.startswith("the server is lost: ")]
    assert len(lines) == 2
    pattern = (
        r"the server is lost: .*; expected it to stay at 127.0.0.1:\d+ \(--scrutiny-port\)\. Look into .*"
    )
    assert all(re.fullmatch(pattern, line) for line in lines)
    result.stdout.no_fnmatch_line("*Traceback*")


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


def test_a_dead_server_costs_one_connect_timeout_a_run(
    pytester: pytest.Pytester, silent_port: SilentPort
) -> None:
    pytester.makepyfile(THREE + "def test_d(scrutiny_device): raise AssertionError('it ran')\n")

    result = pytester.runpytest_inprocess(*silent_port.address, "--scrutiny-connect-timeout=0.2")

    result.assert_outcomes(errors=4)
    assert silent_port.count_connections() == 1
    result.stdout.fnmatch_lines(["cannot connect to 127.0.0.1:*within 0.2 s*"] * 4)
