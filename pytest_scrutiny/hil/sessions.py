"""The device's sessions as one test knows them: which resets it declared, and the story of one it did not.

Rule 1: every session counts that the server told of, also one that ended before anybody looked.
Rule 2: a reset is told once. After that the new session is the one the test knows.
"""

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from pytest_scrutiny.client.status import DeviceSession
from pytest_scrutiny.errors import DeviceResetError
from pytest_scrutiny.hil.resets import short
from pytest_scrutiny.hil.story import tell_device, tell_testaments, tell_writes

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device


class Sessions:
    """What a test knows of its device's sessions.

    :ivar known: the session the test works with; None if there was none yet.
    :ivar count: how many resets there were so far, declared ones included.
    :ivar declared: how many the test said there would be (``scrutiny_expect_reset``); None if it did not say.
    :ivar blocks: how many blocks of ``expect_reset`` are running.
    :ivar has_told: a reset that nobody declared was raised.
    """

    def __init__(self, device: "Device", declared: int | None = None) -> None:
        self.known = device.raw.get_server_status().device_session_id
        self.declared = declared
        self.count = 0
        self.blocks = 0
        self.has_told = False
        self._device = device
        self._began = monotonic()

    @property
    def may_reset(self) -> bool:
        """Whether a reset would be one that the test declared."""
        return self.blocks > 0 or (self.declared is not None and self.count < self.declared)

    def check(self) -> None:
        """Raise if the device was reset and the test had not declared it.

        :raises DeviceResetError: with the story.
        """
        now = self._device.session_id
        if now in (None, self.known) or self.blocks:
            return
        before, new = self.known, self.take_new()
        if before is None or (self.declared is not None and self.count <= self.declared):
            return
        raise self._error(before, new, "")

    def notice(self, doing: str) -> DeviceResetError:
        """Return the error for a reset that made something fail.

        :param doing: what, for the text: ``" while /psu/voltage was read (…)"``.
        """
        before, new = self.known, self.take_new()
        return self._error(before, new, doing)

    def take_new(self) -> Sequence[DeviceSession]:
        """Return the sessions that the test does not know yet, oldest first; it knows them from now on."""
        sessions = [*self._device.raw.board.sessions]
        ids = [session.session_id for session in sessions]
        # After the server was lost its sessions begin anew: then all of them are new.
        new = sessions[ids.index(self.known) + 1 :] if self.known in ids else sessions
        if new:
            self.count += len(new) if self.known is not None else len(new) - 1
            self.known = new[-1].session_id
        return new

    def _error(self, before: str | None, new: Sequence[DeviceSession], doing: str) -> DeviceResetError:
        self.has_told = True
        device = self._device
        gone = new[0].gone if new else monotonic()
        when = f"{gone - self._began:.2f} s {device.since_what}"
        earlier = [write for write in device.writes if write.moment <= gone]
        if earlier:
            when += f" and {gone - earlier[-1].moment:.2f} s after the last write"
        began = "another began"
        if new:
            began = f"{short(new[-1].session_id)} began {new[-1].began - gone:.2f} s later"
        again = f" ({len(new)} resets)" if len(new) > 1 else ""
        sentence = (
            f"the device was reset{doing}: session {short(before)} ended {when}, and {began}{again}. "
            "Expected no reset: look for a watchdog, a brown-out or a crash, or declare it with "
            "expect_reset()."
        )
        lines = [
            sentence,
            *tell_testaments(device.testaments(before), gone),
            *tell_writes(earlier, gone),
            *tell_device(device.raw.get_server_status(), before),
        ]
        return DeviceResetError("\n  ".join(lines))

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
