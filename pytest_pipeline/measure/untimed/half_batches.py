"""One untimed execution of the baseline with half of every batch: two sizes tell what a call costs whatever it holds."""

from __future__ import annotations

from dataclasses import replace

from pytest_pipeline.errors import StageTimeoutError
from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.measure.budget import EXTRA_SHARE
from pytest_pipeline.measure.instruments import dropped_prints
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.whatif import HalfBatches


def halved(plan: Plan) -> Plan | None:
    """Return the plan with half of every batch; None when it has no batches, or odd ones."""
    sizes = plan.batches
    if not sizes or any(size % 2 for size in sizes.values()):
        return None
    return Change(batch={name: size // 2 for name, size in sizes.items()}).applied(plan)


def sample_half_batches(
    baseline: Lane, plan: Plan, source: Source, *, expected_s: float, budget_s: float
) -> HalfBatches | None:
    """Execute the baseline on half batches, or return None where that is not possible or takes too long.

    Smaller batches than declared: larger ones could take memory that nobody offered. The outputs are
    dropped, since a stage may well depend on its batch, and so is whatever it raises but a timeout.
    """
    plan_of_half = halved(plan)
    if plan_of_half is None or expected_s > EXTRA_SHARE * budget_s:
        return None
    trace = _executed(baseline, plan_of_half, source)
    return None if trace is None else HalfBatches(plan_of_half, replace(trace, outputs=[]))


def _executed(baseline: Lane, plan: Plan, source: Source) -> Trace | None:
    with baseline.surrounded(), dropped_prints():
        running = open_plan(baseline.executor, plan)
        try:
            return running.run(source)
        except StageTimeoutError:  # a worker hangs: nothing may be timed beside it
            raise
        except Exception:  # a batch size that the user did not ask for is no reason to fail
            return None
        finally:
            running.close()
