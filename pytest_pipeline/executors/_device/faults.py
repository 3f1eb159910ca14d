"""Errors of a device, told apart: no memory, a lost context, or the user's own; and what is left behind."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import FrameType, TracebackType
from typing import Any

from pytest_pipeline.errors import notes_of
from pytest_pipeline.executors._device.poison import poison
from pytest_pipeline.model.units import show_quantity

_LOST_CODES = frozenset({214, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719})
"""`cudaError_t` after which the context stays unusable: ECC, illegal address, launch timeout, destroyed
context, assert, hardware stack, illegal instruction, misaligned address, address space, program counter,
launch failure. Source: CUDA runtime API, "the process must be terminated and relaunched"."""

_LOST_TEXTS = (
    "device-side assert",
    "illegal memory access",
    "illegal instruction",
    "misaligned address",
    "unspecified launch failure",
    "launch timed out",
    "uncorrectable ecc error",
)
"""The same in words, for torch before 2.8, whose errors carry no code."""


class Fault(Enum):
    """What kind of error a device gave."""

    MEMORY = "memory"
    """An allocation failed; the device is fine."""
    LOST = "lost"
    """The context of this process is unusable from here on."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What the ring asked of a device when it failed."""

    device: str
    """As torch names it: `cuda:0`."""
    slots: int
    """Slots of the ring."""
    slot_bytes: int
    """Device memory of one slot's own buffers, bytes."""
    peak_allocated_bytes: int | None = None
    """Largest memory in tensors so far, bytes; None when unknown."""
    peak_reserved_bytes: int | None = None
    """Largest memory that the allocator held so far, bytes; None when unknown."""


def fault_of(error: BaseException, is_alive: Callable[[], bool] = lambda: True) -> Fault | None:
    """Return what the device's error means; None for an error of the user's own.

    `is_alive` tries the device with a synchronise; asked only for an error of the accelerator that
    neither its code nor its words explain.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return None
    text = str(error).lower()
    code = getattr(error, "error_code", None)
    if _is_a(torch, error, "OutOfMemoryError") or ("cuda" in text and "out of memory" in text):
        return Fault.MEMORY
    if code in _LOST_CODES or ("cuda" in text and any(each in text for each in _LOST_TEXTS)):
        return Fault.LOST
    if _is_a(torch, error, "AcceleratorError") and not is_alive():
        return Fault.LOST
    return None


def explain(
    error: BaseException,
    demand: Demand,
    *,
    drop: Callable[[], None],
    is_alive: Callable[[], bool] = lambda: True,
    is_memory: bool = False,
) -> None:
    """Say on `error` what it means, and leave the device as clean as it can be. The error itself stays what it is.

    Out of memory gets slots x bytes and the remedy, after `drop` has let go of the slots. A lost
    context is remembered, so that later tests in this process are told (`poison`); nothing is
    cleaned then, since every call would fail. Any other error is left alone. `is_memory` says that
    the device calls it out of memory.
    """
    fault = Fault.MEMORY if is_memory else fault_of(error, is_alive)
    if fault is Fault.LOST:
        poison(": ".join([*_place(error), _first_line(error)]))
        error.add_note(
            "CUDA is unusable in this process from here on, and later CUDA tests are skipped; "
            "next: run this test alone with CUDA_LAUNCH_BLOCKING=1, which names the failing line"
        )
    elif fault is Fault.MEMORY:
        error.add_note(memory_text(demand))
        leave_clean(error, drop)


def _place(error: BaseException) -> list[str]:
    """Return the note that names stage and item, when there is one."""
    return [note for note in notes_of(error) if note.startswith("stage ")][:1]


def memory_text(demand: Demand) -> str:
    """Return seen, required, likely cause and next step."""
    noun = "slot" if demand.slots == 1 else "slots"
    ring = f"{demand.slots} {noun} x {_size(demand.slot_bytes)} = {_size(demand.slots * demand.slot_bytes)}"
    known = (
        (demand.peak_allocated_bytes, "in tensors"),
        (demand.peak_reserved_bytes, "held by the allocator"),
    )
    peaks = ", ".join(f"{_size(value)} {what}" for value, what in known if value is not None)
    fewer = (
        f"fewer slots, Cuda(slots={demand.slots - 1}), or smaller items or batches"
        if demand.slots > 1
        else "smaller items or batches (there is only one slot)"
    )
    return (
        f"out of memory on {demand.device}: the ring asks for {ring}, and what the stages make of it comes on top"
        f"{f' (peak {peaks})' if peaks else ''}; next: {fewer}"
    )


def leave_clean(error: BaseException, drop: Callable[[], None]) -> None:
    """Let go of everything on the device: the slots, the tensors in the frames of `error`, the allocator's cache."""
    drop()
    for each in _chain(error):
        _clear_frames(each.__traceback__)
    gc.collect()
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():
        # The error on its way says more than whatever the allocator has against it.
        with contextlib.suppress(Exception):
            cuda.empty_cache()


def _clear_frames(trace: TracebackType | None) -> None:
    """Clear the frames of a traceback and those that called them, as far as they have ended.

    A traceback ends where the error was caught; a frame object keeps its caller's too, and so the
    locals of a worker thread's loop would live as long as the error.
    """
    while trace is not None:
        frame: FrameType | None = trace.tb_frame
        while frame is not None:
            try:
                frame.clear()
            except RuntimeError:  # it still runs, and so do its callers
                break
            frame = frame.f_back
        trace = trace.tb_next


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _is_a(torch: Any, error: BaseException, name: str) -> bool:
    kind = getattr(torch, name, None)
    return isinstance(kind, type) and isinstance(error, kind)


def _first_line(error: BaseException) -> str:
    line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _size(value: int) -> str:
    return show_quantity(value, "B")
