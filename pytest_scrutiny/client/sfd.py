"""What reports tell of the server's loading of firmware descriptions (SFDs).

A server that loads for longer than its response timeout says at the end of it that it loaded, and finds its
device lost milliseconds later; the next session goes the same way (0.3.0, 0.4.1, 0.9.2 and 0.16.0 with
60,000 variables, observed).

PYTEST_DONT_REWRITE
"""

from collections import deque

from pytest_scrutiny.model.status import StatusReport

LONG = 0.5
"""Seconds without a report from which on a load is a long one: no response timeout is shorter."""

MOMENT = 0.5
"""Seconds that a session may live on behind a load that was too long for it; 0.001 to 0.07 were seen."""

_LOST = 64  # sessions kept; two are a diagnosis


class Loads:
    """Tells a session that a load cost from others that end.

    :ivar lost: the sessions that ended as soon as a long load of their SFD did, oldest first.
    :param asked_at: when the first report was asked for: a server that is loading answers it at the end.
    """

    def __init__(self, asked_at: float | None = None) -> None:
        self.lost: deque[str] = deque(maxlen=_LOST)
        self._report_at = asked_at
        self._long_until = 0.0  # when the last long silence ended
        self._loaded: str | None = None  # the session whose SFD is loaded
        self._loaded_at = 0.0
        self._was_long = False

    def note(self, report: StatusReport, now: float) -> None:
        """Take a report in, as it comes."""
        is_long = self._report_at is not None and now - self._report_at >= LONG
        if is_long:
            self._long_until = now
        elif report.is_whole:  # up to 0.3 the push of the new session comes behind the load too
            is_long = self._long_until > 0 and now - self._long_until < MOMENT
        self._report_at = now
        if report.session_id == self._loaded:
            return
        if self._loaded is not None and self._was_long and now - self._loaded_at < MOMENT:
            self.lost.append(self._loaded)
        self._loaded = None
        if report.session_id is not None and report.sfd_firmware_id is not None:
            self._loaded, self._loaded_at, self._was_long = report.session_id, now, is_long
