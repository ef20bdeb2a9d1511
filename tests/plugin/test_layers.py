"""Where a setting comes from: every layer against every other, for every key, and every kind of file."""

from itertools import combinations

import pytest

from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.plugin.options import ROWS, Row, Settings, read_settings

NEW_IN_9 = pytest.mark.skipif(pytest.version_tuple < (9,), reason="new in pytest 9")

VALUES = {
    "host": ("a", "b", "c"),
    "port": ("1", "2", "3"),
    "url": ("tcp://a:1", "ws://b:2", "tcp://c:3"),
    "connect_timeout": ("1", "2", "3"),
    "ready_timeout": ("1", "2", "3"),
    "fake": ("true", "false", "true"),
    "profile": ("bare", "sealed", "nameless"),
    "missing": ("auto", "skip", "fail"),
    "no_skip": ("memory_write", "datalogging", "user_command"),
}
"""``{key: (on the command line, in the environment, in the configuration file)}``."""

PAIRS = [(row, upper, lower) for row in ROWS for upper, lower in combinations(range(3), 2)]


def found(settings: Settings, row: Row) -> object:
    """Return what the settings have for a row, as the row's ``read`` makes it."""
    if row.key == "url":
        return (settings.host, settings.port, settings.transport)
    value: object = getattr(settings, row.key)
    return value


def test_every_setting_is_in_the_table() -> None:
    assert list(VALUES) == [row.key for row in ROWS]


@pytest.mark.parametrize(
    ("row", "upper", "lower"), PAIRS, ids=[f"{row.key}-{upper}-{lower}" for row, upper, lower in PAIRS]
)
def test_the_upper_layer_wins(pytester: pytest.Pytester, row: Row, upper: int, lower: int) -> None:
    """The layers are 0 the command line, 1 the environment, 2 the file; below them are the defaults."""
    values = VALUES[row.key]
    given = {upper, lower}
    option = row.option if row.ini_type == "bool" else f"{row.option}={values[0]}"
    environment = {row.environment: values[1]} if 1 in given else {}
    if 2 in given:
        pytester.makeini(f"[pytest]\n{row.ini} = {values[2]}\n")

    options = [option] if 0 in given else []
    if row.key == "profile":  # without the fake it is refused
        options.append("--scrutiny-fake")
    settings = read_settings(pytester.parseconfig(*options), environment)

    assert found(settings, row) == row.read(values[upper])
    key = "address" if row.key in ("host", "port", "url", "fake") else row.key
    assert settings.sources[key] == (row.option, row.environment)[upper]


FILES = [
    pytest.param("pytest.ini", "[pytest]\nscrutiny_ready_timeout = 7\nscrutiny_fake = yes", id="pytest.ini"),
    pytest.param(
        ".pytest.ini", "[pytest]\nscrutiny_ready_timeout = 7\nscrutiny_fake = yes", id=".pytest.ini"
    ),
    pytest.param("tox.ini", "[pytest]\nscrutiny_ready_timeout = 7\nscrutiny_fake = yes", id="tox.ini"),
    pytest.param(
        "setup.cfg", "[tool:pytest]\nscrutiny_ready_timeout = 7\nscrutiny_fake = yes", id="setup.cfg"
    ),
    pytest.param(
        "pyproject.toml",
        "[tool.pytest.ini_options]\nscrutiny_ready_timeout = 7\nscrutiny_fake = true",
        id="classic pyproject.toml",
    ),
    pytest.param(
        "pyproject.toml",
        "[tool.pytest]\nscrutiny_ready_timeout = 7\nscrutiny_fake = true",
        id="native pyproject.toml",
        marks=NEW_IN_9,
    ),
    pytest.param(
        "pytest.toml",
        "[pytest]\nscrutiny_ready_timeout = 7.0\nscrutiny_fake = true",
        id="native pytest.toml",
        marks=NEW_IN_9,
    ),
]


@pytest.mark.parametrize(("name", "text"), FILES)
def test_every_kind_of_file(pytester: pytest.Pytester, name: str, text: str) -> None:
    pytester.path.joinpath(name).write_text(text, "utf-8")

    settings = read_settings(pytester.parseconfig(), {})

    assert (settings.ready_timeout, settings.fake) == (7.0, True)
    assert settings.sources["ready_timeout"] == f"scrutiny_ready_timeout in {name}"
    assert settings.sources["address"] == f"scrutiny_fake in {name}"


@NEW_IN_9
@pytest.mark.parametrize("line", ["scrutiny_port = '8765'", "scrutiny_fake = 'yes'", "scrutiny_host = 1"])
def test_native_toml_takes_the_right_type_only(pytester: pytest.Pytester, line: str) -> None:
    """pytest says so itself; the rest of the line is ours."""
    pytester.makepyprojecttoml(f"[tool.pytest]\n{line}\n")
    key = line.partition(" ")[0].removeprefix("scrutiny_")

    with pytest.raises(pytest.UsageError) as caught:
        read_settings(pytester.parseconfig(), {})

    text = str(caught.value)
    assert text.startswith(f"scrutiny {key} (from scrutiny_{key} in pyproject.toml): ")
    assert "; expected " in text


MARKED = """
import pytest

@pytest.mark.scrutiny_ready(timeout=0.1)
def test_it(): raise AssertionError("it ran")
"""


@pytest.mark.parametrize(
    "layer", ["command line", "environment", "configuration file", "override", "addopts"]
)
def test_a_marker_wins_over_each_layer(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    pytester.makepyfile(MARKED)
    options = ["--scrutiny-ready-timeout=60"] if layer == "option" else []
    if layer == "environment":
        monkeypatch.setenv("PYTEST_SCRUTINY_READY_TIMEOUT", "60")
    elif layer == "file":
        pytester.makeini("[pytest]\nscrutiny_ready_timeout = 60")
    elif layer == "addopts":
        pytester.makeini("[pytest]\naddopts = --scrutiny-ready-timeout=60")
    elif layer == "override":
        options = ["-o", "scrutiny_ready_timeout=60"]

    with FakeServer(ready_delay=None) as server:
        result = pytester.runpytest_inprocess(f"--scrutiny-url={server.url}", *options)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["device not ready within 0.1 s (marker scrutiny_ready): *"])


def test_options_in_the_file_are_of_the_command_lines_layer(pytester: pytest.Pytester) -> None:
    """And ``-o`` is of the file's."""
    pytester.makeini("[pytest]\naddopts = --scrutiny-ready-timeout=1")

    of_file = read_settings(pytester.parseconfig(), {"PYTEST_SCRUTINY_READY_TIMEOUT": "2"})
    overridden = read_settings(
        pytester.parseconfig("-o", "addopts=", "-o", "scrutiny_ready_timeout=3"),
        {"PYTEST_SCRUTINY_READY_TIMEOUT": "2"},
    )

    assert (of_file.ready_timeout, overridden.ready_timeout) == (1.0, 2.0)
