"""What changed plans are predicted to give, beside the limit and the measured value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json

REACHES = "✓ reaches it"
"""Mark on a change that is predicted to reach the limit."""


@dataclass(frozen=True, slots=True)
class WhatIfTable:
    """The predictions of one arm."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    """What the predictions rest on, each said once."""


def what_if_table(run: Json, arm: Json) -> WhatIfTable | None:
    """Return the table of `arm`, best first; None without predictions."""
    changes = arm["what_ifs"]
    if not changes:
        return None
    limit = limit_of(run, arm["executor"])
    columns = ("change", "write", "predicted", *(() if limit is None else ("against the limit",)))
    measured = (arm["speedup"] or {}).get("value")
    return WhatIfTable(
        caption="What if: predicted speedups, simulated with the measured service times",
        columns=columns,
        rows=tuple(_row(each, limit, measured) for each in changes),
        notes=tuple(dict.fromkeys(_notes(changes))),
    )


def limit_of(run: Json, executor: str) -> float | None:
    """Return the strictest speedup asked of `executor`, or None."""
    limits = [
        each["limit"]
        for each in run["findings"]
        if each["executor"] == executor and each["quantity"] == "speedup" and not each["cold"]
    ]
    return max((limit for limit in limits if limit is not None), default=None)


def _row(change: Json, limit: float | None, measured: float | None) -> tuple[str, ...]:
    predicted = change["predicted_speedup"]
    what = shorten(change["change"], 80)
    if not change["effort"] and measured is not None:
        what += f" (measured {units.ratio(measured)})"
    cells = (what, one_line(change["code"]) or units.MISSING, units.ratio(predicted))
    return cells if limit is None else (*cells, _against(predicted, limit))


def _against(predicted: float | None, limit: float) -> str:
    if predicted is None:
        return units.MISSING
    if predicted >= limit:
        return f"{REACHES} ({units.ratio(limit)})"
    return f"{units.percent(1 - predicted / limit)} below {units.ratio(limit)}"


def _notes(changes: Sequence[Json]) -> list[str]:
    texts = [part for each in changes for part in each["basis"].split("; ")]
    return [one_line(text) for text in texts if text]
