"""Writes: the value is checked (client/fit.py), sent, and waited for until the device has it.

Rule 1: completions of other clients' writes arrive too and are ignored.
Rule 2: a value that nobody watches is written by its path, where the server can (0.12 and later); on earlier
    ones it is watched for the moment, for they let only watchers write.

PYTEST_DONT_REWRITE
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol, TypeAlias

from pytest_scrutiny.client.deadline import Deadline, check_timeout
from pytest_scrutiny.client.feed import place_of
from pytest_scrutiny.client.fit import check_data, check_value
from pytest_scrutiny.client.request import Message, unsupported
from pytest_scrutiny.client.session import Session
from pytest_scrutiny.client.tokens import TokenInbox
from pytest_scrutiny.errors import NotSupportedByServerError, OperationFailure
from pytest_scrutiny.model.watch import WatchableInfo, canonical_path
from pytest_scrutiny.model.write import WriteCompletion
from pytest_scrutiny.protocol.fields import Fields
from pytest_scrutiny.protocol.write import (
    WRITE,
    WRITE_BY_DATA,
    WRITE_COMPLETION,
    WRITE_SINGLE,
    decode_write_completion,
    decode_write_reply,
    decode_write_single_reply,
    encode_write,
    encode_write_by_data,
    encode_write_single,
)

if TYPE_CHECKING:
    from pytest_scrutiny.client.subscriptions import WatchBoard

Completed: TypeAlias = Callable[[str | None, float | None, str | None], None]
"""Called with the server id that was written, when, on the server's clock, and the place that was written
(``place_of``): each None if it is not known. Without id and place it was raw memory."""


class Update(NamedTuple):
    """A value on its way into the device.

    :ivar info: of what is written.
    :ivar wanted: as the caller gave it, for texts.
    :ivar sent: as it goes over the wire: checked.
    """

    info: WatchableInfo
    wanted: object
    sent: bool | float

    def __str__(self) -> str:
        return f"{self.wanted!r} to {self.info.path}"


class WriteBoard:
    """The writes under way on one connection.

    :ivar on_completion: called after each that succeeded, on the reader thread with the lock held.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._inbox: TokenInbox[WriteCompletion] = TokenInbox(session)
        self.on_completion: Completed = lambda *_: None
        session.handlers[WRITE_COMPLETION] = self._digest

    def write(self, updates: Sequence[Update], deadline: Deadline, what: str) -> list[WriteCompletion]:
        """Send writes as one request and return how each ended, in their order.

        :param what: what is written, for error texts.
        """
        return self._inbox.run(
            WRITE,
            encode_write((update.info.server_id, update.sent) for update in updates),
            lambda message: decode_write_reply(message)[0],
            deadline,
            count=len(updates),
            what=f"the write of {what} was not completed",
        )

    def write_one(self, update: Update, deadline: Deadline) -> None:
        """Write one value and wait until it is in the device; it must be watched on servers up to 0.11."""
        try:
            completion = self.write([update], deadline, str(update))[0]
        except OperationFailure as exc:
            _refused(str(update), exc)
        if not completion.success:
            _fail(WRITE, str(update), completion.failure_reason)

    def write_single(
        self, command: str, fields: dict[str, object], info: WatchableInfo, what: str, deadline: Deadline
    ) -> None:
        """Write by path, without watching, and wait until it is in the device.

        :param info: of what is written; ``what`` tells it, with the value, for texts.
        """

        def take(message: Fields) -> tuple[bool, str]:
            success, reason = decode_write_single_reply(message)
            if success:
                self.on_completion(None, None, place_of(info))  # the reply does not tell when
            return success, reason

        try:
            success, reason = self._session.request(command, fields, take, deadline)
        except NotSupportedByServerError:
            raise
        except OperationFailure as exc:
            _refused(what, exc)
        if not success:
            _fail(command, what, reason)

    def _digest(self, message: Message) -> None:
        completion = decode_write_completion(Fields(message, WRITE_COMPLETION))
        self._inbox.put(completion.token, completion, completion.batch_index)
        if completion.success:
            self.on_completion(completion.server_id, completion.server_time_us, None)


def _refused(what: str, exc: OperationFailure) -> NoReturn:
    raise type(exc)(f"the write of {what} was refused: {exc.reason}", exc.command, exc.reason) from exc


def _fail(command: str, what: str, reason: str) -> NoReturn:
    reason = reason or "the server gives no reason"
    raise OperationFailure(
        f"the write of {what} failed: {reason}; check that the device allows it (memory_write, "
        "read-only and forbidden regions) and is still connected",
        command,
        reason,
    )


class _Client(Protocol):
    """What the write commands need of the client that inherits them."""

    write_timeout: float

    @property
    def watches(self) -> "WatchBoard": ...

    @property
    def writes(self) -> WriteBoard: ...


class WriteCommands:
    """The doors of ScrutinyClient to values that nobody watches."""

    def write_watchable(
        self: _Client, server_path: str, value: bool | float | str, timeout: float | None = None
    ) -> None:
        """Write a value by its path, watched or not, and wait until it is in the device.

        :param value: a number, true or false, a member's name of the value's enum, or a text as for a handle.
        :param timeout: seconds; None takes the client's ``write_timeout``.
        :raises ValueError: if the value does not fit; nothing is sent then.
        :raises TypeError: if the path is no text, or the value no number.
        :raises OperationFailure: if there is no such path, or the server or the device refuses.
        """
        deadline = Deadline(self.write_timeout if timeout is None else check_timeout(timeout))
        watches, server_path = self.watches, canonical_path(server_path)
        info = watches.info_of(server_path)
        if info is None and watches.takes_paths is not False:
            try:
                described = watches.describe(server_path, deadline)
                update = Update(described, value, check_value(described, value))
                fields = encode_write_single(server_path, update.sent)
                self.writes.write_single(WRITE_SINGLE, fields, described, str(update), deadline)
            except NotSupportedByServerError:
                watches.takes_paths = False
            else:
                watches.takes_paths = True
                return
        with watches.watched_for_now(server_path, deadline) as watched:
            self.writes.write_one(Update(watched, value, check_value(watched, value)), deadline)

    def write_watchable_memory(
        self: _Client, server_path: str, data: bytes, timeout: float | None = None
    ) -> None:
        """Write a variable's bytes as they are, in the device's byte order, and wait until they are there.

        :param data: as many bytes as the variable, or the one behind an alias, has.
        :param timeout: seconds; None takes the client's ``write_timeout``.
        :raises NotSupportedByServerError: on servers before 0.15; ``write_memory`` works on all of them.
        :raises ValueError: if there are more or fewer bytes; nothing is sent then.
        :raises OperationFailure: if nothing in memory is behind the path, or the device refuses.
        """
        deadline = Deadline(self.write_timeout if timeout is None else check_timeout(timeout))
        server_path = canonical_path(server_path)
        try:
            info = self.watches.describe(server_path, deadline)
        except NotSupportedByServerError:
            raise unsupported(WRITE_BY_DATA) from None
        data = check_data(info, data)
        fields = encode_write_by_data(server_path, data)
        what = f"{data.hex(' ')} to {server_path}"
        self.writes.write_single(WRITE_BY_DATA, fields, info, what, deadline)
