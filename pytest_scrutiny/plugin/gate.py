"""The gate: it connects, and holds a test until the device is really ready.

Imported by the first fixture that needs it, because it brings the client along.

Rule 1: the server is asked afresh for every test; what it said to an earlier one does not count.
Rule 2: ready has stages. The first three (resolve host, TCP, transport recognised) are those of ``connect``
    and its errors; the others are the table STAGES. A timeout names the last stage reached, what was seen at
    the next one, one thing to try, and where its time came from.
Rule 3: a feature that the device lacks skips the test; a device that does not come is an error, never a skip.
    pytest shows a skip that a fixture raised at the test's own line.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import NamedTuple, NoReturn

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import ConnectionError, ScrutinyError, TimeoutException
from pytest_scrutiny.model.link import (
    DeviceLinkInfo,
    DeviceLinkType,
    SerialLinkConfig,
    TCPLinkConfig,
    UDPLinkConfig,
)
from pytest_scrutiny.model.status import DeviceCommState, ServerInfo
from pytest_scrutiny.plugin.markers import READY, Wishes, read_wishes
from pytest_scrutiny.plugin.options import Settings


class Stage(NamedTuple):
    """A step on the way to a ready device.

    :ivar is_reached: looks at one status; a later stage counts only after all before it.
    :ivar seen: what a status shows when the stage is not reached.
    :ivar advice: one thing to try then.
    """

    name: str
    is_reached: Callable[[ServerInfo], bool]
    seen: Callable[[ServerInfo], str]
    advice: str


STATUS_STAGE = Stage(
    "status received",
    lambda _: True,
    lambda _: "",  # whoever is given a status has reached it
    "Check that the server is not overloaded.",
)
DEVICE_STAGES = (
    STATUS_STAGE,
    Stage(
        "link configured",
        lambda info: info.device_link.type is not DeviceLinkType.NONE,
        lambda _: "the server has no link to a device",
        "Choose the device's link in the server's configuration or GUI.",
    ),
    Stage(
        "link operational",
        lambda info: info.device_link.operational is not False,  # None: servers 0.1 to 0.3 do not say
        lambda info: f"the server cannot open its link ({describe_link(info.device_link)})",
        "Check that the port or host exists and that nobody else has opened it.",
    ),
    Stage(
        "handshake",
        lambda info: info.device_comm_state in (DeviceCommState.Connecting, DeviceCommState.ConnectedReady),
        lambda info: f"no device answers: {describe_link(info.device_link)}, {info.device_comm_state.name}",
        "Check the device's power and that its firmware calls Scrutiny's main handler.",
    ),
    Stage(
        "device ready",
        lambda info: info.device_comm_state is DeviceCommState.ConnectedReady and info.device is not None,
        lambda info: f"the device answered without becoming ready ({info.device_comm_state.name})",
        "Give it more time, or check the link's quality.",
    ),
)
SFD_STAGE = Stage(
    "SFD loaded",
    lambda info: info.device is not None and info.sfd_firmware_id == info.device.device_id,
    lambda info: f"the server, which has one for this firmware, loaded {info.sfd_firmware_id or 'none'}",
    f"Look into the server's log, or mark the test {READY}(sfd=False).",
)


def describe_link(link: DeviceLinkInfo) -> str:
    """Return what a link is, to be read by people."""
    match link.config:
        case UDPLinkConfig(host, port) | TCPLinkConfig(host, port):
            return f"{link.type.name} {host}:{port}"
        case SerialLinkConfig() as serial:
            return f"{link.type.name} {serial.port}, {serial.baudrate} baud"
    return link.type.name


@contextlib.contextmanager
def connected_client(settings: Settings) -> Iterator[ScrutinyClient]:
    """Connect as the settings say, and disconnect at the end.

    Without a server the test is skipped or fails, as the setting ``missing`` says.
    """
    with contextlib.ExitStack() as stack:
        if settings.fake:
            from pytest_scrutiny.fakeserver.profiles import make_device
            from pytest_scrutiny.fakeserver.server import FakeServer

            fake = stack.enter_context(FakeServer(device=make_device(settings.profile)))
            settings = settings._replace(host=fake.host, port=fake.port)
        client = stack.enter_context(ScrutinyClient("pytest-scrutiny"))
        complaint = _connect(client, settings)
        if complaint:  # raised here, outside of any except, so that one line is all there is to read
            _miss_server(settings, complaint)
        yield client


def _connect(client: ScrutinyClient, settings: Settings) -> str:
    """Connect; return why that was not possible, or ``""``."""
    try:
        client.connect(
            settings.host, settings.port, timeout=settings.connect_timeout, transport=settings.transport
        )
    except ScrutinyError as exc:
        return f"{exc} (address: {settings.sources['address']}; --scrutiny-fake needs no server)"
    return ""


def _miss_server(settings: Settings, complaint: str) -> NoReturn:
    if settings.missing == "skip" or (settings.missing == "auto" and settings.is_address_default):
        pytest.skip(complaint)
    pytest.fail(complaint, pytrace=False)


def pass_gate(request: pytest.FixtureRequest) -> ServerInfo:
    """Return the status that let this test through; skip it if the device lacks what its markers require."""
    # Both asked for by name, so that a conftest that overrides them is honoured.
    settings: Settings = request.getfixturevalue("scrutiny_settings")
    client: ScrutinyClient = request.getfixturevalue("scrutiny_client")
    try:
        wishes = read_wishes(request.node)
        info = Gate(client, settings, wishes).wait()
    except ConnectionError as exc:
        complaint = (
            f"the server is lost: {exc}; expected it to stay at {settings.address} "
            f"({settings.sources['address']}). Look into its log."
        )
    except (ScrutinyError, ValueError) as exc:
        complaint = str(exc)
    else:
        _skip_if_lacking(info, wishes)
        return info
    pytest.fail(complaint, pytrace=False)


def _skip_if_lacking(info: ServerInfo, wishes: Wishes) -> None:
    assert info.device is not None
    features = info.device.supported_features
    lacking = [name for name in wishes.features if not getattr(features, name)]
    if lacking:
        pytest.skip(f"device {info.device.display_name} lacks {', '.join(lacking)}")


class Gate:
    """One test's wait for the device."""

    def __init__(self, client: ScrutinyClient, settings: Settings, wishes: Wishes) -> None:
        self._client = client
        self._wants_sfd = wishes.sfd
        self._timeout, self._source = settings.ready_timeout, settings.sources["ready_timeout"]
        if wishes.ready_timeout is not None:
            self._timeout, self._source = wishes.ready_timeout, f"marker {READY}"
        self._end = monotonic() + self._timeout

    def wait(self) -> ServerInfo:
        """Return the first fresh status in which all stages are reached.

        :raises TimeoutException: if there is none in time.
        :raises ConnectionError: as soon as the connection is gone.
        """
        info = self._wait(DEVICE_STAGES)
        if self._wants_sfd and not SFD_STAGE.is_reached(info) and self._is_sfd_installed(info):
            info = self._wait((*DEVICE_STAGES, SFD_STAGE))
        return info

    def _is_sfd_installed(self, info: ServerInfo) -> bool:
        assert info.device is not None
        return info.device.device_id in self._client.get_installed_sfds()

    def _wait(self, stages: Sequence[Stage]) -> ServerInfo:
        seen: list[ServerInfo] = []

        def is_ready(info: ServerInfo) -> bool:
            seen[:] = [info]
            return _count_reached(stages, info) == len(stages)

        try:
            # At least a moment, so that a device that is ready passes however short the time is.
            remaining = max(self._end - monotonic(), 0.001)
            return self._client.wait_server_status(is_ready, remaining, "the device was not ready")
        except TimeoutException as exc:
            raise TimeoutException(self._too_late(stages, seen)) from exc

    def _too_late(self, stages: Sequence[Stage], seen: Sequence[ServerInfo]) -> str:
        count = _count_reached(stages, seen[0]) if seen else 0
        reached = stages[count - 1].name if count else "transport recognised"
        missed = stages[count]
        found = missed.seen(seen[0]) if seen else "the server sent none"
        return (
            f"device not ready within {self._timeout:g} s ({self._source}): reached {reached}; "
            f"expected {missed.name}, but {found}. {missed.advice}"
        )


def _count_reached(stages: Sequence[Stage], info: ServerInfo) -> int:
    """Return how many of the stages were reached without a gap."""
    return next((count for count, stage in enumerate(stages) if not stage.is_reached(info)), len(stages))
