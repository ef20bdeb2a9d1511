"""Waiting for a value, and watching that it keeps what was promised.

Rule 1: every update the server sent is looked at, also two in one packet, and whatever is written meanwhile;
    the server's own echo of a write is not one (client/feed.py, Rules 3 and 4).
Rule 2: times between samples are the server's clock where it has one, so that a late packet does not count
    as a long pause.
Rule 3: what may not happen (``never``) is checked whenever this thread waits for anything of the device, so a
    test stops within one update of it.
"""

import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Self

from pytest_scrutiny.client.deadline import Deadline
from pytest_scrutiny.client.feed import TimedSample
from pytest_scrutiny.client.handle import WatchableHandle
from pytest_scrutiny.errors import TimeoutException, UnmetExpectation
from pytest_scrutiny.hil.matchers import Changed, Matcher, bounds_of
from pytest_scrutiny.hil.story import tell_device, tell_values, tell_writes

if TYPE_CHECKING:
    from pytest_scrutiny.hil.device import Device
    from pytest_scrutiny.hil.value import Value

SLICE = 0.25
"""Seconds between two looks at what may never happen while no update of the awaited value comes."""


class Expectation:
    """One wait for one value: where it began, what it saw, and the story it tells when it fails."""

    def __init__(self, device: "Device", handle: WatchableHandle) -> None:
        self._device = device
        self.handle = handle
        self.path = handle.info.path
        self.start = handle.next_fresh()
        self._next = self.start
        self._began = monotonic()

    def more(self, deadline: Deadline) -> list[TimedSample]:
        """Return the samples that came since the last call, at least one.

        :raises TimeoutException: if none comes in time.
        """
        while True:
            self._device.check_watchers()
            try:
                fresh = self.handle.wait_samples(self._next, Deadline(min(SLICE, deadline.remaining())))
            except TimeoutException:
                if deadline.has_passed:
                    raise
                continue
            self._next = fresh[-1].number + 1
            return fresh

    def story(self, sentence: str, matcher: Matcher) -> str:
        """Return the text of a failure: what was expected, and what was seen instead."""
        lines = [
            sentence,
            *tell_values(self.handle, self.handle.samples(self.start), bounds_of(matcher)),
            *tell_writes(self._device.writes, self._began),
            *tell_device(self._device.raw.get_server_status(), self.handle.session_id),
        ]
        return "\n  ".join(lines)


def wait_for(expectation: Expectation, matcher: Matcher, timeout: float, hold: float) -> bool | float:
    """Return the first value that matches, or the one with which it has matched for ``hold`` seconds.

    :raises TimeoutException: with the story, if that does not happen in time.
    """
    deadline = Deadline(timeout)
    stretch = Stretch()
    while True:
        try:
            fresh = expectation.more(deadline)
        except TimeoutException:
            sentence = f"{expectation.path} {stretch.complaint(matcher, timeout, hold)}"
            raise TimeoutException(expectation.story(sentence, matcher)) from None
        for _, time_us, sample in fresh:
            if sample.value is None or not matcher.matches(sample.value):
                stretch.end()
            elif stretch.go_on(time_us) >= hold * 1e6:
                return sample.value


class Stretch:
    """The time for which a value has matched without a break; times are microseconds.

    :ivar longest: of all stretches so far; None if no value matched.
    """

    def __init__(self) -> None:
        self.longest: float | None = None
        self._since: float | None = None
        self._length = 0.0

    def go_on(self, time_us: float) -> float:
        """Note a value that matches; return for how long they have matched."""
        self._since = time_us if self._since is None else self._since
        self._length = time_us - self._since
        self.longest = max(self._length, self.longest or 0.0)
        return self._length

    def end(self) -> None:
        """Note a value that does not match."""
        self._since = None

    def complaint(self, matcher: Matcher, timeout: float, hold: float) -> str:
        """Return what went wrong: the value never came, went again, or came too late to hold."""
        if self.longest is None:
            held = f" (hold {hold:.2f} s)" if hold else ""
            if isinstance(matcher, Changed):
                return f"did not change from {matcher.before!r} within {timeout:.2f} s"
            return f"did not reach {matcher!r} within {timeout:.2f} s{held}"
        what = f"did not hold {matcher!r} for {hold:.2f} s within {timeout:.2f} s"
        if self._since is None:
            return f"{what}: it went again, after {self.longest / 1e6:.2f} s at most"
        return f"{what}: it came late, and held for the last {self._length / 1e6:.2f} s"


def stays(expectation: Expectation, matcher: Matcher, duration: float, patience: float) -> None:
    """Return after ``duration`` seconds in which every value matched.

    :param patience: seconds without any update after which nothing can be said.
    :raises UnmetExpectation: with the story, at the first value that does not match.
    :raises TimeoutException: if no updates come.
    """
    first: float | None = None
    while True:
        try:
            fresh = expectation.more(Deadline(patience))
        except TimeoutException:
            sentence = f"{expectation.path} could not be seen to stay {matcher!r}: no update came"
            raise TimeoutException(expectation.story(f"{sentence} for {patience:.2f} s", matcher)) from None
        for _, time_us, sample in fresh:
            first = time_us if first is None else first
            if sample.value is None or not matcher.matches(sample.value):
                sentence = f"{expectation.path} did not stay {matcher!r} for {duration:.2f} s"
                after = f": it left after {(time_us - first) / 1e6:.3f} s"
                raise UnmetExpectation(expectation.story(sentence + after, matcher))
            if time_us - first >= duration * 1e6:
                return


class Never:
    """Watches, while its block runs, that a value never matches."""

    def __init__(self, device: "Device", value: "Value", matcher: Matcher) -> None:
        self._device = device
        self._value = value
        self._matcher = matcher
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        handle = self._stack.enter_context(self._value.attention())
        self._expectation = Expectation(self._device, handle)
        self._seen = self._expectation.start
        self._device.watchers.append(self)
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        self._device.watchers.remove(self)
        with self._stack:
            if exc_type is None:
                self._value.read()  # one more sample, so that what happened last is seen too
                self.check()

    def check(self) -> None:
        """Raise if a value matched since the last check.

        :raises UnmetExpectation: with the story.
        """
        handle = self._expectation.handle
        for number, _, sample in handle.fresh_samples(self._seen):
            self._seen = number + 1
            if sample.value is not None and self._matcher.matches(sample.value):
                sentence = f"{handle.info.path} was {sample.value!r}; expected never {self._matcher!r}"
                raise UnmetExpectation(self._expectation.story(sentence, self._matcher))
