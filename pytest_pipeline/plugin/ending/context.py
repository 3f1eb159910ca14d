"""Project, commit and command of the session. Looked up only when a document is written."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

_GIT_TIMEOUT_S = 2.0
_SHORTEST_HOME = 3
"""`/` and `C:` are homes of containers and would turn up everywhere."""


def describe(config: pytest.Config) -> dict[str, Any]:
    """Return what identifies this session for a reader."""
    return {
        "project": config.rootpath.name,
        "commit": _git(config.rootpath, "rev-parse", "HEAD"),
        "branch": _git(config.rootpath, "rev-parse", "--abbrev-ref", "HEAD"),
        "command": shlex.join(["pytest", *map(str, config.invocation_params.args)]),
    }


def has_changes(folder: Path) -> bool:
    """Return whether tracked files differ from the commit; False where there is no repository."""
    return bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))


def without_home(value: Any, home: str | None = None) -> Any:
    """Return plain JSON data with the user's home directory written as `~`: reports travel.

    `home` is that directory, by default this user's; one as short as `/` is left alone.
    """
    home = _home() if home is None else home
    if len(home) < _SHORTEST_HOME:
        return value
    # Whole names only: /root is no part of tests/root_cause, nor /home/al of /home/alice.
    return _rewritten(value, re.compile(rf"(?<![\w.~-]){re.escape(home)}(?![\w-]|\.\w)"))


def _home() -> str:
    """Return this user's home, or nothing: in a container neither HOME nor the password file may know one."""
    try:
        return str(Path.home())
    except RuntimeError:
        return ""


def _rewritten(value: Any, home: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return home.sub("~", value)
    if isinstance(value, dict):
        return {key: _rewritten(each, home) for key, each in value.items()}
    if isinstance(value, list):
        return [_rewritten(each, home) for each in value]
    return value


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
