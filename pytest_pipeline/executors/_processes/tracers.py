"""Whether something watches every line of this process: a worker process must not be watched alone."""

from __future__ import annotations

import sys
import threading
from typing import Any


def current_coverage() -> Any:
    """Return the measurement of coverage that runs in this process; None without one."""
    current = getattr(getattr(sys.modules.get("coverage"), "Coverage", None), "current", None)
    return None if current is None else current()


def is_traced() -> bool:
    """Return whether coverage, a trace or a profile function is on in the calling thread or in new ones."""
    found = (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile())
    return any(each is not None for each in (*found, current_coverage()))
