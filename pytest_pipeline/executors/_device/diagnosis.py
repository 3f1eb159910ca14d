"""The diagnosis round of a device: one item at a time, every operation alone, calls that wait named."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pytest_pipeline.executors._device.alone import AloneBackend
from pytest_pipeline.executors._device.parts import diagnosed
from pytest_pipeline.executors._device.sync_calls import SyncDebug, SyncWatch
from pytest_pipeline.executors._summary import summary
from pytest_pipeline.model.device import DeviceDiagnosis, DevicePart

MOST_ITEMS = 32
"""Items that a diagnosis runs at most: each of its operations waits for the device."""


def diagnose(
    run: Callable[[AloneBackend], int],
    backend: Any,
    devices: Sequence[str],
    *,
    cuda: SyncDebug | None,
    stage_of: Callable[[Any], str],
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> tuple[DeviceDiagnosis, ...]:
    """Return what one execution of `run` found out about every device.

    `run` executes the first items (`MOST_ITEMS` at most) in a ring of one slot on the backend that it is
    given, and returns how many it ran. `cuda` switches torch's debug mode; None where there is none.
    Nothing here fails a measurement: an error is a note, and comes again where it counts.
    """
    watch = None if cuda is None else SyncWatch(cuda)
    alone = AloneBackend(backend, watch=watch, stage_of=stage_of, now_ns=now_ns)
    try:
        with contextlib.nullcontext() if watch is None else watch:
            count = run(alone)
        found = diagnosed(alone.operations, count)
        return tuple(_completed(each, backend, watch, now_ns) for each in found)
    except Exception as problem:
        note = f"the parts were not measured alone: {summary(problem)}"
        return tuple(DeviceDiagnosis(name, 0, notes=(note,)) for name in devices)


def _completed(
    found: DeviceDiagnosis, backend: Any, watch: SyncWatch | None, now_ns: Callable[[], int]
) -> DeviceDiagnosis:
    # Python cannot tell for which replica a stage ran: the calls are those of the plan.
    return replace(
        found,
        both_ways_s=both_ways_s(backend, found, now_ns),
        sync_calls=None if watch is None else watch.found(),
    )


def both_ways_s(backend: Any, found: DeviceDiagnosis, now_ns: Callable[[], int]) -> float | None:
    """Copy what the items copied, in and out at the same time; None where only one way has copies."""
    parts = {part.name: part for part in found.parts}
    ways = [parts.get("H2D"), parts.get("D2H")]
    if not found.num_items or any(way is None or not way.bytes for way in ways):
        return None
    name = found.device
    copies = [
        _buffers(backend, name, way, found.num_items, is_in=is_in)
        for way, is_in in zip(ways, (True, False), strict=True)
        if way is not None
    ]
    backend.synchronize(name)
    began = now_ns()
    for _ in range(found.num_items):
        for stream, target, source in copies:
            backend.copy(stream, target, source)
    backend.synchronize(name)
    return (now_ns() - began) / 1e9


def _buffers(
    backend: Any, device: str, way: DevicePart, count: int, *, is_in: bool
) -> tuple[Any, Any, Any]:
    """Return stream, target and source of one copy of the mean size."""
    nbytes = max(1, way.bytes // count)
    stream = backend.stream(device)
    on_host = backend.span(backend.host_buffer(nbytes), nbytes)
    on_device = backend.span(backend.device_buffer(device, nbytes, stream), nbytes)
    return (stream, on_device, on_host) if is_in else (stream, on_host, on_device)
