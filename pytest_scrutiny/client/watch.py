"""The doors of ScrutinyClient to watched values; behind them is client/subscriptions.py.

PYTEST_DONT_REWRITE
"""

import contextlib
from collections.abc import Iterable
from typing import Protocol

from pytest_scrutiny.client.arguments import check_rate
from pytest_scrutiny.client.batch import BatchWriteContext
from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.subscriptions import WatchBoard
from pytest_scrutiny.client.write import WriteBoard
from pytest_scrutiny.errors import ConnectionError, NameNotFoundError
from pytest_scrutiny.model.values import FLOAT64_MAX
from pytest_scrutiny.model.watch import canonical_path
from pytest_scrutiny.protocol.watch import SET_THROTTLING, encode_throttling


class _Client(Protocol):
    """What the watch commands need of the client that inherits them."""

    timeout: float
    write_timeout: float

    @property
    def session(self) -> Session: ...

    @property
    def watches(self) -> WatchBoard: ...

    @property
    def writes(self) -> WriteBoard: ...


class WatchCommands:
    """The doors of ScrutinyClient to watched values."""

    def watch(self: _Client, path: str, update_rate: float | None = None) -> WatchableHandle:
        """Return a handle on a value that the server sends from now on; the same one while it is watched.

        :param path: the server's path, for example ``/alias/psu/voltage``, however its slashes are spelled.
        :param update_rate: updates per second; None for as many as possible. Each value at full rate slows
            everything else on the device's link.
        :raises OperationFailure: if the server knows no such path.
        :raises NotSupportedByServerError: if there is a rate, and the server is older than 0.13.
        """
        rate = check_rate(update_rate)
        return self.watches.watch([canonical_path(path)], Deadline(self.timeout), rate)[0]

    def watch_many(
        self: _Client, paths: Iterable[str], update_rate: float | None = None
    ) -> list[WatchableHandle]:
        """Return handles on several values, in their order, with one request; else as ``watch``.

        :raises OperationFailure: if the server does not know one of the paths; then none is watched.
        """
        if isinstance(paths, str):
            raise TypeError(f"paths {paths!r} is one path; expected a list of them, or call watch()")
        wanted, rate = [canonical_path(path) for path in paths], check_rate(update_rate)
        return self.watches.watch(wanted, Deadline(self.timeout), rate) if wanted else []

    def unwatch(self: _Client, watchable_ref: str | WatchableHandle) -> None:
        """Stop watching a path or a handle.

        :raises NameNotFoundError: if it is not watched.
        :raises TypeError: if it is neither.
        """
        ref = watchable_ref.info.path if isinstance(watchable_ref, WatchableHandle) else watchable_ref
        path = canonical_path(ref)
        if path not in self.watches.watched():
            raise NameNotFoundError(f"{path} is not watched; watch() it first")
        self.watches.unwatch([path], Deadline(self.timeout))

    def try_get_existing_watch_handle(self: _Client, path: str) -> WatchableHandle | None:
        """Return the handle of a path that is watched; None if it is not. The server is not asked."""
        wanted = canonical_path(path)
        with contextlib.suppress(ConnectionError):  # without a connection nothing is watched
            return self.watches.find(wanted)
        return None

    def try_get_existing_watch_handle_by_server_id(self: _Client, server_id: str) -> WatchableHandle | None:
        """Return the handle that the server knows by this key at present; None if there is none."""
        if not isinstance(server_id, str):
            raise TypeError(f"server_id {server_id!r} is no string; expected that of a handle")
        with contextlib.suppress(ConnectionError):
            return self.watches.find_id(server_id)
        return None

    def wait_new_value_for_all(self: _Client, timeout: float = 5) -> None:
        """Wait until the device gave a value of everything that is watched, after this call.

        :raises TimeoutException: if not all came in time; it names some that did not.
        :raises InvalidValueError: as soon as one of them can come no more.
        :raises ConnectionError: as soon as the connection is gone.
        """
        deadline = Deadline(check_timeout(timeout))
        handles = self.watches.handles()
        if handles:
            self.watches.wait_all(handles, deadline)

    def batch_write(self: _Client, timeout: float | None = None) -> BatchWriteContext:
        """Return a block whose writes through handles are sent at its end as one request, in their order.

        Nothing is sent if the block raises. Other threads' writes are not part of it, nor is
        ``write_watchable``.

        :param timeout: seconds for all of them; None takes the client's ``write_timeout``.
        :raises OperationFailure: at the end, naming each write that failed; at the begin, if this thread
            has such a block already.
        """
        seconds = self.write_timeout if timeout is None else check_timeout(timeout)
        return BatchWriteContext(self.writes, self.watches.batches, seconds)

    def set_server_throttling(self: _Client, max_update_rate: float | None) -> None:
        """Limit the updates per second that this client gets of all its values together; 0 or None lifts it.

        A server counts coarsely (a limit of 10 gave 17 a second, 0.16.0, observed).

        :raises NotSupportedByServerError: on servers before 0.12.
        """
        rate = 0 if max_update_rate is None else max_update_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError(f"max_update_rate {max_update_rate!r} is no number; expected updates per second")
        if not 0 <= rate <= FLOAT64_MAX:
            raise ValueError(
                f"max_update_rate {max_update_rate!r} is out of range; expected 0 or more updates per second"
            )
        fields = encode_throttling(float(rate))
        self.session.request(SET_THROTTLING, fields, lambda _: True, Deadline(self.timeout))
