"""Which calls in a user's stages make the host wait for the device: found by torch's own debug mode, named by file and line.

For a diagnosis round only: the mode makes every call slower. Torch reports what copies to the host
and waits (`.item()`, `.cpu()`, boolean indexing, `nonzero`, printing a tensor) and waiting for a stream;
`torch.cuda.synchronize()` and `Event.synchronize()` are not reported.
Source: `c10/cuda/CUDAFunctions.cpp`, `warn_or_error_on_sync`.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from pytest_pipeline.model.device import SyncCall

_MESSAGE = "called a synchronizing CUDA operation"
_NOTICE = "Synchronization debug mode is a prototype"
_OURS = str(Path(__file__).parents[2])


class SyncDebug(Protocol):
    """The two functions of `torch.cuda` that switch the debug mode."""

    def get_sync_debug_mode(self) -> int:
        """Return 0 (off), 1 (warn) or 2 (error)."""
        ...

    def set_sync_debug_mode(self, mode: int | str) -> None:
        """Switch it."""
        ...


class SyncWatch:
    """Collects the waiting calls of stages while it is open. Other warnings pass through untouched.

    Calls outside `stage` are the executor's own and do not count. The debug mode and the hook on
    `warnings` belong to the whole process: open one watch at a time.
    """

    def __init__(self, cuda: SyncDebug) -> None:
        self._cuda = cuda
        self._stage = threading.local()
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._filters: warnings.catch_warnings[None] = warnings.catch_warnings()
        self._mode_before = 0
        self._show_before: Any = None

    def __enter__(self) -> Self:
        self._mode_before = self._cuda.get_sync_debug_mode()
        self._filters.__enter__()
        try:
            warnings.filterwarnings("always", message=f".*{_MESSAGE}")
            # Said once by torch when the mode is switched on; under `-W error` it would be an error.
            warnings.filterwarnings("ignore", message=f".*{_NOTICE}")
            self._show_before = warnings.showwarning
            warnings.showwarning = self._show
            self._cuda.set_sync_debug_mode("warn")
        except BaseException:
            self._filters.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._cuda.set_sync_debug_mode(self._mode_before)
        finally:
            self._filters.__exit__(kind, error, trace)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the waiting calls of this thread for stage `name` while inside."""
        before = getattr(self._stage, "name", None)
        self._stage.name = name
        try:
            yield
        finally:
            self._stage.name = before

    def found(self) -> tuple[SyncCall, ...]:
        """Return the calls, most frequent first."""
        return tuple(
            SyncCall(stage, f"{_shown(path)}:{line}", linecache.getline(path, line).strip(), count)
            for (stage, path, line), count in self._counts.most_common()
        )

    def _show(self, message: Warning | str, *rest: Any, **named: Any) -> None:
        if _MESSAGE not in str(message):
            self._show_before(message, *rest, **named)
            return
        stage = getattr(self._stage, "name", None)
        if stage is None:
            return
        frame = _users_frame(sys._getframe(1))  # noqa: SLF001 - the warning's own place may lie inside torch
        if frame is not None:
            self._counts[stage, frame.f_code.co_filename, frame.f_lineno] += 1


def _users_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame that is neither torch's, nor ours, nor that of `warnings`."""
    while frame is not None:
        path = frame.f_code.co_filename
        is_torch = f"{os.sep}torch{os.sep}" in path and "site-packages" in path
        if not (is_torch or path.startswith(_OURS) or path == warnings.__file__):
            return frame
        frame = frame.f_back
    return None


def _shown(path: str) -> str:
    with contextlib.suppress(ValueError, OSError):
        return str(Path(path).relative_to(Path.cwd()))
    return path
