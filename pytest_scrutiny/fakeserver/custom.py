"""A device of the user's own: a Python file with a profile.

PYTEST_DONT_REWRITE
"""

import importlib.util
import traceback
from pathlib import Path

from pytest_scrutiny.fakeserver.device import SimulatedDevice
from pytest_scrutiny.fakeserver.rows import Profile

NAME = "PROFILE"
"""What the profile is called in its file."""


def is_file(profile: str) -> bool:
    """Return whether a profile is named by its file."""
    return profile.endswith(".py")


def load_profile(file: str | Path) -> Profile:
    """Return the profile of a Python file, which is run for it.

    :raises ValueError: if there is none, or no device can be like it.
    """
    path = Path(file).absolute()
    if not path.is_file():
        raise ValueError(f"there is no file {path}; expected a Python file with a {NAME}")
    spec = importlib.util.spec_from_file_location(f"scrutiny_profile_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        raise ValueError(f"{path} ended in {_where(path, exc)} with {exc!r}") from exc
    profile = getattr(module, NAME, None)
    if not isinstance(profile, Profile):
        what = "no" if profile is None else f"a {type(profile).__name__} as"
        raise ValueError(f"{path} has {what} {NAME}; expected a Profile of pytest_scrutiny.fakeserver")
    try:
        SimulatedDevice(profile)
    except (ValueError, LookupError) as exc:
        raise ValueError(f"the {NAME} of {path} is none: {exc}") from exc
    return profile


def _where(path: Path, exc: Exception) -> str:
    if isinstance(exc, SyntaxError):
        return f"line {exc.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == str(path)]
    return f"line {lines[-1]}" if lines else "the import"
