"""Latency percentiles on a log(1-p) axis, one curve per arm, with the limit at p99."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import Axis, Tick, make_axis
from pytest_pipeline.report.charts.frame import Box, Frame, LimitMark, make_frame, spread
from pytest_pipeline.report.palette import SERIES
from pytest_pipeline.report.text import shorten
from pytest_pipeline.report.words import Json

BOX = Box(width=760, height=230, left=64, right=640, top=22, bottom=196)
"""Curve names stand right of the area."""
ENOUGH_BEYOND = 10
"""A percentile with fewer samples beyond it is drawn dotted: it is mostly luck."""
_MARKS = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"))
_POINTS = 72


@dataclass(frozen=True, slots=True)
class Curve:
    """The latencies of one arm."""

    label: str
    label_y: float
    css: str
    """Series colour."""
    solid: str
    """Polyline points with enough samples beyond."""
    dotted: str
    """Points where fewer than ten samples lie beyond."""


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """Percentile curves of one run."""

    frame: Frame
    tick_y: float
    label_x: float
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    notes: tuple[str, ...]
    """What is missing and why."""


def latency_curves(run: Json) -> LatencyChart | None:
    """Return the percentile curves of the clean blocks; None when no latency was sampled."""
    blocks = _blocks(run)
    samples = _samples(blocks)
    if not samples:
        return None
    counts = _counts(blocks)
    limit = next((f["limit"] for f in run["findings"] if f["quantity"] == "p99_latency"), None)
    deepest = max(len(values) for values in samples.values())
    reach = max(2.0, math.log10(deepest))
    y_axis = make_axis(
        [*(values[-1] for values in samples.values()), limit],
        start=BOX.bottom,
        length=BOX.top - BOX.bottom,
        unit="s",
        most_ticks=4,
    )
    mark = _limit_mark(limit, y_axis)
    return LatencyChart(
        frame=make_frame(
            "Latency percentiles", _summary(samples, counts, limit), BOX, y_axis, mark
        ),
        tick_y=BOX.bottom + 16,
        label_x=BOX.right + 8,
        curves=spread(_curves(samples, reach, y_axis), BOX),
        x_ticks=tuple(
            Tick(_x(p, reach), name) for p, name in _MARKS if -math.log10(1 - p) <= reach
        ),
        notes=tuple(_note(name, values, counts[name]) for name, values in samples.items()),
    )


def _limit_mark(limit: float | None, y_axis: Axis) -> LimitMark | None:
    if limit is None:
        return None
    y = y_axis.at(limit)
    return LimitMark(y, f"p99 at most {units.seconds(limit)}", BOX.left + 6, y - 5)


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """Return the sample quantile by nearest rank of sorted values."""
    return ordered[min(len(ordered), max(1, math.ceil(share * len(ordered) - 1e-9))) - 1]


def _blocks(run: Json) -> list[Json]:
    """Return the clean measured blocks of each arm, or all of them when none was clean."""
    measured = [each for each in run["blocks"] if each["phase"] != "warm-up"]
    with_clean = {each["executor"] for each in measured if each["is_clean"]}
    return [each for each in measured if each["is_clean"] or each["executor"] not in with_clean]


def _samples(blocks: Sequence[Json]) -> dict[str, list[float]]:
    """Return the sorted latencies per arm, as far as they were kept."""
    found: dict[str, list[float]] = {}
    for block in blocks:
        values = [value for value in block["latencies_s"] if value is not None]
        found.setdefault(str(block["executor"]), []).extend(values)
    return {name: sorted(values) for name, values in found.items() if values}


def _counts(blocks: Sequence[Json]) -> Counter[str]:
    """Return per arm how many latencies there were, kept or not."""
    found: Counter[str] = Counter()
    for block in blocks:
        found[str(block["executor"])] += block.get("num_latencies", len(block["latencies_s"]))
    return found


def _x(share: float, reach: float) -> float:
    depth = -math.log10(1 - share)
    return _x_at(depth, reach)


def _x_at(depth: float, reach: float) -> float:
    return round(BOX.left + depth / reach * (BOX.right - BOX.left), 1)


def _curves(samples: dict[str, list[float]], reach: float, y_axis: Axis) -> list[Curve]:
    curves = []
    for k, (name, values) in enumerate(samples.items()):
        depths = [math.log10(len(values)) * step / _POINTS for step in range(_POINTS + 1)]
        points = [
            (
                _x_at(depth, reach),
                y_axis.at(nearest_rank(values, 1 - 10**-depth)),
            )
            for depth in depths
        ]
        enough = math.log10(max(1.0, len(values) / ENOUGH_BEYOND))
        split = sum(depth <= enough for depth in depths)
        curves.append(
            Curve(
                label=shorten(name, 14),
                label_y=points[-1][1] + 4,
                css=SERIES[k % len(SERIES)],
                solid=_polyline(points[:split]),
                dotted=_polyline(points[max(0, split - 1) :]),
            )
        )
    return curves


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _note(name: str, values: Sequence[float], count: int) -> str:
    kept = f" ({len(values):,} kept, evenly from the smallest)" if len(values) < count else ""
    text = (
        f"{shorten(name, 40)}: {units.count(count, 'sample')}{kept}, "
        f"p50 {units.seconds(nearest_rank(values, 0.5))}, p90 {units.seconds(nearest_rank(values, 0.9))}"
    )
    if len(values) >= 100:
        text += f", p99 {units.seconds(nearest_rank(values, 0.99))}"
    text += f", largest {units.seconds(values[-1])}"
    for share, mark in _MARKS:
        if len(values) * (1 - share) < ENOUGH_BEYOND - 1e-9:
            return f"{text}; not enough samples for {mark} (dotted from there)"
    return text


def _summary(
    samples: Mapping[str, list[float]], counts: Mapping[str, int], limit: float | None
) -> str:
    parts = [_note(name, values, counts[name]) for name, values in samples.items()]
    if limit is not None:
        parts.append(f"limit p99 at most {units.seconds(limit)}")
    return f"Latency percentiles: {'; '.join(parts)}"
