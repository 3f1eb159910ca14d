"""What became of each quantity since earlier sessions, and since which of them it has been so."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_pipeline.model.history import Reading, Record, Trend
from pytest_pipeline.stats.steps import Level, find_levels

_QUANTITIES = (
    ("speedup", "x", True, ("speedup", "speedup_lower", "speedup_upper")),
    ("makespan", "s", False, ("makespan_s", "", "")),
    ("p99_latency", "s", False, ("p99_s", "p99_lower_s", "p99_upper_s")),
    ("throughput", "1/s", True, ("throughput_per_s", "", "")),
)
"""Name, unit, whether more is better, and the fields of value, lower and upper end."""


def changes_of(past: Sequence[Record], present: Record) -> tuple[Trend, ...]:
    """Return a change for every quantity of `present` that an earlier record like it has too.

    `past` is one series, oldest first; records of other machines and workloads in it are passed over.
    """
    alike = [record for record in past if record.is_like(present)]
    found = (_change([*alike, present], *each) for each in _QUANTITIES)
    return tuple(change for change in found if change is not None)


def _change(
    records: Sequence[Record], name: str, unit: str, is_minimum: bool, fields: tuple[str, str, str]
) -> Trend | None:
    if _reading(records[-1], fields) is None:
        return None
    readings = [each for each in (_reading(record, fields) for record in records) if each]
    if len(readings) < 2:
        return None
    levels = find_levels([each.value for each in readings])
    present, is_changed = levels[-1], len(levels) > 1
    compared = levels[-2] if is_changed else present
    return Trend(
        quantity=name,
        unit=unit,
        is_minimum=is_minimum,
        now=readings[-1],
        then=_then(readings, compared, is_last=is_changed),
        sessions=len(readings),
        is_changed=is_changed,
        is_confirmed=present.is_confirmed,
        first=readings[present.start] if is_changed else None,
        sessions_since=len(readings) - 1 - present.start,
        band=compared.band - 1 if math.isfinite(compared.band) else None,
        steps=tuple(len(readings) - 1 - level.start for level in levels[1:]),
    )


def _then(readings: Sequence[Reading], level: Level, *, is_last: bool) -> Reading:
    """Return the last, or the first, reading of `level` that is no outlier and not the present one."""
    stop = min(level.stop, len(readings) - 1)
    held = [each for each in readings[level.start : stop] if level.holds(each.value)]
    return (held or readings[level.start : stop])[-1 if is_last else 0]


def _reading(record: Record, fields: tuple[str, str, str]) -> Reading | None:
    value, lower, upper = (getattr(record, name) if name else None for name in fields)
    if value is None or not 0 < value < math.inf:
        return None
    return Reading(record.created, record.commit, record.is_dirty, value, lower, upper)
