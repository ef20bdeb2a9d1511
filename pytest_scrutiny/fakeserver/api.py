"""A server's API without sockets, threads or a clock: requests in, replies and pushes out.

A topic's file has one function a command, listed in its ``COMMANDS``: it gets a Request and returns the
reply's fields, or None if there is no reply (yet). It raises Refused for the server's own ``error``.

Rule 1: what a command does is written for the newest release; what differs between releases is the dialect.
Rule 2: replies and pushes of a client stand in its ``outbox``, in the order in which they are to be sent.

Source: scrutinydebugger 0.1.0 to 0.16.0, server/api/API.py process_request.

PYTEST_DONT_REWRITE
"""

import logging
from collections.abc import Mapping

import attrs

from pytest_scrutiny.fakeserver import access, status, watch, write
from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.entries import Client, Message
from pytest_scrutiny.fakeserver.link import DEFAULT_LINK, Change, DeviceLink, Timing
from pytest_scrutiny.fakeserver.rows import RPV, Alias, Variable
from pytest_scrutiny.fakeserver.state import Command, Refused, Request, State
from pytest_scrutiny.model.link import DeviceLinkInfo
from pytest_scrutiny.protocol.dialect import Dialect

logger = logging.getLogger(__name__)

COMMANDS: Mapping[str, Command] = {**status.COMMANDS, **watch.COMMANDS, **write.COMMANDS, **access.COMMANDS}


class Api:
    """One server of one release, with one device.

    Every ``now`` is seconds on one clock that does not go back.

    :ivar has_ended: a real server would have ended by itself by now.
    :param now: the server's time zero; ``epoch`` is the same moment in seconds since 1970.
    """

    def __init__(
        self,
        dialect: Dialect,
        device: SimulatedDevice,
        *,
        now: float,
        epoch: float = 0.0,
        timing: Timing | None = None,
        link: DeviceLinkInfo = DEFAULT_LINK,
    ) -> None:
        self.has_ended = False
        self._now = now
        self._state = State(
            dialect, device, timing or Timing(), self._follow, now=now, epoch=epoch, link=link
        )
        device.advance(now)

    @property
    def dialect(self) -> Dialect:
        """How the server speaks."""
        return self._state.dialect

    @property
    def link(self) -> DeviceLink:
        """The way to the device: to plug and unplug it, and to see what the server knows of it."""
        return self._state.link

    @property
    def is_busy(self) -> bool:
        """Whether requests have to wait: real servers read none while they load a firmware description."""
        return self._state.link.is_loading

    def set_link(self, info: DeviceLinkInfo, now: float) -> None:
        """Use another link, as a client's ``set_link_config`` does; or let the present one break or heal.

        That is nothing anybody configured: what is pushed then is what becomes of the device.
        """
        if attrs.evolve(self.link.info, operational=info.operational) == info:
            self.link.configure(info, now)
        else:
            status.use_link(self._state, info, now)

    # Clients

    def open(self, client: Client) -> None:
        """Take a client in; from now on pushes reach it. A WebSocket server does so at its first message."""
        client.is_registered = True
        self._state.clients.append(client)
        if self._state.dialect.welcome:
            client.push("welcome", {"server_time_zero_timestamp": self._state.epoch})

    def close(self, client: Client) -> None:
        """Forget a client and its subscriptions."""
        if not self._state.watchables.unwatch_all(client):
            logger.critical("! ended, for a client left that watches an alias whose element is lost")
            self.has_ended = True
        if client in self._state.clients:
            self._state.clients.remove(client)

    def receive(self, client: Client, value: object, now: float) -> None:
        """Take one message: any JSON value."""
        self.advance(now)
        self._state.received += 1
        if not client.is_registered:
            self.open(client)
        self._answer(client, value, now)
        write.settle_writes(self._state, now)
        access.settle_jobs(self._state, now)

    def take(self, client: Client) -> list[Message]:
        """Return what a client is to be sent, oldest first, and forget it."""
        messages, client.outbox = client.outbox, []
        self._state.sent += len(messages)
        return messages

    def _answer(self, client: Client, value: object, now: float) -> None:
        data = value if isinstance(value, dict) else {}
        command, request_id = data.get("cmd", "<empty>"), data.get("reqid")
        if request_id is not None and not isinstance(request_id, int) and self._state.dialect.demo_mode:
            request_id = None  # where a real server from 0.8 on ends (observed), the fake only forgets it
        try:
            self._run(Request(self._state, client, command, request_id, data, now))
        except Refused as exc:
            self._state.invalid += 1
            text = str(exc)
        except Exception:
            self._state.unexpected += 1
            logger.debug("! %s failed", command, exc_info=True)
            text = "Internal error"
        else:
            return
        client.outbox.append(("error", request_id, {"request_cmd": command, "msg": text}))

    def _run(self, request: Request) -> None:
        dialect = self._state.dialect
        name = request.field("cmd", str)
        if name not in COMMANDS or not dialect.knows(name):
            raise Refused(f"Unsupported command {name}")
        fields = COMMANDS[name](request)
        if fields is not None:
            request.reply(fields)

    # Time

    def advance(self, now: float) -> None:
        """Let time pass: for the device, for its link, and for whoever watches or waits."""
        self._now = now
        state = self._state
        state.device.advance(now)
        state.link.advance(now)
        write.settle_writes(state, now)
        access.settle_jobs(state, now)
        if state.link.is_answering:
            state.watchables.read_due(now)
        for client in state.clients:
            client.tell_news(state.dialect, now)

    def next_time(self) -> float | None:
        """Return the moment at which :meth:`advance` is to be called again; None if no moment is known."""
        state = self._state
        times = [state.link.next_time, *(client.next_time for client in state.clients)]
        if state.link.is_answering:
            times.append(state.watchables.next_read)
        return min((time for time in times if time is not None), default=None)

    def _follow(self, change: Change) -> None:
        """Do what a server does when its device comes, is understood, or goes; then push the status."""
        state, profile = self._state, self._state.device.profile
        match change:
            case Change.READY:
                state.watchables.add(state.device.rpvs())
            case Change.SFD_LOADED:
                state.watchables.add_arrays(profile.arrays)
                state.watchables.add((*profile.variables, *profile.aliases))
            case Change.SFD_UNLOADED:
                state.watchables.remove(Variable, Alias)
            case Change.LOST:
                write.fail_writes(state, self._now)
                access.fail_jobs(state, self._now)
                state.watchables.remove(RPV)
        status.push_change(state, change)
