"""The worker ledger: where workers x makespan went, as stacked bars and as a table that adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json

PARTS = (
    ("service", "service_s", "c0", "inside the stage function"),
    ("blocked", "blocked_s", "c1", "finished, waiting for room in the next queue"),
    ("starved", "starved_s", "bar", "ready, waiting for input"),
    ("serialisation", "serialisation_s", "c3", "to bytes and back"),
    ("transfer", "transfer_s", "c4", "bytes between processes"),
    ("hand-over", "handover_s", "c5", "the executor's own queue work"),
    ("unaccounted", "unaccounted_s", "c2", "workers x makespan minus all of the above"),
)
"""Name, field, CSS class and meaning, in the order of the stack."""

WIDTH = 760
LEFT = 128
RIGHT = 744
ROW = 24
BAR = 14


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of one row's bar."""

    x: float
    width: float
    css: str
    title: str


@dataclass(frozen=True, slots=True)
class LedgerBar:
    """One stage (or shared pool)."""

    label: str
    y: float
    text_y: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One row of the table."""

    name: str
    workers: str
    cells: tuple[str, ...]
    """One per part, then the total."""
    cpu_share: str
    """CPU time / service time of the row's workers."""


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Chart, table and the check that they add up."""

    summary: str
    unit: str
    width: float
    height: float
    label_x: float
    bar_height: float
    bars: tuple[LedgerBar, ...]
    legend: tuple[tuple[str, str, str], ...]
    """CSS class, name, share of all worker time."""
    columns: tuple[tuple[str, str], ...]
    """Name and meaning of each part."""
    lines: tuple[LedgerLine, ...]
    total: LedgerLine
    check: str
    """`3 workers x 450 ms makespan = 1.35 s; ...`."""
    unaccounted: str
    """The honest rest as a share."""


def make_ledger(ledger: Json | None) -> LedgerView | None:
    """Return the view of one arm's ledger; None when none was recorded."""
    if not ledger or not ledger["rows"]:
        return None
    rows = ledger["rows"]
    largest = max(row_total(row) for row in rows)
    scale = units.table_scale(sum(row_total(row) for row in rows))
    sums = {field: sum(row[field] or 0.0 for row in rows) for _, field, _, _ in PARTS}
    whole = sum(sums.values())
    return LedgerView(
        summary="Worker time: "
        + ", ".join(
            f"{name} {_share(sums[field], whole)}" for name, field, _, _ in PARTS if sums[field]
        ),
        unit=scale.unit,
        width=WIDTH,
        height=len(rows) * ROW + 6,
        label_x=LEFT - 8,
        bar_height=BAR,
        bars=tuple(_bar(row, k, largest) for k, row in enumerate(rows)),
        legend=tuple(
            (css, name, _share(sums[field], whole)) for name, field, css, _ in PARTS if sums[field]
        ),
        columns=tuple((name, meaning) for name, _, _, meaning in PARTS),
        lines=tuple(_line(row, scale) for row in rows),
        total=LedgerLine(
            "all rows",
            str(ledger["workers"]),
            (*(scale.text(sums[field]) for _, field, _, _ in PARTS), scale.text(whole)),
            "",
        ),
        check=_check(ledger, whole),
        unaccounted=f"unaccounted: {_share(sums['unaccounted_s'], whole)} of all worker time",
    )


def row_total(row: Json) -> float:
    """Return the sum of a row's parts, seconds."""
    return float(sum(row[field] or 0.0 for _, field, _, _ in PARTS))


def _check(ledger: Json, whole: float) -> str:
    expected = ledger["workers"] * (ledger["makespan_s"] or 0.0)
    text = (
        f"{units.count(ledger['workers'], 'worker')} x {units.seconds(ledger['makespan_s'])} makespan"
        f" = {units.seconds(expected)}"
    )
    if abs(whole - expected) <= max(1e-9, 0.001 * expected):
        return f"{text}: the parts add up to it"
    return f"{text}, but the parts add up to {units.seconds(whole)}: this ledger does not balance"


def _share(part: float, whole: float) -> str:
    return units.percent(part / whole if whole else None)


def _bar(row: Json, k: int, largest: float) -> LedgerBar:
    per_second = (RIGHT - LEFT) / largest if largest > 0 else 0.0
    segments, x = [], float(LEFT)
    for name, field, css, _ in PARTS:
        width = max(0.0, row[field] or 0.0) * per_second
        if width >= 0.1:
            title = f"{name} {units.seconds(row[field])} ({_share(row[field], row_total(row))})"
            segments.append(Segment(round(x, 1), round(width, 1), css, title))
        x += width
    return LedgerBar(_label(row, 18), k * ROW + 5, k * ROW + 16, tuple(segments))


def _label(row: Json, limit: int) -> str:
    suffix = f" ({row['workers']})" if row["workers"] else ""
    return shorten(str(row["name"]), limit - len(suffix)) + suffix


def _line(row: Json, scale: units.Scale) -> LedgerLine:
    fields: Sequence[str] = [field for _, field, _, _ in PARTS]
    service, cpu = row["service_s"] or 0.0, row["cpu_s"] or 0.0
    return LedgerLine(
        name=one_line(str(row["name"])),
        workers=str(row["workers"]) if row["workers"] else "in pool",
        cells=(*(scale.text(row[field] or 0.0) for field in fields), scale.text(row_total(row))),
        cpu_share=units.percent(min(1.0, cpu / service)) if service and cpu else units.MISSING,
    )
