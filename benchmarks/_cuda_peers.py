"""What people write today to put items through a device, as functions of (items, fn, device) that return the outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Loop = Callable[[], list[Any]]
"""Runs all the items once and returns the outputs, on the host and complete."""


def naive(items: Sequence[Any], fn: Callable[[Any], Any], device: str) -> Loop:
    """`.to(device)`, compute, `.cpu()`, from pageable memory."""
    return lambda: [fn(item.to(device)).cpu() for item in items]


def pinned(items: Sequence[Any], fn: Callable[[Any], Any], device: str) -> Loop:
    """Page-locked buffers for in and out, one stream, synchronised per item: the baseline of a cuda arm."""
    import torch

    sources = pinned_items(items, device)
    sample = fn(sources[0].to(device))
    back = host_like(sample, device)

    def run() -> list[Any]:
        outputs = []
        for source in sources:
            result = fn(source.to(device, non_blocking=True))
            back.copy_(result, non_blocking=True)
            synchronize(torch, device)
            outputs.append(back.clone())
        return outputs

    return run


def prefetching_loader(
    items: Sequence[Any], fn: Callable[[Any], Any], device: str, *, workers: int
) -> Loop:
    """`DataLoader(pin_memory=True)` whose next item is copied on a stream of its own meanwhile."""
    import torch

    loader = torch.utils.data.DataLoader(
        list(items),  # a list is a map-style dataset
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device != "cpu",
    )
    # One for all the runs: what is copied on another stream than before is allocated anew.
    side = None if device == "cpu" else torch.cuda.Stream()

    def run() -> list[Any]:
        return [fn(item).cpu() for item in _ahead(torch, loader, side, device)]

    return run


def _ahead(torch: Any, loader: Any, side: Any, device: str) -> Iterator[Any]:
    """Yield items on the device, one copy ahead on the stream `side`."""
    if side is None:
        yield from loader
        return
    ready = None
    for item in loader:
        with torch.cuda.stream(side):
            there = item.to(device, non_blocking=True)
            mark = side.record_event()
        if ready is not None:
            yield _taken(torch, *ready)
        ready = (there, mark)
    if ready is not None:
        yield _taken(torch, *ready)


def _taken(torch: Any, there: Any, mark: Any) -> Any:
    current = torch.cuda.current_stream()
    current.wait_event(mark)
    there.record_stream(current)
    return there


def pinned_items(items: Sequence[Any], device: str) -> list[Any]:
    """Page-locked copies of the items, each distinct one once; the items themselves on the CPU."""
    if device == "cpu":
        return list(items)
    made = {id(item): item.pin_memory() for item in items}
    return [made[id(item)] for item in items]


def host_like(result: Any, device: str) -> Any:
    """Return a host buffer for `result`, page-locked where there is a device."""
    import torch

    return torch.empty(result.shape, dtype=result.dtype, pin_memory=device != "cpu")


def synchronize(torch: Any, device: str) -> None:
    """Wait for the device; nothing to wait for on the CPU."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def select(device: str) -> None:
    """Make the device current: plain streams and events are of the current one."""
    import torch

    torch.cuda.set_device(device)


@contextlib.contextmanager
def inference() -> Iterator[None]:
    """Without gradients, for every arm alike."""
    import torch

    with torch.inference_mode():
        yield
