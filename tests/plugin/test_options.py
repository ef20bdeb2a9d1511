"""Settings: the layers and their sources, the address as one group, and the text of every mistake."""

import re
from collections.abc import Mapping

import pytest

from pytest_scrutiny.plugin.options import ROWS, Settings, read_settings


def settings_of(
    pytester: pytest.Pytester, *options: str, environment: Mapping[str, str] | None = None, ini: str = ""
) -> Settings:
    if ini:
        pytester.makeini(f"[pytest]\n{ini}\n")
    return read_settings(pytester.parseconfig(*options), environment or {})


def complaint_of(pytester: pytest.Pytester, *options: str, **layers: object) -> str:
    with pytest.raises(pytest.UsageError) as caught:
        settings_of(pytester, *options, **layers)  # type: ignore[arg-type]  # the table of cases is untyped
    return str(caught.value)


def test_defaults(pytester: pytest.Pytester) -> None:
    settings = settings_of(pytester)

    assert settings[:-1] == ("localhost", 8765, "auto", False, "plain", 5.0, 10.0, "auto", ())
    assert set(settings.sources.values()) == {"default"}
    assert settings.is_address_default
    assert settings.address == "localhost:8765"


def test_every_key_can_be_set_in_every_layer(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig()

    for row in ROWS:
        assert getattr(config.option, row.ini) is None
        assert config.getini(row.ini) is None
        assert row.environment == row.ini.upper().replace("SCRUTINY", "PYTEST_SCRUTINY")
        assert row.option == "--" + row.ini.replace("_", "-")
        assert row.read(row.example) is not None


LAYERS = [
    pytest.param(("--scrutiny-ready-timeout=1",), "2", "3", 1.0, "--scrutiny-ready-timeout", id="option"),
    pytest.param((), "2", "3", 2.0, "PYTEST_SCRUTINY_READY_TIMEOUT", id="environment"),
    pytest.param((), None, "3", 3.0, "scrutiny_ready_timeout in tox.ini", id="ini"),
    pytest.param((), None, None, 10.0, "default", id="default"),
]


@pytest.mark.parametrize(("options", "environment", "ini", "value", "source"), LAYERS)
def test_the_highest_layer_wins_and_is_named(
    pytester: pytest.Pytester,
    options: tuple[str, ...],
    environment: str | None,
    ini: str | None,
    value: float,
    source: str,
) -> None:
    settings = settings_of(
        pytester,
        *options,
        environment={} if environment is None else {"PYTEST_SCRUTINY_READY_TIMEOUT": environment},
        ini="" if ini is None else f"scrutiny_ready_timeout = {ini}",
    )

    assert settings.ready_timeout == value
    assert settings.sources["ready_timeout"] == source


ADDRESSES = [
    pytest.param(("--scrutiny-host=a",), {}, "", ("a", 8765, "auto", False), "--scrutiny-host", id="host"),
    pytest.param(
        ("--scrutiny-port=1",), {}, "", ("localhost", 1, "auto", False), "--scrutiny-port", id="port"
    ),
    pytest.param(
        ("--scrutiny-port=1", "--scrutiny-host=a"),
        {},
        "",
        ("a", 1, "auto", False),
        "--scrutiny-host, --scrutiny-port",
        id="host and port",
    ),
    pytest.param(
        ("--scrutiny-url=tcp://a:1",), {}, "", ("a", 1, "tcp", False), "--scrutiny-url", id="tcp url"
    ),
    pytest.param(
        ("--scrutiny-url=ws://[::1]:1/",),
        {},
        "",
        ("::1", 1, "websocket", False),
        "--scrutiny-url",
        id="ws url",
    ),
    pytest.param(
        ("--scrutiny-fake",), {}, "", ("localhost", 8765, "auto", True), "--scrutiny-fake", id="fake"
    ),
    pytest.param(
        ("--scrutiny-host=a",),
        {"PYTEST_SCRUTINY_PORT": "2"},
        "",
        ("a", 8765, "auto", False),
        "--scrutiny-host",
        id="a lower layer's port is not of this group",
    ),
    pytest.param(
        (),
        {"PYTEST_SCRUTINY_FAKE": "yes"},
        "scrutiny_url = tcp://a:1",
        ("localhost", 8765, "auto", True),
        "PYTEST_SCRUTINY_FAKE",
        id="the fake beats a lower url",
    ),
    pytest.param(
        ("--scrutiny-host=a",),
        {},
        "scrutiny_fake = true",
        ("a", 8765, "auto", False),
        "--scrutiny-host",
        id="a host beats a lower fake",
    ),
    pytest.param(
        (),
        {"PYTEST_SCRUTINY_FAKE": "0"},
        "scrutiny_fake = true",
        ("localhost", 8765, "auto", False),
        "PYTEST_SCRUTINY_FAKE",
        id="fake off beats a lower fake",
    ),
    pytest.param(
        (),
        {"PYTEST_SCRUTINY_FAKE": "off"},
        "scrutiny_host = a",
        ("a", 8765, "auto", False),
        "scrutiny_host in tox.ini",
        id="fake off names no address",
    ),
    pytest.param(
        ("--scrutiny-port=1",),
        {},
        "scrutiny_fake = no",
        ("localhost", 1, "auto", False),
        "--scrutiny-port",
        id="fake off in the layer below",
    ),
    pytest.param(
        ("-o", "scrutiny_host=a"), {}, "", ("a", 8765, "auto", False), "-o scrutiny_host", id="overridden ini"
    ),
]


@pytest.mark.parametrize(("options", "environment", "ini", "address", "source"), ADDRESSES)
def test_the_address_is_one_group(
    pytester: pytest.Pytester,
    options: tuple[str, ...],
    environment: Mapping[str, str],
    ini: str,
    address: tuple[str, int, str, bool],
    source: str,
) -> None:
    settings = settings_of(pytester, *options, environment=environment, ini=ini)

    assert (settings.host, settings.port, settings.transport, settings.fake) == address
    assert settings.sources["address"] == source
    assert not settings.is_address_default


def test_no_fake_where_there_was_none_names_no_server(pytester: pytest.Pytester) -> None:
    """Without a server such a run is skipped, as if nothing had been said."""
    assert settings_of(pytester, environment={"PYTEST_SCRUTINY_FAKE": "false"}).is_address_default


TWICE = [
    ("--scrutiny-url=tcp://a:1", "--scrutiny-host=a"),
    ("--scrutiny-url=tcp://a:1", "--scrutiny-port=1"),
    ("--scrutiny-fake", "--scrutiny-url=tcp://a:1"),
    ("--scrutiny-fake", "--scrutiny-host=a"),
]


@pytest.mark.parametrize("options", TWICE, ids=" ".join)
def test_two_addresses_in_one_layer_are_refused(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    names = {option.partition("=")[0] for option in options}

    text = complaint_of(pytester, *options)

    assert re.fullmatch(
        r"scrutiny address named more than once \(from (.+)\): "
        r"expected a url, or host and port, or the fake; keep one of them",
        text,
    )
    assert all(name in text for name in names)


HOST = "expected a host name or an address, without port; write for example localhost"
PORT = "expected a number from 1 to 65535; write for example 8765"
URL = "expected tcp://host:port or ws://host:port; write for example tcp://localhost:8765"
READY = "expected seconds, more than 0 and at most a day; write for example 10"
NO_SKIP = (
    "expected all, or some of memory_write, datalogging, user_command, sixtyfour_bits; write for example all"
)
MISTAKES = [
    *[("host", raw, HOST) for raw in ("", "a:1", "http://a", "a b", "[::1]", "user@a")],
    *[("port", raw, PORT) for raw in ("abc", "", "0", "65536", "-1", "1.5", "1_0", "٣")],
    *[
        ("url", raw, URL)
        for raw in (
            "",
            "a:1",
            "http://a:1",
            "tcp://a",
            "tcp://a:x",
            "tcp://a:0",
            "ws://a:1/x",
            "tcp://u@a:1",
            "ws://:1",
        )
    ],
    *[
        ("ready_timeout", raw, READY)
        for raw in ("", "0", "-1", "nan", "inf", "5s", "86401", "1_0", " 5", "\u0665")
    ],
    ("connect_timeout", "soon", READY.replace("10", "5")),
    (
        "profile",
        " ",
        "expected a device's name, or a Python file; write for example plain",
    ),
    ("missing", "maybe", "expected auto, skip or fail; write for example auto"),
    *[("no_skip", raw, NO_SKIP) for raw in ("", " , ", "dataloging", "all,nothing")],
    ("fake", "perhaps", "expected true or false; write for example true"),
    ("fake", "", "expected true or false; write for example true"),
]


@pytest.mark.parametrize(("key", "raw", "expectation"), MISTAKES)
def test_a_bad_value_is_named_with_its_source(
    pytester: pytest.Pytester, key: str, raw: str, expectation: str
) -> None:
    name = f"PYTEST_SCRUTINY_{key.upper()}"

    text = complaint_of(pytester, environment={name: raw})

    assert text == f"scrutiny {key.replace('_', ' ')} {raw!r} (from {name}): {expectation}"


def test_a_bad_value_is_named_though_another_layer_wins(pytester: pytest.Pytester) -> None:
    text = complaint_of(pytester, "--scrutiny-port=1", environment={"PYTEST_SCRUTINY_PORT": "x"})

    assert text == f"scrutiny port 'x' (from PYTEST_SCRUTINY_PORT): {PORT}"


def test_a_bad_option_is_named(pytester: pytest.Pytester) -> None:
    text = complaint_of(pytester, "--scrutiny-missing", "skipp")

    assert text == (
        "scrutiny missing 'skipp' (from --scrutiny-missing): "
        "expected auto, skip or fail; write for example auto"
    )


def test_a_bad_ini_value_is_named(pytester: pytest.Pytester) -> None:
    out_of_range = complaint_of(pytester, ini="scrutiny_port = 70000")
    no_number = complaint_of(pytester, ini="scrutiny_port = abc")

    assert out_of_range == f"scrutiny port 70000 (from scrutiny_port in tox.ini): {PORT}"
    assert re.fullmatch(
        rf"scrutiny port \(from scrutiny_port in tox.ini\): .*'abc'.*; {re.escape(PORT)}", no_number
    )


def test_a_profile_nobody_knows_is_named(pytester: pytest.Pytester) -> None:
    text = complaint_of(pytester, "--scrutiny-fake", "--scrutiny-profile=plane")

    assert re.fullmatch(
        r"scrutiny profile 'plane' \(from --scrutiny-profile\): "
        r"expected one of plain, .*, or a Python file; write for example plain",
        text,
    )


BOARD = """
from pytest_scrutiny.fakeserver import Profile
PROFILE = Profile(firmware_id="00" * 16, display_name="Board")
"""


def test_a_profile_is_a_file_where_pytest_was_called_or_beside_the_ini_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    benches = pytester.mkdir("benches")
    for folder in (pytester.path, benches):
        (folder / "board.py").write_text(BOARD)
    monkeypatch.chdir(benches)
    ini = pytester.makeini("[pytest]\nscrutiny_profile = board.py")

    of_ini = read_settings(pytester.parseconfig("--scrutiny-fake", "-c", str(ini)), {})
    of_line = read_settings(pytester.parseconfig("--scrutiny-fake", "--scrutiny-profile=board.py"), {})
    of_environment = read_settings(
        pytester.parseconfig("--scrutiny-fake", "-c", str(ini)), {"PYTEST_SCRUTINY_PROFILE": "board.py"}
    )

    assert of_ini.profile == str(pytester.path / "board.py")
    assert of_line.profile == of_environment.profile == str(benches / "board.py")
    assert of_line.address == "fake server (board.py)"


def test_a_file_without_a_profile_is_named_with_what_is_wrong(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(board="import math\nmath.sqrt(-1)")

    missing = complaint_of(pytester, "--scrutiny-fake", "--scrutiny-profile=bord.py")
    wrong = complaint_of(pytester, "--scrutiny-fake", "--scrutiny-profile=board.py")

    head = "scrutiny profile '{}' (from --scrutiny-profile): "
    folder = pytester.path
    expected = f"there is no file {folder / 'bord.py'}; expected a Python file with a PROFILE"
    assert missing == head.format("bord.py") + expected
    assert wrong.startswith(
        head.format("board.py") + f"{folder / 'board.py'} ended in line 2 with ValueError("
    )


def test_a_profile_counts_only_on_the_fake(pytester: pytest.Pytester) -> None:
    settings = settings_of(pytester, "--scrutiny-host=a", ini="scrutiny_profile = plane")

    assert settings.profile == "plane"
    assert not settings.fake


def test_classic_ini_strings(pytester: pytest.Pytester) -> None:
    lines = ("host = a", "port = 1", "connect_timeout = 2", "ready_timeout = 0.5", "missing = fail")

    settings = settings_of(
        pytester, ini="\n".join(f"scrutiny_{line}" for line in (*lines, "no_skip = datalogging"))
    )

    assert settings[:-1] == ("a", 1, "auto", False, "plain", 2.0, 0.5, "fail", ("datalogging",))


def test_classic_toml_values(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nscrutiny_port = 1\nscrutiny_ready_timeout = '2'\n")

    settings = settings_of(pytester)

    assert (settings.port, settings.ready_timeout) == (1, 2.0)
    assert settings.sources["ready_timeout"] == "scrutiny_ready_timeout in pyproject.toml"


@pytest.mark.skipif(
    not hasattr(pytest, "version_tuple") or pytest.version_tuple < (9,), reason="new in pytest 9"
)
def test_native_toml_types(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(
        "[tool.pytest]\nscrutiny_fake = true\nscrutiny_connect_timeout = 2\nscrutiny_ready_timeout = 0.5\n"
    )

    settings = settings_of(pytester)

    assert (settings.fake, settings.connect_timeout, settings.ready_timeout) == (True, 2.0, 0.5)


def test_a_mistake_shows_before_anything_is_collected(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("raise RuntimeError('collected')")
    monkeypatch.setenv("PYTEST_SCRUTINY_PORT", "abc")

    result = pytester.runpytest_inprocess()

    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: scrutiny port 'abc' (from PYTEST_SCRUTINY_PORT): {PORT}"])
    result.stdout.no_fnmatch_line("*collected*")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_a_mistake_does_not_stand_before_the_help(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    """Help is what somebody with a mistake looks for."""
    monkeypatch.setenv("PYTEST_SCRUTINY_PORT", "abc")

    result = pytester.runpytest_inprocess(flag)

    assert result.ret is pytest.ExitCode.OK


def test_settings_reach_tests_and_cannot_be_changed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_settings(scrutiny_settings):
            assert scrutiny_settings.port == 1
            assert scrutiny_settings.sources["address"] == "--scrutiny-port"
            with pytest.raises(AttributeError):
                scrutiny_settings.port = 2
            with pytest.raises(TypeError):
                scrutiny_settings.sources["address"] = "elsewhere"
        """
    )

    pytester.runpytest_inprocess("--scrutiny-port=1").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("raw", "features"),
    [
        ("all", ("memory_write", "datalogging", "user_command", "sixtyfour_bits")),
        ("user_command, datalogging", ("datalogging", "user_command")),
        ("memory_write datalogging memory_write", ("memory_write", "datalogging")),
    ],
)
def test_features_that_may_not_lack(pytester: pytest.Pytester, raw: str, features: tuple[str, ...]) -> None:
    assert settings_of(pytester, "--scrutiny-no-skip", raw).no_skip == features


def test_an_ipv6_address_is_shown_in_brackets(pytester: pytest.Pytester) -> None:
    assert settings_of(pytester, "--scrutiny-host=::1").address == "[::1]:8765"


def test_the_fake_is_shown_with_its_profile(pytester: pytest.Pytester) -> None:
    assert settings_of(pytester, "--scrutiny-fake", "--scrutiny-profile=bare").address == "fake server (bare)"


def test_a_misspelt_variable_is_refused_with_the_nearest(pytester: pytest.Pytester) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        read_settings(pytester.parseconfig(), {"PYTEST_SCRUTINY_HOTS": "bench7"})

    assert str(caught.value).startswith(
        "PYTEST_SCRUTINY_HOTS in the environment is no setting: expected PYTEST_SCR"
    )
    assert str(caught.value).endswith("; did you mean PYTEST_SCRUTINY_HOST?")


def test_a_profile_without_the_fake_is_refused(pytester: pytest.Pytester) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        read_settings(pytester.parseconfig("--scrutiny-profile=bare"), {})

    assert str(caught.value) == (
        "scrutiny profile 'bare' (from --scrutiny-profile): expected the fake server with it, "
        "which simulates it; add --scrutiny-fake"
    )
