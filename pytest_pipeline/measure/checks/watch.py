"""The baseline's first execution is watched, to name the stage that modifies an item in place.

Items are re-used by every execution, so a stage that changes them makes each execution different
work. A list is fingerprinted item by item, after every stage; callables make fresh items and need
no watching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pytest_pipeline.clock import Clock
from pytest_pipeline.measure.checks.digest import digest
from pytest_pipeline.measure.checks.item_kinds import ItemKinds
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.trace import Trace


class ItemWatch:
    """Wraps a plan and a source for one serial execution and notes the first modified item."""

    def __init__(self, plan: Plan, source: Source, clock: Clock) -> None:
        self.checking_ns: dict[str, list[int]] = {name: [] for name in plan.names}
        """Per stage and item: what the fingerprint took, which the stage's service time includes."""
        self._clock = clock
        self.plan = replace(
            plan,
            stages=tuple(
                replace(stage, fn=self._watched(stage.fn, name), name=stage.label)
                for stage, name in zip(plan.stages, plan.names, strict=True)
            ),
        )
        self.source = replace(source, factory=lambda: self._noting(source))
        self.marks: list[bytes | None] = []
        self.kinds = ItemKinds()
        """What the items are like."""
        self.modified = ""
        self._item: Any = None

    def _noting(self, source: Source) -> Iterator[Any]:
        for item in source.factory():
            self._item = item
            self.kinds.add(item)
            self.marks.append(None if source.is_timed else digest(item))
            yield item

    def _watched(self, fn: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
        def watched(value: Any) -> Any:
            result = fn(value)
            before_ns = self._clock.now_ns()
            mark = self.marks[-1]
            if mark is not None and not self.modified and digest(self._item) != mark:
                self.modified = _sentence(f"stage {name!r}", len(self.marks) - 1)
            self.checking_ns[name].append(self._clock.now_ns() - before_ns)
            return result

        return watched


def modified_since(source: Source, marks: list[bytes | None], arm: str) -> str:
    """Return a sentence when an item no longer has its fingerprint after `arm` ran, else an empty string."""
    if source.is_timed or not any(marks):
        return ""
    for index, (item, mark) in enumerate(zip(source.factory(), marks, strict=False)):
        if mark is not None and digest(item) != mark:
            return _sentence(f"a stage under {arm}", index)
    return ""


def median_services_s(
    trace: Trace, checking_ns: Mapping[str, Sequence[int]] | None = None
) -> dict[str, float]:
    """Return the median service time of each stage, seconds, without the `checking_ns` of each of its items."""
    visits, medians = trace.visits, {}
    for index, name in enumerate(trace.stage_names):
        mine = np.flatnonzero(visits.stage == index)
        mine = mine[np.argsort(visits.item[mine], kind="stable")]
        service_ns = visits.finished_ns[mine] - visits.started_ns[mine]
        checking = (checking_ns or {}).get(name, ())
        if len(checking) == len(mine):
            service_ns = service_ns - np.array(checking, dtype=np.int64)
        if len(mine):
            medians[name] = float(np.median(service_ns)) / 1e9
    return medians


def _sentence(who: str, index: int) -> str:
    return (
        f"{who} modified item {index}: items are re-used by every execution, "
        "so pass a callable that makes fresh ones, or copy inside the stage"
    )
