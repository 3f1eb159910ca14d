"""Memory for copies that is used again once the last array over it is gone."""

from __future__ import annotations

import weakref
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_MOST_BYTES = 1 << 30
"""Kept free for later copies at most, in each process.

The outputs of one execution come back together, and the next one wants as much again. Measured for
40 arrays of 8 MB: kept whole, a copy costs the caller 1.21 plain ones; with 256 MB of them kept, 1.43."""

_SHARE_OF_MEMORY = 16
"""One part in so many of the machine's memory at most."""

_GRAIN = 64 * 1024

_CLASSES = 8
"""Sizes of blocks between a power of two and the next: arrays of ragged sizes share blocks."""

_FREE: dict[int, list[Bytes]] = {}
"""Free blocks by size. `append` and `pop` of a list are atomic: a block may come back in any thread."""

_epoch = [0]
"""How often all was forgotten: `forget` begins a new one, and blocks lent in an earlier one are not kept."""


def owned(piece: memoryview) -> memoryview:
    """Return a private, writable copy.

    A copy into fresh memory is two to three times slower than into memory that was used before,
    since the kernel has to find and clear every page of it.
    """
    import numpy as np

    block = _take(piece.nbytes)
    lent = block[: piece.nbytes]
    lent[:] = np.frombuffer(piece, dtype=np.uint8)
    weakref.finalize(lent, _give_back, block, _epoch[0]).atexit = False
    return lent.data


def forget() -> None:
    """Return what is free to the system, and what is lent as soon as it comes back."""
    _epoch[0] += 1
    _FREE.clear()


def _take(size: int) -> Bytes:
    import numpy as np

    grain = max(_GRAIN, (1 << size.bit_length()) // (2 * _CLASSES))
    rounded = -(-size // grain) * grain
    try:
        return _FREE[rounded].pop()
    except (KeyError, IndexError):
        # numpy asks the kernel for huge pages, which halves the cost of the first touch.
        return np.empty(rounded, dtype=np.uint8)


@cache
def _budget() -> int:
    """Return the bytes that may be kept free."""
    import psutil

    return min(_MOST_BYTES, int(psutil.virtual_memory().total) // _SHARE_OF_MEMORY)


def _give_back(block: Bytes, epoch: int) -> None:
    if epoch != _epoch[0]:
        return
    if _held() + block.nbytes > _budget():
        # Of other sizes, hence for arrays that may never come again.
        for size in [size for size in list(_FREE) if size != block.nbytes]:
            _FREE.pop(size, None)
    if _held() + block.nbytes <= _budget():
        _FREE.setdefault(block.nbytes, []).append(block)


def _held() -> int:
    return sum(size * len(blocks) for size, blocks in list(_FREE.items()))
