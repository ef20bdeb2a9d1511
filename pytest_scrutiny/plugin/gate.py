"""The gate: it holds a test until the device is really ready.

Imported by the first fixture that needs it, because it brings the client along.

Rule 1: the server is asked afresh for every test; what it said to an earlier one does not count.
Rule 2: ready has stages. A timeout names the last stage reached, what was seen at the next one, one thing to
    try, and where its time came from. What waiting cannot mend is said at once.
Rule 3: a feature that the device lacks skips the test; a device that does not come is an error, never a skip.
    pytest shows a skip that a fixture raised at the test's own line.
Rule 4: a device that one test waited for in vain costs later ones SHORT seconds at most, until it is back. A
    marker that names a timeout is obeyed all the same.
"""

import contextlib
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TypeVar

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import ConnectionError, InvalidValueError, ScrutinyError, TimeoutException
from pytest_scrutiny.hil.resets import short
from pytest_scrutiny.model.status import ServerInfo
from pytest_scrutiny.plugin.connect import Past, is_lost, past_of, reconnect
from pytest_scrutiny.plugin.markers import READY, Wishes, read_wishes
from pytest_scrutiny.plugin.options import Settings
from pytest_scrutiny.plugin.progress import PATIENCE, Progress
from pytest_scrutiny.plugin.report import claim, fail, skip
from pytest_scrutiny.plugin.stages import (
    ALL_STAGES,
    DEVICE_STAGES,
    SFD_STAGE,
    STATUS_STAGE,
    Finding,
    Stage,
    count_reached,
    find,
)
from pytest_scrutiny.plugin.unrest import ADVICE, PERHAPS, Unrest

SHORT = 2.0
"""Seconds to wait for a device that an earlier test waited for in vain; a boot takes less as a rule."""

SUSPICIOUS = 0.5
"""Seconds from which on a wait for the device asks whether its session lasts."""

SETTLING = 0.2
"""Seconds for a session to prove that it lasts."""

SILENCE = 0.5
"""Seconds without a status that are worth a word: they come every 0.05 s while a gate waits."""

LOADING = (
    "device ready",
    SFD_STAGE.name,
    "the server says nothing since, as servers do while they load a large SFD",
    "Give it more time.",
    "server",
)
PROBE = (
    "probe answered",
    "the device gives no value, though the server takes it for ready",
    "Check whether its firmware hangs.",
    "device",
)

T = TypeVar("T")


class GateError(ScrutinyError):
    """What the gate found that no waiting can mend."""

    def __init__(self, message: str, category: str) -> None:
        super().__init__(message)
        self.category = category


