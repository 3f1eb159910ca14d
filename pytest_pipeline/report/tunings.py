"""A search for a setting in the report: the one to take in words, and all that was tried."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.table import Table
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json


@dataclass(frozen=True, slots=True)
class TuningView:
    """One `pipeline.tune` of a test."""

    lead: str
    """The setting to take in one sentence."""
    notes: tuple[str, ...]
    """What to write, why the search ended, ties, executors that could not run."""
    table: Table
    """Everything tried: predicted and measured."""


def make_tuning(tuning: Json) -> TuningView:
    """Return the view of one search."""
    return TuningView(
        lead=tuning_sentence(tuning),
        notes=tuple(_notes(tuning)),
        table=Table(
            (
                "setting",
                "worker slots",
                "predicted",
                "measured",
                "interval",
                "makespan",
            ),
            tuple(_row(each, tuning) for each in tuning["tried"]),
        ),
    )


def tuning_sentence(tuning: Json) -> str:
    """Return the best setting in words, with what was promised and what came."""
    best, searched = tuning["best"], units.count(tuning["num_predicted"], "setting")
    if not best["code"]:
        return f"Tuned over {searched}: keep the setting as declared."
    speedup = best["speedup"] or {"value": None, "lower": None, "upper": None}
    interval = units.interval(speedup["lower"], speedup["upper"], "x")
    spread = f" ({interval})" if interval else ""
    return (
        f"Tuned over {searched}: best is {_name(best)}, {units.ratio(speedup['value'])}{spread} "
        f"of the speed as declared, predicted {units.ratio(best['predicted_speedup'])}{_tie(tuning)}."
    )


def _tie(tuning: Json) -> str:
    best, ties = tuning["best"], tuning["ties"]
    if not ties:
        return ""
    if any(
        _is_faster(each, best) and each["total_workers"] > best["total_workers"] for each in ties
    ):
        return ", tied with faster ones that need more workers"
    return f", which cannot be told from {units.count(len(ties), 'other setting')}"


def _is_faster(tried: Json, best: Json) -> bool:
    values = [(each["speedup"] or {}).get("value") or 0.0 for each in (tried, best)]
    return bool(values[0] > values[1])


def _notes(tuning: Json) -> list[str]:
    best, found = tuning["best"], []
    if best["code"]:
        found.append(f"Write {one_line(best['code'])}")
    found.append(f"The search ended: {one_line(tuning['reason'])}")
    if tuning["ties"]:
        names = "; ".join(_name(each) for each in tuning["ties"])
        found.append(f"These cannot be told from the fastest: {names}; the fewest workers win")
    for name, cause in tuning["unavailable"].items():
        found.append(f"{one_line(name)} could not run here: {one_line(cause)}")
    return found


def _name(tried: Json) -> str:
    change = tried["change"]
    parts = []
    for what in ("workers", "queue_size", "batch"):
        if change[what]:
            values = ", ".join(f"{one_line(k)} {v}" for k, v in change[what].items())
            parts.append(f"{what} {values}")
    if change["pool"] is not None:
        parts.append(f"a pool of {change['pool']}")
    return f"{one_line(tried['executor'])} with {'; '.join(parts)}" if parts else _bare(tried)


def _bare(tried: Json) -> str:
    return f"{one_line(tried['executor'])} as declared"


def _row(tried: Json, tuning: Json) -> tuple[str, ...]:
    is_start = tried == tuning["start"]
    speedup = tried["speedup"] or {"value": 1.0 if is_start else None, "lower": None, "upper": None}
    return (
        _name(tried),
        str(tried["total_workers"]),
        units.ratio(tried["predicted_speedup"]),
        units.ratio(speedup["value"]),
        units.interval(speedup["lower"], speedup["upper"], "x"),
        units.seconds(tried["makespan_s"]),
    )
