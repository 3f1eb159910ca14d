"""Carry the test's context into workers: torch's per-thread modes, and the caps on BLAS and OpenMP threads.

`contextvars` are copied by the crew; torch keeps its modes in thread-local C++ state that no
context copy reaches, and so does OpenMP the number of threads that a caller gets.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_AUTOCAST_DEVICES = ("cpu", "cuda")

_HELD = threading.local()
"""`cap`: what `hold_openmp` did last in this thread."""

_POOLS: list[tuple[int, tuple[Any, ...]]] = [(0, ())]
"""(loaded modules, controllers of pools): to look for pools takes up to 1 ms, and it is imports that bring them."""


@dataclass(frozen=True, slots=True)
class TorchModes:
    """Modes of the calling thread that differ from a fresh thread's."""

    grad: bool
    """Gradients are recorded."""
    inference: bool
    """Inside `torch.inference_mode()`."""
    autocast: tuple[tuple[str, Any], ...]
    """(device type, dtype) of every device with autocast on."""


def capture_modes() -> TorchModes | None:
    """Return the calling thread's torch modes; None without torch, or when all are the default."""
    torch = sys.modules.get("torch")
    # A test may have put a stub or a mock in its place.
    if not isinstance(torch, types.ModuleType) or not hasattr(torch, "is_grad_enabled"):
        return None
    modes = TorchModes(
        grad=bool(torch.is_grad_enabled()),
        inference=bool(torch.is_inference_mode_enabled()),
        autocast=_autocast(torch),
    )
    return None if modes == TorchModes(grad=True, inference=False, autocast=()) else modes


def _autocast(torch: Any) -> tuple[tuple[str, Any], ...]:
    if not hasattr(torch, "get_autocast_dtype"):
        return ()  # before 2.4 torch cannot be asked device by device
    return tuple(
        (device, torch.get_autocast_dtype(device))
        for device in _AUTOCAST_DEVICES
        if torch.is_autocast_enabled(device)
    )


@contextlib.contextmanager
def applied(modes: TorchModes | None) -> Iterator[None]:
    """Hold `modes` in the current thread while inside."""
    if modes is None:
        yield
        return
    import torch

    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(modes.inference))
        stack.enter_context(torch.set_grad_enabled(modes.grad))
        for device, dtype in modes.autocast:
            stack.enter_context(torch.autocast(device, dtype=dtype))
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
    if cap is None or "numpy" not in sys.modules:
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
    if control is None or "numpy" not in sys.modules:
        return ()
    modules = len(sys.modules)
    if _POOLS[0][0] != modules:
        _POOLS[0] = modules, tuple(control.ThreadpoolController().lib_controllers)
    return _POOLS[0][1]


def _settle_torch() -> None:
    """Let torch set up its threads for the current thread: later it would undo a cap."""
    torch = sys.modules.get("torch")
    if isinstance(torch, types.ModuleType) and hasattr(torch, "get_num_threads"):
        torch.get_num_threads()
