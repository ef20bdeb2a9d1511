"""The settings: what can be set, where each value came from, and what to say when it is wrong.

Rule 1: marker > command line > environment > ini > default, for every key; the source is kept and shown.
Rule 2: the address (a url, or host and port, or the fake) is one group: the highest layer that names any of
    it decides, and two of them in one layer are an error. Saying that the fake is off names no address, but
    a lower layer cannot switch it on again.
Rule 3: everything that is given is checked before anything is collected; nothing here opens a socket.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import pytest

DEFAULT = "default"
ENVIRONMENT_PREFIX = "PYTEST_SCRUTINY_"
PLAIN_PROFILE = "plain"
LONGEST_TIMEOUT = 86_400.0  # a day: longer is a typing mistake, and what waits may not take any number

FEATURES = ("memory_write", "datalogging", "user_command", "sixtyfour_bits")
"""The fields of SupportedFeatureMap; a test keeps them equal."""

Transport: TypeAlias = Literal["auto", "tcp", "websocket"]

_ON = ("1", "true", "yes", "on")
_OFF = ("0", "false", "no", "off")
_SCHEMES: Mapping[str, Transport] = {"tcp": "tcp", "ws": "websocket"}


class Address(NamedTuple):
    """Where a server is, and what it speaks."""

    host: str
    port: int
    transport: Transport


_DEFAULT_ADDRESS = Address("localhost", 8765, "auto")


class Settings(NamedTuple):
    """What this run was told, immutable.

    :ivar transport: ``auto`` unless a url names it.
    :ivar fake: whether the bundled fake server takes the place of ``host`` and ``port``.
    :ivar profile: the device that the fake server simulates: its name, or the path of its file.
    :ivar missing: what happens to tests when there is no server: ``auto``, ``skip`` or ``fail``.
    :ivar no_skip: the features whose lack is an error instead of a skip.
    :ivar sources: ``{key: where its value came from}``; the whole address has the one key ``address``.
    """

    host: str
    port: int
    transport: Transport
    fake: bool
    profile: str
    connect_timeout: float
    ready_timeout: float
    missing: Literal["auto", "skip", "fail"]
    no_skip: tuple[str, ...]
    sources: Mapping[str, str]

    @property
    def address(self) -> str:
        """Where the server is, to be read by people."""
        if self.fake:
            return f"fake server ({os.path.basename(self.profile)})"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address_default(self) -> bool:
        """Whether nobody said where the server is."""
        return self.sources["address"] == DEFAULT


settings_key = pytest.StashKey[Settings]()


class Setting(NamedTuple):
    """A value and where it came from."""

    value: Any
    source: str


Layer = Mapping[str, Setting]


def _read_host(raw: object) -> str:
    host = str(raw)
    # One colon is a port that was put into the host; an IPv6 address has at least two.
    if not host or host.count(":") == 1 or any(char.isspace() or char in "/@[]" for char in host):
        raise ValueError
    return host


def _read_port(raw: object) -> int:
    text = str(raw)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        raise ValueError
    return int(text)


def _read_url(raw: object) -> Address:
    from urllib.parse import urlsplit

    url = urlsplit(str(raw))
    if url.scheme not in _SCHEMES or url.path.strip("/") or url.query or url.fragment or url.port is None:
        raise ValueError
    # For [::1]:8765 urlsplit gives the host without brackets, which is what a socket wants.
    host = "" if "@" in url.netloc else url.hostname or ""
    return Address(_read_host(host), _read_port(url.port), _SCHEMES[url.scheme])


def read_timeout(raw: object) -> float:
    """Return a time to wait in seconds.

    :raises ValueError: if it is no number of seconds that one can wait for.
    """
    text = str(raw)
    if not text.isascii() or "_" in text or text != text.strip():  # float() takes them
        raise ValueError
    seconds = float(text)
    if not math.isfinite(seconds) or not 0 < seconds <= LONGEST_TIMEOUT:
        raise ValueError
    return seconds


def _read_switch(raw: object) -> bool:
    word = str(raw).lower()
    if word not in _ON + _OFF:
        raise ValueError
    return word in _ON


def _read_name(raw: object) -> str:
    if not str(raw).strip():
        raise ValueError
    return str(raw)


def _read_missing(raw: object) -> str:
    if raw not in ("auto", "skip", "fail"):
        raise ValueError
    return str(raw)


def _read_features(raw: object) -> tuple[str, ...]:
    names = str(raw).replace(",", " ").split()
    if not names or any(name not in (*FEATURES, "all") for name in names):
        raise ValueError
    return tuple(name for name in FEATURES if name in names or "all" in names)


TIMEOUT_EXPECTED = "seconds, more than 0 and at most a day"


class Row(NamedTuple):
    """One thing that can be set, and under which names.

    :ivar ini_type: how pytest types the ini key; a switch is also an option without a value.
    :ivar read: makes the value of what was written, or raises ValueError.
    :ivar example: something that ``read`` takes.
    :ivar default: None for the parts of the address, which have a default together.
    """

    key: str
    ini_type: Literal["string", "int", "float", "bool"]
    read: Callable[[object], object]
    expected: str
    example: str
    default: object
    metavar: str
    help: str

    @property
    def option(self) -> str:
        """The command line's name of it."""
        return f"--scrutiny-{self.key.replace('_', '-')}"

    @property
    def environment(self) -> str:
        """The environment variable's name."""
        return f"{ENVIRONMENT_PREFIX}{self.key.upper()}"

    @property
    def ini(self) -> str:
        """The name in the configuration file, and of the parsed option."""
        return f"scrutiny_{self.key}"

    @property
    def title(self) -> str:
        """The name in a message."""
        return f"scrutiny {self.key.replace('_', ' ')}"


