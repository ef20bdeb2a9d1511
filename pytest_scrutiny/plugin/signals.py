"""SIGTERM as an orderly end: what was written is put back, and the connection is closed.

Without this a terminated run leaves the device as the test made it; CI systems terminate a job that is
cancelled or takes too long.

Rule 1: the handler is in place only from connect to disconnect, and only where SIGTERM would kill us or was
    handled by Python code, which is called first. A run that ignores SIGTERM goes on ignoring it.
Rule 2: it ends the run as Ctrl-C does, with the exit code that a shell gives for SIGTERM, 143. Pytest tears
    everything down then, in ``pytest_sessionfinish``.
Rule 3: once that has begun, a further SIGTERM changes nothing.
"""

import contextlib
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeAlias

import pytest

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None

EXIT_CODE = 128 + signal.SIGTERM

_ending_key = pytest.StashKey[bool]()
_terminated_key = pytest.StashKey[bool]()


class Terminated(KeyboardInterrupt):
    """The run was told to end; no ``except Exception`` of a test stops it."""


def is_ending(config: pytest.Config) -> bool:
    """Return whether the run is about to end; a test that still is torn down was interrupted."""
    return config.stash.get(_ending_key, False)


def begin_to_end(session: pytest.Session) -> None:
    """Note that the run is about to end, and why; called before anything is torn down for it."""
    session.config.stash[_ending_key] = True
    if _terminated_key in session.config.stash:
        session.exitstatus = EXIT_CODE


def _set_handler(handler: Handler) -> None:
    signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def orderly_termination(config: pytest.Config) -> Iterator[None]:
    """Make SIGTERM end the run in order while inside; do nothing where signals are not ours to handle."""
    previous = signal.getsignal(signal.SIGTERM)
    is_handled = callable(previous) or previous is signal.SIG_DFL
    # On Windows there is no SIGTERM from outside; and Python handles signals in the main thread only.
    if sys.platform == "win32" or not is_handled or threading.current_thread() is not threading.main_thread():
        yield
        return
    is_over = False

    def end(number: int, frame: FrameType | None) -> None:
        if _terminated_key in config.stash:
            return  # Rule 3
        if callable(previous):
            previous(number, frame)
        elif is_over:  # somebody kept this handler
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if not is_over and not is_ending(config):
            config.stash[_terminated_key] = True
            # Under --pdb a KeyboardInterrupt opens the debugger, where a terminated run would stay for ever.
            raise pytest.exit.Exception("SIGTERM") if config.getoption("usepdb") else Terminated("SIGTERM")

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        is_over = True
        if signal.getsignal(signal.SIGTERM) is end:  # else somebody chained to it since
            if _terminated_key in config.stash:  # Rule 3 holds until all is reported
                config.add_cleanup(functools.partial(_set_handler, previous))
            else:
                _set_handler(previous)
