"""The probe: a question that only the device itself can answer.

A server goes on calling a device ready until its response timeout has passed, 1 s as a rule. A value that
comes after the question was read from the device, so the device was there.

PYTEST_DONT_REWRITE
"""

import contextlib
from collections.abc import Iterator
from typing import Protocol

from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.subscriptions import WatchBoard
from pytest_scrutiny.errors import OperationFailure, ScrutinyError
from pytest_scrutiny.protocol.fields import Fields

LIST = "get_watchable_list"
KINDS = ("rpv", "alias", "var")  # RPVs first: every device has them without an SFD, and they are few

CANDIDATES = 3
"""How many values of a kind are tried: the first may lie in a forbidden region, or behind a null pointer."""

RELEASE_TIMEOUT = 0.25
"""Seconds to stop watching; a server that needs more than milliseconds hangs, and the next question tells."""


class _Client(Protocol):
    """What the probe needs of the client that inherits it."""

    @property
    def session(self) -> Session: ...

    @property
    def watches(self) -> WatchBoard: ...


class ProbeCommands:
    """The door of ScrutinyClient to the device itself."""

    def probe_device(self: _Client, timeout: float) -> str | None:
        """Have the device read one of its values, and return the value's path.

        None if there is none to read: the server lists no usable value of this device.

        :param timeout: seconds.
        :raises TimeoutException: if the device does not answer in time.
        :raises InvalidValueError: as soon as its session ends.
        :raises ConnectionError: as soon as the connection is gone.
        """
        deadline = Deadline(check_timeout(timeout))
        return next((path for path in _candidates(self, deadline) if _is_read(self, path, deadline)), None)


def _candidates(client: _Client, deadline: Deadline) -> Iterator[str]:
    yield from client.watches.watched()[:CANDIDATES]
    for kind in KINDS:
        # A server sends all pages of a list, whatever we need, so only a kind that is needed is asked for.
        # What comes after the first page is ignored.
        yield from client.session.request(LIST, {"filter": {"type": [kind]}}, _decode_paths, deadline)


def _decode_paths(message: Fields) -> list[str]:
    content = message.child("content")
    entries = [entry for kind in KINDS if kind in content for entry in content.children(kind)[:CANDIDATES]]
    return [entry.text(entry.first_of("path", "display_path")) for entry in entries]


def _is_read(client: _Client, path: str, deadline: Deadline) -> bool:
    """Return whether the device gave a value; False if the value is of no use."""
    is_ours = path not in client.watches.watched()
    try:
        handle = client.watches.watch([path], deadline)[0]
    except OperationFailure:
        return False  # for example an alias whose target is gone
    try:
        return handle.read_fresh(deadline).value is not None
    finally:
        if is_ours:
            with contextlib.suppress(ScrutinyError):  # it only costs the link some speed
                client.watches.unwatch([path], Deadline(RELEASE_TIMEOUT))
