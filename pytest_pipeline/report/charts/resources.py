"""What an arm's profile execution used: one strip per core and for memory, all on its time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import Axis, Tick, make_span_axis
from pytest_pipeline.report.table import Table
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json

WIDTH = 760
LEFT = 168
RIGHT = 620
"""What a strip amounts to stands right of it."""
HEIGHT = 22
GAP = 8
MAX_CORES = 16
"""Cores with a strip; the busiest ones."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One quantity over the execution."""

    label: str
    value: str
    """What it amounts to, in words."""
    css: str
    """Series colour."""
    base: float
    """Pixel of zero."""
    text_y: float
    path: str
    """Closed area from zero to the value."""


@dataclass(frozen=True, slots=True)
class ResourceView:
    """All strips of one arm, and the same in numbers."""

    title: str
    caption: str
    left_out: str
    """Why there is no chart; then the rest is empty."""
    summary: str
    width: float
    height: float
    left: float
    right: float
    label_x: float
    value_x: float
    top: float
    bottom: float
    tick_y: float
    ticks: tuple[Tick, ...]
    strips: tuple[Strip, ...]
    table: Table
    notes: tuple[str, ...]


def make_resources(arm: Json) -> ResourceView | None:
    """Return the strips of one arm; None when it had no profile execution."""
    used = arm.get("resources")
    if not used:
        return None
    title = f"Resources of {shorten(str(arm['executor']), 40)}"
    end_s = max(1e-9, used["seconds"] or 0.0, *used["at_s"], *used["until_s"])
    axis = make_span_axis(end_s, start=LEFT, length=RIGHT - LEFT)
    strips = tuple(_strips(used, axis))
    bottom = len(strips) * (HEIGHT + GAP)
    table = _table(used)
    return ResourceView(
        title=title,
        caption=f"one more execution ({units.seconds(used['seconds'])}), sampled and not timed",
        left_out=one_line(used["left_out"]),
        summary=f"{title}: {'; '.join(f'{each.label} {each.value}' for each in strips)}",
        width=WIDTH,
        height=bottom + 24,
        left=LEFT,
        right=RIGHT,
        label_x=LEFT - 8,
        value_x=RIGHT + 8,
        top=0,
        bottom=bottom,
        tick_y=bottom + 16,
        ticks=axis.ticks,
        strips=strips,
        table=table,
        notes=tuple(_notes(used)),
    )


def _strips(used: Json, axis: Axis) -> Iterator[Strip]:
    rows = [
        (f"core {each['core']}", f"{units.percent(_mean(used, each['busy']))} busy", "c2", path)
        for each in _shown_cores(used)
        for path in [_steps(used["until_s"], each["busy"], axis)]
    ]
    top = max([1, *used["own_bytes"], *used["children_bytes"]])
    for label, css, levels in _memory(used):
        shares = [level / top for level in levels]
        rows.append(
            (label, f"largest {units.size(max(levels))}", css, _line(used["at_s"], shares, axis))
        )
    for k, (label, value, css, path) in enumerate(rows):
        base = k * (HEIGHT + GAP) + HEIGHT + 4
        yield Strip(label, value, css, base, base - 7, f"M{LEFT} {base:g}{path}V{base:g}z")


def _shown_cores(used: Json) -> list[Json]:
    """Return the busiest cores in the order of their numbers."""
    busiest = sorted(used["cores"], key=lambda each: -_mean(used, each["busy"]))[:MAX_CORES]
    return sorted(busiest, key=lambda each: int(each["core"]))


def _memory(used: Json) -> Iterator[tuple[str, str, Sequence[int]]]:
    if used["own_bytes"]:
        yield "memory, pytest", "c0", used["own_bytes"]
    if any(used["children_bytes"]):
        yield "memory, children", "c1", used["children_bytes"]


def _steps(until_s: Sequence[float], shares: Sequence[float], axis: Axis) -> str:
    """Return a step per span from the base line that the path starts from; spans of one height are one step."""
    steps: list[tuple[float, float]] = []
    for until, share in zip(until_s, shares, strict=True):
        height = float(round(HEIGHT * share))
        if steps and steps[-1][1] == height:
            steps.pop()
        steps.append((axis.at(until), height))
    heights = [0.0, *(height for _, height in steps)]
    return "".join(
        f"v{before - height:g}H{x:g}" for (x, height), before in zip(steps, heights, strict=False)
    )


def _line(at_s: Sequence[float], shares: Sequence[float], axis: Axis) -> str:
    """Return a polyline from the base line that the path starts from, with a corner per pixel of change."""
    steps, height = [], 0.0
    for number, (at, share) in enumerate(zip(at_s, shares, strict=True), start=1):
        new = float(round(HEIGHT * share))
        if new != height or number == len(at_s):
            steps.append(f"H{axis.at(at):g}v{height - new:g}")
            height = new
    return "".join(steps)


def _mean(used: Json, busy: Sequence[float]) -> float:
    """Return the busy share over the whole execution: spans differ in length."""
    if not busy:
        return 0.0
    spans = [after - before for before, after in _spans(used["until_s"])]
    total = sum(spans)
    weighted = sum(share * span for share, span in zip(busy, spans, strict=True))
    return weighted / total if total > 0 else fmean(busy)


def _spans(until_s: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip([0.0, *until_s[:-1]], until_s, strict=True))


def _table(used: Json) -> Table:
    rows = [
        (f"core {each['core']}", units.percent(_mean(used, each["busy"])), units.percent(high))
        for each in _shown_cores(used)
        for high in [max(each["busy"], default=0.0)]
    ]
    rows += [
        (label, units.size(levels[0]), units.size(max(levels)))
        for label, _, levels in _memory(used)
    ]
    return Table(("", "mean (cores), at first (memory)", "largest"), tuple(rows))


def _notes(used: Json) -> Iterator[str]:
    if used["left_out"]:
        return
    if used["cpu_s"] is not None and used["seconds"]:
        cores = units.significant(used["cpu_s"] / used["seconds"], 2)
        yield f"pytest and its children used {units.seconds(used['cpu_s'])} of CPU time, {cores} cores on average; the strips show everybody's"
    if used["voluntary_switches"] is not None and used["involuntary_switches"] is not None:
        yield (
            f"{used['voluntary_switches']:,} context switches to wait, {used['involuntary_switches']:,} "
            "because another thread took the core"
        )
    if used["shipped_bytes"] is not None:
        yield f"items and outputs are about {units.size(used['shipped_bytes'])} when pickled"
    if used["children_bytes"] and any(used["children_bytes"]):
        yield "resident memory: pages that processes share count in each of them"
    if len(used["cores"]) > MAX_CORES:
        yield f"shows the busiest {MAX_CORES} of {len(used['cores'])} cores"
