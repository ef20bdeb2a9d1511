"""The examples' two checks and their twins for the official SDK: all of them work, and each is counted.

The figures stand in docs/shorter.md, where they are explained.
"""

import ast
import io
import os
import re
import shutil
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_scrutiny.client.client import ScrutinyClient
from pytest_scrutiny.hil.device import Device
from tests.interop.benches import HOST
from tests.interop.conftest import TIMEOUT, wait_usable
from tests.interop.servers import EmulatedServer, environment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "shorter.md"
SDK = "0.16.0"

POWER_UP = ("pytestmark", "START", "READY", "IO", "DOWN", "UP", "test_power_up")
END_OF_LINE = ("pytestmark", "EEPROM", "NONE", "Eeprom", "eeprom", "test_the_header_is_written")
ONCE = ("client", "bench", "Bench", "TIMEOUT")
"""What a team writes once for all its checks."""


# How they are counted


def code_lines(path: Path, *names: str, without: tuple[str, ...] = ()) -> int:
    """Return how many lines of code a file has: no blank lines, comments, docstrings or imports.

    :param names: of the definitions that count; all if there are none.
    """
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    wanted: set[int] = set()
    for node in tree.body:
        defined = _names_of(node)
        if (not names or defined & {*names}) and not defined & {*without}:
            wanted |= _lines_of(node)
    for inner in ast.walk(tree):
        is_text = isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)
        if is_text or isinstance(inner, ast.Import | ast.ImportFrom):
            wanted -= _lines_of(inner)
    return len(wanted & _lines_with_tokens(text))


def _names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    return {
        name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }


def _lines_of(node: ast.AST) -> set[int]:
    assert isinstance(node, ast.stmt)
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return {*range(first, (node.end_lineno or first) + 1)}


def _lines_with_tokens(text: str) -> set[int]:
    silent = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
    }  # fmt: skip
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {
        line
        for token in tokens
        if token.type not in silent
        for line in range(token.start[0], token.end[0] + 1)
    }


def test_lines_are_counted_as_said(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(
        '"""Text."""\nimport os\n\n# why\nA = [\n    1,\n]\n\n\n@A\ndef f():\n    """Text."""\n    f()\n'
    )

    assert code_lines(file) == 6
    assert code_lines(file, "f") == code_lines(file, without=("A",)) == 3


def test_the_page_has_the_figures() -> None:
    examples = ROOT / "examples"
    ours = [
        code_lines(examples / "test_6_power_up.py", *POWER_UP),
        code_lines(examples / "test_7_end_of_line.py", *END_OF_LINE),
    ]
    minimal, guarded = HERE / "sdk_checks_minimal.py", HERE / "sdk_checks_guarded.py"
    counted = {
        "pytest-scrutiny": (sum(ours), 0),
        "SDK, guarded": (code_lines(guarded, without=ONCE), code_lines(guarded, *ONCE)),
        "SDK, minimal": (code_lines(minimal, without=ONCE), code_lines(minimal, *ONCE)),
    }

    row = r"^\| (pytest-scrutiny|SDK, \w+) \| (\d+) \| (\d+) \| (\d+) \|"
    on_the_page = {
        name: tuple(map(int, figures)) for name, *figures in re.findall(row, PAGE.read_text("utf-8"), re.M)
    }
    assert on_the_page == {name: (*figures, sum(figures)) for name, figures in counted.items()}


# That they work


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedServer]:
    """A real server with the board of the examples."""
    with EmulatedServer(SDK, tmp_path_factory.mktemp("home"), "production") as running:
        yield running


@pytest.fixture
def board(server: EmulatedServer) -> Iterator[Device]:
    """The board as we see it, from beside; what is written here stays."""
    with ScrutinyClient(timeout=TIMEOUT).connect(HOST, server.port) as client:
        wait_usable(client)
        yield Device(client)


def run_twin(name: str, port: int, folder: Path) -> tuple[dict[str, str], str]:
    """Run a script by the SDK's Python, which borrows our pytest; return its tests' outcomes and output."""
    shutil.copy(HERE / name, folder)  # away from our conftest
    done = subprocess.run(
        [str(environment(SDK)), "-m", "pytest", "-v", "-p", "no:cacheprovider", name],
        env={
            **os.environ,
            "BENCH_HOST": HOST,
            "BENCH_PORT": str(port),
            "PYTHONPATH": str(Path(pytest.__file__).parents[1]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        stdin=subprocess.DEVNULL,
    )
    outcomes = re.findall(r"::(\w+) (PASSED|FAILED|ERROR|SKIPPED)", done.stdout)
    return dict(outcomes), done.stdout + done.stderr


TWINS = pytest.mark.parametrize(
    ("twin", "leaves_on"), [("sdk_checks_minimal.py", True), ("sdk_checks_guarded.py", False)]
)


@pytest.mark.real_server
@TWINS
def test_a_twin_passes_on_a_real_server(
    server: EmulatedServer, board: Device, tmp_path: Path, twin: str, leaves_on: bool
) -> None:
    outcomes, output = run_twin(twin, server.port, tmp_path)
    is_on = board["/sequencer/start"].read()
    board["/sequencer/start"].write(False)

    assert outcomes == {"test_power_up": "PASSED", "test_the_header_is_written": "PASSED"}, output
    assert is_on == leaves_on, "only the guarded one puts back what it wrote"


@pytest.mark.real_server
@TWINS
def test_a_twin_finds_a_board_that_does_not_come_up(
    server: EmulatedServer, board: Device, tmp_path: Path, twin: str, leaves_on: bool
) -> None:
    board["/io/rail_12v"].wait(lambda volts: volts < 0.5, timeout=TIMEOUT)
    board["/sequencer/limit_ms"].write(5)
    outcomes, output = run_twin(twin, server.port, tmp_path)
    is_on = board["/sequencer/start"].read()
    board["/sequencer/start"].write(False)
    board["/sequencer/limit_ms"].write(500)

    assert outcomes == {"test_power_up": "FAILED", "test_the_header_is_written": "PASSED"}, output
    assert is_on == leaves_on
    tells_story = "did not reach 'READY' within 2.00 s\nlast: 4, range " in output
    assert tells_story != leaves_on, "only the guarded one says what was seen"
