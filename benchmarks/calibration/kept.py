"""How a round is kept in a record, and the round that a kept one stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_pipeline.judge.readings import SpeedupReading
from pytest_pipeline.model.rounds import Phase, Round

KEPT_SPEEDUP = SpeedupReading("serial", "arm")
"""Takes the speedup out of a round that was kept."""

_PHASES = {phase.value[0]: phase for phase in Phase}


def keep_round(each: dict[str, Any], baseline: str) -> list[Any]:
    """Return [phase and marks, serial, parallel, control ms].

    The marks: `!` disturbed, `~` clean beside a slow control, `=` nobody else on a core.
    """
    times = dict(each["makespans_s"])
    serial = [milliseconds(value) for value in times.pop(baseline)]
    (parallel,) = ([milliseconds(value) for value in values] for values in times.values())
    state = "!" if not each["is_clean"] else "~" if each["disturbance"] else ""
    return [
        each["phase"][0] + state + ("=" if each["was_alone"] else ""),
        serial,
        parallel,
        [milliseconds(value) for value in each["controls_s"]],
    ]


def round_of(kept: Sequence[Any], index: int = 0) -> Round:
    """Return the round that `keep_round` kept, its arms named `serial` and `arm`."""
    mark, serial, parallel, controls = kept
    return Round(
        index=index,
        phase=_PHASES[mark[0]],
        began_s=0.0,
        makespans_s={"serial": _seconds(serial), "arm": _seconds(parallel)},
        controls_s=_seconds(controls),
        is_clean="!" not in mark,
        disturbance="as recorded" if "!" in mark or "~" in mark else "",
        was_alone="=" in mark,
    )


def milliseconds(seconds: float | None) -> float | None:
    """Return `seconds` as they are kept: milliseconds, rounded to 0.01."""
    return None if seconds is None else round(1000 * seconds, 2)


def _seconds(values_ms: Sequence[float]) -> tuple[float, ...]:
    return tuple(value / 1e3 for value in values_ms)
