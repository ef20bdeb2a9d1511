"""Turns: runs and pytest-xdist workers of one machine that name the same server use its device test by test.

Imported by the first test that passes the gate, because it brings ``filelock`` along.

Rule 1: a turn begins before the gate asks the server and ends after the test's writes were undone.
Rule 2: there is a door before the turn, and it stays locked while somebody behind it waits. Whoever has just
    given the turn back and wants the next one finds the door locked, so a busy run keeps nobody out.
Rule 3: door and turn are locks of the operating system: a killed holder frees them. The holder's name, in a
    file beside them, is a courtesy to whoever waits.
Rule 4: a wait ends when one holder has kept the turn for LONGEST_TURN. Later tests of the run do not wait for
    that holder again.
"""

import contextlib
import getpass
import hashlib
import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from datetime import datetime
from pathlib import Path
from time import monotonic

import pytest
from filelock import FileLock, Timeout

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.errors import ScrutinyError, TimeoutException
from pytest_scrutiny.plugin.connect import past_of
from pytest_scrutiny.plugin.options import Settings
from pytest_scrutiny.plugin.progress import PATIENCE, Progress
from pytest_scrutiny.plugin.report import claim, fail

LONGEST_TURN = 1800.0
"""Seconds: longer than nearly any test takes, and less than the hour that CI systems commonly give a job, so
that the reason can still be read."""

_POLL = 0.01  # filelock asks again and again; this is what the change from one holder to the next costs
_LONGEST_NAME = 300  # characters; test ids with parameters can be of any length

_given_up_key = pytest.StashKey[MutableMapping[str, str]]()


