"""The baseline's first execution is watched, to name the stage that modifies an item in place.

Items are re-used by every execution, so a stage that changes them makes each execution different
work. A list is fingerprinted item by item, after every stage; callables make fresh items and need
no watching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from pytest_pipeline.clock import Clock
from pytest_pipeline.errors import UsageError
from pytest_pipeline.measure.checks.item_kinds import ItemKinds
from pytest_pipeline.measure.checks.outputs import by_item
from pytest_pipeline.measure.checks.snapshot import Room, Snapshot
from pytest_pipeline.model.callables import refuse_awaitable, refuse_lazy
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.trace import Trace


class ItemWatch:
    """Wraps a plan and a source for one serial execution and notes the first modified item.

    With `watches_outputs` it notes what the last stage returns, too: what is written to later cannot be compared.
    """

    def __init__(
        self, plan: Plan, source: Source, clock: Clock, *, watches_outputs: bool = False
    ) -> None:
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
        self.items = Items()
        self.kinds = ItemKinds()
        """What the items are like."""
        self.modified = ""
        self._item: Any = None
        self._first, self._last = plan.names[0], plan.names[-1]
        self._watches_outputs = watches_outputs
        self._number = -1
        """Of the item that is being served: the source may have read on."""
        self._refusal: UsageError | None = None
        self._returned: dict[int, Snapshot] = {}
        self._room = Room()

    def _take(self, output: Any) -> None:
        """Note what the last stage returned; before it, a later stage may do what is left to do."""
        try:
            refuse_awaitable(self._last, output)
            refuse_lazy(self._last, output)
        except UsageError as refusal:
            # Raised after the run: where errors are collected it would be a failed item.
            self._refusal = self._refusal or refusal
        if self._watches_outputs and self._refusal is None:
            self._returned[self._number] = Snapshot(output, self._room)

    def raise_refusal(self) -> None:
        """Raise what was wrong with an output, whatever the check."""
        if self._refusal is not None:
            raise self._refusal

    def modified_by(self, arm: str, source: Source) -> str:
        """Return a sentence when a stage, or `arm` at least, has made an item another one; else an empty string."""
        return self.items.modified_by(arm, source, noticed=self.modified)

    def rewritten(self, trace: Trace) -> str:
        """Return a sentence when an output was another one when its stage returned it, else an empty string."""
        for item, output in by_item(trace):
            before = self._returned.get(item)
            if before is not None and before.can_confirm and before.has_changed(output):
                return f"output {item} was written to after stage {self._last!r} had returned it, so that it cannot be compared"
        return ""

    def _noting(self, source: Source) -> Iterator[Any]:
        for item in source.factory():
            self._item = item
            self.kinds.add(item)
            self.items.add(item, is_fresh=source.is_timed)
            yield item

    def _watched(self, fn: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
        def watched(value: Any) -> Any:
            self._number += name == self._first
            result = fn(value)
            before_ns = self._clock.now_ns()
            if not self.modified and self.items.has_changed(-1, self._item):
                self.modified = _sentence(f"stage {name!r}", len(self.items) - 1)
            if name == self._last:
                self._take(result)
            self.checking_ns[name].append(self._clock.now_ns() - before_ns)
            return result

        return watched


class Items:
    """The items of the first execution as they were before any stage had them."""

    def __init__(self) -> None:
        self._before: list[Snapshot | None] = []
        self._first: Any = None
        self._room = Room()

    def __len__(self) -> int:
        return len(self._before)

    def add(self, item: Any, *, is_fresh: bool) -> None:
        """Take the next item; a fresh one may be modified, nobody gets it again."""
        if not self._before:
            self._first = item
        self._before.append(None if is_fresh else Snapshot(item, self._room))

    def has_changed(self, index: int, item: Any) -> bool:
        """Tell whether the item with this index is another one by now."""
        before = self._before[index]
        return before is not None and before.has_changed(item)

    def modified_by(self, arm: str, source: Source, *, noticed: str = "") -> str:
        """Return `noticed`, or a sentence when an item is another one after `arm` ran; else an empty string.

        Empty as well where every iteration has other objects, as that of a `DataLoader`: what a stage does to
        one of them is over with it.
        """
        if not any(self._before):
            return ""
        if source.is_lazy and next(source.factory(), None) is not self._first:
            return ""
        if noticed:
            return noticed
        for index, item in enumerate(islice(source.factory(), len(self._before))):
            if self.has_changed(index, item):
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
