"""The comparisons of one search, and what they have taken of its budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_pipeline.comparing import Observer, compare
from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.comparison import Comparison
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.sweeping import Numbered

_UNGATED_SHARE = 3.0
"""A comparison without gates ends after a third of its budget (`RatioPhase`): ask for three times as much."""


@dataclass(slots=True)
class Runs:
    """Compares plans on the same items."""

    items: Any
    """As the user gave them."""
    options: Mapping[str, Any]
    """What goes to every `compare`."""
    observer: Observer
    """Hears progress."""
    budget_s: float
    """Seconds for the whole search."""
    spent_s: float = 0.0
    """Seconds that the comparisons so far have taken."""

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left; negative when it is overdrawn."""
        return self.budget_s - self.spent_s

    def compare(self, what: str, plan: Plan, *, share_s: float, **options: Any) -> Comparison:
        """Compare `plan` for about `share_s` seconds; raises `UsageError` when something is wrong with it."""
        made = compare(
            plan.stages,
            self.items,
            budget_s=_UNGATED_SHARE * share_s,
            observer=Numbered(self.observer, f"tune ({what})"),
            **{**self.options, **options},
        )
        self.spent_s += made.seconds
        wrong = [finding.headline for finding in made.findings if finding.verdict.fails]
        if wrong:
            raise UsageError(f"tune stopped at {what}: {'; '.join(wrong)}")
        return made
