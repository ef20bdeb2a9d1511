"""What became of the device: gone, reset, silent, or cut off by its link or its server.

A read or a write that fails says in its own error which of these it was. The categories are those of the
errors: ``device``, ``bench`` (the link), ``server``.
"""

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import (
    ConnectionError,
    DeviceLostError,
    DeviceResetError,
    OperationFailure,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.model.status import ServerInfo

STATUS_PATIENCE = 1.0
"""Seconds for the server to say what it knows; it needs milliseconds unless it hangs."""

LOSS_PATIENCE = 0.5
"""Seconds from a request left unanswered to the loss in the status: 0 to 0.2 (0.16.0, observed)."""


QUICK = 0.3
"""Seconds: a refused write fails within 0.1, an unanswered one after 0.8 (0.16.0 over UDP, observed)."""


def explain(client: ScrutinyClient, session_id: str | None, doing: str, exc: ScrutinyError) -> ScrutinyError:
    """Return the error that tells why something failed; ``exc`` itself if the device has no part in it.

    :param session_id: the device's session when it began.
    :param doing: what failed, for example ``"/psu/voltage was read"``.
    """
    if isinstance(exc, ConnectionError):
        return type(exc)(f"the server was lost while {doing}: {exc}")
    try:
        info = _ask(client, session_id, exc)
    except ConnectionError as lost:
        return type(lost)(f"the server was lost while {doing}: {lost}")
    except TimeoutException:
        hung = TimeoutException(
            f"the server hangs: it left a status request unanswered for {STATUS_PATIENCE:g} s after {exc}. "
            "Look into its log, or restart it."
        )
        hung.category = "server"
        return hung
    return _judge(info, session_id, doing, exc)


def _ask(client: ScrutinyClient, session_id: str | None, exc: ScrutinyError) -> ServerInfo:
    """Return what the server says now; after a failure that shows late in the status, what it says then."""
    if isinstance(exc, OperationFailure):
        try:
            return client.wait_server_status(
                lambda info: info.device_session_id != session_id, LOSS_PATIENCE, "the session goes on"
            )
        except TimeoutException:
            pass  # so it goes on, or the server hangs, as the next question shows
    return client.wait_server_status(lambda _: True, STATUS_PATIENCE, "no server status came")


def _judge(info: ServerInfo, session_id: str | None, doing: str, exc: ScrutinyError) -> ScrutinyError:
    before = f"session {short(session_id)}"
    if info.device_link.operational is False:
        error: ScrutinyError = DeviceLostError(
            f"the link to the device is down ({info.device_link.type.name}), found while {doing} ({exc}); "
            "expected it to be operational. Check cable, port and adapter."
        )
        error.category = "bench"
        return error
    if info.device_session_id is None:
        return DeviceLostError(
            f"the device went away while {doing} ({exc}); expected {before} to go on. "
            "Check its power and its link."
        )
    if info.device_session_id != session_id:
        return DeviceResetError(
            f"the device was reset while {doing} ({exc}): {before} ended and {short(info.device_session_id)} "
            "began. Look for a watchdog, a brown-out or a crash."
        )
    if isinstance(exc, TimeoutException):
        exc.category = "device"
    return exc


def short(session_id: str | None) -> str:
    """Return enough of a session id to tell two apart."""
    return "none" if session_id is None else session_id[:8]
