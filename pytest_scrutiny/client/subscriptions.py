"""Subscriptions: which values the server sends, from session to session of the device.

Rule 1: the reader puts a subscription in place before it handles the next message, so the first update is
    never missed.
Rule 2: ids live as long as the device's session and, for variables and aliases, its SFD. When a status tells
    of the end of one, the handles die with the reason as their status; when it tells of a new one, the reader
    subscribes their paths again by itself.

PYTEST_DONT_REWRITE
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic

from pytest_scrutiny.client.batch import Batches
from pytest_scrutiny.client.clock import ServerClock
from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.feed import TimedSample
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.client.request import Message, Request, unsupported
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.traps import (
    KEPT_HZ,
    explain_refusal,
    is_alias_of_element,
    is_behind_pointer,
    is_element,
)
from pytest_scrutiny.client.write import WriteBoard
from pytest_scrutiny.errors import (
    BadResponseError,
    InvalidValueError,
    NotSupportedByServerError,
    OperationFailure,
    RemoteProtocolError,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.model.status import StatusReport
from pytest_scrutiny.model.values import ValueStatus, WatchableType
from pytest_scrutiny.model.watch import WatchableInfo
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.listing import GET_INFO, decode_watchable_info, encode_watchable_info_request
from pytest_scrutiny.protocol.watch import (
    CHANGE_RATE,
    SUBSCRIBE,
    UNSUBSCRIBE,
    UPDATE,
    decode_effective_rates,
    decode_subscribed,
    encode_change_rate,
    encode_subscribe,
    encode_unsubscribe,
    update_records,
)

FAREWELL_TIMEOUT = 0.5
"""Seconds to unwatch on the way out; it takes milliseconds unless the server hangs."""


class WatchBoard:
    """The subscriptions of one session of the connection.

    :ivar takes_paths: whether the server takes writes by path (0.12 and later); None until the first try.
    """

    def __init__(self, session: Session, writes: WriteBoard, timeout: float, write_timeout: float) -> None:
        self._session = session
        self.writes = writes
        self.timeout = timeout
        self.write_timeout = write_timeout
        self.clock = ServerClock(session)
        self.batches = Batches()
        self.takes_paths: bool | None = None
        self._takes_rates: bool | None = None  # until the first try nobody knows
        self._by_id: dict[str, WatchableHandle] = {}
        self._by_path: dict[str, WatchableHandle] = {}
        self._kept: dict[
            str, WatchableHandle
        ] = {}  # by path: what is watched for nobody; see client/traps.py
        self._described: dict[str, WatchableInfo] = {}  # of the present device session and SFD
        self._device_session: str | None = None
        self._firmware_id: str | None = None
        session.handlers[UPDATE] = self._digest
        session.close_callbacks.append(lambda: self._kill(ValueStatus.ServerGone, self._by_path.values()))
        session.last_words = self._last_words
        writes.on_completion = self._mark_written

    # What is watched

    def watch(
        self, paths: list[str], deadline: Deadline, rate_hz: float | None = None
    ) -> list[WatchableHandle]:
        """Return handles for the paths, in their order; those already watched are the same as before.

        :param rate_hz: updates per second; None for as many as possible, or as before.
        :raises NotSupportedByServerError: if there is a rate, and the server sends every value it reads.
        """
        if rate_hz is not None and not self._check_rates(deadline):
            raise unsupported(CHANGE_RATE)
        with self._session.lock:
            new = [path for path in dict.fromkeys(paths) if not self._is_live(path)]
        if new:
            self._subscribe(new, rate_hz, deadline)
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
        for handle in handles:
            if rate_hz not in (None, handle.rate_hz):
                self.set_rate(handle, rate_hz, deadline)
        return handles

    def _is_live(self, path: str) -> bool:
        handle = self._by_path.get(path)
        return handle is not None and not handle.is_dead

    def _subscribe(self, paths: list[str], rate_hz: float | None, deadline: Deadline) -> None:
        fields = encode_subscribe(paths, rate_hz)
        try:
            self._session.request(SUBSCRIBE, fields, lambda reply: self._install(reply, rate_hz), deadline)
        except OperationFailure as exc:
            explained = explain_refusal(paths, exc)
            if explained is exc:
                raise
            with self._session.lock:
                half = [path for path in paths if path not in self._kept]
            with contextlib.suppress(ScrutinyError):  # it is refused too, and heals all the same
                self._unsubscribe(half, deadline)
            raise explained from exc

    def unwatch(self, paths: list[str], deadline: Deadline) -> None:
        """Stop watching, with one request; what is not watched is left alone.

        Array elements and their aliases only become slow; see client/traps.py, Rule 2.
        """
        keeps_elements = any("[" in path for path in paths) and self._check_rates(deadline)
        with self._session.lock:
            live = [self._by_path[path] for path in dict.fromkeys(paths) if self._is_live(path)]
            kept = [h for h in live if is_alias_of_element(h) or (keeps_elements and is_element(h))]
            self._kill(
                ValueStatus.NotWatched, [self._by_path.pop(path) for path in paths if path in self._by_path]
            )
            self._kept.update((handle.info.path, handle) for handle in kept)
            self._session.wake_all()
        self._unsubscribe([handle.info.path for handle in live if handle not in kept], deadline)
        if kept and self._check_rates(deadline):
            slow = encode_change_rate({handle.info.server_id: KEPT_HZ for handle in kept})
            self._session.request(CHANGE_RATE, slow, decode_effective_rates, deadline)

    def _unsubscribe(self, paths: list[str], deadline: Deadline) -> None:
        if paths:  # to unsubscribe what is not subscribed is an "Internal error" on 0.12 and 0.13 (observed)
            self._session.request(UNSUBSCRIBE, encode_unsubscribe(paths), lambda _: True, deadline)

    def part(self) -> None:
        """Stop watching what the server would not survive if we just left."""
        with self._session.lock:
            fatal = self._fatal()
            self._kill(ValueStatus.NotWatched, fatal)
            for handle in fatal:
                self._kept.pop(handle.info.path, None)
        if fatal and self._session.is_open:
            with contextlib.suppress(ScrutinyError):  # we leave anyway
                self._unsubscribe([handle.info.path for handle in fatal], Deadline(FAREWELL_TIMEOUT))

    def _fatal(self) -> list[WatchableHandle]:
        live = [handle for handle in self._by_path.values() if not handle.is_dead]
        return [handle for handle in (*live, *self._kept.values()) if is_behind_pointer(handle)]

    def _last_words(self) -> list[tuple[str, Mapping[str, object]]]:
        """Return what ``part`` would ask, for whoever leaves without; nobody waits for the answer."""
        fatal = [handle.info.path for handle in self._fatal()]
        return [(UNSUBSCRIBE, encode_unsubscribe(fatal))] if fatal else []

    def watched(self) -> list[str]:
        """Return the paths that are watched."""
        with self._session.lock:
            return list(self._by_path)

    def handles(self) -> list[WatchableHandle]:
        """Return the handles of all that is watched."""
        with self._session.lock:
            return list(self._by_path.values())

    def find(self, path: str) -> WatchableHandle | None:
        """Return the handle of a path that is watched; None if it is not."""
        with self._session.lock:
            return self._by_path.get(path)

    def find_id(self, server_id: str) -> WatchableHandle | None:
        """Return the live handle of one of the server's keys; None if there is none."""
        with self._session.lock:
            return self._by_id.get(server_id)

    @contextlib.contextmanager
    def watched_for_now(self, path: str, deadline: Deadline) -> Iterator[WatchableInfo]:
        """Watch a path while inside, unless it is watched anyway."""
        was_watched = path in self.watched()
        try:
            yield self.watch([path], deadline)[0].info
        finally:
            if not was_watched:
                with contextlib.suppress(ScrutinyError):  # it only costs the link some speed
                    self.unwatch([path], deadline)

    # What is known of a path

    def info_of(self, path: str) -> WatchableInfo | None:
        """Return what is known of a path that is watched at present; None if it is not."""
        with self._session.lock:
            return self._by_path[path].info if self._is_live(path) else None

    def describe(self, path: str, deadline: Deadline) -> WatchableInfo:
        """Return what the server knows of a path, watched or not; it is asked once a session.

        :raises NotSupportedByServerError: on servers before 0.10, which tell it only of what is watched.
        :raises OperationFailure: if the path is unknown.
        """
        with self._session.lock:
            known = self._by_path[path].info if self._is_live(path) else self._described.get(path)
            described = self._described
        if known is None:
            infos = self._session.request(
                GET_INFO, encode_watchable_info_request([path]), decode_watchable_info, deadline
            )
            if path not in infos:
                raise BadResponseError(f"the server told nothing about {path}; expected what was asked for")
            known = described[path] = infos[path]  # not of a new session, if one has begun meanwhile
        return known

    # How often

    def change_rate(self, handle: WatchableHandle, rate_hz: float | None, deadline: Deadline) -> None:
        """Ask for so many updates per second, None for as many as possible, and do not wait for the answer.

        Servers before 0.13 send all; nothing is asked of them.
        """
        if not handle.is_dead and self._check_rates(deadline):
            handle.rate_hz = rate_hz
            fields = encode_change_rate({handle.info.server_id: rate_hz})
            self._session.send_request(Request(CHANGE_RATE, lambda _: True), fields, deadline)

    def set_rate(self, handle: WatchableHandle, rate_hz: float | None, deadline: Deadline) -> float | None:
        """Ask for so many updates per second, and return at how many the server now reads the value.

        :raises NotSupportedByServerError: on servers before 0.13.
        """
        server_id = handle.info.server_id
        rates = self._session.request(
            CHANGE_RATE, encode_change_rate({server_id: rate_hz}), decode_effective_rates, deadline
        )
        handle.rate_hz = rate_hz
        return rates.get(server_id)

    def _check_rates(self, deadline: Deadline) -> bool:
        """Return whether the server takes rates; it is asked once, with nothing to change."""
        if self._takes_rates is None:
            try:
                self._session.request(CHANGE_RATE, encode_change_rate({}), decode_effective_rates, deadline)
            except NotSupportedByServerError:
                self._takes_rates = False
            else:
                self._takes_rates = True
        return self._takes_rates

    # Waiting

    def wait_all(self, handles: list[WatchableHandle], deadline: Deadline) -> list[TimedSample]:
        """Return the latest sample of each handle, once each has one that came after this call.

        What a server reads from the device at once, it sends at once from 0.12 on: values of one moment.
        """
        for handle in handles:
            handle.await_return(deadline)
        starts = [handle.next_fresh() for handle in handles]
        missing: list[str] = []

        def find() -> list[TimedSample]:
            fresh = [handle.fresh(start) for handle, start in zip(handles, starts, strict=True)]
            missing[:] = [handle.info.path for handle, came in zip(handles, fresh, strict=True) if not came]
            return [] if missing else [samples[-1] for samples in fresh]

        try:
            return self._session.wait_for(find, deadline, f"not all of {len(handles)} values came")
        except TimeoutException as exc:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise TimeoutException(f"{exc}; nothing came of {', '.join(missing[:3])}{more}") from exc

    # On the reader thread, with the lock held

    def _install(self, message: Fields, rate_hz: float | None) -> bool:
        for path, info in decode_subscribed(message).items():
            handle = self._by_path.get(path)
            if handle is None:
                handle = self._by_path[path] = WatchableHandle(info, self._session, self)
            handle.rate_hz = rate_hz
            handle.live(info, self._device_session)
            self._kept.pop(path, None)
            self._by_id[info.server_id] = handle
            self._session.has_last_words |= is_behind_pointer(handle)
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

    def _mark_written(self, server_id: str | None, server_time_us: float | None, place: str | None) -> None:
        """Note a completed write on every handle that it concerns; see ``Completed``."""
        written = None if server_id is None else self._by_id.get(server_id)
        if written is not None:
            place = written.place
            written.written_at = self.clock.moment(server_time_us)
        is_memory = server_id is None and place is None  # of which a server makes up no values
        for handle in self._by_id.values():
            is_same_place = place is None or handle.place in (None, place)
            if is_same_place or server_id is None:
                handle.note_write(server_time_us, has_echo=is_same_place and not is_memory)

    def notice_report(self, report: StatusReport) -> None:
        """End the handles that a status report ends, and revive them; called with the lock held."""
        is_new_session = report.session_id != self._device_session
        if is_new_session:
            self._kill(ValueStatus.DeviceGone, self._by_path.values())
        elif report.sfd_firmware_id != self._firmware_id:
            # RPVs belong to the device and outlive its firmware description.
            self._kill(ValueStatus.SFDUnloaded, [h for h in self._by_id.values() if not is_rpv(h)])
        else:
            return
        self._device_session = report.session_id
        self._firmware_id = report.sfd_firmware_id
        self._described, self._kept = {}, {}
        if report.session_id is not None:
            has_names = report.sfd_firmware_id is not None
            by_rate: dict[float | None, list[str]] = {}
            for path, handle in self._by_path.items():
                if handle.is_dead and (has_names or is_rpv(handle)):
                    by_rate.setdefault(handle.rate_hz, []).append(path)
                    handle.is_returning = True
                elif handle.is_dead and is_new_session:  # a server tells of the session, then of the SFD
                    handle.is_returning = True
            for rate_hz, paths in by_rate.items():
                self._revive(paths, rate_hz)

    def _revive(self, paths: list[str], rate_hz: float | None) -> None:
        """Subscribe again; one path the firmware no longer has costs only itself."""

        def try_one_by_one() -> None:
            if len(paths) == 1 and paths[0] in self._by_path:
                self._by_path[paths[0]].stay_dead(str(request.error))
            for path in paths if len(paths) > 1 else ():
                self._revive([path], rate_hz)

        request = Request[bool](SUBSCRIBE, lambda reply: self._install(reply, rate_hz), try_one_by_one)
        self._session.post_request(request, encode_subscribe(paths, rate_hz))

    def _kill(self, reason: ValueStatus, handles: Iterable[WatchableHandle]) -> None:
        for handle in handles:
            handle.die(reason)
            if self._by_id.get(handle.info.server_id) is handle:  # an id may have a new owner
                del self._by_id[handle.info.server_id]


def is_rpv(handle: WatchableHandle) -> bool:
    """Return whether the handle's path needs no firmware description."""
    return handle.info.type is WatchableType.RuntimePublishedValue
