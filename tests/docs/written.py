"""What the pages for users say: their text, links, code blocks and what they name, read from the files."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    ROOT / "example_project" / "README.md",
    ROOT / "tests" / "README.md",
    *sorted((ROOT / "tests" / "executors").glob("*.md")),
]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of one language; `""` for those that name none."""
    return [text for kind, text in _FENCE.findall(page.read_text("utf-8")) if kind == language]


def links(page: Path) -> list[str]:
    """Return the targets of all links and pictures."""
    return _LINK.findall(_FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """Return what `#...` may lead to: GitHub makes it from the heading."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def code(page: Path) -> list[str]:
    """Return what stands between backticks, and the lines of blocks without a language."""
    text = page.read_text("utf-8")
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    return [*_CODE.findall(_FENCE.sub("", text)), *lines]
