"""Carry the test's context into workers: per-thread modes of torch and numpy, and the caps on BLAS and OpenMP threads.

`contextvars` are copied by the crew; no copy reaches torch's modes (`_torch_state`), numpy 1's `errstate`, and
the number of threads that OpenMP gives a caller. The context variable of numpy 2 holds something that does not
pickle, so that it reaches no other process.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytest_pipeline.executors._torch_state import (
    TorchModes,
    capture_torch_modes,
    enter_torch_modes,
    loaded_torch,
)

_HELD = threading.local()
"""`cap`: what `hold_openmp` did last in this thread."""

_POOLS: list[tuple[int, tuple[Any, ...]]] = [(0, ())]
"""(loaded modules, controllers of pools): to look for pools takes up to 1 ms, and it is imports that bring them."""


@dataclass(frozen=True, slots=True)
class Modes:
    """What the calling thread computes under."""

    float_errors: dict[str, Any]
    """What numpy does about divisions by zero, overflows and the like; not where it calls or writes to something."""
    torch: TorchModes | None
    """None without torch, or when all are the default."""


def capture_modes() -> Modes:
    """Return the calling thread's modes."""
    # `call` and `log` need an object that may not pickle: a worker process keeps its own mode there.
    float_errors = {what: how for what, how in np.geterr().items() if how not in {"call", "log"}}
    return Modes(float_errors, capture_torch_modes())


@contextlib.contextmanager
def applied(modes: Modes) -> Iterator[None]:
    """Hold `modes` in the current thread while inside."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(np.errstate(**modes.float_errors))
        if modes.torch is not None:
            enter_torch_modes(modes.torch, stack)
        yield


def blas_cap() -> int | None:
    """Return the cap on the BLAS pools of this process; None while nobody has looked at them.

    Measurement caps them with threadpoolctl. A worker process starts with pools of its own, and
    would compute on more cores than the baseline.
    """
    return max((int(pool.get_num_threads()) for pool in _pools()), default=None)


@contextlib.contextmanager
def capped_blas(cap: int | None) -> Iterator[None]:
    """Hold the BLAS pools of this process at `cap` threads while inside."""
    if cap is None:
        yield
        return
    import threadpoolctl

    _settle_torch()
    with threadpoolctl.threadpool_limits(limits=cap):
        yield


OpenmpCap = tuple[int, int]
"""(most threads of an OpenMP pool, number of pools)."""


def openmp_cap() -> OpenmpCap | None:
    """Return what holds for OpenMP in the calling thread; None without a pool, or while nobody has looked at them."""
    counts = [int(pool.get_num_threads()) for pool in _pools() if pool.user_api == "openmp"]
    return (max(counts), len(counts)) if counts else None


def hold_openmp(cap: OpenmpCap | None) -> None:
    """Give the current thread the OpenMP threads that the caller has, from now on.

    libgomp counts for each calling thread by itself: a cap that the test's thread has set does not
    hold in a thread of ours. A pool that came in meanwhile makes a new pair, and is capped, too.
    """
    if cap is None or cap == getattr(_HELD, "cap", None):
        return
    import threadpoolctl

    _settle_torch()
    threadpoolctl.threadpool_limits(limits=cap[0], user_api="openmp")
    _HELD.cap = cap


def _pools() -> tuple[Any, ...]:
    """Return threadpoolctl's controllers of the pools in this process; none while nobody has looked at them."""
    control = sys.modules.get("threadpoolctl")
    if control is None:
        return ()
    modules = len(sys.modules)
    if _POOLS[0][0] != modules:
        _POOLS[0] = modules, tuple(control.ThreadpoolController().lib_controllers)
    return _POOLS[0][1]


def _settle_torch() -> None:
    """Let torch set up its threads for the current thread: later it would undo a cap."""
    torch = loaded_torch("get_num_threads")
    if torch is not None:
        torch.get_num_threads()
