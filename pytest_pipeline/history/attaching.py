"""What the report shows of the past goes into the document: the page is made of nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_pipeline.history.recording import counted
from pytest_pipeline.history.since import changes_of
from pytest_pipeline.model.document import to_plain
from pytest_pipeline.model.history import Record

MAX_POINTS = 30
"""Sessions shown, the present one last."""

_SHOWN = (
    "created",
    "commit",
    "branch",
    "is_dirty",
    "speedup",
    "speedup_lower",
    "speedup_upper",
    "makespan_s",
    "p99_s",
    "p99_lower_s",
    "p99_upper_s",
    "throughput_per_s",
    "verdict",
)


def attach(
    document: dict[str, Any],
    past: Mapping[tuple[str, int, str], Sequence[Record]],
    present: Sequence[Record],
) -> None:
    """Give every test of `document` that was recorded its `history`: one object per run and executor."""
    tests = counted(document["tests"])
    for record in present:
        tests[record.nodeid].setdefault("history", []).append(
            _series(past.get(record.series, ()), record)
        )


def _series(past: Sequence[Record], present: Record) -> dict[str, Any]:
    shown = [each for each in past if each.workload == present.workload]
    points = [_point(each, present) for each in [*shown, present][-MAX_POINTS:]]
    return {
        "run": present.run,
        "executor": present.executor,
        "others": len(past) - len(shown),
        "points": points,
        "changes": to_plain(changes_of(past, present)),
    }


def _point(record: Record, present: Record) -> dict[str, Any]:
    is_elsewhere = record.machine != present.machine
    plain = {name: to_plain(getattr(record, name)) for name in _SHOWN}
    return plain | {"machine": record.machine_text if is_elsewhere else ""}
