"""Torch tensors whose elements lie side by side, in whatever order: transposed ones, channels last."""

from __future__ import annotations

from typing import Any


def copy_strides(tensor: Any) -> tuple[int, ...]:
    """Return the strides of a copy of `tensor`: its own where it is dense."""
    import torch

    return tuple(torch.empty_like(tensor, device="meta").stride())


def is_dense(tensor: Any) -> bool:
    """Tell whether its elements lie side by side."""
    return bool(tensor.is_contiguous() or tensor.stride() == copy_strides(tensor))
