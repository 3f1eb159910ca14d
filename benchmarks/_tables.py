"""Numbers with their spread, and tables that read the same in a terminal and in Markdown."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median, quantiles


def spread(values: Sequence[float], unit: str = "", digits: int = 2) -> str:
    """Return `2.61 (2.59-2.62)`: the median and the quartiles."""
    if len(values) < 2:
        return f"{values[0]:.{digits}f}{unit}"
    low, _, high = quantiles(values, n=4, method="inclusive")
    return f"{median(values):.{digits}f}{unit} ({low:.{digits}f}-{high:.{digits}f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [header, rule, *rows]
    )


def print_all(tables: Callable[[bool], Iterable[str]]) -> None:
    """Print tables as they come; `--quick` asks for fewer rounds and items."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer rounds and items")
    is_quick = parser.parse_args().quick
    began = time.monotonic()
    for text in tables(is_quick):
        print(f"{text}\n\n({time.monotonic() - began:.0f} s)\n", flush=True)
        began = time.monotonic()
