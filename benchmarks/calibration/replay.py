"""The ratio rule of this checkout on the rounds of recorded runs: a candidate rule is tried without a machine.

A recorded run ends where the rule of its day decided. A rule that wants more rounds is left open
there, so that a replay can show what a rule decides earlier or otherwise, and never what it would
have found later. Runs that something else than their rounds decided are left out, and those from
before rounds told whether anybody else was on a core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks._tables import table
from benchmarks.calibration.cells import Cell
from benchmarks.calibration.kept import KEPT_SPEEDUP, round_of
from benchmarks.calibration.store import Record, Store
from pytest_pipeline.judge.gate import Errors, Status
from pytest_pipeline.judge.ladder import LadderGate
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


def replay(record: Record) -> Status:
    """Return where a speedup gate stands after the rounds of `record`."""
    requirement = Requirement(Quantity.SPEEDUP, record["limit"])
    gate = LadderGate(requirement, KEPT_SPEEDUP.executor, KEPT_SPEEDUP, errors=Errors().of_run(1))
    rounds = [round_of(each, index) for index, each in enumerate(record["rounds"])]
    for each in rounds:
        if each.phase is not Phase.CONFIRM:
            gate.observe(each)
    if gate.status is Status.SUSPECT:
        _confirm(gate, rounds)
    return gate.status


def replay_table(cells: Sequence[Cell], store: Store) -> str:
    """Return a row per cell: its runs, how many end as recorded, and how each verdict fared."""
    rows = [
        [cell.name, *_compared(runs)]
        for cell in cells
        if cell.work != "service" and (runs := _replayable(store.runs(cell.name)))
    ]
    if not rows:
        return "no recorded run can be replayed"
    return table(["cell", "runs", "same", "recorded -> replayed"], rows)


def _replayable(runs: Sequence[Record]) -> list[Record]:
    return [
        record
        for record in runs
        if "alone" in record and record["rounds"] and record["reason"] in ROUNDS_DECIDE
    ]


def _compared(runs: Sequence[Record]) -> list[str]:
    pairs = [(_recorded(record), replay(record).name.lower()) for record in runs]
    same = sum(then == now for then, now in pairs)
    changes = Counter(pairs).most_common()
    text = ", ".join(f"{count} {then} -> {now}" for (then, now), count in changes)
    return [str(len(runs)), str(same), text]


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