ROWS = (
    Row("host", "string", _read_host, "a host name or an address, without port", "localhost", None,
        "HOST", "host of the Scrutiny server (default: localhost)"),
    Row("port", "int", _read_port, "a number from 1 to 65535", "8765", None,
        "PORT", "port of the Scrutiny server (default: 8765)"),
    Row("url", "string", _read_url, "tcp://host:port or ws://host:port", "tcp://localhost:8765", None,
        "URL", "host, port and transport of the Scrutiny server in one: tcp://host:port, or ws://host:port "
        "for servers 0.1 to 0.3 (default: the transport is found by itself)"),
    Row("connect_timeout", "float", read_timeout, TIMEOUT_EXPECTED, "5", 5.0,
        "SECONDS", "longest time to connect to the server (default: 5)"),
    Row("ready_timeout", "float", read_timeout, TIMEOUT_EXPECTED, "10", 10.0,
        "SECONDS", "longest time a test waits for the device to be ready (default: 10)"),
    Row("fake", "bool", _read_switch, "true or false", "true", None,
        "", "run on the bundled fake server and its simulated device instead of a real one"),
    Row("profile", "string", _read_name, "a device's name, or a Python file", PLAIN_PROFILE, PLAIN_PROFILE,
        "NAME|FILE", "device that the fake server simulates, or a Python file with a PROFILE (default: "
        f"{PLAIN_PROFILE})"),
    Row("missing", "string", _read_missing, "auto, skip or fail", "auto", "auto",
        "auto|skip|fail", "what happens to tests when there is no server; auto: they are skipped if nobody "
        "said where it is, and are errors otherwise (default: auto)"),
    Row("no_skip", "string", _read_features, f"all, or some of {', '.join(FEATURES)}", "all", (),
        "LIST|all", "features whose lack is an error instead of a skip, separated by commas (default: none)"),
)  # fmt: skip
"""The table of settings; an option, an environment variable and an ini key for each row."""


def add_options(parser: pytest.Parser) -> None:
    """Register every row's option and ini key."""
    group = parser.getgroup(
        "scrutiny",
        "Scrutiny hardware-in-the-loop tests (also as environment variables, like PYTEST_SCRUTINY_HOST, "
        "and in the configuration file, like scrutiny_host)",
    )
    for row in ROWS:
        if row.ini_type == "bool":
            group.addoption(row.option, dest=row.ini, action="store_const", const=True, help=row.help)
        else:
            group.addoption(row.option, dest=row.ini, metavar=row.metavar, help=row.help)
        parser.addini(row.ini, row.help, type=row.ini_type, default=None)


