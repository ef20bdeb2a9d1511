"""The examples, and what README and docs show, run as they stand there; the fake server is their bench."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SNIPPETS = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("profile", ["plain", "production"])
def test_the_examples_pass(pytester: pytest.Pytester, profile: str) -> None:
    options = ("--scrutiny-fake", f"--scrutiny-profile={profile}", "-p", "no:cacheprovider")

    result = pytester.runpytest_subprocess(ROOT / "examples", *options)

    assert result.ret == 0
    assert result.parseoutcomes()["passed"] > 20


def test_the_readmes_test_passes_as_it_stands_there(pytester: pytest.Pytester) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (snippet,) = [text for text in SNIPPETS.findall(readme) if "def test" in text]
    pytester.makepyfile(test_readme=snippet)

    result = pytester.runpytest_subprocess("--scrutiny-fake", "-p", "no:cacheprovider")

    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == snippet.count("def test_")


def test_the_device_of_ones_own_works_as_it_stands_there(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs" / "own-device.md").read_text("utf-8")
    board, test, _ = SNIPPETS.findall(page)
    pytester.makepyfile(board=board, test_fan=test)

    result = pytester.runpytest_subprocess(
        "--scrutiny-fake", "--scrutiny-profile=board.py", "-p", "no:cacheprovider"
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["scrutiny: *fake server (board.py)*"])