class FlappingError(GateError):
    """The device's sessions come and go."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "config")


def pass_gate(request: pytest.FixtureRequest) -> ServerInfo:
    """Return the status that let this test through; skip it if the device lacks what its markers require."""
    claim(request.node)
    # Both asked for by name, so that a conftest that overrides them is honoured.
    settings: Settings = request.getfixturevalue("scrutiny_settings")
    client: ScrutinyClient = request.getfixturevalue("scrutiny_client")
    complaint: Exception | None = None
    try:
        wishes = read_wishes(request.node)
        info = _wait_connected(request, client, settings, wishes)
    except (ScrutinyError, ValueError) as exc:
        complaint = exc
    if complaint is not None:  # raised here, outside of any except, so that one line is all there is to read
        category = complaint.category if isinstance(complaint, ScrutinyError) else "test"
        fail(request.config, str(complaint), category)
    _skip_if_lacking(request.config, settings, info, wishes)
    return info


def _wait_connected(
    request: pytest.FixtureRequest, client: ScrutinyClient, settings: Settings, wishes: Wishes
) -> ServerInfo:
    """Wait for the device; if the server was restarted since the last test, or right now, connect again."""
    config = request.config
    if is_lost(client):
        _reconnect(config, client, settings)
    gate = Gate(
        client, settings, wishes, past=past_of(config), progress=Progress(config), test=request.node.nodeid
    )
    try:
        return gate.wait()
    except ConnectionError:
        _reconnect(config, client, settings)
    try:
        return gate.wait()
    except ConnectionError as exc:
        raise ConnectionError(
            f"the server is lost: {exc}; expected it to stay at {settings.address} "
            f"({settings.sources['address']}). Look into its log."
        ) from exc


def _reconnect(config: pytest.Config, client: ScrutinyClient, settings: Settings) -> None:
    complaint = reconnect(config, client, settings)
    if complaint:
        raise GateError(complaint, ConnectionError.category)


def _skip_if_lacking(config: pytest.Config, settings: Settings, info: ServerInfo, wishes: Wishes) -> None:
    assert info.device is not None
    features = info.device.supported_features
    lacking = [name for name in wishes.features if not getattr(features, name)]
    if not lacking:
        return
    name, wanted = info.device.display_name, ", ".join(lacking)
    if {*lacking} & {*settings.no_skip}:
        fail(
            config,
            f"device {name} lacks {wanted}; expected it, because to lack {', '.join(settings.no_skip)} is an "
            f"error ({settings.sources['no_skip']}). Check that the right device runs the right firmware.",
            "device",
        )
    skip(config, f"device {name} lacks {wanted}", f"{wanted} ({name})")


class Gate:
    """One test's wait for the device.

    :param test: who waits, for the texts of later tests.
    """

    def __init__(
        self,
        client: ScrutinyClient,
        settings: Settings,
        wishes: Wishes,
        *,
        past: Past,
        progress: Progress,
        test: str = "",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._client, self._wishes, self._test = client, wishes, test
        self._past, self._progress, self._clock = past, progress, clock
        self._timeout, self._source = _time_of(settings, wishes, past)
        self._is_whole = self._timeout >= settings.ready_timeout
        self._start = clock()
        self._end = self._start + self._timeout
        self._seen: ServerInfo | None = None
        self._seen_at = self._start
        self._unrest = Unrest(client.board, past.vain)  # until wait

    def wait(self) -> ServerInfo:
        """Return the first fresh status in which all stages are reached.

        :raises TimeoutException: if there is none in time.
        :raises GateError: if waiting longer is of no use.
        :raises ConnectionError: as soon as the connection is gone; the wait may then begin anew.
        """
        board = self._client.board
        self._unrest = Unrest(board, self._past.vain, is_first=self._past.board is not board)
        self._past.board = board
        try:
            info = self._wait_answering()
        except TimeoutException:
            if self._is_whole:
                self._past.vain = self._unrest.as_vain(self._test, self._timeout)
            raise
        except FlappingError:
            if self._past.vain is None:
                self._past.vain = self._unrest.as_vain(self._test, round(self._clock() - self._start, 1))
            raise
        self._past.vain = None
        if self._progress.has_told:
            self._progress.tell(f"device ready after {self._clock() - self._start:.1f} s")
        return info

    def _wait_answering(self) -> ServerInfo:
        while True:
            self._seen = None
            info = self._wait_status(DEVICE_STAGES)
            info = self._wait_described(info)
            if self._is_lasting(info) and (not self._wishes.probe or self._is_answering()):
                return info
            self._check_sessions()

    def _is_lasting(self, info: ServerInfo) -> bool:
        """Return whether a session that was waited for is more than a moment of one.

        A server that loads an SFD for longer than its response timeout says ready at the end of it, and finds
        its device lost a few milliseconds later (0.16.0 with 40,000 variables, observed).
        """
        if self._clock() - self._start < SUSPICIOUS:
            return True

        def is_other(now: ServerInfo) -> bool:
            return now.device_session_id != info.device_session_id

        with contextlib.suppress(TimeoutException):
            self._client.wait_server_status(is_other, SETTLING, "the session goes on")
            return False
        last = self._patiently(
            lambda timeout: self._client.wait_server_status(lambda _: True, timeout, "no status"),
            DEVICE_STAGES,
        )
        return not is_other(last)

    def _wait_described(self, info: ServerInfo) -> ServerInfo:
        """Wait for the firmware description, if the test wants one and the server has it."""
        if self._wishes.sfd is False or SFD_STAGE.is_reached(info):
            return info
        assert info.device is not None
        installed = self._patiently(self._client.get_installed_sfds, ALL_STAGES)
        if info.device.device_id in installed:
            return self._wait_status(ALL_STAGES)
        if self._wishes.sfd is None:
            return info
        raise GateError(
            f"no description (SFD) of firmware {info.device.device_id}, and the test is marked "
            f"{READY}(sfd=True): reached device ready; expected the server to have the SFD, but it has "
            f"{', '.join(sorted(installed)) or 'none at all'}. "
            "Install it on the server's machine: scrutiny install-sfd FILE",
            SFD_STAGE.category,
        )

    def _wait_status(self, stages: Sequence[Stage]) -> ServerInfo:
        def is_ready(info: ServerInfo) -> bool:
            return self._look(stages, info)

        return self._patiently(
            lambda timeout: self._client.wait_server_status(is_ready, timeout, "the device was not ready"),
            stages,
        )

    def _patiently(self, ask: Callable[[float], T], stages: Sequence[Stage]) -> T:
        """Ask until there is an answer or no time is left; in between, say what is being waited for."""
        patience = PATIENCE
        while True:
            remaining = self._end - self._clock()
            try:
                # At least a moment, so that a device that is ready passes however short the time is.
                return ask(max(min(remaining, patience), 0.001))
            except TimeoutException as exc:
                self._check_sessions()
                if self._clock() >= self._end:
                    raise self._too_late(self._find(stages)) from exc
            patience *= 2  # a server may need longer than this for each answer, while it loads an SFD
            self._tell(stages)

    def _look(self, stages: Sequence[Stage], info: ServerInfo) -> bool:
        """Return whether this status is the one; if not, say what is being waited for."""
        self._seen, self._seen_at = info, self._clock()
        self._unrest.look(info)
        if count_reached(stages, info) == len(stages):
            return True
        self._check_sessions()
        if self._seen_at - self._start >= PATIENCE:
            self._tell(stages)
        return False

    def _check_sessions(self) -> None:
        if self._unrest.is_diagnosis:
            raise FlappingError(
                f"device not ready after {self._clock() - self._start:.1f} s of {self._timeout:g} s "
                f"({self._source}): reached device ready again and again; expected its session to last, but "
                f"{self._unrest.story}. {ADVICE}"
            )

    def _is_answering(self) -> bool:
        """Return whether the device itself answered; False if its session ended instead."""
        assert self._seen is not None
        reached = ALL_STAGES[count_reached(ALL_STAGES, self._seen) - 1].name
        try:
            path = self._client.probe_device(max(self._end - self._clock(), 0.001))
        except InvalidValueError:
            return False
        except TimeoutException as exc:
            raise self._too_late(Finding(reached, *PROBE)) from exc
        if path is None:
            raise GateError(
                f"nothing to probe the device with, and the test is marked {READY}(probe=True): reached "
                f"{reached}; expected a value that can be read, but the server lists none. "
                "Install the firmware's SFD on the server.",
                "config",
            )
        return True

    # What is said

    def _find(self, stages: Sequence[Stage]) -> Finding:
        if self._clock() - self._seen_at >= SILENCE and self._client.board.is_loading_sfd:
            return Finding(*LOADING)
        if self._seen is None:
            missed = STATUS_STAGE
            return Finding(
                "transport recognised", missed.name, "the server sent none", missed.advice, missed.category
            )
        finding = find(stages, self._seen)
        if self._clock() - self._seen_at >= SILENCE:
            seen = "the server says nothing any more"
            return finding._replace(seen=seen, advice=STATUS_STAGE.advice, category="server")
        return finding

    def _tell(self, stages: Sequence[Stage]) -> None:
        self._progress.tell(
            f"waiting for the device, {self._timeout:g} s at most ({self._source}): {self._find(stages)}"
        )

    def _too_late(self, finding: Finding) -> TimeoutException:
        unrest = self._unrest
        if unrest.is_likely:
            seen = f"{finding.seen}; and expected its session to last, but {unrest.story}"
            finding = finding._replace(seen=seen, advice=ADVICE, category="config")
        elif unrest.new:
            seen = f"{finding.seen}; a new session began meanwhile: {short(unrest.new[0])}"
            finding = finding._replace(seen=seen, advice=f"{finding.advice} {PERHAPS}")
        error = TimeoutException(
            f"device not ready within {self._timeout:g} s ({self._source}): {finding}. {finding.advice}"
        )
        error.category = finding.category
        return error


def _time_of(settings: Settings, wishes: Wishes, past: Past) -> tuple[float, str]:
    """Return how long to wait, and who said so."""
    if wishes.ready_timeout is not None:
        return wishes.ready_timeout, f"marker {READY}"
    if past.vain is not None and settings.ready_timeout > SHORT:
        test, timeout, *_ = past.vain
        return SHORT, f"instead of {settings.ready_timeout:g} s, for {test} waited {timeout:g} s in vain"
    return settings.ready_timeout, settings.sources["ready_timeout"]
