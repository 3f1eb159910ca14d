"""The profiled execution as lanes (stage x worker): one SVG path per lane, merged below a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import Axis, Tick, make_span_axis
from pytest_pipeline.report.palette import SERIES
from pytest_pipeline.report.text import shorten
from pytest_pipeline.report.words import Json

WIDTH = 760
LEFT = 168
RIGHT = 744
LANE = 18
BAR = 12
MAX_LANES = 48
MAX_BOXES = 1200
"""Boxes of one timeline: more would not be seen, only loaded."""
_HALF_PIXEL = 0.5

_Spans = dict[tuple[int, int], list[tuple[float, float]]]
"""Seconds of service by (stage, worker)."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One worker of one stage."""

    label: str
    """Stage, worker and busy share."""
    css: str
    text_y: float
    path: str
    """One closed box per visit."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes of one arm."""

    address: str
    """`test/run/arm`: where the embedded document has the same visits, for the zoomable viewer."""
    title: str
    summary: str
    width: float
    height: float
    label_x: float
    bottom: float
    tick_y: float
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    merged: str
    """Added to the caption when a box may stand for several visits."""
    notes: tuple[str, ...]
    """Subsampling and lanes left out, in words."""


def make_timeline(arm: Json, address: str = "") -> Timeline | None:
    """Return the lanes of one arm, which stands at `address`; None when no execution was recorded."""
    timeline = arm["timeline"]
    if not timeline or not timeline["item"]:
        return None
    end_s = max(1e-9, timeline["makespan_s"] or 0.0, max(timeline["finished_us"]) / 1e6)
    axis = make_span_axis(end_s, start=LEFT, length=RIGHT - LEFT)
    spans = _spans_by_lane(timeline)
    shown = sorted(spans)[:MAX_LANES]
    room = max(60, MAX_BOXES // len(shown))
    lanes = _lanes(timeline, {key: spans[key] for key in shown}, axis, room)
    bottom = len(lanes) * LANE + 4
    title = f"Timeline of {shorten(str(arm['executor']), 40)}"
    return Timeline(
        address=address,
        title=title,
        summary=f"{title}: {'; '.join(lane.label for lane in lanes)}",
        width=WIDTH,
        height=bottom + 24,
        label_x=LEFT - 8,
        bottom=bottom,
        tick_y=bottom + 16,
        lanes=lanes,
        merged="; a lower box is a run of short ones, as high as its busy share"
        if any(len(spans[key]) > room for key in shown)
        else "",
        ticks=axis.ticks,
        notes=tuple(_notes(timeline, len(spans))),
    )


def _spans_by_lane(timeline: Json) -> _Spans:
    spans: _Spans = {}
    columns = (
        timeline["stage"],
        timeline["worker"],
        timeline["started_us"],
        timeline["finished_us"],
    )
    for stage, worker, started, finished in zip(*columns, strict=True):
        spans.setdefault((stage, worker), []).append((started / 1e6, finished / 1e6))
    return spans


def _lanes(timeline: Json, spans: _Spans, axis: Axis, room: int) -> tuple[Lane, ...]:
    kept = timeline["num_kept"] / max(1, timeline["num_visits"]) or 1.0
    lanes = []
    for k, ((stage, worker), boxes) in enumerate(spans.items()):
        busy = sum(end - start for start, end in boxes) / axis.upper / kept
        is_alone = sum(1 for other, _ in spans if other == stage) == 1
        name = _stage_name(timeline, stage)
        shown = shorten(name, 14) if is_alone else f"{shorten(name, 12)} {worker + 1}"
        lanes.append(
            Lane(
                label=f"{shown} · {units.percent(min(1.0, busy))}",
                css=SERIES[stage % len(SERIES)],
                text_y=k * LANE + 14,
                path=lane_path(sorted(boxes), axis, k * LANE + 4, most=room),
            )
        )
    return tuple(lanes)


def _stage_name(timeline: Json, stage: int) -> str:
    names = timeline["stage_names"]
    return str(names[stage]) if 0 <= stage < len(names) else f"stage {stage}"


def lane_path(
    spans: Sequence[tuple[float, float]], axis: Axis, top: float, *, most: int = MAX_BOXES
) -> str:
    """Return boxes for sorted spans; close neighbours become one box when there are more than `most`.

    A merged box is as high as the share of it that was busy, so that a lane of many short visits
    shows its occupancy instead of looking full or ragged.
    """
    nearest = axis.length / most if len(spans) > most else _HALF_PIXEL
    boxes: list[list[float]] = []
    for start, end in spans:
        left, right = axis.at(start), axis.at(end)
        width = max(0.0, end - start)
        is_near = bool(boxes) and left - boxes[-1][1] < nearest
        if is_near and right - boxes[-1][0] < 2 * nearest:
            boxes[-1][1] = max(right, boxes[-1][1])
            boxes[-1][3] += width
            boxes[-1][4] = end
        else:
            boxes.append([left, right, start, width, end])
    return "".join(_box(box, top) for box in boxes)


def _box(box: list[float], top: float) -> str:
    left, right, start, busy, end = box
    share = min(1.0, busy / (end - start)) if end > start else 1.0
    height = round(max(1.0, BAR * share), 1)
    width = round(max(0.4, right - left - 0.3), 1)
    return f"M{left:g} {round(top + BAR - height, 1):g}h{width:g}v{height:g}h-{width:g}z"


def _notes(timeline: Json, num_lanes: int) -> list[str]:
    notes = []
    if timeline["num_kept"] < timeline["num_visits"]:
        notes.append(
            f"shows {timeline['num_kept']:,} of {timeline['num_visits']:,} visits, evenly sampled"
        )
    if num_lanes > MAX_LANES:
        notes.append(f"shows the first {MAX_LANES} of {num_lanes} lanes")
    return notes
