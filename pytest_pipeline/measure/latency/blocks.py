"""Latency blocks: at least 100 consecutive items of one arm, under open-loop arrivals or a bounded closed loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from pytest_pipeline.judge.capacity import Capacity, why_no_reference
from pytest_pipeline.judge.latency import MIN_BLOCK_ITEMS
from pytest_pipeline.measure.control import RECHECK_EVERY, ControlMonitor
from pytest_pipeline.measure.instruments import no_garbage_collection
from pytest_pipeline.measure.items import schedule_ns
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.latency.excuses import (
    MOST_EXCUSED,
    are_foreign,
    made_late_by,
    others_explain,
)
from pytest_pipeline.measure.machine import Machine
from pytest_pipeline.measure.system.heartbeat import Gap, Heartbeat
from pytest_pipeline.measure.usage import UsageWatch, slowed_devices
from pytest_pipeline.model.plan import Arrivals, Source
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.rounds import LatencyBlock, Phase
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.units import show_share
from pytest_pipeline.stats.quantiles import quantile

LATE_GENERATOR_SHARE = 0.1
"""A p99 of send lag above this share of the limit makes the block dirty where others may have held up the generator.

The generator is a thread of this process. Stages that hold the GIL hold it up as well: that is no excuse of theirs,
and the latency counts from the intended start.
"""

LAPS_SHARE = 0.5
"""Share of the plan's timeout that the laps of one execution may take."""

IDLE_GAP_S = 0.05
"""Pause between blocks, so that one starts on drained workers (B3)."""


