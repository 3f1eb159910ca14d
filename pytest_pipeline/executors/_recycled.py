"""Memory for copies that is used again once the last array over it is gone."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_BUDGET = 1 << 28
"""Bytes kept free for later copies, in each process."""

_GRAIN = 64 * 1024

_FREE: dict[int, list[Bytes]] = {}
"""Free blocks by size. `append` and `pop` of a list are atomic: a block may come back in any thread."""


def owned(piece: memoryview) -> memoryview:
    """Return a private, writable copy.

    A copy into fresh memory is two to three times slower than into memory that was used before,
    since the kernel has to find and clear every page of it.
    """
    import numpy as np

    block = _take(piece.nbytes)
    lent = block[: piece.nbytes]
    lent[:] = np.frombuffer(piece, dtype=np.uint8)
    weakref.finalize(lent, _give_back, block).atexit = False
    return lent.data


def forget() -> None:
    """Return what is free to the system."""
    _FREE.clear()


def _take(size: int) -> Bytes:
    import numpy as np

    rounded = -(-size // _GRAIN) * _GRAIN
    try:
        return _FREE[rounded].pop()
    except (KeyError, IndexError):
        # numpy asks the kernel for huge pages, which halves the cost of the first touch.
        return np.empty(rounded, dtype=np.uint8)


def _give_back(block: Bytes) -> None:
    held = sum(size * len(blocks) for size, blocks in list(_FREE.items()))
    if held + block.nbytes <= _BUDGET:
        _FREE.setdefault(block.nbytes, []).append(block)
