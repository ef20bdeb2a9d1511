"""Whether the device's sessions last: what one wait for it, or several in vain, saw of them.

Rule 1: one new session is a reset, and a reset may be meant; FLAPPING of them are a diagnosis.
Rule 2: so are FLAPPING that ended as soon as their SFD was loaded. A single one of those gives the better
    advice, when the device does not come.
Rule 3: what waits in vain saw counts for the next wait; but it is told only with something new, or when the
    time is over.
"""

from typing import NamedTuple

from pytest_scrutiny.client.status import StatusBoard
from pytest_scrutiny.hil.resets import short
from pytest_scrutiny.model.status import ServerInfo

FLAPPING = 2
"""Sessions that make a diagnosis."""

ADVICE = (
    "Raise device.response_timeout in the server's configuration: if to load its SFD takes longer, a server "
    "loses the device each time."
)

PERHAPS = (
    "If sessions go on to begin, raise device.response_timeout in the server's configuration: while a server "
    "loads a large SFD, it may lose the device."
)
"""What to say of one new session; releases up to 0.3 do not show that it was lost over its SFD."""

_SHOWN = 3  # sessions that a text names, the last ones


class Vain(NamedTuple):
    """A test that waited for its device in vain.

    :ivar known: the device's sessions before that wait, so that later ones go on counting new ones.
    :ivar lost: those that had ended as soon as their SFD was loaded.
    """

    test: str
    timeout: float
    known: frozenset[str | None]
    lost: frozenset[str] = frozenset()


class Unrest:
    """What a wait saw of sessions that do not last.

    :param vain: the wait in vain before this one, if there was one.
    :param is_first: no wait for this connection was over yet, so that what was seen while connecting counts.
    """

    def __init__(self, board: StatusBoard, vain: Vain | None, *, is_first: bool = False) -> None:
        self._board = board
        self._goes_on = vain is not None
        self._has_looked = False
        self._known = frozenset[str | None](board.session_ids) if vain is None else vain.known
        self._lost = frozenset[str](() if is_first else self._lost_ever) if vain is None else vain.lost
        self._before = len(self.new), len(self.lost)

    def look(self, info: ServerInfo) -> None:
        """Take a status in; the first one may show a session that began long before, unnoticed."""
        if not self._has_looked and not self._goes_on:
            self._known |= {info.device_session_id}
        self._has_looked = True

    def as_vain(self, test: str, timeout: float) -> Vain:
        """Return what the next wait should know of this one."""
        return Vain(test, timeout, self._known, self._lost)

    @property
    def _lost_ever(self) -> list[str]:
        return [*self._board.loads.lost]

    @property
    def new(self) -> list[str]:
        """The sessions that began after another one; the very first one of all is none of them."""
        sessions = self._board.session_ids
        known = self._known - {None} or {*sessions[:1]}
        return [session for session in sessions if session not in known]

    @property
    def lost(self) -> list[str]:
        """The sessions that ended as soon as their SFD was loaded."""
        return [session for session in self._lost_ever if session not in self._lost]

    @property
    def is_diagnosis(self) -> bool:
        """Whether sessions come and go; never before something new was seen."""
        counts = len(self.new), len(self.lost)
        return max(counts) >= FLAPPING and counts != self._before

    @property
    def is_likely(self) -> bool:
        """Whether sessions come and go, as far as one can tell when there is no time left."""
        return len(self.new) >= FLAPPING or bool(self.lost)

    @property
    def story(self) -> str:
        """What was seen."""
        if self.lost:
            return f"it ended as soon as its SFD was loaded: {_shown(self.lost)}"
        return f"new ones began: {_shown(self.new)}"


def _shown(sessions: list[str]) -> str:
    more = f"{len(sessions) - _SHOWN} more, " if len(sessions) > _SHOWN else ""
    return more + ", ".join(short(session) for session in sessions[-_SHOWN:])
