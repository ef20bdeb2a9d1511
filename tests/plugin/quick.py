"""Defaults that nobody wants to wait for."""

import pytest

from pytest_scrutiny.plugin import options


def quicken(monkeypatch: pytest.MonkeyPatch, connect_timeout: float) -> None:
    """Give the setting another default; one that somebody gave would bound the whole of connecting."""
    rows = [
        row._replace(default=connect_timeout) if row.key == "connect_timeout" else row for row in options.ROWS
    ]
    monkeypatch.setattr(options, "ROWS", tuple(rows))
