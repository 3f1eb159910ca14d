"""One round after the other: control, sub-pairs in balanced random order, control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from pytest_pipeline.judge.capacity import Capacity
from pytest_pipeline.judge.evidence import NOBODY_ELSE
from pytest_pipeline.measure.control import RECHECK_EVERY, ControlMonitor
from pytest_pipeline.measure.instruments import no_garbage_collection
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.machine import Machine
from pytest_pipeline.measure.paired.order import ArmOrder
from pytest_pipeline.measure.paired.taken import Taken
from pytest_pipeline.measure.shape import LONG_ARM_S, Shape
from pytest_pipeline.measure.usage import DEVICE, UsageWatch, slowed_devices
from pytest_pipeline.model.plan import Source
from pytest_pipeline.model.rounds import Phase, Round

QUOTA_TICKS_S = 0.02
"""CPU seconds beyond the quota that the counters' ticks of 10 ms may explain."""

QUOTA = "quota"
"""What the disturbance begins with when an arm used more than the quota sustains."""


class RoundRunner:
    """Runs rounds of one comparison and keeps them."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        source: Source,
        shape: Shape,
        *,
        machine: Machine,
        monitor: ControlMonitor,
        capacity: Capacity,
        began_ns: int,
        seed: int,
        cold: frozenset[str] = frozenset(),
        quota: float | None = None,
    ) -> None:
        self.rounds: list[Round] = []
        self._lanes = lanes
        self._source = source
        self._shape = shape
        self._machine = machine
        self._monitor = monitor
        self._capacity = capacity
        self._began_ns = began_ns
        self._cold = cold
        self._quota = quota
        self._order = ArmOrder(lanes, seed)

    def run(self, phase: Phase) -> Round:
        """Run one round and return it."""
        if len(self.rounds) % RECHECK_EVERY == RECHECK_EVERY - 1:
            self._monitor.recheck()
        began_s = (self._machine.clock.now_ns() - self._began_ns) / 1e9
        watch = UsageWatch(self._machine)
        controls: list[float] = []
        foreign: list[str] = []
        startups = self._cold_starts(controls, foreign)
        taken = {lane.name: Taken() for lane in self._lanes}
        with no_garbage_collection():
            self._all_pairs(taken, controls, foreign)
        watch.stop()
        disturbance, is_clean = self._disturbance(controls, foreign, watch)
        each = Round(
            index=len(self.rounds),
            phase=phase,
            began_s=began_s,
            makespans_s={name: tuple(each.makespans_s) for name, each in taken.items()},
            first_results_s={name: tuple(each.first_results_s) for name, each in taken.items()},
            overlaps={name: tuple(each.overlaps) for name, each in taken.items()},
            num_items=max(each.num_items for each in taken.values()),
            startups_s=startups,
            controls_s=tuple(controls),
            is_clean=is_clean,
            disturbance=disturbance,
            was_alone=watch.was_alone and self._is_all_on_cores,
            evidence=watch.evidence,
        )
        self.rounds.append(each)
        return each

    def _all_pairs(
        self, taken: Mapping[str, Taken], controls: list[float], foreign: list[str]
    ) -> None:
        controls.append(self._monitor.sample_s())
        for pair in range(self._shape.sub_pairs):
            if pair and not self._shape.is_short:
                controls.append(self._monitor.sample_s())
            self._sub_pair(taken, controls, foreign)
        controls.append(self._monitor.sample_s())

    @property
    def clean_factor(self) -> float:
        """Control time / reference up to which the machine counts as idle."""
        return self._capacity.clean_factor

    def _cold_starts(self, controls: list[float], foreign: list[str]) -> dict[str, float]:
        """Open the cold arms anew, after a control of their own, and return their start-ups, seconds.

        One execution follows: a warm gate on the same arm must not see workers in their first.
        """
        cold = [lane for lane in self._lanes if lane.name in self._cold]
        if not cold:
            return {}
        controls.append(self._monitor.sample_s())
        watch = UsageWatch(self._machine)
        for lane in cold:
            lane.reopen()
        watch.stop()
        if watch.seconds > LONG_ARM_S:  # the counters tick too slowly for less
            foreign.append(watch.intrusion)
        for lane in cold:
            lane.timed_execution(self._source)
        return {lane.name: lane.startup_s for lane in cold}

    def _sub_pair(
        self, taken: Mapping[str, Taken], controls: list[float], foreign: list[str]
    ) -> None:
        for position, lane in enumerate(self._order.draw()):
            if position and self._shape.has_long_arms:
                controls.append(self._monitor.sample_s())
            watch = UsageWatch(self._machine) if self._shape.has_long_arms else None
            foreign += self._sample(lane, taken[lane.name])
            if watch is not None:
                watch.stop()
                foreign += [self._over_quota(watch), watch.intrusion]
        for each in taken.values():
            each.end_pair()

    def _sample(self, lane: Lane, taken: Taken) -> list[str]:
        """Take one sample of an arm; return what slowed its devices down meanwhile."""
        slowed: list[str] = []
        for _ in range(self._shape.repeats):
            trace = lane.timed_execution(self._source)
            taken.add(trace)
            slowed += slowed_devices([trace])
        # Predictions start from the baseline's service times: they must not hold a neighbour's.
        keep = lane.keep_fastest if lane is self._lanes[0] else lane.keep_profile
        keep(trace)
        taken.end_sample(trace)
        return slowed

    @property
    def _is_all_on_cores(self) -> bool:
        """Whether nobody disturbs the arms without using a core: a device has neighbours that no counter of ours shows."""
        profiles = [lane.profile for lane in self._lanes]
        has_devices = any(profile is not None and profile.devices for profile in profiles)
        return self._capacity.is_computing_plan and not has_devices

    def _over_quota(self, watch: UsageWatch) -> str:
        if self._quota is None or watch.own_cpu_s <= self._quota * watch.seconds + QUOTA_TICKS_S:
            return ""
        used = watch.own_cpu_s / max(1e-9, watch.seconds)
        return (
            f"{QUOTA}: an arm used {used:.2f} cores, the quota of {self._quota:g} sustains no more"
        )

    def _disturbance(
        self, controls: Sequence[float], foreign: Sequence[str], watch: UsageWatch
    ) -> tuple[str, bool]:
        """Return what was seen, and whether the round is clean all the same.

        A slow control proves a neighbour only when there was one: with nobody else on the cores it shows
        where the scheduler put our own threads, or the clock, which both arms share.
        """
        certain = self._certain_disturbance(controls, foreign, watch)
        if certain:
            return certain, False
        others = "" if self._capacity.is_waiting_plan else next(filter(None, foreign), "")
        slow = self._slowness(controls[1 if self._cold else 0 :])
        if slow and not others and watch.was_alone:
            return f"{NOBODY_ELSE}: {slow}", True
        return slow or others, not (slow or others)

    def _certain_disturbance(
        self, controls: Sequence[float], foreign: Sequence[str], watch: UsageWatch
    ) -> str:
        if watch.was_throttled:
            return "throttled: the CPU quota throttled this container during the round"
        crowd = replace(self._capacity, reference=self._monitor.reference).crowd
        if crowd:
            return f"no valid reference: {crowd}"
        certain = next((text for text in foreign if text.startswith((QUOTA, DEVICE))), "")
        slowest = max(controls[:2]) / self._monitor.reference.parallel_s if self._cold else 0.0
        if certain or slowest <= self.clean_factor:
            return certain
        return f"control kernel slow beside the start-up: {slowest:.2f}x its reference time"

    def _slowness(self, controls: Sequence[float]) -> str:
        reference = self._monitor.reference.parallel_s
        if self._controls_clean(controls, self._capacity.clean_factor * reference):
            return ""
        return f"control kernel slow: {max(controls) / reference:.2f}x its reference time"

    def _controls_clean(self, controls: Sequence[float], limit: float) -> bool:
        if self._shape.is_short or self._capacity.is_waiting_plan:
            return min(controls) <= limit
        if self._shape.has_long_arms:
            return max(controls) <= limit
        # One sub-pair between two clean controls is the clean window that the minimum needs.
        return any(max(pair) <= limit for pair in pairwise(controls))
