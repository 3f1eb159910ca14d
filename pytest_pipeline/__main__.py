"""`python -m pytest_pipeline`: the command line without its script."""

from __future__ import annotations

import sys

from pytest_pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
