"""What the terminal shows while a test waits.

Rule 1: nothing before PATIENCE seconds, and then a line only when there is something new to say.
Rule 2: shown to people who look on: on a terminal, or with ``-v``; not with ``-q``, and not in the workers of
    pytest-xdist, which have no terminal.
Rule 3: with and without ``-s``: pytest's capture is off while a line is written.
"""

import contextlib

import pytest

PATIENCE = 1.0
"""Seconds of silence; the time between two looks too."""


class Progress:
    """Lines for the terminal, or nothing where nobody looks on.

    :ivar has_told: whether any line was written.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.has_told = False
        self._config = config
        self._last = ""

    def tell(self, text: str) -> None:
        """Write a line, unless it is the last one again."""
        if text == self._last:
            return
        self._last = text
        # By these names other plugins reach them too; pytest has no function for it.
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        verbosity = self._config.get_verbosity()
        # isatty is a truth value in pytest 8.4; in 9.2 one that can be called too.
        if reporter is None or verbosity < 0 or not (verbosity > 0 or reporter.isatty):
            return
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        with contextlib.nullcontext() if capture is None else capture.global_and_fixture_disabled():
            reporter.write_line(f"scrutiny: {text}")
            reporter.flush()  # while capture is off: else it would end in the test's captured output
        self.has_told = True
