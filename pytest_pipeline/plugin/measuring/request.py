"""What one `pipeline.run` is asked to compare: which arms, and which requirements bind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.requirement import BEST, EVERY_CANDIDATE, Requirement
from pytest_pipeline.plugin.names import DEFAULT_EXECUTORS, near
from pytest_pipeline.plugin.settings import Settings

if TYPE_CHECKING:
    from pytest_pipeline.model.comparison import Comparison
    from pytest_pipeline.plugin.measuring.timeouts import Cut


@dataclass(frozen=True, slots=True)
class Wanted:
    """One comparison, ready to run."""

    executors: tuple[Any, ...] | None
    """Arms beside the baseline; None leaves the choice to `compare`."""
    requirements: tuple[Requirement, ...]
    """Gates of arms that run."""
    not_run: tuple[Requirement, ...]
    """Gates of arms that the command line left out."""
    budget_s: float | None
    """Seconds; None = the default."""
    cut: Cut | None = None
    """How the budget was cut for the timeout of the test, when it was."""

    def complete(self, comparison: Comparison) -> Comparison:
        """Return `comparison` with a `not-run` finding for each gate that was left out."""
        if self.cut is not None:
            comparison = self.cut.explain(comparison)
        if not self.not_run:
            return comparison
        from pytest_pipeline.model.finding import Finding, Reason, Verdict

        left_out = tuple(
            Finding(
                requirement=each,
                executor=each.executor,
                verdict=Verdict.NOT_RUN,
                reason=Reason.SWITCHED_OFF,
                headline=f"{each.label} not run ({each.executor}): left out by --pipeline-executors",
            )
            for each in self.not_run
        )
        return dataclasses.replace(comparison, findings=(*comparison.findings, *left_out))


def arms_wanted(
    settings: Settings, call: Sequence[Any] | None, marker: tuple[Any, ...] | None
) -> tuple[tuple[Any, ...] | None, bool]:
    """Return the arms and whether the command line forced them."""
    if isinstance(call, str) or (call is not None and not isinstance(call, Sequence)):
        raise UsageError(f"executors={call!r} is a {type(call).__name__}: expected a list of names")
    called = tuple(call) if call is not None else None
    return settings.executors.over(called, marker), settings.executors.is_forced


def split_requirements(
    requirements: Sequence[Requirement],
    arms: tuple[Any, ...] | None,
    baseline: Any,
    *,
    is_forced: bool,
) -> tuple[tuple[Requirement, ...], tuple[Requirement, ...]]:
    """Return the gates that bind an arm that runs, and those that the command line left out.

    Raises `UsageError` with `file:line` for a gate that names an arm nobody runs.
    """
    wanted = arms or DEFAULT_EXECUTORS
    names = [name_of(arm) for arm in wanted]
    is_alone = all(_is_baseline(arm, baseline) for arm in wanted)
    binding, left_out = [], []
    for each in requirements:
        if _binds(each, names, name_of(baseline), is_alone=is_alone):
            binding.append(each)
        elif is_forced:
            left_out.append(each)
        else:
            raise UsageError(_no_such_arm(each, names, name_of(baseline)))
    return tuple(binding), tuple(left_out)


def name_of(executor: Any) -> str:
    """Return the arm's name."""
    return executor if isinstance(executor, str) else str(getattr(executor, "name", executor))


def _is_baseline(arm: Any, baseline: Any) -> bool:
    """Tell whether `arm` is no arm of its own; one that is only called like the baseline `compare` refuses."""
    return arm is baseline or (isinstance(arm, str) and arm == name_of(baseline))


def _binds(requirement: Requirement, names: list[str], baseline: str, *, is_alone: bool) -> bool:
    if requirement.executor in {EVERY_CANDIDATE, BEST}:
        return not is_alone
    if requirement.executor in names:
        return True
    return requirement.executor == baseline and not requirement.quantity.is_relative


def _no_such_arm(requirement: Requirement, names: list[str], baseline: str) -> str:
    marker = f"@pytest.mark.{requirement.quantity.value}(executor={requirement.executor!r})"
    if requirement.executor in {EVERY_CANDIDATE, BEST}:
        why = f"no arm is run beside the baseline {baseline!r}"
    elif requirement.executor == baseline:
        why = f"{baseline!r} is the baseline, with which {requirement.label} compares the others"
    else:
        why = f"that arm is not run{near(requirement.executor, names)}"
    return (
        f"{requirement.location}: {marker}: {why}; arms of this comparison: {', '.join(names)} "
        f'(add one with @pytest.mark.executors("{names[0]}", ...) or executors=[...])'
    )
