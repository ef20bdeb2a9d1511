"""A fake server's API on a desk: no socket, and a clock that only the test moves."""

import itertools
from typing import Any

from pytest_scrutiny.fakeserver.api import Api
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.entries import Client
from pytest_scrutiny.fakeserver.link import Timing
from pytest_scrutiny.fakeserver.profiles import make_device
from pytest_scrutiny.protocol.dialect import LATEST, dialect_of

EPOCH = 1_700_000_000.0
TIMING = Timing(poll=0.010, exchange=0.001)


class Talker:
    """One client: what it asks, and what it got."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._ids = itertools.count(1)
        self._inbox: list[dict[str, Any]] = []
        self.client = Client()

    def _fetch(self) -> list[dict[str, Any]]:
        for command, request_id, fields in self._desk.api.take(self.client):
            self._inbox.append({"cmd": command, "reqid": request_id, **fields})
        return self._inbox

    def send(self, value: object) -> None:
        self._desk.api.receive(self.client, value, self._desk.now)

    def ask_all(self, command: str, **fields: object) -> list[dict[str, Any]]:
        """Return all replies to one request."""
        request_id = next(self._ids)
        self.send({"cmd": command, "reqid": request_id, **fields})
        replies = [message for message in self._fetch() if message["reqid"] == request_id]
        self._inbox = [message for message in self._inbox if message["reqid"] != request_id]
        return replies

    def ask(self, command: str, **fields: object) -> dict[str, Any]:
        """Return the reply to one request; there is exactly one."""
        (reply,) = self.ask_all(command, **fields)
        return reply

    def refusal(self, command: str, **fields: object) -> str:
        """Return the text of the error that a request is answered with."""
        reply = self.ask(command, **fields)
        assert (reply["cmd"], reply["request_cmd"]) == ("error", command)
        text: str = reply["msg"]
        return text

    def take(self, command: str | None = None) -> list[dict[str, Any]]:
        """Return and forget the pushes, or those of one name, oldest first."""
        taken = [message for message in self._fetch() if command in (None, message["cmd"])]
        self._inbox = [message for message in self._inbox if message not in taken]
        return taken

    def watch(self, *paths: str, **fields: object) -> list[str]:
        """Return the server ids of paths that are watched now."""
        subscribed = self.ask("subscribe_watchable", watchables=list(paths), **fields)["subscribed"]
        return [subscribed[path]["id"] for path in paths]

    def write(self, *writes: tuple[str, object]) -> dict[str, Any]:
        """Return the reply to a batch of ``(server id, value)``."""
        updates = [
            {"batch_index": index, "watchable": server_id, "value": value}
            for index, (server_id, value) in enumerate(writes)
        ]
        return self.ask("write_watchable", updates=updates)

    def records(self) -> list[dict[str, Any]]:
        """Return and forget the records of all updates, oldest first."""
        return [record for message in self.take("watchable_update") for record in message["updates"]]


class Desk:
    """One server whose time stands still until :meth:`advance`; its device is ready unless told otherwise."""

    def __init__(
        self, release: str = LATEST, device: SimulatedDevice | None = None, *, timing: Timing = TIMING
    ) -> None:
        self.now = 100.0
        self.device = device or make_device()
        self.api = Api(dialect_of(release), self.device, now=self.now, epoch=EPOCH, timing=timing)

    @classmethod
    def ready(cls, release: str = LATEST, profile: str = "plain", *, timing: Timing = TIMING) -> "Desk":
        """Return a server whose device is there, and all about it is known."""
        desk = cls(release, make_device(profile), timing=timing)
        desk.api.link.plug(desk.now)
        desk.advance(0.050)
        return desk

    def connect(self) -> Talker:
        """Return a new client, its welcome read; a WebSocket server knows it from its first message on."""
        talker = Talker(self)
        if self.api.dialect.transport == "tcp":
            self.api.open(talker.client)
            talker.take("welcome")
        return talker

    def advance(self, seconds: float) -> None:
        """Let time pass as a server lives it: with a stop at every moment that matters."""
        end = self.now + seconds
        while (next_time := self.api.next_time()) is not None and next_time <= end:
            self.now = max(self.now, next_time)
            self.api.advance(self.now)
        self.now = end
        self.api.advance(end)