class BlockRunner:
    """Runs latency blocks of one arm for one requirement and appends each to `blocks` as it ends."""

    def __init__(
        self,
        lane: Lane,
        source: Source,
        *,
        num_items: int,
        requirement: Requirement,
        arrivals: Arrivals | None,
        machine: Machine,
        monitor: ControlMonitor,
        capacity: Capacity,
        blocks: list[LatencyBlock],
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._blocks = blocks
        self._lane = lane
        self._source = replace(source, in_flight=lane.width * lane.full_batch)
        self._num_items = num_items
        self._limit_s = requirement.effective_limit
        self.arrivals = _arrivals(requirement, arrivals)
        """How items arrive in open loop; None in closed loop."""
        self._machine = machine
        self._monitor = monitor
        self._capacity = capacity
        self._heartbeat = heartbeat
        self._executions = 0

    @property
    def executions(self) -> int:
        """Times that the items go through in one block."""
        return self._laps * math.ceil(MIN_BLOCK_ITEMS / self._num_items / self._laps)

    @property
    def _laps(self) -> int:
        """Times that the items go through in one execution.

        A rate is a load only while items follow each other: one execution for every few of them would start each
        time on empty queues. Batches have to come out as those of a single execution, and what the user sets up
        for an execution holds for the items once.
        """
        is_whole = not self._num_items % self._lane.full_batch
        if self.arrivals is None or not is_whole or self._lane.is_surrounded:
            return 1
        wanted = math.ceil(MIN_BLOCK_ITEMS / self._num_items)
        lap_s = self._num_items / self.arrivals.rate
        return max(1, min(wanted, int(LAPS_SHARE * self._lane.timeout_s / lap_s)))

    @property
    def rate_per_s(self) -> float | None:
        """Arrival rate, items per second; None in closed loop."""
        return None if self.arrivals is None else self.arrivals.rate

    @property
    def block_s(self) -> float | None:
        """Seconds that the arrivals of one block take; None in closed loop."""
        if self.arrivals is None:
            return None
        return self.executions * self._num_items / self.arrivals.rate

    def run(self, phase: Phase) -> LatencyBlock:
        """Run one block and return it."""
        if len(self._blocks) % RECHECK_EVERY == RECHECK_EVERY - 1:
            self._monitor.recheck()
        self._machine.clock.sleep(IDLE_GAP_S)
        watch = UsageWatch(self._machine)
        controls = [self._monitor.awake_s()]
        self._gaps()  # those before the first item are nobody's
        traces = self._traces()
        gaps = self._gaps()
        controls.append(self._monitor.awake_s())
        watch.stop()
        block = self._judged(phase, traces, gaps, controls, watch)
        self._blocks.append(block)
        return block

    def _judged(
        self,
        phase: Phase,
        traces: Sequence[Trace],
        gaps: Sequence[Gap],
        controls: Sequence[float],
        watch: UsageWatch,
    ) -> LatencyBlock:
        """Return the block of `traces`, clean or not by what was seen around them and never by how late they were."""
        latencies = [value for trace in traces for value in trace.latency_s.tolist()]
        lags = [value for trace in traces for value in trace.send_lag_s.tolist()]
        lag = quantile(lags, 0.99) if lags else 0.0
        foreign_s = watch.foreign_cpu_s
        excused = made_late_by(gaps, traces, self._limit_s) if are_foreign(gaps, foreign_s) else ()
        late_s = sum(lags) / self._lane.full_batch  # a batch was late once, not once per item
        disturbance = (
            ("" if latencies else "every item failed")
            or self._untrusted(was_throttled=watch.was_throttled)
            or next(slowed_devices(traces), "")
            or self._slowness(controls)
            or self._lateness(lag if others_explain(late_s, foreign_s) else 0.0)
            or _held_up(len(excused) / len(latencies))
        )
        return LatencyBlock(
            executor=self._lane.name,
            rate_per_s=self.rate_per_s,
            latencies_s=tuple(latencies),
            send_lag_p99_s=lag,
            is_clean=not disturbance,
            disturbance=disturbance,
            phase=phase,
            evidence=watch.evidence,
            excused=excused,
            together=max((trace.handed_over for trace in traces), default=1),
        )

    def _traces(self) -> list[Trace]:
        traces = []
        with no_garbage_collection():
            for _ in range(self.executions // self._laps):
                trace = self._lane.timed_execution(self._next_source(), laps=self._laps)
                self._keep_slowest(trace)
                traces.append(replace(trace, outputs=[]))
        return traces

    def _gaps(self) -> list[Gap]:
        return [] if self._heartbeat is None else self._heartbeat.gaps()

    def _keep_slowest(self, trace: Trace) -> None:
        if not len(trace.latency_s):
            return  # every item failed
        kept = self._lane.latency_profile
        if kept is None or float(trace.latency_s.max()) > float(kept.latency_s.max()):
            self._lane.latency_profile = replace(trace, outputs=[])

    def _next_source(self) -> Source:
        self._executions += 1
        if self.arrivals is None:
            return self._source
        laps, factory = self._laps, self._source.factory
        offsets = schedule_ns(self.arrivals, laps * self._num_items, execution=self._executions)
        return replace(
            self._source,
            factory=lambda: chain.from_iterable(factory() for _ in range(laps)),
            offsets_ns=offsets,
            in_flight=None,
        )

    def _untrusted(self, *, was_throttled: bool) -> str:
        if was_throttled:
            return "throttled: the CPU quota throttled this container during the block"
        why = why_no_reference(self._monitor.reference)
        return f"no valid reference: {why}" if why else ""

    def _slowness(self, controls: Sequence[float]) -> str:
        reference = self._monitor.reference.parallel_s
        if max(controls) <= self._capacity.clean_factor * reference:
            return ""
        return f"control kernel slow: {max(controls) / reference:.2f}x its reference time"

    def _lateness(self, lag_s: float) -> str:
        if lag_s <= LATE_GENERATOR_SHARE * self._limit_s:
            return ""
        return f"generator late: p99 of the send lag is {lag_s * 1e3:.1f} ms"


def _held_up(excused_share: float) -> str:
    if excused_share <= MOST_EXCUSED:
        return ""
    return f"no core for the heartbeat: others held every core and made {show_share(excused_share)} of the items late"


def _arrivals(requirement: Requirement, arrivals: Arrivals | None) -> Arrivals | None:
    if requirement.rate_per_s is None:
        return arrivals
    if arrivals is None:
        return Arrivals(requirement.rate_per_s)
    return replace(arrivals, rate=requirement.rate_per_s)
