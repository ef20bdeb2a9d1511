"""What it costs to import a client and to load the plugin, in fresh processes.

PYTEST_DONT_REWRITE
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

_OURS = "pytest_scrutiny.client.client"
_OFFICIAL = "scrutiny.sdk.client"
_TIMED_IMPORT = (
    "import time, pytest; a = time.perf_counter(); import {}; print((time.perf_counter() - a) * 1e3)"
)


def measure_imports(official_python: Path, rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of each round, the programs interleaved.

    ``… over bare`` is a fresh process with one import less one without; ``… inside pytest`` is the import
    alone, once pytest is loaded.
    """
    packages = _run_python(
        "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", python=official_python
    )
    measured: dict[str, list[float]] = {}
    for _ in range(rounds):
        bare = _wall("-c", "pass")
        for name, module, extra in (("ours", _OURS, ""), ("official", _OFFICIAL, packages.strip())):
            whole = _wall("-c", f"import {module}", path=extra)
            measured.setdefault(f"import over bare, {name}", []).append(whole - bare)
            measured.setdefault(f"import inside pytest, {name}", []).append(_time_import(module, extra))
        plugin = _time_import("pytest_scrutiny.plugin", "")
        measured.setdefault("import of the plugin inside pytest, ours", []).append(plugin)
    return measured


def measure_plugin(rounds: int) -> dict[str, list[float]]:
    """Return what a pytest run with one empty test costs with and without the plugin.

    The difference is of the fastest runs: whatever else the machine does only ever adds to a run, and adds
    more than the few milliseconds that are looked for.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_nothing.py").write_text("def test_nothing(): pass\n")
        with_plugin = ("-m", "pytest", "-q", "-p", "no:cacheprovider", folder)
        without = (*with_plugin, "-p", "no:scrutiny")
        pairs = [(_wall(*without), _wall(*with_plugin)) for _ in range(2 * rounds)]
    bare, ours = zip(*pairs, strict=True)
    return {
        "pytest without the plugin": [*bare],
        "pytest with the plugin": [*ours],
        "the plugin's share, fastest runs": [min(ours) - min(bare)],
    }


def _time_import(module: str, path: str) -> float:
    return float(_run_python("-c", _TIMED_IMPORT.format(module), path=path))


def _wall(*arguments: str, path: str = "") -> float:
    start = perf_counter()
    _run_python(*arguments, path=path)
    return (perf_counter() - start) * 1e3


def _run_python(*arguments: str, path: str = "", python: Path = Path(sys.executable)) -> str:
    # Without PYTHONDONTWRITEBYTECODE, which makes pytest compile every plugin's modules anew at each run, and
    # away from the checkout, which would take the place of what is installed.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [str(python), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**environment, "PYTHONPATH": path},
        cwd=tempfile.gettempdir(),
        timeout=60,
    )
    return done.stdout
