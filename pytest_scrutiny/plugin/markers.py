"""The markers: what a test may ask of its device, checked when tests are collected.

Rule 1: several markers combine. Features add up; of ``scrutiny_ready`` each keyword counts where it stands
    closest to the test.
Rule 2: a mistake in a marker is an error of the collection: a test that asks for a feature nobody knows
    would otherwise be skipped on every device, and stay green.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_scrutiny.plugin.options import FEATURES, TIMEOUT_EXPECTED, read_timeout

REQUIRES = "scrutiny_requires"
READY = "scrutiny_ready"
RESTORE = "scrutiny_restore"
EXPECT_RESET = "scrutiny_expect_reset"
MARKERS = (REQUIRES, READY, RESTORE, EXPECT_RESET)

GATE = "scrutiny_gate"
"""The fixture that a marker brings along."""
DEVICE = "scrutiny_device"
SHARED = "scrutiny_device_shared"

_RESTORE_WORDS = ("auto", "off")

_LINES = (
    f"{REQUIRES}(*features): skip the test if the device lacks one of the features: {', '.join(FEATURES)}.",
    f"{READY}(timeout=seconds, sfd=True, probe=True): how long to wait for the device, and for what else.",
    f'{RESTORE}("off"): leave what the test writes as it is; "auto", as without the marker, puts it back.',
    f"{EXPECT_RESET}(count=1): the device resets so often in the test, neither more nor less.",
)


class Wishes(NamedTuple):
    """What a test's markers ask for.

    :ivar ready_timeout: seconds; None leaves it to the settings.
    :ivar sfd: whether the firmware description must be loaded; None: if the server has it.
    :ivar probe: whether the device itself must answer, and not only the server for it.
    :ivar restores: whether what the test writes is put back.
    :ivar resets: how often the device resets in the test; None leaves that to the test's blocks.
    """

    features: tuple[str, ...] = ()
    ready_timeout: float | None = None
    sfd: bool | None = None
    probe: bool = False
    restores: bool = True
    resets: int | None = None


def register_markers(config: pytest.Config) -> None:
    """Make the markers known to ``--markers`` and ``--strict-markers``."""
    for line in _LINES:
        config.addinivalue_line("markers", line)


def has_wishes(item: pytest.Item) -> bool:
    """Return whether any of our markers is on the test, its class or its module."""
    return any(item.get_closest_marker(name) is not None for name in MARKERS)


def read_wishes(item: pytest.Item) -> Wishes:
    """Return what the markers of a test ask for.

    :raises ValueError: naming the test, what is wrong and what was expected.
    """
    try:
        features = [name for mark in item.iter_markers(REQUIRES) for name in _read_requires(mark)]
        ready: dict[str, Any] = {}
        for mark in item.iter_markers(READY):  # the closest first
            ready = {**_read_ready(mark), **ready}
        restore, reset = item.get_closest_marker(RESTORE), item.get_closest_marker(EXPECT_RESET)
        restores = restore is None or _read_restore(restore)
        resets = None if reset is None else _read_expect_reset(reset)
    except ValueError as exc:
        raise ValueError(f"{item.nodeid}: {exc}") from None
    # In the order of the table, each once, whatever the order of the decorators.
    wanted = tuple(name for name in FEATURES if name in features)
    return Wishes(wanted, ready.get("timeout"), ready.get("sfd"), ready.get("probe", False), restores, resets)


def _read_requires(mark: pytest.Mark) -> Sequence[str]:
    _refuse_keywords(mark, ())
    if not mark.args:
        raise ValueError(
            f"{REQUIRES} names no feature: expected {_either(FEATURES)}; "
            f"write for example {REQUIRES}('datalogging')"
        )
    for name in mark.args:
        if name not in FEATURES:
            raise ValueError(
                f"{REQUIRES} does not know {name!r}: expected {_either(FEATURES)}; {_nearest(name, FEATURES)}"
            )
    return mark.args


def _read_ready(mark: pytest.Mark) -> Mapping[str, Any]:
    _refuse_keywords(mark, ("timeout", "sfd", "probe"))
    if mark.args:
        raise ValueError(
            f"{READY} got {mark.args[0]!r} without a name: expected timeout=..., sfd=... or probe=...; "
            f"write for example {READY}(timeout=9)"
        )
    timeout = mark.kwargs.get("timeout")
    if timeout is not None and not _is_timeout(timeout):
        raise ValueError(
            f"{READY} got timeout={timeout!r}: expected {TIMEOUT_EXPECTED}; write for example timeout=20"
        )
    for name in ("sfd", "probe"):
        switch = mark.kwargs.get(name, True)
        if not isinstance(switch, bool):
            raise ValueError(
                f"{READY} got {name}={switch!r}: expected True or False; write for example {name}=False"
            )
    return mark.kwargs


def _read_restore(mark: pytest.Mark) -> bool:
    _refuse_keywords(mark, ())
    if len(mark.args) != 1 or mark.args[0] not in _RESTORE_WORDS:
        got = ", ".join(map(repr, mark.args)) or "nothing"
        raise ValueError(f"{RESTORE} got {got}: expected 'auto' or 'off'; write for example {RESTORE}('off')")
    return bool(mark.args[0] == "auto")


def _read_expect_reset(mark: pytest.Mark) -> int:
    _refuse_keywords(mark, ("count",))
    given = [*mark.args, *mark.kwargs.values()] or [1]
    if len(given) != 1 or isinstance(given[0], bool) or not isinstance(given[0], int) or given[0] < 1:
        raise ValueError(
            f"{EXPECT_RESET} got {', '.join(map(repr, given))}: expected a whole number of resets, 1 or "
            f"more; write for example {EXPECT_RESET}(count=2)"
        )
    return int(given[0])


def _is_timeout(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        read_timeout(value)
    except ValueError:
        return False
    return True


def _refuse_keywords(mark: pytest.Mark, known: Sequence[str]) -> None:
    for name in mark.kwargs:
        if name not in known:
            expected = _either(known) if known else "names of features only"
            advice = _nearest(name, known)
            raise ValueError(f"{mark.name} does not take the keyword {name!r}: expected {expected}; {advice}")


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _nearest(word: object, words: Sequence[str]) -> str:
    """Return what to do about a word that is none of ``words``."""
    from difflib import get_close_matches

    match = get_close_matches(str(word), words, n=1)
    return f"did you mean {match[0]!r}?" if match else "correct it or take it out"


def insert_gate(item: pytest.Function) -> None:
    """Let a test pass the gate, whatever fixtures it asks for."""
    # unittest skips after pytest has set up the fixtures (classes: 8.4.0; methods: 8.4.0, 9.2.0; observed).
    is_skipped = any(getattr(holder, "__unittest_skip__", False) for holder in (item.function, item.cls))
    if not is_skipped and GATE not in item.fixturenames:
        # At the end, so that the user's fixtures that power the device run first; and a new list, because the
        # parameter sets of one test function share theirs, but not their markers.
        item.fixturenames = [*item.fixturenames, GATE]
    if not is_skipped and item.get_closest_marker(EXPECT_RESET) and DEVICE not in item.fixturenames:
        item.fixturenames = [*item.fixturenames, DEVICE]  # which counts the resets


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a mistake in a marker an error of the module or class it is in.

    As a failed report, not as a UsageError: with pytest-xdist tests are collected in the workers, and there
    only reports find their way to the user.
    """
    report = yield
    complaints = [*_complaints(report.result or ())]
    if complaints:
        report.outcome = "failed"
        report.longrepr = "\n".join(complaints)
        report.result = []
    return report


