"""A request under way, and what a refusal says.

PYTEST_DONT_REWRITE
"""

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from pytest_scrutiny.errors import NotSupportedByServerError, OperationFailure, ScrutinyError
from pytest_scrutiny.protocol.dialect import COMMANDS
from pytest_scrutiny.protocol.fields import Fields

T = TypeVar("T")

MORE: Any = object()
"""What ``digest`` returns as long as more replies are to come; Any, for it stands for every T."""

Message: TypeAlias = dict[str, Any]


class Request(Generic[T]):
    """A request under way: until its reply, or the last of its replies.

    :ivar result: what ``digest`` made of the reply; None until then.
    :ivar error: why there is no result.
    :param refused: called instead of ``digest`` when the server refuses; both with the lock held.
    """

    __slots__ = ("_digest", "_refused", "command", "error", "is_done", "result")

    def __init__(
        self, command: str, digest: Callable[[Fields], T], refused: Callable[[], None] | None = None
    ) -> None:
        self.command = command
        self._digest = digest
        self._refused = refused
        self.result: T | None = None
        self.error: ScrutinyError | None = None
        self.is_done = False

    def finish(self, message: Message) -> None:
        """Take a reply; called on the reader thread with the lock held."""
        try:
            if message["cmd"] == "error":
                self.error = refusal(self.command, message)
                if self._refused is not None:
                    self._refused()
            else:
                result = self._digest(Fields(message, message["cmd"]))
                if result is MORE:
                    return
                self.result = result
        except ScrutinyError as exc:
            self.error = exc
        self.is_done = True


def refusal(command: str, message: Message) -> OperationFailure:
    """Return the error for a server's ``error`` reply."""
    reason = str(message.get("msg"))
    if reason.startswith("Unsupported command"):
        return unsupported(command)
    return OperationFailure(f"the server refused {command}: {reason}", command, reason)


def unsupported(command: str) -> NotSupportedByServerError:
    """Return the error for a command that this server does not know."""
    since, until = COMMANDS.get(command, ("", None))
    when = f"servers {since} to {until} know it" if until else f"servers from {since} on know it"
    reason = f"Unsupported command {command}"
    return NotSupportedByServerError(
        f"this server does not know {command}: {reason}; {when}. Use such a server, or do without.",
        command,
        reason,
        since,
    )
