"""An exception in one line. Worker processes import this: it must stay free of numpy."""

from __future__ import annotations

_MOST_CHARS = 300
"""Length of a kept message: a page of HTML in an exception must not fill the memory."""


def summary(error: BaseException) -> str:
    """Return the type and the first line of the message of an exception, whatever its `__str__` does."""
    kind = type(error).__name__
    try:
        lines = str(error).splitlines()
    except Exception as problem:  # a user's own __str__
        lines = [f"(its message raised {type(problem).__name__})"]
    line = lines[0] if lines else ""
    shown = line if len(line) <= _MOST_CHARS else line[: _MOST_CHARS - 3] + "..."
    return f"{kind}: {shown}"
