"""The dead `pytest-pipeline` of 2017 has our import name: both installed, both are broken."""

from __future__ import annotations

import importlib.metadata

import pytest

RIVAL = "pytest-pipeline"


def refuse_rival() -> None:
    """Raise `pytest.UsageError` when the other distribution is installed beside us."""
    version = rival_version()
    if not version:
        return
    raise pytest.UsageError(
        f"{RIVAL} {version} (2017, unmaintained) and pytest-pipeline-speedup are both installed and overwrite each other's "
        "import package `pytest_pipeline`: uninstall both, then reinstall pytest-pipeline-speedup:\n"
        "  pip uninstall -y pytest-pipeline pytest-pipeline-speedup && pip install pytest-pipeline-speedup"
    )


def rival_version() -> str:
    """Return the version of the other distribution, or an empty string when it is not installed."""
    try:
        return importlib.metadata.version(RIVAL)
    except importlib.metadata.PackageNotFoundError:
        return ""
