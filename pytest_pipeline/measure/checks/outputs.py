"""Are the outputs of every execution those of the baseline? Item by item, whatever failed meanwhile."""

from __future__ import annotations

from typing import Any

from pytest_pipeline.measure.checks.digest import digest
from pytest_pipeline.measure.checks.equality import Check, compare_outputs
from pytest_pipeline.measure.checks.sameness import Mismatch
from pytest_pipeline.measure.checks.snapshot import Room, Snapshot
from pytest_pipeline.model.plan import Close
from pytest_pipeline.model.trace import Trace


class OutputCheck:
    """Compares every execution's outputs with the baseline's.

    In full the first time per arm, then by digest; a digest that differs is confirmed in full,
    because pickles of equal values may differ.

    While errors are collected an item is compared whenever it came out in both arms: a flaky
    service fails at other items each time. What to expect of an item is what the baseline gave the
    first time it came out there, in its first execution or a later one.
    """

    def __init__(self, check: Check, *, in_full: bool = False) -> None:
        self._check = check
        self._in_full = in_full
        self._baseline: str | None = None
        self._num_items = 0
        self._expected: dict[int, Any] = {}
        self._as_learnt: Snapshot | None = None
        self._seen: dict[str, bytes | None] = {}
        self._are_alone: dict[str, bool] = {}

    @property
    def suits_every_stage(self) -> bool:
        """Whether it can compare what earlier stages put out: not where the user's own function decides, or nothing does."""
        return isinstance(self._check, str | Close)

    @property
    def alone(self) -> tuple[str, ...]:
        """The arms of which no output could be compared: every item failed in the baseline, each time."""
        if self._expected:
            return ()
        return tuple(arm for arm, is_alone in self._are_alone.items() if is_alone)

    def for_other_stages(self) -> OutputCheck:
        """Return such a check, always in full, that knows nothing yet."""
        return OutputCheck(self._check, in_full=True)

    def verify(self, arm: str, trace: Trace) -> None:
        """Raise `Mismatch` when outputs are not what the baseline gave for the same items.

        The first arm that comes here is the baseline.
        """
        if self._baseline is None:
            self._baseline, self._num_items = arm, _ended(trace)
        has_learnt = arm == self._baseline and self._learn(trace)
        if self._check is None:
            self._require_all(trace)
            return
        mark = None if self._in_full else digest((trace.failed_items, trace.outputs))
        if mark is not None and self._seen.get(arm) == mark:
            return
        if not has_learnt:
            self._require_untouched()
        self._compare(arm, trace, self._check)
        self._seen[arm] = mark

    def _learn(self, trace: Trace) -> bool:
        """Take what came out for the first time; tell whether anything did."""
        known = len(self._expected)
        if known == self._num_items:
            return False
        for item, output in by_item(trace):
            self._expected.setdefault(item, output)
        if len(self._expected) == known:
            return False
        self._seen.clear()  # what was compared so far was compared without these items
        if self.suits_every_stage:
            self._as_learnt = Snapshot([*self._expected.values()], Room())
        return True

    def _require_all(self, trace: Trace) -> None:
        """Whatever is compared: an arm with fewer outputs did less work."""
        if _ended(trace) != self._num_items:
            raise Mismatch(f"{_ended(trace)} outputs instead of {self._num_items}")

    def _compare(self, arm: str, trace: Trace, check: Check) -> None:
        self._require_all(trace)
        both = [(item, output) for item, output in by_item(trace) if item in self._expected]
        if trace.outputs:
            self._are_alone[arm] = not both and self._are_alone.get(arm, True)
        compare_outputs(
            [self._expected[item] for item, _ in both],
            [output for _, output in both],
            check,
            items=[item for item, _ in both],
        )

    def _require_untouched(self) -> None:
        """Refuse outputs that a later execution wrote into: they would be compared with themselves."""
        kept = self._as_learnt
        if kept is not None and kept.can_confirm and kept.has_changed([*self._expected.values()]):
            raise Mismatch(
                "the outputs that the baseline gave first are others by now: a later execution wrote into the same objects; "
                "return copies, and let every execution have items of its own"
            )


def _ended(trace: Trace) -> int:
    """Return how many items came out or failed."""
    return len(trace.outputs) + len(trace.failed_items)


def by_item(trace: Trace) -> list[tuple[int, Any]]:
    """Return the outputs with the index of their item."""
    failed = set(trace.failed_items)
    came_out = (item for item in range(_ended(trace)) if item not in failed)
    return list(zip(came_out, trace.outputs, strict=True))
