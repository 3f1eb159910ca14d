"""Torch's state in the caller, for its workers: the modes of a thread, and the settings of a process.

Torch keeps its modes in thread-local state that no copy of a context reaches, so that every worker needs
them; its settings hold in all the threads of one process, so that worker processes need them.
"""

from __future__ import annotations

import contextlib
import sys
import types
from dataclasses import dataclass
from typing import Any

_AUTOCAST_DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, slots=True)
class TorchModes:
    """Modes of a thread; by default those of a fresh one."""

    grad: bool = True
    """Gradients are recorded."""
    inference: bool = False
    """Inside `torch.inference_mode()`."""
    autocast: tuple[tuple[str, Any], ...] = ()
    """(device type, dtype) of every device with autocast on."""
    device: str = "cpu"
    """Where tensors are made: `torch.set_default_device`, or `with torch.device(...)`."""


@dataclass(frozen=True, slots=True)
class TorchSettings:
    """Settings of a process; by default those of a fresh one."""

    dtype: str = "float32"
    """Name of the dtype of floats: `torch.set_default_dtype`."""
    deterministic: int = 0
    """1 where operations that are not deterministic warn, 2 where they raise."""
    precision: str = "highest"
    """`torch.set_float32_matmul_precision`."""


def loaded_torch(asked: str) -> Any:
    """Return torch where it is loaded and has `asked`: a test may have put a stub or a mock in its place."""
    torch = sys.modules.get("torch")
    return torch if isinstance(torch, types.ModuleType) and hasattr(torch, asked) else None


def capture_torch_modes() -> TorchModes | None:
    """Return the modes of this thread; None where they are a fresh thread's, and without torch."""
    torch = loaded_torch("is_grad_enabled")
    if torch is None:
        return None
    modes = TorchModes(
        grad=bool(torch.is_grad_enabled()),
        inference=bool(torch.is_inference_mode_enabled()),
        autocast=_autocast(torch),
        device=_default_device(torch),
    )
    return None if modes == TorchModes() else modes


def enter_torch_modes(modes: TorchModes, stack: contextlib.ExitStack) -> None:
    """Hold `modes` in the current thread until `stack` closes."""
    import torch

    stack.enter_context(torch.inference_mode(modes.inference))
    stack.enter_context(torch.set_grad_enabled(modes.grad))
    for device, dtype in modes.autocast:
        stack.enter_context(torch.autocast(device, dtype=dtype))
    if modes.device != "cpu":
        stack.enter_context(torch.device(modes.device))


def capture_torch_settings() -> TorchSettings | None:
    """Return the settings of this process; None where nobody has loaded torch."""
    torch = loaded_torch("get_deterministic_debug_mode")
    return None if torch is None else _settings(torch)


def enter_torch_settings(settings: TorchSettings, stack: contextlib.ExitStack) -> None:
    """Hold `settings` in this process until `stack` closes."""
    # Torch begins with the default ones: a worker whose stages do not need it need not import it.
    if settings == TorchSettings() and loaded_torch("get_deterministic_debug_mode") is None:
        return
    import torch

    found = _settings(torch)
    if found != settings:
        stack.callback(_set, torch, settings, found)
        _set(torch, found, settings)


def _settings(torch: Any) -> TorchSettings:
    precision = ""
    # It cannot be told, and raises, where the parts of `torch.backends` were given precisions of their own.
    with contextlib.suppress(RuntimeError):
        precision = str(torch.get_float32_matmul_precision())
    return TorchSettings(
        dtype=str(torch.get_default_dtype()).removeprefix("torch."),
        deterministic=int(torch.get_deterministic_debug_mode()),
        precision=precision,
    )


def _set(torch: Any, found: TorchSettings, wanted: TorchSettings) -> None:
    if wanted.dtype != found.dtype:
        torch.set_default_dtype(getattr(torch, wanted.dtype))
    if wanted.deterministic != found.deterministic:
        torch.set_deterministic_debug_mode(wanted.deterministic)
    if wanted.precision and wanted.precision != found.precision:
        torch.set_float32_matmul_precision(wanted.precision)


def _autocast(torch: Any) -> tuple[tuple[str, Any], ...]:
    if not hasattr(torch, "get_autocast_dtype"):
        return ()  # before 2.4 torch cannot be asked device by device
    return tuple(
        (device, torch.get_autocast_dtype(device))
        for device in _AUTOCAST_DEVICES
        if torch.is_autocast_enabled(device)
    )


def _default_device(torch: Any) -> str:
    if not hasattr(torch, "get_default_device"):
        return "cpu"  # before 2.3 torch cannot be asked
    device = torch.get_default_device()
    # With its number it would also hold in stages that are placed on another device of the kind.
    is_current = device.type == "cuda" and device.index == torch.cuda.current_device()
    return str(device.type if is_current else device)
