"""Markers: mistakes are errors of the collection; a marker alone gates; features decide who is skipped."""

import attrs
import pytest

from pytest_scrutiny.fakeserver.server import FakeServer
from pytest_scrutiny.model.status import SupportedFeatureMap
from pytest_scrutiny.plugin.markers import READY, REQUIRES, Wishes, read_wishes, requires
from pytest_scrutiny.plugin.options import FEATURES

HEAD = "import pytest, unittest\nfrom pytest_scrutiny import requires\nmark = pytest.mark\n"


def make_module(pytester: pytest.Pytester, body: str) -> None:
    pytester.makepyfile(test_it=HEAD + body)


def test_the_features_are_those_of_the_device() -> None:
    assert tuple(field.name for field in attrs.fields(SupportedFeatureMap)) == FEATURES


KNOWN = "expected memory_write, datalogging, user_command or sixtyfour_bits"
SECONDS = "expected seconds, more than 0 and at most a day; write for example timeout=20"
NAMES_ONLY = "expected names of features only; correct it or take it out"
NAMES = "expected timeout=..., sfd=... or probe=..."
MISTAKES = [
    ("requires('dataloging')", f"requires does not know 'dataloging': {KNOWN}; did you mean 'datalogging'?"),
    ("requires('xyz')", f"requires does not know 'xyz': {KNOWN}; correct it or take it out"),
    ("requires(7)", f"requires does not know 7: {KNOWN}; correct it or take it out"),
    ("requires()", f"requires names no feature: {KNOWN}; write for example {REQUIRES}('datalogging')"),
    (
        "requires('datalogging', min_signals=3)",
        f"requires does not take the keyword 'min_signals': {NAMES_ONLY}",
    ),
    (
        "ready(20)",
        f"ready got 20 without a name: {NAMES}; write for example {READY}(timeout=9)",
    ),
    (
        "ready(timout=20)",
        "ready does not take the keyword 'timout': expected timeout, sfd or probe; did you mean 'timeout'?",
    ),
    *[(f"ready(timeout={raw})", f"ready got timeout={raw}: {SECONDS}") for raw in (0, -1, True, "'20'")],
    ("ready(sfd=0)", "ready got sfd=0: expected True or False; write for example sfd=False"),
    ("ready(probe='x')", "ready got probe='x': expected True or False; write for example probe=False"),
]


@pytest.mark.parametrize(("mark", "text"), MISTAKES)
def test_a_mistake_in_a_marker_is_an_error_of_the_collection(
    pytester: pytest.Pytester, mark: str, text: str
) -> None:
    make_module(pytester, f"@mark.scrutiny_{mark}\ndef test_it(): pass\n\ndef test_other(): pass")

    result = pytester.runpytest_inprocess("--collect-only", "--strict-markers")

    assert result.ret is pytest.ExitCode.INTERRUPTED
    assert f"test_it.py::test_it: scrutiny_{text}" in result.outlines
    result.stdout.fnmatch_lines(["ERROR test_it.py*"])


WRONG_PLACES = [
    pytest.param("pytestmark = mark.scrutiny_requires('flying')\ndef test_x(): pass", "test_x", id="module"),
    pytest.param(
        "@mark.scrutiny_requires('flying')\nclass TestX:\n def test_x(self): pass",
        "TestX::test_x",
        id="class",
    ),
    pytest.param(
        "class TestX(unittest.TestCase):\n @mark.scrutiny_requires('flying')\n def test_x(self): pass",
        "TestX::test_x",
        id="unittest",
    ),
    pytest.param(
        "@mark.parametrize('n', [1, pytest.param(2, marks=mark.scrutiny_requires('flying'))])\n"
        "def test_x(n): pass",
        "test_x[2]",
        id="parameter",
    ),
]


@pytest.mark.parametrize(("body", "test"), WRONG_PLACES)
def test_a_mistake_is_found_wherever_the_marker_is(pytester: pytest.Pytester, body: str, test: str) -> None:
    make_module(pytester, body)

    result = pytester.runpytest_inprocess("--collect-only")

    assert result.ret is pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"test_it.py::{test.replace('[', '[[]')}: scrutiny_requires does not know*"])


