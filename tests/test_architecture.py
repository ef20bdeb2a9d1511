"""The rules of the house that a linter does not know. Imports between floors are import-linter's job."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pytest_scrutiny"
PAGE = PACKAGE.parent / "docs" / "architecture.md"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in MODULES}

MAY_HAVE_THREADS = {"client/session.py", "client/transport.py", "client/listeners.py", "fakeserver/server.py"}
FORBIDDEN_AT_START = {
    "attr",
    "attrs",
    "websockets",
    "asyncio",
    "filelock",
    "pytest_scrutiny.client",
    "pytest_scrutiny.fakeserver",
    "pytest_scrutiny.hil",
    "pytest_scrutiny.model",
    "pytest_scrutiny.protocol",
}


@pytest.fixture(params=TREES)
def module(request: pytest.FixtureRequest) -> str:
    """The path of a module, from the package on."""
    path: str = request.param
    return path


def test_no_file_is_too_long(module: str) -> None:
    assert len((PACKAGE / module).read_text("utf-8").splitlines()) <= 400


def test_no_function_is_too_long(module: str) -> None:
    too_long = {
        node.name: length
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 60
    }

    assert too_long == {}


def test_every_room_is_in_the_picture(module: str) -> None:
    picture = PAGE.read_text("utf-8").split("```")[1]

    assert Path(module).stem in {"__init__", "__main__", *picture.split()}


def test_the_map_leads_to_rooms_that_are_there() -> None:
    floors = "model|protocol|client|fakeserver|hil|plugin"
    places = re.findall(rf"`((?:{floors})/\w+\.py)`", PAGE.read_text("utf-8"))

    assert len(places) > 50
    assert {place for place in places if not (PACKAGE / place).is_file()} == set()


def test_nothing_sleeps(module: str) -> None:
    assert "sleep" not in {*_used_names(TREES[module])}


def test_threads_live_in_four_files(module: str) -> None:
    starters = {"Thread", "Timer", "start_new_thread", "ThreadPoolExecutor", "to_thread"}

    found = starters & {*_used_names(TREES[module])}

    assert not found or module in MAY_HAVE_THREADS


def test_only_plugin_and_hil_have_their_asserts_rewritten(module: str) -> None:
    """Pytest rewrites every module of a plugin's distribution unless its docstring says otherwise."""
    says_so = "PYTEST_DONT_REWRITE" in (ast.get_docstring(TREES[module]) or "")

    assert says_so == (not module.startswith(("plugin/", "hil/")))


def _used_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name


# The cost of a pytest run that does not use us


_LOAD = """
import json, sys
import pytest, _pytest.main
before = set(sys.modules)
import pytest_scrutiny.plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_loading_the_plugin_brings_few_modules_along() -> None:
    """How long that takes is measured in tests/benchmarks."""
    done = subprocess.run([sys.executable, "-c", _LOAD], check=True, capture_output=True, text=True)
    modules = json.loads(done.stdout)

    assert len(modules) <= 12
    assert not FORBIDDEN_AT_START & {*modules}


def test_a_run_without_us_loads_nothing_of_us(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configured, collected, run and reported: still none of the client, and no library that it needs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        f"""
        import sys
        from pytest_scrutiny import requires

        @requires.datalogging
        def test_deselected(): pass

        def test_it(scrutiny_settings):
            assert not {FORBIDDEN_AT_START!r} & set(sys.modules)
        """
    )

    result = pytester.runpytest_subprocess("-p", "pytest_scrutiny.plugin", "-k", "test_it")

    result.assert_outcomes(passed=1, deselected=1)


# What others could collide with


def _lines(pytester: pytest.Pytester, *options: str) -> list[str]:
    return pytester.runpytest_subprocess(*options).outlines


@pytest.mark.parametrize("flag", ["--help", "--fixtures", "--markers"])
def test_every_public_name_begins_with_scrutiny(pytester: pytest.Pytester, flag: str) -> None:
    """What a list of pytest's shows more with the plugin than without."""
    with_us, without_us = _lines(pytester, flag), _lines(pytester, flag, "-p", "no:scrutiny")
    prefixes = {
        "--help": ("  --scrutiny-", "  scrutiny_"),
        "--fixtures": ("scrutiny_",),
        "--markers": ("@pytest.mark.scrutiny_",),
    }[flag]
    # Names of options and ini keys stand two columns in, their help further; other names at the margin.
    margin = "  " if flag == "--help" else ""
    names = [
        line
        for line in {*with_us} - {*without_us}
        if line.startswith(margin) and line[len(margin) :].strip() and not line[len(margin)].isspace()
    ]
    ours = [line for line in names if not line.startswith(("scrutiny: ", "plugins: ", "-", "="))]

    assert ours
    assert [line for line in ours if not line.startswith(prefixes)] == []


# What is installed


def test_what_is_installed_says_that_it_is_typed() -> None:
    """Without the file a type checker takes every name of ours for Any."""
    files = importlib.metadata.files("pytest-scrutiny") or []
    is_editable = not any(file.match("pytest_scrutiny/__init__.py") for file in files)

    assert is_editable or any(file.match("pytest_scrutiny/py.typed") for file in files)
    assert (PACKAGE / "py.typed").exists()
