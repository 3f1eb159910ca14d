"""All tests in one table: one row per gated arm, numbers beside their limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import make_axis
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json, Outcome, identity, outcome_of

MAX_UNGROUPED = 100
"""Up to this many rows the table goes without headings."""
SPARK = 90
_EDGE = 3


@dataclass(frozen=True, slots=True)
class Spark:
    """A tiny interval against its limit."""

    limit_x: float
    dot_x: float
    low_x: float
    width: float
    css: str
    summary: str


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate (or one ungated test)."""

    anchor: str
    nodeid: str
    outcome: Outcome
    """Verdict of this gate."""
    arm: str
    what: str
    value: str
    range: str
    limit: str
    rounds: str
    spark: Spark | None
    search: str


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows under one heading."""

    heading: str
    """Module and its counts; empty when the table is short enough to go without headings."""
    rows: tuple[GateRow, ...]


def group_rows(rows: Sequence[GateRow]) -> tuple[RowGroup, ...]:
    """Return the rows by module, in order of their most urgent row; one group without heading when few."""
    if len(rows) <= MAX_UNGROUPED:
        return (RowGroup("", tuple(rows)),) if rows else ()
    modules: dict[str, list[GateRow]] = {}
    for row in rows:
        modules.setdefault(row.nodeid.partition("::")[0], []).append(row)
    return tuple(
        RowGroup(f"{module}: {_counted(members)}", tuple(members))
        for module, members in modules.items()
    )


def _counted(rows: Sequence[GateRow]) -> str:
    numbers = Counter(row.outcome.word for row in rows)
    return ", ".join(f"{number} {word}" for word, number in numbers.items())


def table_rows(
    test: Json, anchor: str, search: str, *, is_final: bool = True
) -> tuple[GateRow, ...]:
    """Return the rows of one test: one per finding, or one that says why there is none."""
    findings = [each for run in test["runs"] for each in run["findings"]]
    rows = [_row(test, each, anchor, search) for each in findings] or [
        _bare_row(test, anchor, search)
    ]
    if is_final:
        return tuple(rows)
    note = f" (attempt {test.get('attempt') or 1}, superseded)"
    return tuple(replace(row, nodeid=row.nodeid + note) for row in rows)


def _bare_row(test: Json, anchor: str, search: str) -> GateRow:
    outcome = outcome_of(test["outcome"])
    sweeps = test.get("sweeps", ())
    arms = [arm for run in test["runs"] for arm in run["arms"] if not arm["is_baseline"]]
    known = [arm for arm in arms if arm["speedup"]]
    return GateRow(
        anchor=anchor,
        nodeid=one_line(identity(test)),
        outcome=outcome,
        arm=", ".join(one_line(arm["executor"]) for arm in arms),
        what="speedup" if known else "sweep" if sweeps else "tuning" if test.get("tunings") else "",
        value=", ".join(units.ratio(arm["speedup"]["value"]) for arm in known),
        range="",
        limit="",
        rounds="",
        spark=None,
        search=search,
    )


def _row(test: Json, finding: Json, anchor: str, search: str) -> GateRow:
    estimate = finding["estimate"] or {}
    unit = finding["unit"]
    word = "≥" if finding["is_minimum"] else "≤"
    return GateRow(
        anchor=anchor,
        nodeid=one_line(identity(test)),
        outcome=outcome_of(finding["verdict"]),
        arm=one_line(finding["executor"]),
        what=one_line(finding["label"]),
        value=units.quantity(estimate.get("value"), unit),
        range=units.interval(estimate.get("lower"), estimate.get("upper"), unit) or units.MISSING,
        limit=""
        if finding["limit"] is None
        else f"{word} {units.quantity(finding['limit'], unit)}",
        rounds=f"{finding['clean_rounds']} + {finding['dirty_rounds']}",
        spark=_spark(finding),
        search=search,
    )


def _spark(finding: Json) -> Spark | None:
    estimate, limit = finding["estimate"], finding["limit"]
    if not estimate or estimate["value"] is None or limit is None:
        return None
    value: float = estimate["value"]
    bounds: Sequence[float | None] = (estimate["lower"], estimate["upper"])
    low = value if bounds[0] is None else bounds[0]
    high = value if bounds[1] is None else bounds[1]
    axis = make_axis([value, high, limit], start=_EDGE, length=SPARK - 2 * _EDGE, unit="")
    return Spark(
        limit_x=axis.at(limit),
        dot_x=axis.at(value),
        low_x=axis.at(low),
        width=round(max(0.0, axis.at(high) - axis.at(low)), 1),
        css=outcome_of(finding["verdict"]).name,
        summary=f"{units.quantity(value, finding['unit'])} against {units.quantity(limit, finding['unit'])}",
    )
