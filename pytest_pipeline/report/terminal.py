"""The terminal summary: one aligned line per compared arm, then the gates counted."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace

from pytest_pipeline.report import units
from pytest_pipeline.report.gate_counts import count_gates
from pytest_pipeline.report.gates import rests_on_value
from pytest_pipeline.report.quantities import SHOWN_FOR_EVERY_ARM
from pytest_pipeline.report.sweeps import lead_sentence
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.tunings import tuning_sentence
from pytest_pipeline.report.words import Json, Outcome, outcome_of, worst

Line = tuple[str, str]
"""Text without colour codes, and its style: `green`, `red`, `yellow` or empty."""

_MIN_TEST = 24
"""Room that the test's name needs to stand in one line with the columns."""
_GAP = "  "
_DROPPED = ("bottleneck", "reason", "rounds", "p99", "others")
"""Columns that go one by one when even a line of their own is too narrow; the verdict always stays."""


@dataclass(frozen=True, slots=True)
class _Row:
    test: str
    arm: str
    speedup: str
    p99: str
    others: str
    """Value of every other gated quantity."""
    rounds: str
    bottleneck: str
    verdict: str
    reason: str
    style: str
    message: str
    """Stands instead of the columns when nothing was measured."""


def summary_lines(document: Json, *, width: int = 100) -> list[Line]:
    """Return the lines of the terminal summary, each at most `width` wide, with the closing count last.

    Empty when the session had no measuring test.
    """
    if not document["tests"]:
        return []
    rows = [row for test in document["tests"] for row in _test_rows(test)]
    notes = [line for test in document["tests"] for line in _warnings(test, width)]
    return [*_aligned(rows, width), *notes, closing_line(document)]


def _warnings(test: Json, width: int) -> list[Line]:
    """Return what a reader must know about `test`, in whole sentences."""
    said = dict.fromkeys(text for run in test["runs"] for text in run["warnings"])
    name = _test_name(test)
    return [
        (line, "yellow")
        for text in said
        for line in textwrap.wrap(f"{name}: {one_line(text)}", width, subsequent_indent="  ")
    ]


def closing_line(document: Json) -> Line:
    """Return `pipeline: 5 gates: 4 met, 1 missed, 0 inconclusive (5 of 5 decided)` and its style."""
    counts = count_gates(document)
    style = worst(counts.by_verdict).style
    return f"pipeline: {counts.text}", style


def _test_rows(test: Json) -> list[_Row]:
    name = _test_name(test)
    rows = [
        _arm_row(name, arm, run)
        for run in test["runs"]
        for arm in run["arms"]
        if _says_something(arm, run)
    ]
    rows += [
        _message_row(name, "", outcome_of("ungated"), lead_sentence(each))
        for each in test.get("sweeps", ())
    ]
    rows += [
        _message_row(name, "", outcome_of("ungated"), tuning_sentence(each))
        for each in test.get("tunings", ())
    ]
    if rows and not test.get("error"):
        return rows
    headlines = [each["headline"] for run in test["runs"] for each in run["findings"]]
    first_line = (test.get("error") or next(iter(headlines), "nothing was measured")).split(
        "\n", 1
    )[0]
    return [*rows, _message_row(name, "", outcome_of(test["outcome"]), first_line)]


def _says_something(arm: Json, run: Json) -> bool:
    """Tell an arm that was measured or judged from one that a broken run never reached."""
    is_judged = any(each["executor"] == arm["executor"] for each in run["findings"])
    if arm["is_baseline"]:
        return is_judged
    return is_judged or bool(arm["unavailable"] or arm["speedup"] or arm["latency"])


def _test_name(test: Json) -> str:
    """Name without its folder: function and parameters tell tests apart."""
    path, separator, rest = one_line(str(test["nodeid"])).partition("::")
    name = f"{path.rsplit('/', 1)[-1]}{separator}{rest}"
    attempt = test.get("attempt") or 1
    return f"{name} (attempt {attempt})" if attempt > 1 else name


def _message_row(name: str, arm: str, outcome: Outcome, message: str) -> _Row:
    shown = f"{outcome.word}: {one_line(message)}"
    return _Row(name, arm, "", "", "", "", "", "", "", outcome.style, shown)


def _arm_row(name: str, arm: Json, run: Json) -> _Row:
    findings = [each for each in run["findings"] if each["executor"] == arm["executor"]]
    executor = one_line(str(arm["executor"]))
    outcome = worst(each["verdict"] for each in findings)
    if arm["unavailable"]:
        return _message_row(name, executor, outcome_of("unavailable"), arm["unavailable"])
    if outcome.name == "invalid":
        broken = next(each for each in findings if each["verdict"] == "invalid")
        return _message_row(name, executor, outcome, broken["headline"])
    reasons = [each["reason"] for each in findings if each["verdict"] == outcome.name]
    return _Row(
        test=name,
        arm=executor,
        speedup=_speedup_text(arm, findings),
        p99=_p99_text(arm, findings),
        others=_others_text(findings),
        rounds=_rounds_text(run, findings),
        bottleneck=_bottleneck_text(arm),
        verdict=outcome.word,
        reason=next((f"({each})" for each in reasons if each), ""),
        style=outcome.style,
        message="",
    )


