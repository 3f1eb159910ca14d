"""Text from outside (test ids, stage names, exceptions) made safe to look at, and permalinks."""

from __future__ import annotations

import hashlib
import unicodedata

_KEPT = frozenset("\n\t")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that change how a line looks without being seen: controls, bidi marks, surrogates."""


def visible(text: str) -> str:
    r"""Return `text` with every control, bidi and unpaired character shown as an escape such as `\u202e`.

    Newline and tab stay. What is left survives UTF-8 and an HTML parser unchanged.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_plain(char) else _escaped(char) for char in text)


def one_line(text: str) -> str:
    """Return `visible(text)` on a single line."""
    return " ".join(visible(text).split())


def shorten(text: str, limit: int) -> str:
    """Return `text` on one line with at most `limit` characters, its middle replaced by an ellipsis."""
    line = one_line(text)
    if len(line) <= limit:
        return line
    head = max(0, (limit - 1) // 2)
    tail = max(0, limit - 1 - head)
    return f"{line[:head]}…{line[len(line) - tail :]}"


def anchor(nodeid: str) -> str:
    """Return the permalink id of a test in the report: `t-` and ten hex digits, stable across runs."""
    digest = hashlib.sha256(nodeid.encode("utf-8", "surrogatepass")).hexdigest()
    return f"t-{digest[:10]}"


def _is_plain(char: str) -> bool:
    if char in _KEPT:
        return True
    point = ord(char)
    is_nonchar = (point & 0xFFFE) == 0xFFFE or 0xFDD0 <= point <= 0xFDEF
    return not is_nonchar and unicodedata.category(char) not in _HIDDEN


def _escaped(char: str) -> str:
    point = ord(char)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
