"""`tune`: the model proposes settings, interleaved rounds confirm the best of them; nothing is gated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_pipeline.comparing import DEFAULT_EXECUTORS, Observer, Unobserved, compare
from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.registry import resolve
from pytest_pipeline.explain.ceiling import Host
from pytest_pipeline.explain.profiled import Profiled
from pytest_pipeline.explain.search import (
    CLOSE,
    Predicted,
    Space,
    predictions,
    worth_measuring,
)
from pytest_pipeline.explain.tuned import choose
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.comparison import Comparison
from pytest_pipeline.model.plan import Plan, make_plan
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.tuning import Tried, Tuning
from pytest_pipeline.model.units import positive_number, whole_number
from pytest_pipeline.setting import InSetting, check_counts
from pytest_pipeline.sweeping import Numbered

DEFAULT_QUEUE_SIZES = (1, 4, 64)
"""Tried beside the declared one."""

PROFILE_SHARE = 0.25
"""Share of the budget for the setting as declared under every executor, which all predictions rest on."""

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

_UNGATED_SHARE = 3.0
"""A comparison without gates ends after a third of its budget (`RatioPhase`): ask for three times as much."""


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
    search = _Search(
        plan,
        items,
        [resolve(each, extra_executors) for each in (executors or DEFAULT_EXECUTORS)],
        resolve(baseline, extra_executors),
        queue_sizes=queue_size,
        batch_sizes=batch_size or (),
        most_workers=whole_number(most_workers, what="tune: most_workers"),
        budget_s=positive_number(budget_s, what="tune(budget)", accepts="seconds"),
        observer=observer or Unobserved(),
        so_far=so_far or (lambda _: None),
        options=options,
    )
    return search.run()


def _require_batches(plan: Plan, batch_size: Sequence[int]) -> None:
    if not plan.is_batched:
        raise UsageError(
            f"tune(batch_size={list(batch_size)!r}): no stage takes batches; "
            "declare which one does, e.g. Stage(embed, batch=8), with a function that takes a list"
        )


@dataclass(slots=True)
class _Search:
    """One search, and what it knows so far."""

    plan: Plan
    items: Any
    arms: list[Executor]
    baseline: Executor
    queue_sizes: Sequence[int]
    batch_sizes: Sequence[int]
    most_workers: int
    budget_s: float
    observer: Observer
    so_far: Callable[[Tuning], object]
    options: Mapping[str, Any]
    spent_s: float = 0.0
    profile: Comparison | None = None
    start: Tried | None = None
    start_s: float = 0.0
    """Simulated makespan of the setting as declared, seconds."""
    found: list[Predicted] = field(default_factory=list)
    measured: list[Tried] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """Codes of the settings that were measured."""

    def run(self) -> Tuning:
        """Profile, predict, confirm."""
        self._profile()
        if self.options.get("mode") == "off":
            return self._record("measuring is switched off: nothing was searched")
        self._predict()
        self.so_far(self._record("interrupted", is_complete=False))
        return self._confirm()

    def _profile(self) -> None:
        made = self._compare(
            "the setting as declared",
            self.plan,
            executors=self.arms,
            baseline=self.baseline,
            budget_s=PROFILE_SHARE * self.budget_s,
        )
        able = [each for each in self.arms if not made[each.name].unavailable]
        if not able:
            causes = "; ".join(f"{each.name}: {made[each.name].unavailable}" for each in self.arms)
            raise UsageError(f"tune: no executor can run here ({causes})")
        self.profile, self.arms = made, able
        first = made[able[0].name]
        self.start = Tried(
            Change(), first.executor, "", first.workers, None, makespan_s=first.makespan_s
        )

    def _predict(self) -> None:
        self.observer.progress("tune: simulating settings")
        for plan, baseline in self._batched():
            for executor in self.arms:
                space = Space(
                    self.most_workers, self.queue_sizes, hasattr(executor, "with_workers")
                )
                made = predictions(self._profiled(executor), executor.name, space, plan, baseline)
                if not self.found and made:
                    self.start_s = made[0].makespan_s
                self.found += made
        assert self.start is not None
        self.start = replace(self.start, predicted_speedup=1.0)

    def _batched(self) -> list[tuple[Plan, Trace]]:
        """Return the plan with each batch size, as declared first, and an execution of the baseline."""
        assert self.profile is not None
        trace = self.profile[self.baseline.name].trace
        assert trace is not None
        made = [(self.plan, trace)]
        names = [
            name
            for name, stage in zip(self.plan.names, self.plan.stages, strict=True)
            if stage.batch is not None
        ]
        for size in dict.fromkeys(self.batch_sizes):
            plan = Change(batch=dict.fromkeys(names, size)).applied(self.plan)
            if plan == self.plan:
                continue
            once = self._compare(
                f"batch_size={size} once",
                plan,
                executors=[self.baseline],
                baseline=self.baseline,
                budget_s=self.budget_s,
                mode="off",
            )
            trace = once[self.baseline.name].trace
            assert trace is not None
            made.append((plan, trace))
        return made

    def _profiled(self, executor: Executor) -> Profiled:
        made = self.profile
        assert made is not None
        baseline, arm = made[self.baseline.name].trace, made[executor.name]
        assert baseline is not None
        assert arm.trace is not None
        assert made.environment is not None
        cores, quota = float(made.environment.cores_usable), made.environment.cpu_quota
        return Profiled(
            plan=self.plan,
            baseline=baseline,
            trace=arm.trace,
            width=arm.workers,
            host=Host(cores if quota is None else min(cores, quota), made.gil_shares),
            shipping=made.shipping,
            others=frozenset(made.arms),
        )

    def _confirm(self) -> Tuning:
        while True:
            left = self._promising()
            if not left:
                return self._record(self._exhausted())
            count = self._at_once(left)
            if not count:
                return self._record(
                    f"the budget of {self.budget_s:g} s is spent; {len(left)} more settings looked promising",
                    is_complete=False,
                )
            self._measure(left[:count])
            self.so_far(self._record("interrupted", is_complete=False))

    def _at_once(self, left: Sequence[Predicted]) -> int:
        """Return how many settings the rest of the budget can measure well enough to tell them apart.

        0 ends the search; one is always measured.
        """
        assert self.start is not None
        start_s = self.start.makespan_s or LEAST_EXECUTION_S
        repeats = max(1.0, LEAST_EXECUTION_S / start_s)
        for count in range(min(AT_ONCE, len(left)), 0, -1):
            others_s = sum(start_s / max(1e-9, self._gain(each)) for each in left[:count])
            if ROUNDS * SUB_PAIRS * repeats * (min(2, count) * start_s + others_s) <= self._share_s(
                count
            ):
                return count
        return 0 if self.measured else 1

    def _share_s(self, count: int) -> float:
        """Return the seconds for measuring `count` settings: half of what is left when it is for several."""
        left_s = self.budget_s - self.spent_s
        return max(LEAST_SHARE * self.budget_s, left_s if count == 1 else left_s / 2)

    def _promising(self) -> list[Predicted]:
        """Return what may beat the fastest measured setting, or is cheaper and may be as fast."""
        assert self.start is not None
        values = {id(each): each.speedup.value for each in self.measured if each.speedup}
        fastest = max(self.measured, key=lambda each: values.get(id(each), 0.0), default=None)
        best, workers = 1.0, self.start.total_workers
        if fastest is not None and values.get(id(fastest), 0.0) > 1.0:
            best, workers = values[id(fastest)], fastest.total_workers
        return [
            each
            for each in worth_measuring(self.found)
            if (code := self._code(each)) and code not in self.seen
            if self._gain(each) >= best * WORTH
            or (each.workers < workers and self._gain(each) >= best * (1 - CLOSE))
        ]

    def _exhausted(self) -> str:
        if not self.measured:
            return (
                f"none of {len(self.found)} simulated settings is predicted to gain {WORTH - 1:.0%}"
            )
        return f"no other setting is predicted to be {WORTH - 1:.0%} faster than the fastest one measured"

    def _measure(self, chosen: Sequence[Predicted]) -> None:
        """Measure settings in the same rounds as the one as declared."""
        by_name = {each.name: each for each in self.arms}
        start = InSetting(self.arms[0], Change(), self.arms[0].name)
        arms = {f"{each.executor} ({each.change.words()})": each for each in chosen}
        made = self._compare(
            "1 setting" if len(chosen) == 1 else f"{len(chosen)} settings",
            self.plan,
            executors=[
                InSetting(by_name[each.executor], each.change, name) for name, each in arms.items()
            ],
            baseline=start,
            budget_s=self._share_s(len(chosen)),
            predicts=False,
        )
        for name, each in arms.items():
            arm = made[name]
            self.measured.append(
                replace(self._tried(each), speedup=arm.speedup, makespan_s=arm.makespan_s)
            )
            self.seen.add(self._code(each))

    def _compare(self, what: str, plan: Plan, *, budget_s: float, **options: Any) -> Comparison:
        made = compare(
            plan.stages,
            self.items,
            budget_s=_UNGATED_SHARE * budget_s,
            observer=Numbered(self.observer, f"tune ({what})"),
            **{**self.options, **options},
        )
        self.spent_s += made.seconds
        wrong = [finding.headline for finding in made.findings if finding.verdict.fails]
        if wrong:
            raise UsageError(f"tune stopped at {what}: {'; '.join(wrong)}")
        return made

    def _gain(self, each: Predicted) -> float:
        return self.start_s / each.makespan_s if each.makespan_s else 1.0

    def _code(self, each: Predicted) -> str:
        """Return what to write for a setting; empty for the one that all are compared with."""
        stages = replace(each.change, pool=None).code()
        arm = next(arm for arm in self.arms if arm.name == each.executor)
        if each.change.pool is not None:
            chosen = f"executors=[{type(arm).__name__}(workers={each.change.pool})]"
        else:
            chosen = "" if arm is self.arms[0] else f'executors=["{arm.name}"]'
        return ", ".join(filter(None, [chosen, stages]))

    def _tried(self, each: Predicted) -> Tried:
        return Tried(each.change, each.executor, self._code(each), each.workers, self._gain(each))

    def _record(self, reason: str, *, is_complete: bool = True) -> Tuning:
        assert self.start is not None
        assert self.profile is not None
        best, ties = choose(self.start, self.measured)
        if any(each.speedup and each.speedup.lower is None for each in self.measured):
            reason += "; some had too few rounds to be told from others: give it a larger budget"
        others = {
            code: each
            for each in sorted(self.found, key=lambda each: -each.makespan_s)
            if (code := self._code(each)) and code not in self.seen
        }
        promising = {self._code(each) for each in worth_measuring(self.found)}
        rest = sorted(
            (self._tried(each) for each in reversed(others.values())),
            key=lambda each: each.code not in promising,
        )
        return Tuning(
            stages=self.plan.names,
            num_items=self.profile.num_items,
            start=self.start,
            best=best,
            ties=ties,
            tried=(self.start, *self.measured, *rest[:MOST_SHOWN]),
            num_predicted=len(self.found),
            reason=reason,
            is_complete=is_complete,
            seconds=self.spent_s,
            unavailable={
                arm.executor: arm.unavailable
                for arm in self.profile.arms.values()
                if arm.unavailable
            },
        )
