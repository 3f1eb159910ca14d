"""One profile of the setting as declared -> what other settings are predicted to take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.explain.ceiling import Host
from pytest_pipeline.explain.profiled import Profiled
from pytest_pipeline.explain.search import Predicted, Space, predictions
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.comparison import Comparison
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.tuning import Tried
from pytest_pipeline.setting import with_pool
from pytest_pipeline.tuning.expressions import expression
from pytest_pipeline.tuning.runs import Runs

PROFILE_SHARE = 0.25
"""Share of the budget for the setting as declared under every executor, which all predictions rest on."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The setting as declared under every executor that can run here."""

    plan: Plan
    """As declared."""
    arms: Sequence[Executor]
    """Those that can run; speedups refer to the first."""
    baseline: str
    """Name of the arm whose service times are simulated."""
    made: Comparison
    """All of them beside the baseline."""
    extra: Mapping[str, Executor] | None = None
    """Executors that hooks have added, by the names that stand for them."""

    @property
    def start(self) -> Tried:
        """The setting that the others are compared with, before the model has run."""
        first = self.made[self.arms[0].name]
        return Tried(Change(), first.executor, "", first.workers, None, makespan_s=first.makespan_s)

    def of(self, executor: str) -> Profiled:
        """Return what predictions for `executor` start from."""
        made, arm = self.made, self.made[executor]
        assert arm.trace is not None
        assert made.environment is not None
        return Profiled(
            plan=self.plan,
            baseline=self.serial_trace,
            trace=arm.trace,
            width=arm.workers,
            host=Host(made.environment.cores, made.gil_shares),
            shipping=made.shipping,
            others=frozenset(made.arms),
        )

    @property
    def serial_trace(self) -> Trace:
        """The baseline's profiled execution."""
        trace = self.made[self.baseline].trace
        assert trace is not None
        return trace

    def code(self, executor: str, change: Change) -> str:
        """Return what to write for a setting; empty for the one that all are compared with."""
        arm = next(arm for arm in self.arms if arm.name == executor)
        parts = [replace(change, pool=None).code(plan=self.plan)]
        if change.pool is not None or arm is not self.arms[0]:
            # The same call as `InSetting` makes: what is written is what was measured.
            sized = arm if change.pool is None else with_pool(arm, change.pool)
            parts.insert(0, f"executors=[{expression(sized, self.extra)}]")
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Proposals:
    """All the settings that were simulated."""

    profile: Profile
    """What they rest on."""
    found: Sequence[Predicted]
    """The first is the setting as declared under the first executor."""

    def gain(self, each: Predicted) -> float:
        """Return the predicted speedup over the setting as declared."""
        return self.found[0].makespan_s / each.makespan_s if each.makespan_s else 1.0

    def code(self, each: Predicted) -> str:
        """Return what to write for it."""
        return self.profile.code(each.executor, each.change)

    def tried(self, each: Predicted) -> Tried:
        """Return its entry in the record, not measured yet."""
        code, gain = self.code(each), self.gain(each)
        return Tried(each.change, each.executor, code, each.workers, gain)


def take_profile(
    runs: Runs,
    plan: Plan,
    arms: Sequence[Executor],
    baseline: Executor,
    extra: Mapping[str, Executor] | None = None,
) -> Profile:
    """Measure the setting as declared; raises `UsageError` when none of the executors can run here."""
    made = runs.compare(
        "the setting as declared",
        plan,
        executors=arms,
        baseline=baseline,
        share_s=PROFILE_SHARE * runs.budget_s,
    )
    able = [each for each in arms if not made[each.name].unavailable]
    if not able:
        causes = "; ".join(f"{each.name}: {made[each.name].unavailable}" for each in arms)
        raise UsageError(f"tune: no executor can run here ({causes})")
    return Profile(plan, able, baseline.name, made, extra)


def propose(
    runs: Runs,
    profile: Profile,
    baseline: Executor,
    *,
    batch_sizes: Sequence[int],
    queue_sizes: Sequence[int],
    most_workers: int,
) -> Proposals:
    """Simulate settings of every executor, and of every batch size, which the baseline executes once."""
    runs.observer.progress("tune: simulating settings")
    found: list[Predicted] = []
    for plan, trace in _batched(runs, profile, baseline, batch_sizes):
        for executor in profile.arms:
            space = Space(most_workers, queue_sizes, hasattr(executor, "with_workers"))
            found += predictions(profile.of(executor.name), executor.name, space, plan, trace)
    return Proposals(profile, found)


def _batched(
    runs: Runs, profile: Profile, baseline: Executor, sizes: Sequence[int]
) -> Iterator[tuple[Plan, Trace]]:
    """Yield the plan with each batch size, as declared first, and an execution of the baseline."""
    plan = profile.plan
    yield plan, profile.serial_trace
    for size in dict.fromkeys(sizes):
        changed = Change(batch=dict.fromkeys(plan.batches, size)).applied(plan)
        if changed == plan:
            continue
        once = runs.compare(
            f"batch_size={size} once",
            changed,
            executors=[baseline],
            baseline=baseline,
            share_s=runs.budget_s,
            mode="off",
        )
        trace = once[baseline.name].trace
        assert trace is not None
        yield changed, trace
