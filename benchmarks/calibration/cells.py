"""The experiments as data: one cell is one situation, run many times, with what is required of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Required:
    """What a cell's runs must show. A share of None is not required."""

    no_false_fail: bool = True
    """The code is healthy: no run may fail."""
    met: float | None = None
    """Least share of runs that are met."""
    missed: float | None = None
    """Least share of runs that are missed."""
    met_at_most: float | None = None
    """Largest share of runs that may be met."""
    inconclusive_at_most: float | None = None
    """Largest share of runs that may be inconclusive."""
    rounds: int | None = None
    """Largest median of rounds to the verdict, disturbed ones and confirmation counted."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the table."""

    name: str
    """Unique, as printed and as `--cells` matches it."""
    healthy: float = 1.10
    """Clean speedup of the healthy code as a multiple of the `min` that is asked for."""
    neighbour: str = "none"
    """What else runs on the machine: a key of `neighbours.KINDS`, or `none`."""
    is_fresh: bool = False
    """Whether each run learns its reference in a new process, with the neighbour there already."""
    work: str = "compute"
    """`compute` (zlib, no GIL), `wait` (sleeps), `service` (a latency)."""
    arm_s: float = 0.1
    """Length of one serial execution, seconds."""
    executor: str = "threads"
    """The arm that is compared with the serial one."""
    cores: int | None = None
    """Cores that the run may use; None = all."""
    regression: str = ""
    """Planted in the parallel arm: a key of `workloads.REGRESSIONS`, or empty."""
    late_share: float = 0.0
    """`service` only: share of the items that come too late."""
    is_whole_pytest: bool = False
    """Whether every run is a pytest run of its own."""
    budget_s: float = 30.0
    """Budget of one run, seconds (30 is the default of the plugin)."""
    runs: int = 30
    """Runs that the table asks for."""
    required: Required = field(default_factory=Required)
    """What they must show."""

    @property
    def has_peers(self) -> bool:
        """Whether the peers' rules are tried on the same workload in the same run."""
        is_plain = self.work == "compute" and self.executor == "threads"
        is_alone = self.cores is None and not self.is_whole_pytest
        return is_plain and is_alone and self.arm_s <= 0.1

    @property
    def needs_own_process(self) -> bool:
        """Whether a run must not share the process, and so the reference, with other runs."""
        return self.is_fresh or self.cores is not None


def seed_of(cell: Cell, index: int) -> int:
    """Return the seed of run `index`: the same in every session."""
    digest = hashlib.sha256(f"{cell.name}:{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


NIGHTLY_RUNS = 300

LONG_BUDGET_S = 60.0
"""Rounds spread by 10 % here: 0.88 of the limit needs about 45 clean ones, and 30 s hold 37."""

IDLE = {
    1.10: Required(met=0.95, inconclusive_at_most=0.05),
    1.25: Required(met=0.95, inconclusive_at_most=0.01),
}
ON_OFF = {1.10: Required(), 1.25: Required(met=0.80)}
SAFE = {1.10: Required(), 1.25: Required()}


def _both(cell: Cell, required: dict[float, Required]) -> list[Cell]:
    """Return `cell` with healthy code at 1.10x and at 1.25x of the limit."""
    return [
        replace(cell, name=f"{cell.name}, {healthy:.2f}x", healthy=healthy, required=demand)
        for healthy, demand in required.items()
    ]


def _both_idle_and_on_off(cell: Cell) -> list[Cell]:
    beside = replace(cell, name=f"{cell.name}, on/off neighbour", neighbour="on-off")
    return [*_both(replace(cell, name=f"{cell.name}, idle"), IDLE), *_both(beside, ON_OFF)]


def _neighbours() -> list[Cell]:
    idle = {**IDLE, 1.25: replace(IDLE[1.25], rounds=15)}
    return [
        *_both(Cell("no neighbour", runs=100), idle),
        *_both(Cell("on/off neighbour", neighbour="on-off", runs=100), ON_OFF),
        *_both(Cell("there before", neighbour="permanent", is_fresh=True, runs=100), SAFE),
        *_both(Cell("bursts", neighbour="bursts"), SAFE),
        *_both(Cell("permanent neighbour", neighbour="permanent", budget_s=10.0), SAFE),
        *_both(Cell("memory bandwidth", neighbour="memory"), SAFE),
        *_both(Cell("disk writer", neighbour="disk"), SAFE),
    ]


def _shapes() -> list[Cell]:
    one_core = Cell("one core", cores=1)
    return [
        *_both_idle_and_on_off(Cell("arms of 0.5 s", arm_s=0.5)),
        *_both_idle_and_on_off(Cell("arms of 2 s", arm_s=2.0)),
        *_both_idle_and_on_off(Cell("processes", executor="processes")),
        *_both_idle_and_on_off(Cell("waiting plan", work="wait")),
        *_both(replace(one_core, name="one core, idle"), SAFE),
        *_both(replace(one_core, name="one core, on/off neighbour", neighbour="on-off"), SAFE),
        *_both(replace(one_core, name="waiting plan on one core, idle", work="wait"), IDLE),
    ]


def _regressions() -> list[Cell]:
    def planted(name: str, **demands: float) -> Cell:
        required = Required(no_false_fail=False, **demands)  # type: ignore[arg-type]
        return Cell(f"planted: {name}", regression=name, runs=100, required=required)

    clear = planted("1.25x slower", missed=0.80)
    moody = planted("slow in 60 % of executions", met_at_most=0.10)
    return [
        planted("one worker instead of two", missed=0.99),
        planted("lock around two thirds", missed=0.99),
        replace(clear, budget_s=LONG_BUDGET_S),
        replace(moody, healthy=1.25),
        replace(
            clear,
            name="planted: 0.80x of the limit",
            healthy=1.0,
            runs=30,
            required=replace(clear.required, missed=None, rounds=25),
        ),
    ]


def _latency() -> list[Cell]:
    service = Cell("p99", work="service", budget_s=12.0, runs=100)
    late = Required(no_false_fail=False, missed=0.95)
    return [
        replace(service, name="p99, 0.5 % late", late_share=0.005),
        replace(service, name="p99, 5 % late", late_share=0.05, required=late),
    ]


CELLS: tuple[Cell, ...] = (
    *_neighbours(),
    *_shapes(),
    *_regressions(),
    *_latency(),
    Cell("whole pytest runs, 1.25x", healthy=1.25, is_whole_pytest=True),
)


def choose(*patterns: str, is_nightly: bool = False) -> list[Cell]:
    """Return, per pattern, the cell of this name or those whose name matches it or contains it."""
    names = {name for pattern in patterns for name in _named(pattern)}
    chosen = [cell for cell in CELLS if cell.name in names]
    if is_nightly:
        return [replace(cell, runs=max(cell.runs, NIGHTLY_RUNS)) for cell in chosen]
    return chosen


def _named(pattern: str) -> list[str]:
    names = [cell.name for cell in CELLS]
    if pattern in names:
        return [pattern]
    return [name for name in names if fnmatchcase(name, pattern) or pattern in name]
