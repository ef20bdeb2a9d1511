"""``python -m pytest_scrutiny.fakeserver``.

PYTEST_DONT_REWRITE
"""

import sys

from pytest_scrutiny.fakeserver.cli import main

if __name__ == "__main__":
    sys.exit(main())
