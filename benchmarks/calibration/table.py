"""docs/calibration.md: every number in it comes from the results file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks._tables import table
from benchmarks.calibration.cells import Cell
from benchmarks.calibration.machines import machine_table
from benchmarks.calibration.null import ROUNDS
from benchmarks.calibration.power import power_table
from benchmarks.calibration.store import Record, Store
from benchmarks.calibration.summary import Summary, percent, share_text, summarise, wilson

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "calibration.md"

HEAD = """\
# How often the gates are wrong

Written by `python -m benchmarks.calibration --table` from the runs that `make calibration` adds, one session after the other;
seeds and raw rounds are in `benchmarks/calibration/results/`. Nothing here is typed in by hand, and a row with too few runs says so.

"""

READING = """\
**How to read it.** *1.10x* means that the healthy code's clean speedup, learned anew every few minutes and averaged over an hour, is 1.10 times the `min` that is asked for
(1.16 times the limit that decides, which is 5 % lower);
*reached / min* is what it was in the clean rounds of the runs themselves, median and quartiles over the runs: the machine's own speedup moves by several per cent within a minute. Sessions of commits before 798b419f6b took
their limits from the last learned speedup alone, those up to 72833eea8c
also from some learned right after a neighbour, which are lower, and planted slowdowns there stretched the work instead of the time.
Two kinds of runs were left out and run anew. *One core* before e40df7fcd6: a core that changed its speed between the two parts of the control passed
for more than one, which made 2 of 120 such runs false FAILs. Waiting plans and long arms beside a neighbour before 771f66babf, where the
neighbour was a child process of the measuring one: the CPU time of a child counts as our own.
A *false FAIL* is a run on
healthy code that would turn a test red (`missed` or `invalid`). Regressions are planted in the parallel arm of code that is healthy at 1.10x (*0.80x of the limit*:
at 1.00x; the slow mode: at 1.25x, its slow executions at 0.6x). Rounds are counted until the verdict, disturbed and confirming ones included.
Intervals are 95 % Wilson intervals. Seeing 0 false FAIL in 100 runs shows at most {of_100}, in 300 runs at most {of_300}; the promised 0.1 % rests
on the simulation of the worst code that still conforms, below. It is promised for rounds in which the machine is undisturbed: the rows
beside a neighbour test how well disturbed rounds are recognised, and an `inconclusive` there is the right answer, not an error.
"""

MACHINES = """\
A machine whose own speedup moves by more than the tolerance within minutes (the last table has the spread of each) puts code at 1.10x
at its limit now and then: the runs that end `near-limit` here.
"""

POWER = """\
The rows above are named after the hour's clean speedup; this machine's own speedup in the seconds of one run is another. Here
every run on both cores and without a neighbour, healthy or planted, is sorted by *reached / min*, the median of that run's own clean rounds:
the verdict turns at 0.95, the `min` less its tolerance of 5 %: code below that is met in at most 1 % by the rule (the classes show how far
so many runs confirm it), and the closer to 0.95, the more rounds a verdict needs. A run of few rounds reads further from the
limit than it was, since only clear ones decide early.
"""

CELL_HEADER = (
    "experiment",
    "n",
    "met",
    "missed",
    "inconclusive",
    "FAIL, 95 % interval",
    "median rounds",
    "reached / min",
    "required",
    "holds",
)
PEERS = ("benchmark mean", "benchmark median", "benchmark min", "one shot", "mean of 10")


def render(cells: Sequence[Cell], store: Store) -> str:
    """Return the whole document."""
    summaries = [summarise(cell, store.runs(cell.name)) for cell in cells]
    of_100, of_300 = (percent(wilson(0, runs)[1]) for runs in (100, 300))
    parts = [
        HEAD + _provenance(store),
        READING.format(of_100=of_100, of_300=of_300),
        "## The gates\n",
        _cell_table(summaries) + "\n",
        "## The same runs, by machine\n",
        MACHINES,
        machine_table(cells, store) + "\n",
        "## What is said, by what the code really reached\n",
        POWER,
        power_table(cells, store) + "\n",
        "## The promised bound, simulated\n",
        _null_table(store.of_kind("null")),
        "## The rules people use today, on the same workload in the same run\n",
        _peer_table(cells, store),
        "## What it costs, and what clean means here\n",
        _cost_table(summaries) + "\n",
        _clean_table(store.by_machine("clean")),
    ]
    return "\n".join(parts)


def _provenance(store: Store) -> str:
    sessions, runs = store.of_kind("session"), store.of_kind("run")
    if not sessions:
        return "No session has been run yet.\n"
    days = sorted({record["at"][:10] for record in sessions})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    sessions.sort(key=lambda record: record["at"])
    commits = list(dict.fromkeys(record["commit"] for record in sessions))
    hours = sum(record["seconds"] for record in runs) / 3600
    machines = "; ".join(dict.fromkeys(record["machine"] for record in sessions))
    return f"{len(runs)} runs on {when}, commits {', '.join(commits)}, {hours:.1f} h of measuring: {machines}.\n"


def _cell_table(summaries: Sequence[Summary]) -> str:
    return table(CELL_HEADER, [_cell_row(each) for each in summaries])


def _cell_row(each: Summary) -> list[str]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in each.reasons.most_common())
    undecided = each.runs - each.verdicts["met"] - each.verdicts["missed"]
    return [
        each.cell.name,
        str(each.runs),
        str(each.verdicts["met"]),
        str(each.verdicts["missed"]),
        f"{undecided} ({reasons})" if reasons else str(undecided),
        share_text(each.failed, each.runs),
        "-" if each.rounds is None else f"{each.rounds:g}",
        _reached(each),
        "; ".join(text for text, _ in each.demands),
        each.holds,
    ]


def _reached(each: Summary) -> str:
    if each.reached is None:
        return "-"
    lower, middle, upper = each.reached
    return f"{middle:.2f} ({lower:.2f}-{upper:.2f})"


def _null_table(records: Sequence[Record]) -> str:
    if not records:
        return "Not simulated yet.\n"
    records = list({(each["alpha"], each["bets"]): each for each in records}.values())
    rows = [
        [
            percent(record["alpha"]),
            record["bets"],
            f"{record['failed']} of {record['runs']}",
            f"{record['failed'] / record['runs']:.5f}",
            "-" if record["exact"] is None else f"{record['exact']:.5f}",
            "yes" if record["failed"] / record["runs"] <= record["alpha"] else "NO",
        ]
        for record in records
    ]
    header = ["tolerated error", "bets on", "false FAIL", "share", "exact", "holds"]
    return (
        f"Half of the ratios below the limit, a quarter below 0.9 of it, {ROUNDS} rounds, before confirmation. Best ratios are bet on in\n"
        "every clean round, mean ones where nobody can have disturbed it (here in every round, drawn apart from the best):\n\n"
        + table(header, rows)
        + "\n"
    )


def _peer_table(cells: Sequence[Cell], store: Store) -> str:
    rows = [
        _peer_row(cell, found)
        for cell in cells
        if (found := [record for record in store.runs(cell.name) if "peers" in record])
    ]
    header = ["experiment", "n", "right answer", "this plugin", *PEERS]
    return (
        "Share of runs that are red. *benchmark* is pytest-benchmark's `--benchmark-compare-fail` at 10 % on that statistic, against\n"
        "a baseline saved seconds before; *one shot* is `assert serial / threads >= min` timed once, *mean of 10* the same on ten ratios.\n"
        "They are asked in every third run. A verdict of `inconclusive` is not red.\n\n"
        + (table(header, rows) if rows else "No runs yet.")
        + "\n"
    )


def _peer_row(cell: Cell, runs: Sequence[Record]) -> list[str]:
    ours = sum(record["verdict"] in {"missed", "invalid"} for record in runs)
    red = [sum(record["peers"][peer] for record in runs) for peer in PEERS]
    shares = [percent(count / len(runs)) for count in (ours, *red)]
    right = "green" if cell.required.no_false_fail else "red"
    return [cell.name, str(len(runs)), right, *shares]


def _cost_table(summaries: Sequence[Summary]) -> str:
    rows = [
        [
            each.cell.name,
            "?" if not each.seconds else f"{each.seconds:.1f}",
            "?" if not each.seconds else f"{3600 / each.seconds:.0f}",
            f"{each.cell.budget_s:g}",
        ]
        for each in summaries
    ]
    return table(["experiment", "seconds per run", "runs per hour", "budget, s"], rows)


def _clean_table(machines: Mapping[str, Sequence[Record]]) -> str:
    by_key: dict[tuple[str, str], list[Record]] = {}
    for machine, records in machines.items():
        for record in records:
            by_key.setdefault((record["key"], machine), []).append(record)
    if not by_key:
        return "No clean speedup has been learned yet.\n"
    header = [
        "plan / executor / serial arm, s",
        "machine",
        "times learned",
        "clean speedup (lowest-highest)",
        "its rounds (lowest-highest)",
    ]
    rows = [[*key, *_clean_row(found)] for key, found in sorted(by_key.items())]
    return table(header, rows) + "\n"


def _clean_row(records: Sequence[Record]) -> list[str]:
    learned = sorted(record["speedup"] for record in records)
    lowest = min(record["lowest"] for record in records)
    highest = max(record["highest"] for record in records)
    return [
        str(len(learned)),
        f"{median(learned):.2f}x ({learned[0]:.2f}-{learned[-1]:.2f})",
        f"{lowest:.2f}-{highest:.2f}",
    ]