def _speedup_text(arm: Json, findings: list[Json]) -> str:
    estimate = arm.get("speedup")
    if estimate is None:
        return units.MISSING
    return f"{units.ratio(estimate['value'])} {bound_text(estimate, findings, 'speedup')}".rstrip()


def bound_text(estimate: Json, findings: list[Json], name: str) -> str:
    """Return `[1.38x, 1.46x]`, or `> 1.90x` while the interval is open but the gate decided."""
    lower, upper, unit = estimate["lower"], estimate["upper"], estimate["unit"]
    if lower is not None and upper is not None:
        return f"[{units.quantity(lower, unit)}, {units.quantity(upper, unit)}]"
    for each in findings:
        is_decided = each["verdict"] in {"met", "missed"} and rests_on_value(each)
        if each["quantity"] == name and not each["cold"] and is_decided:
            is_above = (each["verdict"] == "met") == each["is_minimum"]
            return f"{'>' if is_above else '<'} {units.quantity(each['effective_limit'], unit)}"
    return ""


def _p99_text(arm: Json, findings: list[Json]) -> str:
    gated = [each for each in findings if each["quantity"] == "p99_latency" and each["estimate"]]
    if gated:
        return f"p99 {units.seconds(gated[0]['estimate']['value'])}"
    latency = arm.get("latency")
    if not latency or latency["loop"] == "saturated":
        return ""  # full queues measure themselves
    return f"p99 {units.seconds(latency['p99_s'])}"


def _others_text(findings: list[Json]) -> str:
    """Return `throughput 412/s, cold speedup 0.62x`: gated quantities without a column of their own.

    A cold speedup that is met says nothing that the verdict does not; where it is not, the warm one would mislead.
    """
    values = {
        each["label"]: units.quantity(each["estimate"]["value"], each["unit"])
        for each in findings
        if each["quantity"] not in SHOWN_FOR_EVERY_ARM
        or (each["cold"] and each["verdict"] != "met")
        if each["estimate"]
    }
    return ", ".join(f"{one_line(label)} {value}" for label, value in values.items())


def _rounds_text(run: Json, findings: list[Json]) -> str:
    timed = [each for each in run["rounds"] if each["phase"] != "warm-up"]
    clean = sum(1 for each in timed if each["is_clean"])
    dirty = len(timed) - clean
    if not timed and findings:
        clean = max(each["clean_rounds"] for each in findings)
        dirty = max(each["dirty_rounds"] for each in findings)
    return f"{clean}+{dirty} rounds"


def _bottleneck_text(arm: Json) -> str:
    bottleneck = arm.get("bottleneck")
    if not bottleneck:
        return ""
    pool = bottleneck.get("pool_utilization")
    name = shorten(bottleneck["stage"], 20) if pool is None else "pool"
    return f"{name} {units.percent(bottleneck['utilization'] if pool is None else pool)} busy"


def _aligned(rows: list[_Row], width: int) -> list[Line]:
    shown = ["arm", "speedup", "p99", "others", "rounds", "bottleneck", "verdict", "reason"]
    widths = {name: max(len(getattr(row, name)) for row in rows) for name in shown}
    shown = [name for name in shown if widths[name]]
    if _needed(shown, widths) + _MIN_TEST > width:
        return _stacked(rows, shown, widths, width)
    longest = max(len(row.test) for row in rows)
    test_width = min(longest, width - _needed(shown, widths))
    return [_line(row, shown, widths, test_width, width) for row in rows]


def _stacked(rows: list[_Row], shown: list[str], widths: dict[str, int], width: int) -> list[Line]:
    """Give the test a line of its own where a terminal is too narrow for one line per arm."""
    for name in _DROPPED:
        if _needed(shown, widths) > width and name in shown:
            shown.remove(name)
    lines: list[Line] = []
    for row, before in zip(rows, [None, *rows], strict=False):
        if before is None or row.test != before.test:
            lines.append((_tail(row.test, width), ""))
        lines.append(_line(replace(row, test=""), shown, widths, 0, width))
    return lines


def _needed(shown: list[str], widths: dict[str, int]) -> int:
    return sum(widths[name] + len(_GAP) for name in shown)


def _line(row: _Row, shown: list[str], widths: dict[str, int], test_width: int, width: int) -> Line:
    cells = [_tail(row.test, test_width).ljust(test_width)]
    if row.message:
        cells += [row.arm.ljust(widths["arm"])] if row.arm else []
        cells.append(row.message)
    else:
        cells += [getattr(row, name).ljust(widths[name]) for name in shown]
    text = _GAP.join(cells).rstrip()
    return (text if len(text) <= width else text[: width - 1] + "…"), row.style


def _tail(text: str, limit: int) -> str:
    return text if len(text) <= limit else "…" + text[len(text) - limit + 1 :]
