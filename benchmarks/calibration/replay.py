"""The ratio rule of this checkout on the rounds of recorded runs: a candidate rule is tried without a machine.

A recorded run ends where the rule of its day decided. A rule that wants more rounds is left open
there, so that a replay can show what a rule decides earlier or otherwise, and never what it would
have found later. Runs that something else than their rounds decided are left out, and those from
before rounds told whether anybody else was on a core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.calibration.cells import Cell
from benchmarks.calibration.store import Record, Store
from pytest_pipeline.judge.gate import Errors, Status
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.readings import SpeedupReading
from pytest_pipeline.model.finding import Reason
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.rounds import Phase, Round

ROUNDS_DECIDE = {
    Reason.NONE,
    Reason.NEAR_LIMIT,
    Reason.CONFIRM_DISAGREED,
    Reason.UNSTEADY,
    Reason.BUSY,
}
"""Reasons of runs that ended as their rounds say; a lack of cores, a quota or a tracer overrules them."""

_PHASES = {phase.value[0]: phase for phase in Phase}


def replay(record: Record) -> Status:
    """Return where a speedup gate stands after the rounds of `record`."""
    requirement = Requirement(Quantity.SPEEDUP, record["limit"])
    reading = SpeedupReading("serial", "arm")
    gate = LadderGate(requirement, "arm", reading, errors=Errors().of_run(1))
    rounds = [_round(index, each) for index, each in enumerate(record["rounds"])]
    for each in rounds:
        if each.phase is not Phase.CONFIRM:
            gate.observe(each)
    if gate.status is Status.SUSPECT:
        _confirm(gate, rounds)
    return gate.status


def replay_table(cells: Sequence[Cell], store: Store) -> str:
    """Return a line per cell: its runs, how many end as recorded, and how each verdict fared."""
    lines = [
        f"{cell.name:{_WIDTH}}{_compared(runs)}"
        for cell in cells
        if cell.work != "service" and (runs := _replayable(store.runs(cell.name)))
    ]
    head = f"{'cell':{_WIDTH}}{'runs':>5}{'same':>6}  recorded -> replayed"
    return "\n".join([head, *lines] if lines else ["no recorded run can be replayed"])


_WIDTH = 48


def _replayable(runs: Sequence[Record]) -> list[Record]:
    return [
        record
        for record in runs
        if "alone" in record and record["rounds"] and record["reason"] in ROUNDS_DECIDE
    ]


def _compared(runs: Sequence[Record]) -> str:
    pairs = [(_recorded(record), replay(record).name.lower()) for record in runs]
    same = sum(then == now for then, now in pairs)
    changes = Counter(pairs).most_common()
    text = ", ".join(f"{count} {then} -> {now}" for (then, now), count in changes)
    return f"{len(runs):5}{same:6}  {text}"


def _recorded(record: Record) -> str:
    """Return the verdict of `record` in the words of a gate: undecided runs are open, or disagreed."""
    if record["verdict"] in {"met", "missed"}:
        return str(record["verdict"])
    confirmed = any(each[0].startswith("c") for each in record["rounds"])
    return "disagreed" if confirmed else "open"


def _confirm(gate: LadderGate, rounds: Sequence[Round]) -> None:
    visits = list(_visits(rounds))
    if not visits:
        return
    gate.begin_confirmation()
    for first, second in visits:
        if gate.status is Status.SUSPECT:
            gate.confirm(first, second)
    if gate.status is Status.SUSPECT:
        gate.give_up_confirming()


def _visits(rounds: Sequence[Round]) -> Iterator[tuple[Round, Round]]:
    confirming = [each for each in rounds if each.phase is Phase.CONFIRM]
    return zip(confirming[::2], confirming[1::2], strict=True)


def _round(index: int, kept: Sequence[Any]) -> Round:
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


def _seconds(values_ms: Sequence[float]) -> tuple[float, ...]:
    return tuple(value / 1e3 for value in values_ms)