def _complaints(nodes: Iterable[pytest.Item | pytest.Collector]) -> Iterator[str]:
    for node in nodes:
        if not isinstance(node, pytest.Item):
            continue
        for mark in node.iter_markers():
            if mark.name.startswith("scrutiny_") and mark.name not in MARKERS:
                advice = _nearest(mark.name, MARKERS)
                expected = f"expected {_either(MARKERS)}"
                yield f"{node.nodeid}: there is no marker {mark.name}: {expected}; {advice}"
        if has_wishes(node):
            try:
                read_wishes(node)
            except ValueError as exc:
                yield str(exc)


class FeatureMark(pytest.MarkDecorator):
    """The marker ``scrutiny_requires`` with one feature."""

    def __init__(self, feature: str) -> None:
        # Not super().__init__(): making marks is pytest's own business, so the mark is one that pytest made.
        self.mark = getattr(pytest.mark, REQUIRES)(feature).mark

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Mark a test or a class."""
        if kwargs or not args:
            raise TypeError(
                f"requires.{self.args[0]} got {', '.join(kwargs) or 'nothing'}: expected a test or a class "
                f"to mark, and no keywords; write @requires.{self.args[0]} without brackets"
            )
        return super().__call__(*args)


class Requires:
    """Markers that skip a test by what its device can do: ``@requires.datalogging``."""

    @property
    def memory_write(self) -> pytest.MarkDecorator:
        """The device's memory can be written."""
        return FeatureMark("memory_write")

    @property
    def datalogging(self) -> pytest.MarkDecorator:
        """The device can record signals by itself."""
        return FeatureMark("datalogging")

    @property
    def user_command(self) -> pytest.MarkDecorator:
        """The firmware handles user commands."""
        return FeatureMark("user_command")

    @property
    def sixtyfour_bits(self) -> pytest.MarkDecorator:
        """The device has 64-bit RPVs and 64-bit datalogging."""
        return FeatureMark("sixtyfour_bits")

    if not TYPE_CHECKING:  # a type checker knows the names, and is to refuse any other

        def __call__(self, *features: object, **_: object) -> None:
            """Refuse to be called."""
            raise TypeError(
                f"requires is not called: expected a feature behind a dot, {_either(FEATURES)}; "
                f"write for example @requires.datalogging"
            )

        def __getattr__(self, name: str) -> None:
            """Refuse a name that is no feature."""
            raise AttributeError(
                f"requires does not know {name!r}: expected {_either(FEATURES)}; {_nearest(name, FEATURES)}"
            )


requires = Requires()
"""Typed sugar for ``pytest.mark.scrutiny_requires``."""
