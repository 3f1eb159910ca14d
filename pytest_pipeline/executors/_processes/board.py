"""A tiny shared file in which worker processes publish what they are doing."""

from __future__ import annotations

from pytest_pipeline.executors._processes.sharedfile import SharedFile

IDLE = -1
_FIELDS = 3  # stage, item, since_ns
_HEAD = 1  # number of the run that was cancelled last
_BYTES = 8


class Board:
    """One slot of three integers per worker, and the number of the run that was cancelled.

    A store into it costs 30 ns, and it survives the worker: that is how the message about a
    killed one can name stage and item.
    """

    def __init__(self, file: SharedFile, slots: int) -> None:
        self.file = file
        self._map = file.map(0, _size(slots))
        self.cells = memoryview(self._map).cast("q")

    @classmethod
    def create(cls, slots: int) -> Board:
        """Make the file, and mark every slot idle."""
        file = SharedFile.create(_size(slots))
        try:
            board = cls(file, slots)
        except BaseException:
            file.close()
            raise
        for slot in range(slots):
            board.clear(slot)
        return board

    @staticmethod
    def offset(slot: int) -> int:
        """Return the index of the slot's first cell: stage; item and since_ns follow."""
        return _HEAD + slot * _FIELDS

    def read(self, slot: int) -> tuple[int, int, int]:
        """Return (stage, item, since_ns); stage is `IDLE` between visits."""
        at = self.offset(slot)
        return self.cells[at], self.cells[at + 1], self.cells[at + 2]

    def clear(self, slot: int) -> None:
        """Mark the slot idle."""
        at = self.offset(slot)
        self.cells[at] = self.cells[at + 1] = IDLE

    def cancel(self, run: int) -> None:
        """Let workers skip the items of that run which they have not begun."""
        self.cells[0] = run

    def close(self) -> None:
        """Unmap the file, and let go of it."""
        self.cells.release()
        self._map.close()
        self.file.close()


def _size(slots: int) -> int:
    return (_HEAD + slots * _FIELDS) * _BYTES
