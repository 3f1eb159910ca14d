"""Carry the test's context into workers: per-thread modes of torch and numpy, and the caps on BLAS and OpenMP threads.

`contextvars` are copied by the crew; torch keeps its modes in thread-local C++ state that no
context copy reaches, numpy 1 its `errstate`, and OpenMP the number of threads that a caller gets. The
context variable of numpy 2 holds something that does not pickle, so that it reaches no other process.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

_AUTOCAST_DEVICES = ("cpu", "cuda")

_HELD = threading.local()
"""`cap`: what `hold_openmp` did last in this thread."""

_POOLS: list[tuple[int, tuple[Any, ...]]] = [(0, ())]
"""(loaded modules, controllers of pools): to look for pools takes up to 1 ms, and it is imports that bring them."""


@dataclass(frozen=True, slots=True)
class TorchModes:
    """Modes of torch that differ from a fresh thread's."""

    grad: bool
    """Gradients are recorded."""
    inference: bool
    """Inside `torch.inference_mode()`."""
    autocast: tuple[tuple[str, Any], ...]
    """(device type, dtype) of every device with autocast on."""


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
    return Modes(float_errors, _torch_modes())


def loaded_torch(asked: str) -> Any:
    """Return torch where it is loaded and has `asked`: a test may have put a stub or a mock in its place."""
    torch = sys.modules.get("torch")
    return torch if isinstance(torch, types.ModuleType) and hasattr(torch, asked) else None


def _torch_modes() -> TorchModes | None:
    torch = loaded_torch("is_grad_enabled")
    if torch is None:
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
def applied(modes: Modes) -> Iterator[None]:
    """Hold `modes` in the current thread while inside."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(np.errstate(**modes.float_errors))
        if modes.torch is not None:
            _enter(modes.torch, stack)
        yield


def _enter(modes: TorchModes, stack: contextlib.ExitStack) -> None:
    import torch

    stack.enter_context(torch.inference_mode(modes.inference))
    stack.enter_context(torch.set_grad_enabled(modes.grad))
    for device, dtype in modes.autocast:
        stack.enter_context(torch.autocast(device, dtype=dtype))


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
