"""How many gates were decided, and how: the closing line of every output."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pytest_pipeline.report.words import OUTCOMES, Json, final_tests, outcome_of

_ALWAYS = ("met", "missed", "inconclusive")
_DECIDED = frozenset({"met", "missed", "invalid"})


@dataclass(frozen=True, slots=True)
class GateCounts:
    """Gates of the last attempt of every test."""

    by_verdict: dict[str, int]
    """Number of gates with each verdict, zeros left out."""

    @property
    def total(self) -> int:
        """All gates."""
        return sum(self.by_verdict.values())

    @property
    def asked(self) -> int:
        """Gates that somebody wanted decided: all but those that the user left out."""
        return self.total - self.by_verdict.get("not-run", 0)

    @property
    def decided(self) -> int:
        """Gates that were answered: met, missed or invalid."""
        return sum(number for verdict, number in self.by_verdict.items() if verdict in _DECIDED)

    @property
    def text(self) -> str:
        """`5 gates: 4 met, 1 missed, 0 inconclusive (5 of 5 decided)`."""
        rest = [name for name in OUTCOMES if name not in _ALWAYS and self.by_verdict.get(name)]
        parts = [
            f"{self.by_verdict.get(name, 0)} {outcome_of(name).word}" for name in (*_ALWAYS, *rest)
        ]
        noun = "gate" if self.total == 1 else "gates"
        return f"{self.total} {noun}: {', '.join(parts)} ({self.decided} of {self.asked} decided)"


def count_gates(document: Json) -> GateCounts:
    """Count every finding; a test that broke before it had findings counts as one gate of its outcome."""
    counts: Counter[str] = Counter()
    for test in final_tests(document["tests"]):
        verdicts = [each["verdict"] for run in test["runs"] for each in run["findings"]]
        if not verdicts and test["outcome"] == "invalid":
            verdicts = [test["outcome"]]
        counts.update(verdicts)
    return GateCounts(dict(counts))
