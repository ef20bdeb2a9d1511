"""The examples pass on real servers with nothing but an address."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.benches import HOST, Bench

pytestmark = pytest.mark.real_server  # without --interop, tests/test_examples.py runs them on the fake

ROOT = Path(__file__).resolve().parents[2]


def test_the_examples_pass(bench: Bench) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "examples",
            "--scrutiny-host",
            HOST,
            "--scrutiny-port",
            str(bench.port),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
