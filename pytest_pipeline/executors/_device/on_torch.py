"""What the backends of torch have in common: tensors, their bytes and views."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_pipeline.executors._strides import copy_strides

if TYPE_CHECKING:
    from types import ModuleType

_WIDEST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
"""Bytes of the widest numpy type of each kind that torch can hold (no long doubles)."""

_ARRAYS = (np.ndarray, np.memmap)


class TorchTensors:
    """Torch tensors, and numpy arrays that become them."""

    def __init__(self) -> None:
        import torch

        self.torch: ModuleType = torch

    def is_tensor(self, leaf: Any) -> bool:
        """Tell whether `leaf` is a dense torch tensor or a plain numpy array of numbers.

        A subclass of an array (a masked one, one with units) is more than its numbers and passes as it is.
        """
        if type(leaf) in _ARRAYS:
            is_known = leaf.dtype.itemsize <= _WIDEST.get(leaf.dtype.kind, 0)
            return bool(is_known and leaf.dtype.isnative)
        if not isinstance(leaf, self.torch.Tensor):
            return False
        return leaf.layout is self.torch.strided and not leaf.is_quantized

    def spec(self, leaf: Any) -> tuple[Hashable, int]:
        """Return ((dtype, shape, strides), bytes)."""
        return (leaf.dtype, leaf.shape, leaf.stride()), leaf.numel() * leaf.element_size()

    def adopt(self, leaf: Any) -> Any:
        """Return a numpy array as a tensor on the same memory.

        One that is read-only, reversed or a field of records is copied: torch cannot share it.
        """
        if not isinstance(leaf, np.ndarray):
            return leaf
        size = leaf.dtype.itemsize
        if not leaf.flags.writeable or any(each < 0 or each % size for each in leaf.strides):
            leaf = leaf.copy()
        return self.torch.from_numpy(leaf)

    def address(self, leaf: Any) -> int | None:
        """Return the address of its first element."""
        return leaf.data_ptr() or None

    def place(self, leaf: Any) -> Hashable:
        """Return address and layout, and the modes in which autograd would have seen the kernels."""
        torch = self.torch
        modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        kind = leaf.device.type
        casts = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        return leaf.data_ptr(), leaf.dtype, leaf.shape, leaf.stride(), modes, casts

    def empty(self, nbytes: int, **where: Any) -> Any:
        """Allocate bytes that any later run may write to, also when this one is in inference mode."""
        with self.torch.inference_mode(mode=False):
            return self.torch.empty(nbytes, dtype=self.torch.uint8, **where)

    def view(self, buffer: Any, offset: int, like: Any) -> Any:
        """Return bytes of `buffer` as a tensor like `like`, in its order of dimensions."""
        nbytes = like.numel() * like.element_size()
        with self.torch.inference_mode(mode=False):
            flat = buffer[offset : offset + nbytes].view(like.dtype)
            return flat.as_strided(like.shape, copy_strides(like))

    def fresh(self, view: Any) -> Any:
        """Return the view apart from its own history and from the buffer's."""
        return view.detach()

    def span(self, buffer: Any, nbytes: int) -> Any:
        """Return the first bytes."""
        with self.torch.inference_mode(mode=False):
            return buffer[:nbytes]

    def host_copy(self, target: Any, source: Any) -> None:
        """Copy within host memory."""
        with self.torch.no_grad():
            target.copy_(source)

    def taken_out(self, view: Any) -> Any:
        """Return a copy that the caller owns."""
        return view.clone()

    def as_numpy(self, leaf: Any) -> Any:
        """Return a numpy array on the same memory; the tensor itself where numpy has no such type (bfloat16)."""
        try:
            return leaf.resolve_conj().resolve_neg().numpy()
        except TypeError:
            return leaf

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Tell whether torch says so."""
        return isinstance(error, self.torch.OutOfMemoryError)

    def hand_over(self) -> None:
        """Return None: the queue that carries it orders the threads."""
        return

    def take_over(self, mark: Any) -> None:
        """Do nothing."""