def test_all_mistakes_of_a_module_are_told_at_once(pytester: pytest.Pytester) -> None:
    make_module(pytester, "".join(f"@mark.scrutiny_requires('no{n}')\ndef test_{n}(): pass\n" for n in "ab"))

    result = pytester.runpytest_inprocess()

    result.stdout.fnmatch_lines(["*::test_a: *'noa'*", "*::test_b: *'nob'*"])
    result.assert_outcomes(errors=1)


def test_a_mistake_is_told_with_xdist_too(pytester: pytest.Pytester) -> None:
    make_module(pytester, "@mark.scrutiny_requires('dataloging')\ndef test_it(): pass")

    result = pytester.runpytest_subprocess("-n2")

    result.stdout.fnmatch_lines(["test_it.py::test_it: *; did you mean 'datalogging'?"])
    assert result.ret != pytest.ExitCode.OK


def test_a_mistake_in_a_marker_that_came_late_is_an_error_of_the_test(
    pytester: pytest.Pytester, fake: FakeServer
) -> None:
    pytester.makeconftest(
        "import pytest\ndef pytest_collection_modifyitems(items):\n"
        "    items[0].add_marker(pytest.mark.scrutiny_requires('flying'))"
    )
    make_module(pytester, "def test_it(): pass")

    result = pytester.runpytest_inprocess("--scrutiny-url", fake.url)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_it.py::test_it: scrutiny_requires does not know 'flying'*"])


def test_a_misspelt_requires_is_an_error_of_the_collection(pytester: pytest.Pytester) -> None:
    make_module(pytester, "@requires.dataloging\ndef test_it(): pass")

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        # From Python 3.12 on, the interpreter adds a suggestion of its own.
        [f"*requires does not know 'dataloging': {KNOWN}; did you mean 'datalogging'?*"]
    )


def test_requires_gives_real_marks() -> None:
    for feature in FEATURES:
        decorator = getattr(requires, feature)
        assert isinstance(decorator, pytest.MarkDecorator)
        assert decorator.mark == pytest.mark.scrutiny_requires(feature).mark


@pytest.mark.parametrize(
    ("keywords", "got"), [({"min_signals": 3}, "min_signals"), ({}, "nothing")], ids=["keyword", "nothing"]
)
def test_requires_takes_no_keywords_yet(keywords: dict[str, int], got: str) -> None:
    with pytest.raises(TypeError) as caught:
        requires.datalogging(**keywords)

    assert str(caught.value) == (
        f"requires.datalogging got {got}: expected a test or a class to mark, and no keywords; "
        "write @requires.datalogging without brackets"
    )


def test_markers_combine(pytester: pytest.Pytester) -> None:
    make_module(
        pytester,
        """
pytestmark = [requires.memory_write, mark.scrutiny_ready(timeout=60, sfd=False)]

@requires.user_command
@mark.scrutiny_ready(timeout=30)
class TestIt:
    @requires.datalogging
    @requires.memory_write
    @mark.scrutiny_ready(timeout=5)
    def test_close(self): pass

    def test_far(self): pass

def test_farthest(): pass
""",
    )

    close, far, farthest = pytester.inline_genitems()[0]

    assert read_wishes(close) == Wishes(("memory_write", "datalogging", "user_command"), 5, sfd=False)
    assert read_wishes(far) == Wishes(("memory_write", "user_command"), 30, sfd=False)
    assert read_wishes(farthest) == Wishes(("memory_write",), 60, sfd=False)


def test_a_marker_alone_skips_at_the_tests_own_line(pytester: pytest.Pytester, fake: FakeServer) -> None:
    fake.set_features(datalogging=False, user_command=False)
    make_module(
        pytester,
        """
@requires.user_command
@requires.datalogging
@requires.memory_write
def test_two(): raise AssertionError("it ran")

@requires.memory_write
def test_none(): pass
""",
    )

    result = pytester.runpytest_inprocess("-rs", "--strict-markers", "-Werror", "--scrutiny-url", fake.url)

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED [[]1] test_it.py:5: device Simulated PSU lacks datalogging, user_command"]
    )


