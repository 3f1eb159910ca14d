"""From operations that ran alone to the parts of each device: sums, medians, first and last item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from statistics import median

from pytest_pipeline.executors._device.alone import Operation, Step
from pytest_pipeline.model.device import DeviceDiagnosis, DevicePart


def diagnosed(operations: Sequence[Operation], num_items: int) -> tuple[DeviceDiagnosis, ...]:
    """Return one diagnosis per device, parts in the order of an item's way; a step that never ran has no part.

    `num_items` items went one at a time. An item begins where a step comes before the one it follows.
    Where that does not give so many items (nothing but kernels, say) first, last and median are the
    mean, and every device counts all the items.
    """
    placed = list(_placed(operations))
    items = list(_items(placed))
    if len(items) != num_items:
        items = []
    return tuple(
        _device(name, placed, items, num_items)
        for name in sorted({each.device for each in placed if each.device})
    )


def _device(
    name: str, placed: Sequence[Operation], items: Sequence[Sequence[Operation]], num_items: int
) -> DeviceDiagnosis:
    mine = [each for each in placed if each.device == name]
    visits = [[each for each in item if each.device == name] for item in items]
    visits = [visit for visit in visits if visit]
    count = len(visits) or num_items
    return DeviceDiagnosis(name, count, tuple(_parts(mine, visits, count)))


def _placed(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Give the host's work to the device it was for: what enters to the next one, what leaves to the last one."""
    device = ""
    ahead: list[Operation] = []
    for each in operations:
        if each.device:
            device = each.device
            yield from (replace(waiting, device=device) for waiting in ahead)
            ahead.clear()
            yield each
        elif each.step is Step.STAGE_IN:
            ahead.append(each)
        else:
            yield replace(each, device=device)


def _items(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    number, before = 0, Step.STAGE_IN
    numbered = []
    for each in operations:
        number += each.step < before
        before = each.step
        numbered.append((number, each))
    for _, group in groupby(numbered, key=lambda pair: pair[0]):
        yield [each for _, each in group]


def _parts(
    mine: Sequence[Operation], visits: Sequence[Sequence[Operation]], count: int
) -> Iterator[DevicePart]:
    for step in Step:
        found = [each for each in mine if each.step is step]
        if not found:
            continue
        total = _seconds(found, step)
        per_item = [_seconds(visit, step) for visit in visits] or [total / max(1, count)]
        yield DevicePart(
            name=step.label,
            total_s=total,
            median_s=median(per_item),
            first_s=per_item[0],
            last_s=per_item[-1],
            bytes=sum(each.nbytes for each in found),
        )


def _seconds(operations: Sequence[Operation], step: Step) -> float:
    return sum(each.ns for each in operations if each.step is step) / 1e9
