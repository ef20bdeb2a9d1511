"""What a server knows of its device over time: the link, the session, the loaded firmware description.

One physical event shows as a burst, in the order real servers have (protocol: docs/protocol.md). A device
becomes ready: ``connected_ready`` without SFD, then the SFD, then the datalogger's standby. A device is
lost: ``disconnected`` with the old SFD, then without it, then the datalogger unavailable.

PYTEST_DONT_REWRITE
"""

import enum
import math
import uuid
from collections.abc import Callable

import attrs

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.model.datalog import DataloggerState, DataloggingInfo
from pytest_scrutiny.model.link import DeviceLinkInfo, DeviceLinkType, UDPLinkConfig
from pytest_scrutiny.model.sfd import SFDInfo
from pytest_scrutiny.model.status import DeviceCommState

# Never "dummy" by itself: official clients up to 0.7.1 disconnect when they see it (observed).
DEFAULT_LINK = DeviceLinkInfo(
    type=DeviceLinkType.UDP, config=UDPLinkConfig("127.0.0.1", 12345), operational=True, demo_mode=False
)
NO_LINK = DeviceLinkInfo(type=DeviceLinkType.NONE, config=None, operational=False, demo_mode=False)
"""Nobody has told the server where its device is."""

DEAD_LINK = attrs.evolve(DEFAULT_LINK, operational=False)
"""The server knows where, but cannot open the way there."""

_AFTER_LOADING = 0.03
"""Seconds from the end of a load until the server notices what it missed; 1 to 130 ms were seen (0.16.0)."""

_NO_DATALOGGER = DataloggingInfo(DataloggerState.NA, None)
_STANDBY = DataloggingInfo(DataloggerState.Standby, None)


@attrs.frozen(kw_only=True)
class Timing:
    """How long things take, in seconds; the defaults are those of a device that answers at once.

    :ivar poll: between two reads of what is watched.
    :ivar exchange: from a subscription or a write until the device is read again.
    :ivar sfd: from ready until the firmware description is loaded: 50 to 70 us for each variable on a real
        server (0.16.0, observed). ``math.inf`` never loads it, and keeps nobody waiting.
    :ivar sfd_blocks: while it loads the server serves nobody, as real ones: they have one loop for it all.
    :ivar datalogging: from ready until the datalogger's standby is known.
    :ivar session: from ready until the device is lost by itself, again and again. Shorter than ``sfd``, it is
        the story of a response timeout that is too short for the firmware description: a server that serves
        nobody while it loads finds the device lost right behind that. None: never.
    :ivar reconnect: from the loss of a device that is there to its next session.
    :ivar response_timeout: silence after which a server gives a device up.
    """

    poll: float = 0.010
    exchange: float = 0.0
    sfd: float = 0.003
    sfd_blocks: bool = True
    datalogging: float = 0.006
    session: float | None = None
    reconnect: float = 0.020
    response_timeout: float = 1.0


class Change(enum.Enum):
    """What just happened to the device; the link's attributes already tell it."""

    READY = "ready"
    LOST = "lost"
    SFD_LOADED = "sfd loaded"
    SFD_UNLOADED = "sfd unloaded"
    DATALOGGING = "datalogging"
    DATALOGGING_GONE = "datalogging gone"
    LINK = "link"


