"""Shared by all the tests: helpers that live beside them are importable under importlib mode."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# pytest takes this from the top-level conftest only.
pytest_plugins = ["pytester"]

sys.path.insert(0, str(Path(__file__).parent))

if importlib.util.find_spec("hypothesis"):  # the compatibility sessions are without it
    from hypothesis import HealthCheck, settings

    # Nothing may depend on the time that making examples takes: the machine may be busy. And every
    # session draws the same examples: where a law is broken, a change has broken it.
    settings.register_profile(
        "repeatable",
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("repeatable")
