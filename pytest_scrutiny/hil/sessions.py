"""The device's sessions as one test knows them: which resets it declared, and the story of one it did not.

Rule 1: every session counts that the server told of, also one that ended before anybody looked.
Rule 2: a reset is told once, and what one test declared is told by no other object of the same client.
    After that the new session is the one the test knows.
Rule 3: a block of ``expect_reset`` that an exception leaves before its reset came still declares it.
"""

from collections.abc import MutableMapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.client.status import DeviceSession
from pytest_scrutiny.errors import DeviceLostError, DeviceResetError
from pytest_scrutiny.hil.journal import WriteRecord
from pytest_scrutiny.hil.resets import short
from pytest_scrutiny.hil.story import tell_device, tell_testaments, tell_writes

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device

_known_to_all: MutableMapping[ScrutinyClient, set[str]] = WeakKeyDictionary()
"""``{client: ids}`` of the sessions that some object told or declared (Rule 2)."""


class Sessions:
    """What a test knows of its device's sessions.

    :ivar known: the session the test works with; None if there was none yet.
    :ivar count: how many resets there were so far, declared ones included.
    :ivar declared: how many the test said there would be (``scrutiny_expect_reset``); None if it did not say.
    :ivar blocks: how many blocks of ``expect_reset`` are running.
    :ivar owed: how many resets may still come that such blocks declared (Rule 3).
    :ivar has_told: a reset that nobody declared, or the loss of the device, was raised.
    """

    def __init__(self, device: "Device", declared: int | None = None) -> None:
        self.known = device.raw.get_server_status().device_session_id
        self.declared = declared
        self.count = 0
        self.blocks = 0
        self.owed = 0
        self.has_told = False
        self._device = device
        self._began = monotonic()

    @property
    def may_reset(self) -> bool:
        """Whether a reset would be one that the test declared."""
        return self.blocks + self.owed > 0 or (self.declared is not None and self.count < self.declared)

    @property
    def is_complete(self) -> bool:
        """Whether as many resets were told of as the test declared."""
        return self.declared is None or self.count + len(self.since(self.known)) >= self.declared

    def declare(self, count: int | None) -> None:
        """Declare so many resets from now on, for an object that many tests share; None ends it."""
        if self.declared is not None:  # its test is over, and what was wrong was told there
            self.take_new()
        self.declared = None if count is None else self.count + count

    def leave_block(self, before: str | None, *, has_failed: bool) -> None:
        """Note that a block of ``expect_reset`` ended, which began in the session ``before``."""
        self.blocks -= 1
        self.owed += has_failed and not self.since(before)
        self.take_new()

    def check(self) -> None:
        """Raise if the device was reset and the test had not declared it.

        :raises DeviceResetError: with the story.
        """
        now = self._device.session_id
        if now in (None, self.known) or self.blocks:
            return
        before, is_news = self.known, self._has_news()
        new = self.take_new()
        is_declared = self.declared is not None and self.count <= self.declared
        if before is not None and is_news and not is_declared:
            raise self._error(before, new, "")

    def _has_news(self) -> bool:
        """Return whether there is a session that nobody knows nor owes; what was owed is paid."""
        known = _known_to_all.get(self._device.raw, set())
        new = [session for session in self.since(self.known) if session.session_id not in known]
        paid = min(self.owed, len(new))
        self.owed -= paid
        return len(new) > paid

    def notice(self, doing: str) -> DeviceResetError:
        """Return the error for a reset that made something fail.

        :param doing: what, for the text: ``" while /psu/voltage was read (…)"``.
        """
        before, new = self.known, self.take_new()
        return self._error(before, new, doing)

    def since(self, before: str | None) -> Sequence[DeviceSession]:
        """Return the sessions that the server told of after the session ``before``, oldest first."""
        sessions = [*self._device.raw.board.sessions]
        ids = [session.session_id for session in sessions]
        # After the server was lost its sessions begin anew: then all of them are new.
        return sessions[ids.index(before) + 1 :] if before in ids else sessions

    def take_new(self) -> Sequence[DeviceSession]:
        """Return the sessions that the test does not know yet, oldest first; it knows them from now on."""
        new = self.since(self.known)
        if new:
            self.count += len(new) if self.known is not None else len(new) - 1
            self.known = new[-1].session_id
            _known_to_all.setdefault(self._device.raw, set()).update(s.session_id for s in new)
        return new

    def _error(self, before: str | None, new: Sequence[DeviceSession], doing: str) -> DeviceResetError:
        self.has_told = True
        gone = new[0].gone if new else monotonic()
        began = "another began"
        if new:
            began = f"{short(new[-1].session_id)} began"
            if new[-1].began > gone:  # else the server told of both at once
                began += f" {new[-1].began - gone:.2f} s later"
        again = f" ({len(new)} resets)" if len(new) > 1 else ""
        sentence = (
            f"the device was reset{doing}: session {short(before)} ended {self._when(gone)}, and "
            f"{began}{again}. Expected no reset: look for a watchdog, a brown-out or a crash, or declare it "
            "with expect_reset()."
        )
        return DeviceResetError(self._story(sentence, before, gone))

    def notice_loss(self, session_id: str | None, doing: str) -> DeviceLostError:
        """Return the error for a device that is gone; whether it was a reset, nobody knows before it is back.

        :param doing: as for ``notice``.
        """
        self.has_told = True
        now = monotonic()
        sentence = (
            f"the device went away{doing}, {self._when(now)}; expected session {short(session_id)} to go on. "
            "Check its power and its link."
        )
        return DeviceLostError(self._story(sentence, session_id, now))

    def _when(self, moment: float) -> str:
        when = f"{moment - self._began:.2f} s {self._device.since_what}"
        writes = self._writes_before(moment)
        return f"{when} and {moment - writes[-1].moment:.2f} s after the last write" if writes else when

    def _writes_before(self, moment: float) -> Sequence[WriteRecord]:
        return [write for write in self._device.writes if write.moment <= moment]

    def _story(self, sentence: str, before: str | None, gone: float) -> str:
        device = self._device
        lines = [
            sentence,
            *tell_testaments(device.testaments(before), gone),
            *tell_writes(self._writes_before(gone), gone),
            *tell_device(device.raw.get_server_status(), before),
        ]
        return "\n  ".join(lines)

    def complaint(self) -> str:
        """Return what is wrong with the number of resets at the end of the test; ``""`` if nothing is."""
        if self.declared in (None, self.count):
            return ""
        times = "once" if self.count == 1 else f"{self.count} times"
        return (
            f"the device was reset {times} in the test; expected {self.declared}, as it is marked "
            f"scrutiny_expect_reset(count={self.declared}). Check that each reset reached the device, or "
            "correct the marker."
        )