def read_settings(config: pytest.Config, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return what the command line, the environment and the configuration file say.

    :raises pytest.UsageError: naming key, value, source and expectation of what is wrong.
    """
    layers = (_command_line(config), _environment(environment), _ini(config))
    address, fake, address_source = _address(layers)
    others = {row.key: _topmost(row, layers) for row in ROWS if row.key not in _ADDRESS}
    if fake:
        others["profile"] = _find_profile(config, others["profile"], layers[2])
    elif "profile" in layers[0]:  # elsewhere it may stand for runs that do use the fake
        profile = others["profile"]
        raise pytest.UsageError(
            f"scrutiny profile {profile.value!r} (from {profile.source}): expected the fake server with it, "
            "which simulates it; add --scrutiny-fake"
        )
    return Settings(
        host=address.host,
        port=address.port,
        transport=address.transport,
        fake=fake,
        **{key: setting.value for key, setting in others.items()},
        sources=MappingProxyType(
            {"address": address_source, **{key: setting.source for key, setting in others.items()}}
        ),
    )


def _command_line(config: pytest.Config) -> Layer:
    given = {row: config.getoption(row.ini) for row in ROWS}
    return {row.key: _checked(row, raw, row.option) for row, raw in given.items() if raw is not None}


def _environment(environment: Mapping[str, str]) -> Layer:
    # An empty variable is an error, not "unset": a bench's name that got lost in a CI script would be a run
    # against localhost, skipped and green.
    given = {row: environment.get(row.environment) for row in ROWS}
    _refuse_unknown(environment, [row.environment for row in ROWS])
    return {row.key: _checked(row, raw, row.environment) for row, raw in given.items() if raw is not None}


def _refuse_unknown(environment: Mapping[str, str], known: Sequence[str]) -> None:
    # For the same reason: PYTEST_SCRUTINY_HOTS=bench7 would be a run against localhost.
    for name in environment:
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]}?" if near else "correct it or unset it"
            raise pytest.UsageError(
                f"{name} in the environment is no setting: expected {', '.join(known)}; {advice}"
            )


def _ini(config: pytest.Config) -> Layer:
    layer = {}
    for row in ROWS:
        source = _ini_source(config, row)
        try:
            raw = config.getini(row.ini)
        except (TypeError, ValueError, pytest.UsageError) as exc:
            # pytest checks the types of the configuration file itself, and only its message has the value.
            text = f"{row.title} (from {source}): {exc}; {_expectation(row)}"
            raise pytest.UsageError(text) from None
        if raw is not None:
            layer[row.key] = _checked(row, raw, source)
    return layer


def _ini_source(config: pytest.Config, row: Row) -> str:
    overrides = config.getoption("override_ini") or ()
    if any(text.startswith(f"{row.ini}=") for text in overrides):
        return f"-o {row.ini}"
    return f"{row.ini} in {config.inipath.name}" if config.inipath is not None else row.ini


def _checked(row: Row, raw: object, source: str) -> Setting:
    try:
        return Setting(row.read(raw), source)
    except ValueError:
        raise pytest.UsageError(f"{row.title} {raw!r} (from {source}): {_expectation(row)}") from None


def _expectation(row: Row) -> str:
    return f"expected {row.expected}; write for example {row.example}"


def _topmost(row: Row, layers: Sequence[Layer]) -> Setting:
    return next((layer[row.key] for layer in layers if row.key in layer), Setting(row.default, DEFAULT))


_ADDRESS = ("url", "host", "port", "fake")


def _address(layers: Sequence[Layer]) -> tuple[Address, bool, str]:
    """Return the address, whether it is the fake's, and where that came from."""
    refused_by, source = "", DEFAULT
    for layer in layers:
        named = {key: layer[key] for key in _ADDRESS if key in layer}
        if "fake" in named and (refused_by or not named["fake"].value):
            if named.pop("fake").value:
                source = refused_by  # whoever switches a fake off means a server
            refused_by = refused_by or layer["fake"].source
        if named:
            return _address_of(named)
    return _DEFAULT_ADDRESS, False, source


def _address_of(named: Layer) -> tuple[Address, bool, str]:
    source = ", ".join(setting.source for setting in named.values())
    if "url" in named:
        address = named["url"].value
    else:
        values = {key: setting.value for key, setting in named.items() if key != "fake"}
        address = _DEFAULT_ADDRESS._replace(**values)
    if len({"host" if key == "port" else key for key in named}) > 1:
        raise pytest.UsageError(
            f"scrutiny address named more than once (from {source}): expected a url, or host and port, "
            "or the fake; keep one of them"
        )
    return address, "fake" in named, source


def _find_profile(config: pytest.Config, profile: Setting, ini: Layer) -> Setting:
    """Return the setting, with the whole path of a file, after a look at what it names.

    :param ini: what the configuration file says: a file in it is looked for beside it.
    """
    if profile.value == PLAIN_PROFILE:
        return profile
    from pytest_scrutiny.errors import NameNotFoundError
    from pytest_scrutiny.fakeserver import PROFILES, find_profile, is_file

    name = profile.value
    if is_file(name):
        folder = config.invocation_params.dir
        if profile is ini.get("profile") and config.inipath is not None:
            folder = config.inipath.parent
        name = str(folder / name)
    try:
        find_profile(name)
    except NameNotFoundError:
        problem = (
            f"expected one of {', '.join(PROFILES)}, or a Python file; write for example {PLAIN_PROFILE}"
        )
    except ValueError as exc:
        problem = str(exc)
    else:
        return Setting(name, profile.source)
    raise pytest.UsageError(f"scrutiny profile {profile.value!r} (from {profile.source}): {problem}")
