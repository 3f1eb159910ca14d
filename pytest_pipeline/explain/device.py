"""What a diagnosis says about an execution: the bound of each device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_pipeline.model.device import DeviceDiagnosis, DevicePart, DeviceRun
from pytest_pipeline.stats.stations import StationTimes, shortest_makespan

BEYOND = 1.02
"""Bound / makespan above which the parts cannot have run as fast alone as in the execution."""


def with_bounds(
    runs: Sequence[DeviceRun], diagnoses: Sequence[DeviceDiagnosis]
) -> tuple[DeviceRun, ...]:
    """Return the runs with parts, bound and waiting calls of their device's diagnosis.

    A diagnosis of fewer items than the run had is scaled up: the first items stand for all.
    """
    known = {each.device: each for each in diagnoses}
    return tuple(_joined(run, known[run.device]) if run.device in known else run for run in runs)


def _joined(run: DeviceRun, diagnosis: DeviceDiagnosis) -> DeviceRun:
    scale = run.num_items / diagnosis.num_items if diagnosis.num_items else 0.0
    parts = tuple(_scaled(part, scale) for part in diagnosis.parts)
    bound = _bound_s(parts)
    both = diagnosis.both_ways_s
    return replace(
        run,
        parts=parts,
        bound_s=bound,
        both_ways_s=None if both is None else both * scale,
        sync_calls=diagnosis.sync_calls,
        notes=(*run.notes, *diagnosis.notes, *_notes(run, diagnosis, bound)),
    )


def _notes(run: DeviceRun, diagnosis: DeviceDiagnosis, bound_s: float | None) -> Iterator[str]:
    if bound_s is None:
        return
    if diagnosis.num_items < run.num_items:
        yield f"parts were measured alone on the first {diagnosis.num_items} of {run.num_items} items and scaled up"
    if bound_s > BEYOND * run.makespan_s:
        yield (
            "the bound lies above the makespan: the parts were slower alone than together, as on a device that"
            " clocks down between them; take this efficiency for no more than a hint"
        )


def _bound_s(parts: Sequence[DevicePart]) -> float | None:
    stations = [StationTimes(part.total_s, part.first_s, part.last_s) for part in parts]
    return shortest_makespan(stations) if stations else None


def _scaled(part: DevicePart, scale: float) -> DevicePart:
    return replace(part, total_s=part.total_s * scale, bytes=round(part.bytes * scale))
