"""Shared by all the tests: helpers that live beside them are importable under importlib mode."""

from __future__ import annotations

import sys
from pathlib import Path

# pytest takes this from the top-level conftest only.
pytest_plugins = ["pytester"]

sys.path.insert(0, str(Path(__file__).parent))
