"""Picklers that take a torch tensor for its values; torch's own writes all the storage that the tensor is a part of.

A row of a batch would weigh as much as the batch. Torch also writes where the storage lies, so that the pickles of
equal tensors differ.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
import sys
from collections.abc import Callable
from typing import Any

from pytest_pipeline.measure.checks.loaded import loaded_type

Keep = Callable[[pickle.PickleBuffer], object] | None
"""What `pickle` calls a buffer callback: it takes the large buffers that do not go into the pickle."""


def quick_pickler(file: Any, keep: Keep = None) -> Any:
    """Return the C pickler, which refuses lambdas and instances of local classes."""
    made = pickle.Pickler(file, protocol=5, buffer_callback=keep)
    tensor = loaded_type("torch", "Tensor")
    if tensor is not None:
        made.dispatch_table = {**copyreg.dispatch_table, tensor: _reduced}
    return made


def full_pickler(file: Any, keep: Keep = None) -> Any:
    """Return cloudpickle's, which takes those too."""
    return _full_pickler_type()(file, protocol=5, buffer_callback=keep)


@functools.cache
def _full_pickler_type() -> Any:
    import cloudpickle

    class FullPickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle is untyped
        def reducer_override(self, obj: Any) -> Any:
            is_tensor = type(obj) is loaded_type("torch", "Tensor")
            return _reduced(obj) if is_tensor else super().reducer_override(obj)

    return FullPickler


def _reduced(value: Any) -> Any:
    """Return how to pickle a tensor: as its values, where it is nothing more."""
    torch = sys.modules["torch"]
    if (
        value.device.type != "cpu"
        or value.layout is not torch.strided
        or value.is_quantized
        or value.is_nested
        or value.__dict__
    ):
        return value.__reduce_ex__(5)
    plain = value.detach().resolve_conj().resolve_neg()
    # Flat before its bytes are seen: a tensor without dimensions has no others of another size.
    raw = pickle.PickleBuffer(plain.contiguous().reshape(-1).view(torch.uint8).numpy())
    return _rebuilt, (raw, value.dtype, tuple(value.shape), value.requires_grad)


def _rebuilt(raw: Any, dtype: Any, shape: tuple[int, ...], requires_grad: bool) -> Any:
    import torch

    if not memoryview(raw).nbytes:
        return torch.empty(shape, dtype=dtype, device="cpu", requires_grad=requires_grad)
    return torch.frombuffer(raw, dtype=dtype).reshape(shape).requires_grad_(requires_grad)