def test_unittest_classes_are_gated(pytester: pytest.Pytester, fake: FakeServer) -> None:
    fake.set_features(datalogging=False)
    make_module(
        pytester,
        """
@requires.datalogging
class TestClass(unittest.TestCase):
    def setUp(self): raise AssertionError("it ran")
    def test_class(self): pass

class TestMethod(unittest.TestCase):
    @requires.datalogging
    def test_method(self): raise AssertionError("it ran")
    @requires.memory_write
    def test_other(self): pass
""",
    )

    result = pytester.runpytest_inprocess("-rs", "--scrutiny-url", fake.url)

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED [[]1] test_it.py:8: device Simulated PSU lacks datalogging"])


def test_a_marker_on_one_parameter_set_gates_that_one_only(
    pytester: pytest.Pytester, fake: FakeServer
) -> None:
    fake.set_features(datalogging=False)
    make_module(
        pytester,
        """
@mark.parametrize("n", [1, pytest.param(2, marks=requires.datalogging), 3])
def test_it(n, request):
    assert "scrutiny_gate" not in request.fixturenames
""",
    )

    pytester.runpytest_inprocess("--scrutiny-url", fake.url).assert_outcomes(passed=2, skipped=1)


def test_fixtures_that_power_the_device_run_before_the_gate(
    pytester: pytest.Pytester, fake: FakeServer
) -> None:
    make_module(
        pytester,
        """
events = []

@pytest.fixture
def power():
    events.append("power")

@pytest.fixture
def scrutiny_client(scrutiny_client):
    events.append("client")
    return scrutiny_client

@requires.memory_write
def test_it(power):
    assert events == ["power", "client"]
""",
    )

    pytester.runpytest_inprocess("--scrutiny-url", fake.url).assert_outcomes(passed=1)


def test_a_marker_that_a_conftest_adds_gates_too(pytester: pytest.Pytester, fake: FakeServer) -> None:
    fake.set_features(datalogging=False)
    pytester.makeconftest(
        "from pytest_scrutiny import requires\ndef pytest_collection_modifyitems(items):\n"
        "    items[0].add_marker(requires.datalogging)"
    )
    make_module(pytester, "def test_it(): pass")

    pytester.runpytest_inprocess("--scrutiny-url", fake.url).assert_outcomes(skipped=1)


def test_features_are_asked_afresh_for_every_test(pytester: pytest.Pytester) -> None:
    """The device of the second test is another one than that of the first."""
    make_module(
        pytester,
        """
from pytest_scrutiny import FakeServer

@pytest.fixture(scope="session")
def server():
    with FakeServer() as server:
        yield server

@pytest.fixture(scope="session")
def scrutiny_settings(scrutiny_settings, server):
    return scrutiny_settings._replace(host=server.host, port=server.port)

@requires.datalogging
def test_before(server):
    server.set_features(datalogging=False)

@requires.datalogging
def test_after(): raise AssertionError("it ran")
""",
    )

    pytester.runpytest_inprocess("-Werror").assert_outcomes(passed=1, skipped=1)


def test_markers_are_listed(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--markers")

    result.stdout.fnmatch_lines([
        "@pytest.mark.scrutiny_requires(*features): skip the test if the device lacks one of the features:*",
        "@pytest.mark.scrutiny_ready(timeout=seconds, sfd=True, probe=True): how long to wait for*",
    ])  # fmt: skip


def test_a_misspelt_marker_is_an_error_of_the_collection(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        @pytest.mark.scrutiny_require("datalogging")
        def test_it(): pass
        """
    )
    result = pytester.runpytest_inprocess("-W", "ignore", "--collect-only")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = "test_it.py::test_it: there is no marker scrutiny_require: expected *; did you mean '*requires'?"
    result.stdout.fnmatch_lines([text])


def test_requires_is_not_called() -> None:
    with pytest.raises(
        TypeError, match=r"requires is not called: .*; write for example @requires\.datalogging"
    ):
        requires("datalogging")  # type: ignore[operator]  # that is the point
