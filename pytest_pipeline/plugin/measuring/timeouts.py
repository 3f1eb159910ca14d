"""pytest-timeout: a measurement ends before the timer of its test does."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.model.units import show_about
from pytest_pipeline.plugin.state import state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.model.comparison import Comparison
    from pytest_pipeline.model.finding import Finding
    from pytest_pipeline.model.requirement import Requirement

SHARE = 0.6
"""Share of the timeout that measuring may use up: first executions, warm-up and the body need some too."""

LEAST_SHARE = 0.05
"""Share that is left when the set-up or an earlier measurement has used up the rest."""

DEFAULT_BUDGET_S = 30.0
"""Budget when nobody names one, as of `compare`."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How the budget of one comparison was cut."""

    budget_s: float
    """What it may take now; its extension then stays within the share."""
    wanted_s: float
    """What it was."""
    timeout_s: float
    """The test's timeout."""

    @property
    def text(self) -> str:
        """One sentence for the report."""
        return (
            f"the budget was cut from {show_about(self.wanted_s)} to {show_about(self.budget_s)}, so that with its extensions it stays "
            f"within {SHARE:g} of this test's timeout of {show_about(self.timeout_s)}: raise the timeout, or use fewer items"
        )

    def explain(self, comparison: Comparison) -> Comparison:
        """Return `comparison` with that sentence on every gate that more time might have decided."""
        from pytest_pipeline.model.finding import Reason

        short = {Reason.BUDGET, Reason.SAMPLES, Reason.NEAR_LIMIT, Reason.BUSY}
        findings = tuple(
            self._explained(each) if each.reason in short else each for each in comparison.findings
        )
        return replace(comparison, findings=findings)

    def _explained(self, finding: Finding) -> Finding:
        return replace(finding, evidence=(*finding.evidence, self.text))


def cut_budget(
    item: pytest.Item,
    budget_s: float | None,
    requirements: Sequence[Requirement],
    num_arms: int,
) -> Cut | None:
    """Return the cut that the timeout of `item` asks for; None when there is time enough."""
    from pytest_pipeline.measure.budget import HARD_CAP

    timeout_s = timeout_of(item)
    if timeout_s is None:
        return None
    wanted_s = budget_s or DEFAULT_BUDGET_S
    allowed_s = _left_s(item, timeout_s) / HARD_CAP / _phases(requirements, num_arms)
    return Cut(allowed_s, wanted_s, timeout_s) if allowed_s < wanted_s else None


def study_budget(item: pytest.Item, budget_s: float) -> float:
    """Return what the timeout of `item` leaves of a study's budget, which nothing extends; says so when that is less."""
    timeout_s = timeout_of(item)
    if timeout_s is None or (left_s := _left_s(item, timeout_s)) >= budget_s:
        return budget_s
    from pytest_pipeline.plugin.declaring.problems import warn_at

    text = (
        f"the budget of this study was cut from {budget_s:.3g} s to {left_s:.3g} s, so that it stays within "
        f"{SHARE:g} of this test's timeout of {timeout_s:g} s: raise the timeout, or name a smaller budget"
    )
    warn_at(item, text)
    return left_s


def _left_s(item: pytest.Item, timeout_s: float) -> float:
    """Return the seconds that measuring may still use up."""
    used_s = time.monotonic() - state_of(item).began_s
    return max(LEAST_SHARE * timeout_s, SHARE * timeout_s - used_s)


def _phases(requirements: Sequence[Requirement], num_arms: int) -> int:
    """Return how many phases may take the whole budget: one of rounds, one per gate and arm that counts items."""
    from pytest_pipeline.model.requirement import BEST, EVERY_CANDIDATE, Quantity

    many = {BEST, EVERY_CANDIDATE}
    counting = {Quantity.P99_LATENCY, Quantity.ERROR_RATE, Quantity.PEAK_MEMORY}
    apart = [each for each in requirements if each.quantity in counting]
    return 1 + sum(num_arms if each.executor in many else 1 for each in apart)


def timeout_of(item: pytest.Item) -> float | None:
    """Return the effective timeout of pytest-timeout: the nearest marker, else option, ini, environment."""
    default: Any = getattr(item.config, "_env_timeout", _ABSENT)
    if default is _ABSENT:
        return None  # the plugin is not active: its marker means nothing then
    mark = item.get_closest_marker("timeout")
    given: Any = None
    if mark is not None:
        given = mark.args[0] if mark.args else mark.kwargs.get("timeout")
    try:
        seconds = float(default if given is None else given)
    except (TypeError, ValueError):  # None, or nonsense that pytest-timeout itself refuses
        return None
    return seconds if seconds > 0 else None


_ABSENT = object()
