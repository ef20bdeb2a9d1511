"""The only unit of time in tests, stretched on slow machines by SCRUTINY_TEST_SLOWNESS."""

import os

MS = 0.001 * float(os.environ.get("SCRUTINY_TEST_SLOWNESS", "1"))
SECOND = 1000 * MS
