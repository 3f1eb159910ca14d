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

    # Of the time that making examples takes nothing may depend: the machine may be busy.
    settings.register_profile(
        "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("untimed")
