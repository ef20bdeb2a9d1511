"""What a failure shows of the way to it: the test's own lines, and none of ours.

A wait that fails was asked for by a line of the test. Below are pages of this package's own lines. Who looks
for a fault in a device has no use for them: what matters is in the error's text.

Rule 1: only what a ``raise`` of ours raised is shortened; a mistake of ours keeps all its frames.
Rule 2: what it was raised from goes too: its words are in the text.
Rule 3: ``--full-trace`` shows everything.
"""

import contextlib
import linecache
from collections.abc import Iterator, Sequence
from types import TracebackType

import pytest

_OURS = "pytest_scrutiny"
_CARRIERS = (_OURS, "contextlib")
"""Whose frames are left out at the end; a ``with`` of the test's calls ours through the standard library."""

_PYTEST = ("_pytest", "pluggy")


@contextlib.contextmanager
def without_our_frames(excinfo: pytest.ExceptionInfo[BaseException]) -> Iterator[None]:
    """Leave our frames out of what is shown while inside; a debugger that comes later has them again."""
    entries = _entries(excinfo.tb)
    shown = _shown(entries)
    if len(shown) == len(entries):
        yield
        return
    exc, traceback = excinfo.value, excinfo.traceback
    cause, is_suppressed = exc.__cause__, exc.__suppress_context__
    excinfo.traceback = type(traceback)(_chained(shown))
    exc.__cause__ = None  # and so its context is not shown either
    try:
        yield
    finally:
        excinfo.traceback = traceback
        exc.__cause__, exc.__suppress_context__ = cause, is_suppressed


def _entries(traceback: TracebackType | None) -> list[TracebackType]:
    entries = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    return entries


def _chained(entries: Sequence[TracebackType]) -> TracebackType:
    """Return these entries, at least one, as one traceback: pytest follows the chain wherever it cuts it."""
    chain = None
    for entry in reversed(entries):
        chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    assert chain is not None
    return chain


def _shown(entries: Sequence[TracebackType]) -> Sequence[TracebackType]:
    """Return the entries down to the last one that is not ours; all, if they are to be shown."""
    if not entries or _module(entries[-1]) != _OURS or not _is_raise(entries[-1]):
        return entries
    shown = entries
    while shown and _module(shown[-1]) in _CARRIERS:
        shown = shown[:-1]
    # A fixture of ours has no line of the test's above it.
    return shown if shown and _module(shown[-1]) not in _PYTEST else entries


def _module(entry: TracebackType) -> str:
    """Return the name of the top package of an entry's module."""
    return str(entry.tb_frame.f_globals.get("__name__")).partition(".")[0]


def _is_raise(entry: TracebackType) -> bool:
    code = entry.tb_frame.f_code
    return linecache.getline(code.co_filename, entry.tb_lineno).lstrip().startswith("raise")
