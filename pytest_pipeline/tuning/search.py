"""The search: measure what the model proposes until nothing is left that could be better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_pipeline.comparing import DEFAULT_EXECUTORS, Observer, Unobserved
from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.registry import resolve
from pytest_pipeline.explain.search import CLOSE, Predicted, worth_measuring
from pytest_pipeline.explain.tuned import choose
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import Plan, make_plan
from pytest_pipeline.model.tuning import Tried, Tuning
from pytest_pipeline.model.units import positive_number, show_share, whole_number
from pytest_pipeline.setting import InSetting, check_counts
from pytest_pipeline.tuning.proposals import Profile, Proposals, propose, take_profile
from pytest_pipeline.tuning.runs import Runs

DEFAULT_QUEUE_SIZES = (1, 4, 64)
"""Tried beside the declared one."""

LEAST_SHARE = 0.1
"""Share of the budget that a measurement gets at least."""

AT_ONCE = 3
"""Settings that are measured in the same rounds, beside the one as declared, when the budget is large enough."""

ROUNDS = 8
"""Rounds that a measurement should hold: from the seventh on there is an interval (`Estimate.lower`)."""

SUB_PAIRS = 3
"""Executions of every arm in a round; the setting as declared runs at both ends of several others."""

LEAST_EXECUTION_S = 0.1
"""What an execution is lengthened to by repeating it (`choose_shape`), seconds."""

WORTH = 1.05
"""Predicted gain from which a setting is measured."""

MOST_SHOWN = 10
"""Settings that were predicted and not measured, kept in the record."""


def tune(
    stages: Sequence[Any],
    items: Any,
    *,
    executors: Sequence[str | Executor] | None = None,
    queue_size: Sequence[int] = DEFAULT_QUEUE_SIZES,
    batch_size: Sequence[int] | None = None,
    most_workers: int = 16,
    baseline: str | Executor = "serial",
    budget_s: float = 60.0,
    extra_executors: Mapping[str, Executor] | None = None,
    observer: Observer | None = None,
    so_far: Callable[[Tuning], object] | None = None,
    **options: Any,
) -> Tuning:
    """Find a good setting of workers, queue size, batch size and executor within about `budget_s` seconds.

    The setting as declared is profiled under every executor beside `baseline`, each other `batch_size` in one
    execution of the baseline. From these profiles settings of up to `most_workers` slots are simulated, and the
    promising ones measured in interleaved rounds against the setting as declared under the first executor.
    `so_far` takes the record after every step, so that an interruption loses nothing; `options` go to `compare`
    (check, setup, teardown, timeout, mode, machine, company).

    Raises `UsageError` for a search that means nothing or outputs that differ, and whatever `compare` raises.
    """
    plan = make_plan(stages)
    check_counts("queue_size", queue_size, "tune")
    if batch_size is not None:
        check_counts("batch_size", batch_size, "tune")
        _require_batches(plan, batch_size)
    budget_s = positive_number(budget_s, what="tune(budget)", accepts="seconds")
    most_workers = whole_number(most_workers, what="tune: most_workers")
    runs = Runs(items, options, observer or Unobserved(), budget_s)
    arms = [resolve(each, extra_executors) for each in (executors or DEFAULT_EXECUTORS)]
    serial = resolve(baseline, extra_executors)
    profile = take_profile(runs, plan, arms, serial, extra_executors)
    if options.get("mode") == "off":
        search = _Search(runs, Proposals(profile, ()))
        return search.record("measuring is switched off: nothing was searched")
    found = propose(
        runs,
        profile,
        serial,
        batch_sizes=batch_size or (),
        queue_sizes=queue_size,
        most_workers=most_workers,
    )
    return _Search(runs, found).run(so_far or (lambda _: None))


def _require_batches(plan: Plan, batch_size: Sequence[int]) -> None:
    if not plan.is_batched:
        raise UsageError(
            f"tune(batch_size={list(batch_size)!r}): no stage takes batches; "
            "declare which one does, e.g. Stage(embed, batch=8), with a function that takes a list"
        )


@dataclass(slots=True)
class _Search:
    """What was measured of the proposals so far."""

    runs: Runs
    proposals: Proposals
    measured: list[Tried] = field(default_factory=list)

    @property
    def profile(self) -> Profile:
        return self.proposals.profile

    @property
    def start(self) -> Tried:
        """The setting as declared, which needs no prediction once there are any."""
        return replace(self.profile.start, predicted_speedup=1.0 if self.proposals.found else None)

    def run(self, so_far: Callable[[Tuning], object]) -> Tuning:
        """Measure until nothing is left that could be better, or no budget to tell it."""
        while True:
            so_far(self.record("interrupted", is_complete=False))
            left = self._promising()
            if not left:
                return self.record(self._exhausted())
            count = self._at_once(left)
            if not count:
                return self.record(
                    f"the budget of {self.runs.budget_s:g} s is spent; {len(left)} more settings looked promising",
                    is_complete=False,
                )
            self._measure(left[:count])

    def record(self, reason: str, *, is_complete: bool = True) -> Tuning:
        """Return what the user gets when the search ends now."""
        made, start = self.profile.made, self.start
        best, ties = choose(start, self.measured)
        if any(each.speedup and each.speedup.lower is None for each in self.measured):
            reason += "; some had too few rounds to be told from others: give it a larger budget"
        return Tuning(
            stages=self.profile.plan.names,
            num_items=made.num_items,
            start=start,
            best=best,
            ties=ties,
            tried=(start, *self.measured, *self._others()),
            num_predicted=len(self.proposals.found),
            reason=reason,
            is_complete=is_complete,
            seconds=self.runs.spent_s,
            unavailable={
                arm.executor: arm.unavailable for arm in made.arms.values() if arm.unavailable
            },
        )

    def _others(self) -> list[Tried]:
        """Return the most promising settings that were not measured, those worth measuring first."""
        proposals, worth = self.proposals, worth_measuring(self.proposals.found)
        slower = sorted(proposals.found, key=lambda each: each.makespan_s)
        tried = {tried.code: tried for tried in map(proposals.tried, [*worth, *slower])}
        left = [each for code, each in tried.items() if code and code not in self._seen()]
        return left[:MOST_SHOWN]

    def _seen(self) -> set[str]:
        return {each.code for each in self.measured}

    def _promising(self) -> list[Predicted]:
        """Return what may beat the fastest measured setting, or is cheaper and may be as fast."""
        best, workers = 1.0, self.start.total_workers
        for each in self.measured:
            if each.speedup and each.speedup.value > best:
                best, workers = each.speedup.value, each.total_workers
        gain, code, seen = self.proposals.gain, self.proposals.code, {"", *self._seen()}
        return [
            each
            for each in worth_measuring(self.proposals.found)
            if code(each) not in seen
            if gain(each) >= best * WORTH
            or (each.workers < workers and gain(each) >= best * (1 - CLOSE))
        ]

    def _exhausted(self) -> str:
        if not self.measured:
            return f"none of {len(self.proposals.found)} simulated settings is predicted to gain {show_share(WORTH - 1)}"
        return f"no other setting is predicted to be {show_share(WORTH - 1)} faster than the fastest one measured"

    def _at_once(self, left: Sequence[Predicted]) -> int:
        """Return how many settings the rest of the budget can measure well enough to tell them apart.

        0 ends the search; one is always measured.
        """
        most = min(AT_ONCE, len(left)) if self.runs.left_s > 0 else 0
        for count in range(most, 0, -1):
            if self._needs_s(left[:count]) <= self._share_s(count):
                return count
        return 0 if self.measured else 1

    def _needs_s(self, chosen: Sequence[Predicted]) -> float:
        """Return the seconds that enough rounds of `chosen` and of the setting as declared take."""
        start_s = self.start.makespan_s or LEAST_EXECUTION_S
        repeats = max(1.0, LEAST_EXECUTION_S / start_s)
        others_s = sum(start_s / max(1e-9, self.proposals.gain(each)) for each in chosen)
        return ROUNDS * SUB_PAIRS * repeats * (min(2, len(chosen)) * start_s + others_s)

    def _share_s(self, count: int) -> float:
        """Return the seconds for measuring `count` settings: half of what is left when it is for several."""
        left_s = self.runs.left_s if count == 1 else self.runs.left_s / 2
        return max(LEAST_SHARE * self.runs.budget_s, left_s)

    def _measure(self, chosen: Sequence[Predicted]) -> None:
        """Measure settings in the same rounds as the one as declared."""
        first, by_name = self.profile.arms[0], {each.name: each for each in self.profile.arms}
        arms = {f"{each.executor} ({each.change.words()})": each for each in chosen}
        made = self.runs.compare(
            "1 setting" if len(chosen) == 1 else f"{len(chosen)} settings",
            self.profile.plan,
            executors=[
                InSetting(by_name[each.executor], each.change, name) for name, each in arms.items()
            ],
            baseline=InSetting(first, Change(), first.name),
            share_s=self._share_s(len(chosen)),
            predicts=False,
        )
        self.measured += [
            replace(
                self.proposals.tried(each),
                speedup=made[name].speedup,
                makespan_s=made[name].makespan_s,
            )
            for name, each in arms.items()
        ]
