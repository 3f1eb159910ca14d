"""Torch tensors as pickle 5 buffers: torch itself would write them into an archive, byte by byte."""

from __future__ import annotations

import pickle
import sys
from typing import Any

from pytest_pipeline.executors._strides import is_dense


def reduce_tensor(value: Any) -> Any:
    """Return how to pickle a plain CPU tensor without a copy; `NotImplemented` for anything else.

    Plain is what is nothing but its values, without attributes of its own. Torch itself would send all the
    storage that a row is a part of.
    """
    torch = sys.modules["torch"]
    if (
        type(value) is not torch.Tensor
        or value.device.type != "cpu"
        or value.layout is not torch.strided
        or value.is_quantized
        or value.is_nested
        or value.is_conj()
        or value.is_neg()
        or value.__dict__
    ):
        return NotImplemented
    if value.requires_grad:
        return _with_gradient, (value.detach(),)
    dense = value if is_dense(value) else value.clone()  # in the same order of dimensions
    if not dense.numel():
        return _empty, (tuple(value.shape), value.dtype)
    flat = dense.as_strided((dense.numel(),), (1,))
    raw = pickle.PickleBuffer(flat.view(torch.uint8).numpy())
    return _rebuilt, (raw, value.dtype, tuple(value.shape), dense.stride())


def _rebuilt(raw: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    import torch

    return torch.frombuffer(raw, dtype=dtype).as_strided(shape, strides)


def _with_gradient(value: Any) -> Any:
    return value.requires_grad_()


def _empty(shape: tuple[int, ...], dtype: Any) -> Any:
    import torch

    return torch.empty(shape, dtype=dtype, device="cpu")
