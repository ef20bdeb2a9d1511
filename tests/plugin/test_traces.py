"""A failure shows the test's own lines."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_scrutiny.plugin.traces import without_our_frames


def screen(pytester: pytest.Pytester, module: str, *options: str) -> str:
    """Return what a run of a module prints."""
    pytester.makepyfile(test_psu=module)
    result = pytester.runpytest_inprocess("--scrutiny-fake", "-p", "no:cacheprovider", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    return result.stdout.str()


LINE = 'scrutiny_device["/psu/nope"].read()'
READS = f"def test_it(scrutiny_device):\n    {LINE}\n"
CAUSE = "the server refused subscribe_watchable"


@pytest.mark.parametrize("style", ["auto", "long", "short", "line", "native"])
def test_lines_of_ours_are_not_shown(pytester: pytest.Pytester, style: str) -> None:
    shown = screen(pytester, READS, f"--tb={style}")

    assert "NameNotFoundError: /psu/nope is unknown to the server" in shown
    assert CAUSE not in shown
    assert "pytest_scrutiny/" not in shown.replace("\\", "/")
    assert "test_psu.py:2" in shown or 'test_psu.py", line 2' in shown


def test_the_full_trace_has_them_all(pytester: pytest.Pytester) -> None:
    shown = screen(pytester, READS, "--full-trace")

    assert "raise self._unknown() from exc" in shown
    assert CAUSE in shown


def test_lines_of_the_users_helpers_are_shown(pytester: pytest.Pytester) -> None:
    shown = screen(
        pytester,
        """
        import contextlib

        @contextlib.contextmanager
        def powered(device):
            device["/psu/nope"].write(True)
            yield

        def test_it(scrutiny_device):
            with powered(scrutiny_device):
                pass
        """,
    )

    assert '>       device["/psu/nope"].write(True)' in shown
    assert ">       with powered(scrutiny_device):" in shown
    assert "test_psu.py:5: NameNotFoundError" in shown
    assert "pytest_scrutiny/" not in shown.replace("\\", "/")


def test_what_a_block_of_ours_raises_is_shown_at_its_with(pytester: pytest.Pytester) -> None:
    shown = screen(
        pytester,
        """
        def test_it(scrutiny_device):
            with scrutiny_device["/motor/speed"].never(-100):
                pass
        """,
    )

    assert '>       with scrutiny_device["/motor/speed"].never(-100):' in shown
    assert "E       pytest_scrutiny.UnmetExpectation: /motor/speed was -100; expected never -100" in shown
    assert "contextlib" not in shown


def test_what_the_users_own_function_raises_is_shown_with_its_lines(pytester: pytest.Pytester) -> None:
    shown = screen(
        pytester,
        """
        def test_it(scrutiny_device):
            scrutiny_device["/motor/speed"].wait(lambda speed: 1 / 0, timeout=1)
        """,
    )

    assert "ZeroDivisionError: division by zero" in shown
    assert "matcher.matches" in shown, "who calls it may matter here"


def test_what_a_user_raises_from_ours_keeps_its_cause(pytester: pytest.Pytester) -> None:
    shown = screen(
        pytester,
        f"""
        def test_it(scrutiny_device):
            try:
                {LINE}
            except LookupError as exc:
                raise AssertionError("wrong firmware") from exc
        """,
    )

    assert "AssertionError: wrong firmware" in shown
    assert "The above exception was the direct cause" in shown
    assert "NameNotFoundError: /psu/nope" in shown


def test_whoever_looks_after_the_report_has_it_all(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_exception_interact(call):
            print(len(call.excinfo.traceback) > 10, repr(call.excinfo.value.__cause__)[:17])
        """
    )
    shown = screen(pytester, READS, "-s")

    assert "True OperationFailure(" in shown


def raise_through(folder: Path, modules: Sequence[str], last: str) -> None:
    """Raise an error in the last of these modules, each called by the one before."""
    functions: list[Callable[..., None]] = []
    for number, module in enumerate(modules):
        file = folder / f"{number}.py"
        is_last = number == len(modules) - 1
        file.write_text(f"def call(*rest):\n    {last if is_last else 'rest[0](*rest[1:])'}\n")
        names: dict[str, Any] = {"__name__": module}
        exec(compile(file.read_text(), file, "exec"), names)
        functions.append(names["call"])
    functions[0](*functions[1:])


FIXTURES, VALUE, HELPER = "pytest_scrutiny.plugin.fixtures", "pytest_scrutiny.hil.value", "contextlib"


@pytest.mark.parametrize(
    ("modules", "last", "shown"),
    [
        (["test_psu", VALUE, VALUE], "raise ValueError", 1),
        (["test_psu", VALUE, HELPER, VALUE], "raise ValueError", 1),
        (["test_psu", VALUE, "conftest", VALUE], "raise ValueError", 3),
        (["test_psu", VALUE, "test_psu"], "raise ValueError", 3),
        (["test_psu", VALUE, HELPER], "raise ValueError", 3),
        (["test_psu", VALUE, VALUE], "1 / 0", 3),  # a mistake of ours
        (["test_psu", "pytest_scrutiny_of_somebody_else"], "raise ValueError", 2),
        (["_pytest.fixtures", FIXTURES], "raise ValueError", 2),  # no line of the test's is above it
        (["pluggy._callers", FIXTURES], "raise ValueError", 2),
    ],
)
def test_our_lines_at_the_end_are_left_out(
    tmp_path: Path, modules: Sequence[str], last: str, shown: int
) -> None:
    with pytest.raises((ValueError, ZeroDivisionError)) as caught:
        raise_through(tmp_path, modules, last)
    with without_our_frames(caught):
        names = [entry.frame.f_globals["__name__"] for entry in caught.traceback]

    assert names == [__name__, __name__, *modules[:shown]]
    assert len(caught.traceback) == 2 + len(modules)
