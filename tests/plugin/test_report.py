"""The header line."""

import pytest


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "scrutiny: localhost:8765 (default), ready within 10 s (default)"),
        (
            ["--scrutiny-url=ws://bench7:1", "--scrutiny-ready-timeout=2.5"],
            "scrutiny: bench7:1 (--scrutiny-url), ready within 2.5 s (--scrutiny-ready-timeout)",
        ),
        (
            ["--scrutiny-fake", "-o", "scrutiny_ready_timeout=3"],
            "scrutiny: fake server (plain) (--scrutiny-fake), ready within 3 s (-o scrutiny_ready_timeout)",
        ),
    ],
    ids=["default", "url", "fake"],
)
def test_the_header_says_what_is_tested_and_who_said_so(
    pytester: pytest.Pytester, options: list[str], line: str
) -> None:
    result = pytester.runpytest_inprocess(*options)

    assert line in result.outlines
