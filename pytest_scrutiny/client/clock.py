"""The server's clock: its microseconds as times of the day.

A server from 0.4 on stamps values and writes with microseconds since its start, and tells in its ``welcome``
when that was. Releases 0.1 to 0.3 stamp nothing; there the time of arrival has to do.

PYTEST_DONT_REWRITE
"""

from datetime import UTC, datetime
from time import time

from pytest_scrutiny.client.request import Message
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.protocol.fields import Fields

WELCOME = "welcome"


class ServerClock:
    """What one connection knows of its server's clock."""

    def __init__(self, session: Session) -> None:
        self._zero: float | None = None
        session.handlers[WELCOME] = self._digest

    def _digest(self, message: Message) -> None:
        self._zero = Fields(message, WELCOME).number("server_time_zero_timestamp")

    def moment(self, server_time_us: float | None, age: float = 0.0) -> datetime:
        """Return a moment of the server's clock in local time, with its time zone.

        :param server_time_us: None if the server gave none.
        :param age: seconds ago, by our clock, for then.
        """
        if server_time_us is None or self._zero is None:
            return datetime.fromtimestamp(time() - age, UTC).astimezone()
        return datetime.fromtimestamp(self._zero + server_time_us / 1e6, UTC).astimezone()
