"""The examples pass on fake and on real servers with nothing but an address."""

import subprocess
import sys
from pathlib import Path

from tests.interop.benches import HOST, Bench

ROOT = Path(__file__).resolve().parents[2]


def test_the_examples_pass(bench: Bench) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "examples",
            "-rs",
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
    assert "of the examples" not in done.stdout, "skipped for want of their firmware"
