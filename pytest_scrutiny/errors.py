"""Every error pytest-scrutiny raises, in one tree.

Rule 1: a message is one string in three parts: what happened, what was expected, what to do next.
Rule 2: where a builtin says the same, our class inherits it too, so that ``except TimeoutError`` works.
Rule 3: wrong arguments are the builtin ``TypeError`` and ``ValueError``; they are not in this tree.
Rule 4: they say they are of ``pytest_scrutiny``, from where users import them: that is what a failure shows.

PYTEST_DONT_REWRITE
"""

import builtins


class ScrutinyError(Exception):
    """Whatever went wrong between a test and its device.

    :ivar message: the whole text.
    :ivar category: who has to look into it: ``test``, ``device``, ``server``, ``bench`` or ``config``.
    """

    category: str = "test"

    def __init__(self, message: str = "") -> None:
        # One positional argument only: with two, the builtin OSError would take them for (errno, text).
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ConnectionError(ScrutinyError, builtins.ConnectionError):
    """No connection: it could not be made, it was lost, or the peer is something else."""

    category = "server"


class TimeoutException(ScrutinyError, builtins.TimeoutError):
    """What was waited for did not happen in the given time."""


class ConnectTimeout(ConnectionError, TimeoutException):
    """The connection was not complete within its time.

    :ivar is_silent: something took the connection and then said nothing, as a busy server does.
    """

    is_silent: bool = False


class RemoteProtocolError(ConnectionError):
    """The peer broke the protocol.

    :ivar where: the place in the message as a dotted JSON path, or ``""`` if no message could be read.
    """

    def __init__(self, message: str = "", where: str = "") -> None:
        super().__init__(message)
        self.where = where


class InvalidValueError(ScrutinyError):
    """There is no value, or an unusable one."""


class OperationFailure(ScrutinyError):
    """The server or the device refused a request.

    :ivar command: the request's name on the wire, for example ``write_watchable``.
    :ivar reason: the refusal in the server's own words.
    """

    def __init__(self, message: str = "", command: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.command = command
        self.reason = reason


class NotSupportedByServerError(OperationFailure):
    """This server's release does not know the command.

    :ivar since: the first release that does, for example ``"0.12.0"``; ``""`` if no release does.
    """

    def __init__(self, message: str = "", command: str = "", reason: str = "", since: str = "") -> None:
        super().__init__(message, command, reason)
        self.since = since


class NameNotFoundError(ScrutinyError, builtins.LookupError):
    """There is no watchable, marker or setting of this name."""


class BadEnumError(ScrutinyError, builtins.ValueError):
    """The watchable has no enum, or its enum has no such member."""


class BadTypeError(ScrutinyError, builtins.TypeError):
    """The watchable is of another kind than the call needs."""


class NotAllowedError(ScrutinyError):
    """The call is not possible in this state."""


class ApiError(ScrutinyError):
    """The server's answer is of no use."""


class BadResponseError(ApiError):
    """The server's answer does not fit the question."""


class ErrorResponseException(ApiError):
    """The server answered with an error; kept for scripts that catch the official SDK's name."""


class UnmetExpectation(ScrutinyError, AssertionError):
    """A value was not what the test said it stays, or what it said it never is."""


class DeviceLostError(ScrutinyError):
    """The device went away while a test was using it."""

    category = "device"


class DeviceResetError(ScrutinyError):
    """The device started a new session that the test did not declare."""

    category = "device"


ScrutinySDKException = ScrutinyError

for _error in tuple(globals().values()):
    if isinstance(_error, type) and issubclass(_error, ScrutinyError):
        _error.__module__ = "pytest_scrutiny"
del _error
