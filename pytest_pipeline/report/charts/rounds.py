"""Every round as a dot: clean ones filled, disturbed ones hollow, with the limit line."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import Axis, make_axis
from pytest_pipeline.report.charts.frame import Box, Frame, LimitMark, make_frame
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json

BOX = Box(width=760, height=168, left=56, right=660, top=22, bottom=138)
"""The limit's label stands right of the area, where no dot can be."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One round of one arm."""

    x: float
    y: float
    css: str
    """`clean`, `dirty` or `warm`."""
    title: str
    """Round, value and disturbance."""


@dataclass(frozen=True, slots=True)
class RoundChart:
    """The rounds of one arm in the order in which they ran."""

    frame: Frame
    label_y: float
    dots: tuple[Dot, ...]
    confirm_x: float | None
    """Where confirmation begins; None when there was none."""
    first_label: str
    last_label: str
    caption: str


def round_charts(run: Json) -> tuple[RoundChart, ...]:
    """Return one chart per measured candidate: per-round speedup against the limit."""
    charts = []
    for arm in run["arms"]:
        if arm["is_baseline"] or arm["unavailable"]:
            continue
        for cold in (False, True):
            chart = _chart(run, arm["executor"], cold=cold)
            if chart is not None and (not cold or arm["cold_speedup"]):
                charts.append(chart)
    return tuple(charts)


def round_ratio(each: Json, baseline: str, executor: str, *, cold: bool) -> float | None:
    """Return median baseline makespan / median candidate makespan of one round; None when one is missing."""
    above = _makespan(each, baseline, cold=cold)
    below = _makespan(each, executor, cold=cold)
    if above is None or not below:
        return None
    return above / below


def _makespan(each: Json, executor: str, *, cold: bool) -> float | None:
    values = [value for value in each["makespans_s"].get(executor, ()) if value is not None]
    if not values:
        return None
    startup = float(each["startups_s"].get(executor) or 0.0)
    return float(statistics.median(values)) + (startup if cold else 0.0)


def _chart(run: Json, executor: str, *, cold: bool) -> RoundChart | None:
    pairs = [
        (each, ratio)
        for each in run["rounds"]
        if (ratio := round_ratio(each, run["baseline"], executor, cold=cold)) is not None
    ]
    if not pairs:
        return None
    finding = _finding(run, executor, cold=cold)
    limit = finding["limit"] if finding else None
    axis = make_axis(
        [*(ratio for _, ratio in pairs), limit],
        start=BOX.bottom,
        length=BOX.top - BOX.bottom,
        unit="x",
        most_ticks=4,
    )
    dots = _dots(pairs, axis)
    title = f"Rounds of {shorten(executor, 40)}" + (", start-up counted" if cold else "")
    clean = sum(dot.css == "clean" for dot in dots)
    dirty = sum(dot.css == "dirty" for dot in dots)
    summary = f"{title}: {units.count(clean, 'clean round')}, {dirty} disturbed"
    return RoundChart(
        frame=make_frame(title, summary, BOX, axis, _limit_mark(limit, axis)),
        label_y=BOX.bottom + 18,
        dots=dots,
        confirm_x=_confirm_x(pairs, dots),
        first_label=f"round {pairs[0][0]['index'] + 1}",
        last_label=f"round {pairs[-1][0]['index'] + 1}",
        caption=_caption(dots, has_confirmation=_confirm_x(pairs, dots) is not None),
    )


def _limit_mark(limit: float | None, axis: Axis) -> LimitMark | None:
    if limit is None:
        return None
    y = axis.at(limit)
    return LimitMark(y, f"limit {units.ratio(limit)}", BOX.right + 6, y + 4)


def _finding(run: Json, executor: str, *, cold: bool) -> Json | None:
    for each in run["findings"]:
        if each["quantity"] == "speedup" and each["executor"] == executor and each["cold"] is cold:
            found: Json = each
            return found
    return None


def _dots(pairs: Sequence[tuple[Json, float]], axis: Axis) -> tuple[Dot, ...]:
    gap = (BOX.right - BOX.left - 24) / max(1, len(pairs) - 1)
    return tuple(
        Dot(
            x=round(BOX.left + 12 + k * gap, 1),
            y=axis.at(ratio),
            css=_css(each),
            title=_title(each, ratio),
        )
        for k, (each, ratio) in enumerate(pairs)
    )


def _css(each: Json) -> str:
    if each["phase"] == "warm-up":
        return "warm"
    return "clean" if each["is_clean"] else "dirty"


def _title(each: Json, ratio: float) -> str:
    state = (
        "clean"
        if each["is_clean"]
        else f"disturbed: {one_line(each['disturbance']) or 'control slow'}"
    )
    head = f"round {each['index'] + 1} ({each['phase']}): {units.ratio(ratio)}, {state}"
    return ", ".join([head, *_evidence(each.get("evidence") or {})])


def _evidence(evidence: Json) -> list[str]:
    words = {
        "queue_share": "waited {} for a core",
        "steal_share": "steal {}",
        "cpu_pressure": "PSI cpu {}",
    }
    return [
        text.format(f"{evidence[name] * 100:.0f} %")
        for name, text in words.items()
        if evidence.get(name) is not None
    ]


def _confirm_x(pairs: Sequence[tuple[Json, float]], dots: Sequence[Dot]) -> float | None:
    for (each, _), dot in zip(pairs, dots, strict=True):
        if each["phase"] == "confirm":
            return round(dot.x - 8, 1)
    return None


def _caption(dots: Sequence[Dot], *, has_confirmation: bool) -> str:
    words = {
        "clean": "filled: clean round",
        "dirty": "hollow: disturbed round",
        "warm": "cross: warm-up",
    }
    used = {dot.css for dot in dots}
    parts = [text for css, text in words.items() if css in used]
    if has_confirmation:
        parts.append("right of the dotted line: confirmation")
    return " · ".join(parts)
