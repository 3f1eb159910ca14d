"""Types of libraries that a test may use: only one that is imported already can have made a value."""

from __future__ import annotations

import sys


def loaded_type(module: str, name: str) -> type | None:
    """Return the type; None where nobody has imported its module, or has put a stub or a mock in its place."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None