@contextlib.contextmanager
def turn_of(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the turn at the server of the test's client while inside; fail the test if it cannot be had.

    The run's own fake server is not shared, so nobody waits for it.
    """
    claim(request.node)
    settings: Settings = request.getfixturevalue("scrutiny_settings")
    client: ScrutinyClient = request.getfixturevalue("scrutiny_client")
    if settings.fake:
        yield
        return
    # Where the client is, for a conftest may have connected it; or where it will be again.
    host, port, _ = past_of(request.config).address or (settings.host, settings.port, None)
    turn = Turn(
        place_of(client.hostname or host, client.port or port),
        Progress(request.config).tell,
        request.config.stash.setdefault(_given_up_key, {}),
        longest=LONGEST_TURN,
    )
    complaint = None
    try:
        turn.take(request.node.nodeid)
    except ScrutinyError as exc:
        complaint = exc
    if complaint is not None:  # raised here, outside of any except, so that one line is all there is to read
        fail(request.config, str(complaint), complaint.category)
    try:
        yield
    finally:
        turn.give_back()


def place_of(host: str, port: int) -> str:
    """Return one name for what surely is the same server: ``localhost:8765`` for 127.0.0.1 and ::1 too.

    Nothing is looked up, so a host's name and its address are two places.
    """
    name = host.lower().rstrip(".")
    is_here = name in ("localhost", socket.gethostname().lower())
    with contextlib.suppress(ValueError):  # so it is a name
        address = ipaddress.ip_address(name)
        address = getattr(address, "ipv4_mapped", None) or address
        name = str(address)
        is_here = address.is_loopback or address.is_unspecified
    return f"{'localhost' if is_here else name}:{port}"


def shared_folder() -> Path:
    """Return a folder that all users of this machine share."""
    # Not TMPDIR, which CI systems set for each job and macOS for each user: they would not see each other.
    everybodys = Path("/tmp")  # noqa: S108 - the names in it are known to others on purpose
    if sys.platform != "win32" and os.access(everybodys, os.W_OK):
        return everybodys
    return Path(tempfile.gettempdir())  # on Windows each user has one; two users do not see each other


class Turn:
    """One test's turn at a place, and the wait for it.

    :param place: from :func:`place_of`.
    :param tell: called with a line for people when the wait takes longer than PATIENCE.
    :param given_up: ``{place: holder}`` of the waits that ended in vain; kept up to date.
    :param longest: seconds that one holder may keep it while we wait.
    """

    def __init__(
        self,
        place: str,
        tell: Callable[[str], None],
        given_up: MutableMapping[str, str],
        *,
        longest: float,
        folder: Path | None = None,
    ) -> None:
        digest = hashlib.sha256(place.encode()).hexdigest()[:16]
        base = (folder or shared_folder()) / f"pytest-scrutiny-{digest}"
        # Locked by every user, and released by whichever thread the teardown runs in.
        self._door = FileLock(f"{base}.door", mode=0o666, thread_local=False)
        self._lock = FileLock(f"{base}.turn", mode=0o666, thread_local=False)
        self._name = base.with_suffix(".holder")
        self._place = place
        self._tell = tell
        self._given_up = given_up
        self._longest = longest
        self._start = self._since = monotonic()
        self._holder = ""

    def take(self, test: str) -> None:
        """Wait for the turn, and take it.

        :param test: what for, to be read by whoever waits meanwhile.
        :raises TimeoutException: if somebody else keeps it.
        :raises ScrutinyError: if it cannot be taken at all.
        """
        try:
            self._wait_for_both()
        except (OSError, RuntimeError) as exc:  # filelock's, when a file cannot be locked there
            if isinstance(exc, TimeoutException):
                raise
            error = ScrutinyError(
                f"cannot take turns at {self._place}: {exc}; expected to lock {self._lock.lock_file}. "
                "Check its permissions, or delete it while no test runs."
            )
            error.category = "bench"
            raise error from exc
        self._given_up.pop(self._place, None)
        self._write_name(_describe(test))

    def give_back(self) -> None:
        """Let others have the turn."""
        self._lock.release()

    def _wait_for_both(self) -> None:
        self._wait_for(self._door)
        try:
            self._wait_for(self._lock)
        finally:
            self._door.release()

    def _wait_for(self, lock: FileLock) -> None:
        while True:
            try:
                lock.acquire(timeout=self._time_to_look(), poll_interval=_POLL)
            except Timeout:
                self._look()
            else:
                return

    def _time_to_look(self) -> float:
        """Return the seconds until something may have to be said."""
        pause = min(PATIENCE, self._longest)
        if self._holder:
            return pause
        if self._place in self._given_up:
            return 0.0
        return max(pause - (monotonic() - self._start), 0.0)

    def _look(self) -> None:
        """Look who has the turn; tell it when it is somebody else, and raise if it has been too long."""
        now, holder = monotonic(), self.holder()
        is_hopeless = self._given_up.get(self._place) == holder
        if holder != self._holder and not is_hopeless:
            self._tell(f"waiting for the turn at {self._place}: {holder} has it")
            self._since = now if self._holder else self._start
            self._holder = holder
        if is_hopeless or now - self._since >= self._longest:
            self._given_up[self._place] = holder
            error = TimeoutException(
                f"no turn at {self._place}: {holder} has kept it for over {self._longest:g} s; expected it "
                "back after each test. End that run, or give this one another server."
            )
            error.category = "bench"
            raise error

    def holder(self) -> str:
        """Return who has the turn, or had it last."""
        try:
            text = self._name.read_text("utf-8", "replace")[:_LONGEST_NAME]
        except OSError:
            text = ""
        # Any user may write there; none is to send control characters to another one's terminal.
        return "".join(char for char in text if char.isprintable()) or "somebody who left no name"

    def _write_name(self, name: str) -> None:
        with contextlib.suppress(OSError):  # the lock holds without it
            # A file that looks unused for ten days is deleted by systemd, also while it is locked.
            os.utime(self._lock.lock_file)
            with open(self._name, "w", encoding="utf-8", opener=_open_for_all) as file:
                file.write(name)


def _open_for_all(path: str, flags: int) -> int:
    """Open a file that every user may write, whoever made it."""
    flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        # Without O_CREAT: Linux refuses it for another user's file in such a folder (fs.protected_regular).
        return os.open(path, flags & ~os.O_CREAT)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_EXCL, 0o666)
        if sys.platform != "win32":
            os.fchmod(descriptor, 0o666)  # whatever the umask is
        return descriptor


def _describe(test: str) -> str:
    """Return who we are, to be read by people."""
    user = "an unknown user"
    with contextlib.suppress(KeyError, OSError, ImportError):  # no name for this uid, or no users at all
        user = getpass.getuser()
    return f"process {os.getpid()} of {user} (since {datetime.now():%Y-%m-%d %H:%M:%S}, for {test})"
