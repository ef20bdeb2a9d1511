"""Subscriptions: which values the server sends, from session to session of the device.

Rule 1: the reader puts a subscription in place before it handles the next message, so the first update is
    never missed.
Rule 2: ids live as long as the device's session and, for variables and aliases, its SFD. When a status tells
    of the end of one, the handles die with the reason as their status; when it tells of a new one, the reader
    subscribes their paths again by itself.

PYTEST_DONT_REWRITE
"""

from collections.abc import Iterable
from time import monotonic
from typing import Protocol

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.feed import TimedSample
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.client.request import Message, Request
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.write import WriteBoard
from pytest_scrutiny.errors import (
    InvalidValueError,
    NameNotFoundError,
    NotSupportedByServerError,
    RemoteProtocolError,
)
from pytest_scrutiny.model.status import StatusReport
from pytest_scrutiny.model.values import ValueStatus, WatchableType
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.watch import (
    CHANGE_RATE,
    SUBSCRIBE,
    UNSUBSCRIBE,
    UPDATE,
    decode_subscribed,
    encode_change_rate,
    encode_subscribe,
    encode_unsubscribe,
    update_records,
)


class WatchBoard:
    """The subscriptions of one session of the connection."""

    def __init__(self, session: Session, writes: WriteBoard, write_timeout: float) -> None:
        self._session = session
        self._writes = writes
        self._write_timeout = write_timeout
        self._by_id: dict[str, WatchableHandle] = {}
        self._by_path: dict[str, WatchableHandle] = {}
        self._takes_rates: bool | None = None  # until the first try nobody knows
        self._device_session: str | None = None
        self._firmware_id: str | None = None
        session.handlers[UPDATE] = self._digest
        session.close_callbacks.append(lambda: self._kill(ValueStatus.ServerGone, self._by_path.values()))
        writes.on_completion = self._mark_written

    def watch(self, paths: list[str], deadline: Deadline) -> list[WatchableHandle]:
        """Return handles for the paths, in their order; those already watched are the same as before."""
        with self._session.lock:
            new = [path for path in dict.fromkeys(paths) if not self._is_live(path)]
        if new:
            self._session.request(SUBSCRIBE, encode_subscribe(new), self._install, deadline)
        with self._session.lock:
            handles = [self._by_path[path] for path in paths if path in self._by_path]
        if len(handles) < len(paths):
            raise RemoteProtocolError(
                "the server's answer to subscribe_watchable lacks a path that was asked for"
            )
        lost = next((handle for handle in handles if handle.is_dead), None)
        if lost is not None:
            raise InvalidValueError(
                f"{lost.info.path} was lost while it was being watched: {lost.status.reason}"
            )
        return handles

    def _is_live(self, path: str) -> bool:
        handle = self._by_path.get(path)
        return handle is not None and not handle.is_dead

    def unwatch(self, paths: list[str], deadline: Deadline) -> None:
        """Stop watching, with one request; what is not watched is left alone."""
        with self._session.lock:
            live = [path for path in paths if self._is_live(path)]
            self._kill(
                ValueStatus.NotWatched, [self._by_path.pop(path) for path in paths if path in self._by_path]
            )
            self._session.wake_all()
        if live:  # to unsubscribe what is not subscribed is an "Internal error" on 0.12 and 0.13 (observed)
            self._session.request(UNSUBSCRIBE, encode_unsubscribe(live), lambda _: True, deadline)

    def wait_all(self, handles: list[WatchableHandle], deadline: Deadline) -> list[TimedSample]:
        """Return the latest sample of each handle, once each has one that came after this call.

        What a server reads from the device at once, it sends at once from 0.12 on: values of one moment.
        """
        starts = [handle.history.total for handle in handles]

        def find() -> list[TimedSample]:
            fresh = [handle.fresh(start) for handle, start in zip(handles, starts, strict=True)]
            return [samples[-1] for samples in fresh] if all(fresh) else []

        return self._session.wait_for(find, deadline, f"not all of {len(handles)} values came")

    def change_rate(self, handle: WatchableHandle, rate_hz: float | None, deadline: Deadline) -> None:
        """Ask for so many updates per second, None for as many as possible; servers before 0.13 send all.

        Only the first time is the answer waited for, which tells whether the server can.
        """
        if self._takes_rates is False or handle.is_dead:
            return
        fields = encode_change_rate({handle.info.server_id: rate_hz})
        if self._takes_rates:
            self._session.send_request(Request(CHANGE_RATE, lambda _: True), fields, deadline)
            return
        try:
            self._takes_rates = self._session.request(CHANGE_RATE, fields, lambda _: True, deadline)
        except NotSupportedByServerError:
            self._takes_rates = False

    def watched(self) -> list[str]:
        """Return the paths that are watched."""
        with self._session.lock:
            return list(self._by_path)

    def _install(self, message: Fields) -> bool:
        for path, info in decode_subscribed(message).items():
            handle = self._by_path.get(path)
            if handle is None:
                handle = WatchableHandle(info, self._session, self._writes, self._write_timeout)
                self._by_path[path] = handle
            handle.live(info, self._device_session)
            self._by_id[info.server_id] = handle
        return True

    def _digest(self, message: Message) -> None:
        by_id = self._by_id
        now_us = monotonic() * 1e6  # stands in for the server's clock on releases 0.1 to 0.3
        try:
            for record in update_records(message):
                handle = by_id.get(record["id"])
                if handle is not None:  # else it is of a life before
                    value = record["v"] if "v" in record else record["value"]
                    handle.history.append(record, value, record.get("t", now_us))
                    handle.history.arrived_us = now_us
        except (KeyError, TypeError, AttributeError, OverflowError) as exc:
            raise RemoteProtocolError(
                f"the server's message is wrong at watchable_update.updates: {exc!r}; "
                "expected id, value and time",
                "watchable_update.updates",
            ) from exc

    def _mark_written(self, server_id: str | None, server_time_us: float | None) -> None:
        """Note a completed write on every handle of the same place; None is any place."""
        written = None if server_id is None else self._by_id.get(server_id)
        place = None if written is None else written.place
        for handle in self._by_id.values():
            if place is None or handle.place in (None, place):
                handle.note_write(server_time_us)

    def notice_report(self, report: StatusReport) -> None:
        """End the handles that a status report ends, and revive them; called with the lock held."""
        if report.session_id != self._device_session:
            self._kill(ValueStatus.DeviceGone, self._by_path.values())
        elif report.sfd_firmware_id != self._firmware_id:
            # RPVs belong to the device and outlive its firmware description.
            self._kill(ValueStatus.SFDUnloaded, [h for h in self._by_id.values() if not is_rpv(h)])
        else:
            return
        self._device_session = report.session_id
        self._firmware_id = report.sfd_firmware_id
        if report.session_id is not None:
            has_names = report.sfd_firmware_id is not None
            self._revive(
                [path for path, h in self._by_path.items() if h.is_dead and (has_names or is_rpv(h))]
            )

    def _revive(self, paths: list[str]) -> None:
        """Subscribe again; one path the firmware no longer has costs only itself."""
        if not paths:
            return

        def try_one_by_one() -> None:
            for path in paths if len(paths) > 1 else ():
                self._revive([path])

        request = Request(SUBSCRIBE, self._install, try_one_by_one)
        self._session.post_request(request, encode_subscribe(paths))

    def _kill(self, reason: ValueStatus, handles: Iterable[WatchableHandle]) -> None:
        for handle in handles:
            handle.die(reason)
            if self._by_id.get(handle.info.server_id) is handle:  # an id may have a new owner
                del self._by_id[handle.info.server_id]


