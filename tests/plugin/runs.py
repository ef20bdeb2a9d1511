"""A pytest in a process of its own, step by step."""

import subprocess
import sys
from time import monotonic

import pytest

from tests.clock import SECOND


class Run:
    """A pytest that was started, with our plugin and no other: it starts sooner."""

    def __init__(self, pytester: pytest.Pytester, *options: str) -> None:
        command = [sys.executable, "-m", "pytest", "-s", "--disable-plugin-autoload", "-p", "scrutiny"]
        self._process = pytester.popen(
            [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.pid = self._process.pid
        self.output = ""

    def read_until(self, ending: str) -> None:
        """Wait for a line of its output that ends so."""
        for line in self._process.stdout:
            self.output += line.decode()
            if line.decode().rstrip().endswith(ending):
                return
        raise AssertionError(f"no line ends with {ending!r}:\n{self.output}")

    def go_on(self) -> None:
        """Let its ``input()`` return."""
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Return the exit code."""
        output, _ = self._process.communicate(timeout=30 * SECOND)
        self.output += output.decode()
        return int(self._process.returncode)

    def end(self, number: int) -> tuple[int, float]:
        """Send a signal; return the exit code and the seconds until it came."""
        start = monotonic()
        self.send(number)
        return self.wait(), monotonic() - start
