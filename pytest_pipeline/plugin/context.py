"""Project, commit and command of the session. Looked up only when a document is written."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

_GIT_TIMEOUT_S = 2.0


def describe(config: pytest.Config) -> dict[str, Any]:
    """Return what identifies this session for a reader."""
    return {
        "project": config.rootpath.name,
        "commit": _git(config.rootpath, "rev-parse", "HEAD"),
        "branch": _git(config.rootpath, "rev-parse", "--abbrev-ref", "HEAD"),
        "command": shlex.join(["pytest", *map(str, config.invocation_params.args)]),
    }


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