def is_rpv(handle: WatchableHandle) -> bool:
    """Return whether the handle's path needs no firmware description."""
    return handle.info.type is WatchableType.RuntimePublishedValue


class _Client(Protocol):
    """What the watch commands need of the client that inherits them."""

    timeout: float

    @property
    def session(self) -> Session: ...

    @property
    def watches(self) -> WatchBoard: ...


class WatchCommands:
    """The doors of ScrutinyClient to watched values."""

    def watch(self: _Client, path: str) -> WatchableHandle:
        """Return a handle on a value that the server sends from now on; the same one while it is watched.

        :param path: the server's path, for example ``/alias/psu/voltage``.
        :raises OperationFailure: if the server knows no such path.
        """
        if not isinstance(path, str):
            raise TypeError(f"path {path!r} is no string; expected a server path, for example '/rpv/x1000'")
        return self.watches.watch([path], Deadline(self.timeout))[0]

    def unwatch(self: _Client, watchable: str | WatchableHandle) -> None:
        """Stop watching a path or a handle.

        :raises NameNotFoundError: if it is not watched.
        """
        path = watchable if isinstance(watchable, str) else watchable.info.path
        if path not in self.watches.watched():
            raise NameNotFoundError(f"{path} is not watched; watch() it first")
        self.watches.unwatch([path], Deadline(self.timeout))