class DeviceLink:
    """The way from the server to its device.

    :ivar session_id: 32 hex digits while the device is ready; None otherwise.
    :ivar is_loading: the firmware description is being loaded, and the server has no time for anybody.
    :ivar is_silent: the device is there and says nothing, and the server has not given it up yet.
    :ivar session_count: how many sessions there have been.
    :param tell: called at every step, after it.
    """

    def __init__(
        self,
        device: SimulatedDevice,
        timing: Timing,
        tell: Callable[[Change], None],
        info: DeviceLinkInfo = DEFAULT_LINK,
    ) -> None:
        self.device = device
        self.timing = timing
        self.comm_state = DeviceCommState.Disconnected
        self.session_id: str | None = None
        self.sfd: SFDInfo | None = None
        self.datalogging = _NO_DATALOGGER
        self.info = info
        self.is_loading = False
        self.is_silent = False
        self.session_count = 0
        self._tell = tell
        self._is_plugged = False
        self._agenda: list[tuple[float, Callable[[], None]]] = []  # soonest first

    @property
    def is_ready(self) -> bool:
        """Whether a session is going on, as far as the server knows."""
        return self.comm_state is DeviceCommState.ConnectedReady

    @property
    def is_answering(self) -> bool:
        """Whether reads and writes get an answer at present."""
        return self.is_ready and not self.is_silent and not self.is_loading

    @property
    def next_time(self) -> float | None:
        """The moment at which :meth:`advance` has something to do; None if never."""
        return self._agenda[0][0] if self._agenda else None

    def advance(self, now: float) -> None:
        """Do what is due."""
        while self._agenda and self._agenda[0][0] <= now:
            self._agenda.pop(0)[1]()

    def plug(self, now: float, delay: float = 0.0) -> None:
        """Connect the device; it is ready ``delay`` seconds later, with ``math.inf`` connecting for ever."""
        self._is_plugged = True
        if not self.is_ready:
            self._connect(now, delay)

    def unplug(self) -> None:
        """Take the device away; the server notices at once."""
        self._is_plugged = False
        self._lose()

    def reset(self, now: float) -> None:
        """Restart the device: all values as in the beginning, and a new session."""
        self.device.reboot()
        self.is_silent = False
        self.reconnect(now)

    def reconnect(self, now: float) -> None:
        """End the session; the next one begins a little later, if the device is there."""
        self._lose()
        if self._is_plugged:
            self._connect(now, self.timing.reconnect)

    def hang(self, now: float) -> None:
        """Let the device stop answering; the server gives it up after its response timeout."""
        self.is_silent = True
        if self.is_ready:
            self._plan(now + self.timing.response_timeout, self._lose)
        else:
            self._agenda.clear()  # it was about to answer

    def resume(self, now: float) -> None:
        """Let the device answer again: in the same session, or in a new one if it was given up."""
        self.is_silent = False
        self._agenda.clear()
        if self.is_ready:
            self._plan_discoveries(now)
        elif self._is_plugged:
            self._connect(now, self.timing.reconnect)

    def configure(self, info: DeviceLinkInfo, now: float) -> None:
        """Use another link: the device is lost, and found again if the new one leads anywhere."""
        self.info = info
        self._lose()
        if self._is_plugged and info.operational:
            self._connect(now, self.timing.reconnect)

    def _plan(self, when: float, step: Callable[[], None]) -> None:
        if when == math.inf:
            return
        self._agenda.append((when, step))
        self._agenda.sort(key=lambda entry: entry[0])

    def _connect(self, now: float, delay: float) -> None:
        self._agenda.clear()
        if self.is_silent or not self.info.operational:
            return
        self.comm_state = DeviceCommState.Connecting
        self._plan(now + delay, lambda: self._become_ready(now + delay))

    def _end_session(self, now: float) -> None:
        self._lose()
        self._connect(now, self.timing.reconnect)

    def _become_ready(self, now: float) -> None:
        self.comm_state = DeviceCommState.ConnectedReady
        self.session_id = uuid.uuid4().hex
        self.session_count += 1
        self._tell(Change.READY)
        self._plan_discoveries(now)

    def _plan_discoveries(self, now: float) -> None:
        if self.sfd is None and self._is_sfd_for_this_firmware:
            self._plan(now + self.timing.sfd, self._load_sfd)
            self.is_loading = self.timing.sfd_blocks and self.timing.sfd < math.inf
        if self.timing.session is not None:
            end = now + self.timing.session
            if self.is_loading:
                end = max(end, now + self.timing.sfd + _AFTER_LOADING)
            self._plan(end, lambda: self._end_session(end))
        if self.datalogging is _NO_DATALOGGER and self.device.features.datalogging:
            self._plan(now + self.timing.datalogging, self._find_datalogger)

    @property
    def _is_sfd_for_this_firmware(self) -> bool:
        sfd = self.device.profile.sfd
        return sfd is not None and sfd.firmware_id == self.device.profile.firmware_id

    def _load_sfd(self) -> None:
        self.is_loading = False
        self.sfd = self.device.profile.sfd
        self._tell(Change.SFD_LOADED)

    def _find_datalogger(self) -> None:
        self.datalogging = _STANDBY
        self._tell(Change.DATALOGGING)

    def _lose(self) -> None:
        self._agenda.clear()
        self.is_loading = False
        was_ready, self.comm_state = self.is_ready, DeviceCommState.Disconnected
        self.session_id = None
        if not was_ready:
            return
        self._tell(Change.LOST)
        datalogging, self.datalogging = self.datalogging, _NO_DATALOGGER
        if self.sfd is not None:
            self.sfd = None
            self._tell(Change.SFD_UNLOADED)
        if datalogging is not _NO_DATALOGGER:
            self._tell(Change.DATALOGGING_GONE)
