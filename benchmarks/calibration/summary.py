"""Records of one cell -> what they show: shares, a Wilson interval, and whether the row holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.calibration.cells import Cell
from benchmarks.calibration.kept import KEPT_SPEEDUP, round_of
from benchmarks.calibration.store import Record
from pytest_pipeline.model.rounds import Phase
from pytest_pipeline.stats.quantiles import quantile

Z_95 = 1.959963984540054
FAILING = {"missed", "invalid"}
DECIDED = {"met", "missed"}


def wilson(hits: int, runs: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of hits / runs (E. B. Wilson, JASA 22, 1927)."""
    if runs == 0:
        return 0.0, 1.0
    share, z2 = hits / runs, Z_95**2
    middle = share + z2 / (2 * runs)
    half = Z_95 * math.sqrt(share * (1 - share) / runs + z2 / (4 * runs**2))
    scale = 1 + z2 / runs
    low = 0.0 if hits == 0 else (middle - half) / scale
    high = 1.0 if hits == runs else (middle + half) / scale
    return low, high


def percent(share: float) -> str:
    """Return `3.7 %`, without digits that say nothing: `0 %`, `100 %`."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def share_text(hits: int, runs: int) -> str:
    """Return `3 of 100 (1 %-8.5 %)`: the count and its 95 % Wilson interval."""
    if runs == 0:
        return "-"
    low, high = wilson(hits, runs)
    return f"{hits} of {runs} ({percent(low)} to {percent(high)})"


@dataclass(frozen=True, slots=True)
class Summary:
    """What the runs of one cell show."""

    cell: Cell
    """The cell."""
    verdicts: Counter[str]
    """Verdict -> runs."""
    reasons: Counter[str]
    """Reason of the runs that are neither met nor missed -> runs."""
    rounds: float | None
    """Median of the rounds to a decided verdict, disturbed and confirming ones counted."""
    seconds: float | None
    """Median seconds of one run."""
    reached: tuple[float, float, float] | None = None
    """Lower quartile, median and upper quartile, over the runs, of the speedup in a run's own clean rounds (their
    median) / the `min` that was asked for: what the code really reached in that run. None for latencies."""

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return self.verdicts.total()

    @property
    def failed(self) -> int:
        """Runs that would turn a test red."""
        return sum(self.verdicts[verdict] for verdict in FAILING)

    def share(self, verdict: str) -> float:
        """Return the share of runs with this verdict."""
        return self.verdicts[verdict] / self.runs if self.runs else 0.0

    @property
    def demands(self) -> list[tuple[str, bool]]:
        """Every requirement in words, and whether the runs so far keep it."""
        required, rounds = self.cell.required, self.rounds
        limit = required.rounds
        listed = [
            (required.no_false_fail, "0 false FAIL", self.failed == 0),
            *_at_least("met", required.met, self.share("met")),
            *_at_least("FAIL", required.missed, self.share("missed")),
            *_at_most("met", required.met_at_most, self.share("met")),
            *_at_most("inconclusive", required.inconclusive_at_most, self.share("inconclusive")),
            (
                limit is not None,
                f"median rounds <= {limit}",
                rounds is not None and rounds <= (limit or 0),
            ),
        ]
        return [(text, is_kept) for is_asked, text, is_kept in listed if is_asked]

    @property
    def holds(self) -> str:
        """`yes`, `NO: ...`, or how many runs are there when they are too few to say."""
        broken = [text for text, is_kept in self.demands if not is_kept]
        if self.cell.required.no_false_fail and self.failed:
            return f"NO: {self.failed} false FAIL"
        if self.runs < self.cell.runs:
            return f"not enough runs yet ({self.runs} of {self.cell.runs})"
        return f"NO: {'; '.join(broken)}" if broken else "yes"


def summarise(cell: Cell, runs: Sequence[Record]) -> Summary:
    """Return the summary of the runs of `cell`."""
    decided = [_rounds(record) for record in runs if record["verdict"] in DECIDED]
    reasons = [record["reason"] for record in runs if record["verdict"] not in DECIDED]
    return Summary(
        cell=cell,
        verdicts=Counter(record["verdict"] for record in runs),
        reasons=Counter(reasons),
        rounds=median(decided) if decided else None,
        seconds=median(record["seconds"] for record in runs) if runs else None,
        reached=None if cell.work == "service" else _quartiles(runs),
    )


def reached(record: Record) -> list[float]:
    """Return the median speedup of a run's clean rounds over what was asked for, if it has such rounds."""
    rounds = [round_of(each) for each in record["rounds"]]
    ratios = [
        KEPT_SPEEDUP.typical(each)
        for each in rounds
        if each.is_clean and each.phase is not Phase.WARM_UP
    ]
    return [median(ratios) / record["limit"]] if ratios else []


def _quartiles(runs: Sequence[Record]) -> tuple[float, float, float] | None:
    values = [found for record in runs for found in reached(record)]
    if not values:
        return None
    lower, middle, upper = (quantile(values, share) for share in (0.25, 0.5, 0.75))
    return lower, middle, upper


def _rounds(record: Record) -> int:
    """Count the rounds (of a latency: the blocks) after the warm-up."""
    counted = record["blocks"] or record["rounds"]
    return sum(not each[0].startswith("w") for each in counted)


def _at_least(what: str, limit: float | None, share: float) -> list[tuple[bool, str, bool]]:
    return [] if limit is None else [(True, f"{what} >= {percent(limit)}", share >= limit)]


def _at_most(what: str, limit: float | None, share: float) -> list[tuple[bool, str, bool]]:
    return [] if limit is None else [(True, f"{what} <= {percent(limit)}", share <= limit)]
