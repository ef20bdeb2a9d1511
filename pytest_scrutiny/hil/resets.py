"""What became of the device: gone, reset, silent, or cut off by its link or its server.

A read or a write that fails says in its own error which of these it was. The categories are those of the
errors: ``device``, ``bench`` (the link), ``server``.
"""

from typing import TYPE_CHECKING

import attrs

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import (
    ConnectionError,
    DeviceLostError,
    OperationFailure,
    ScrutinyError,
    TimeoutException,
)
from pytest_scrutiny.model.status import ServerInfo

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device

STATUS_PATIENCE = 0.4
"""Seconds for the server to say what it knows; it needs milliseconds unless it hangs. They come after the
caller's own time."""

LOSS_PATIENCE = 0.3
"""Seconds from a request left unanswered to the loss in the status: 0 to 0.2 (0.16.0, observed)."""

QUICK = 0.3
"""Seconds: a refused write fails within 0.1, an unanswered one after 0.8 (0.16.0 over UDP, observed)."""


def explain(device: "Device", session_id: str | None, doing: str, exc: ScrutinyError) -> ScrutinyError:
    """Return the error that tells why something failed; ``exc`` itself if the device has no part in it.

    :param session_id: the device's session when it began.
    :param doing: what failed, for example ``"/psu/voltage was read"``.
    """
    if isinstance(exc, ConnectionError):
        return _lost(device.raw, doing, exc)
    try:
        info = _ask(device.raw, session_id, exc)
    except ConnectionError as lost:
        return _lost(device.raw, doing, lost)
    except TimeoutException:
        return _hung(f"after {_headline(exc)}", exc)
    sessions = device.sessions
    what = f"{doing} ({_headline(exc)})"
    if info.device_session_id not in (None, session_id) and not sessions.may_reset:
        return sessions.notice(f" while {what}")
    error = _judge(info, session_id, what, exc, is_declared=sessions.may_reset)
    if error is exc and info.device_session_id is None:
        return sessions.notice_loss(session_id, f" while {what}")
    if isinstance(error, DeviceLostError) and not sessions.may_reset:
        sessions.has_told = True  # the end of the test need not say it again
    return error


def _headline(exc: ScrutinyError) -> str:
    """Return what an error says first; the rest is its story."""
    return str(exc).partition("\n")[0].rstrip(".")


def _lost(client: ScrutinyClient, doing: str, exc: ConnectionError) -> ConnectionError:
    advice = "Look into its log, or restart it."
    if doing.endswith("written"):
        # KeyError, "Entry with ID … not found in datastore" (0.3.0, 0.9.2 and 0.16.0, observed).
        advice = (
            "Servers up to 0.16 at least end when their device falls silent during a write: look at the "
            "device first, then into the server's log."
        )
    where = f" at {client.hostname}:{client.port}" if client.hostname else ""
    return type(exc)(f"the server{where} was lost while {doing}: {_headline(exc)}. {advice}")


def _hung(when: str, exc: ScrutinyError) -> TimeoutException:
    """Return the error for a server that says nothing any more, with the story of what it interrupted."""
    _, _, story = str(exc).partition("\n")
    error = TimeoutException(
        f"the server hangs: it left a status request unanswered for {STATUS_PATIENCE:g} s {when}. "
        f"Look into its log, or restart it.{story and chr(10) + story}"
    )
    error.category = "server"
    return error


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


def _judge(
    info: ServerInfo, session_id: str | None, doing: str, exc: ScrutinyError, *, is_declared: bool
) -> ScrutinyError:
    before = f"session {short(session_id)}"
    if info.device_link.operational is False:
        error: ScrutinyError = DeviceLostError(
            f"the link to the device is down ({info.device_link.type.name}), found while {doing}; "
            "expected it to be operational. Check cable, port and adapter."
        )
        error.category = "bench"
        return error
    if info.device_session_id != session_id and is_declared:
        return DeviceLostError(
            f"{before} ended while {doing}, as the test declared; expected nothing of the device until it is "
            "back. Wait for it with expect_reset() or wait_reset()."
        )
    if isinstance(exc, TimeoutException):
        exc.category = "device"
    return exc


def short(session_id: str | None) -> str:
    """Return enough of a session id to tell two apart."""
    return "none" if session_id is None else session_id[:8]


@attrs.define
class Reset:
    """A reset that was expected.

    :ivar before: the session that ended; ``after`` is the one that began, None until then.
    :ivar downtime: seconds from the first status without the old session to the first with the new one; None
        until then, and 0 where a server tells of both at once.
    """

    before: str | None
    after: str | None = None
    downtime: float | None = None


def await_reset(device: "Device", reset: Reset, timeout: float, *, needs_sfd: bool) -> None:
    """Wait for a session that is not ``reset.before``, ready and, if need be, with its firmware description.

    :raises TimeoutException: if there is none in time.
    """
    is_gone = False

    def is_back(info: ServerInfo) -> bool:
        nonlocal is_gone
        is_gone = is_gone or info.device_session_id != reset.before
        is_new = info.device_session_id not in (None, reset.before)
        return is_new and info.device is not None and (info.sfd is not None or not needs_sfd)

    heard = device.raw.board.reports
    try:
        info = device.raw.wait_server_status(is_back, timeout, "the device was not back")
    except TimeoutException as exc:
        if device.raw.board.reports == heard:
            raise _hung("while a reset was waited for", exc) from None
        what = "the device went away and was not back" if is_gone else "no reset came"
        what = f"{what} within {timeout:g} s; expected a session after {short(reset.before)}"
    else:
        reset.after = info.device_session_id
        sessions = device.sessions.since(reset.before)
        reset.downtime = sessions[-1].began - sessions[0].gone
        return
    raise TimeoutException(
        f"{what}. Check that the reset reached the device, and give it the time its firmware needs to start."
    )
