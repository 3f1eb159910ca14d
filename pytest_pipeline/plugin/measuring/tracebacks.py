"""When a user's stage raises, the traceback shows the user's frames, not ours around them."""

from __future__ import annotations

from types import TracebackType

from pytest_pipeline.errors import PipelineError

_PACKAGE = "pytest_pipeline."


def trimmed(error: BaseException) -> BaseException:
    """Return `error` with the frames of this package cut out of its traceback.

    An error that comes from our own code keeps everything: then our frames are what matters. One
    that we raise on purpose (a dead worker, a timeout) says all there is to say in its message.
    """
    entries = _entries(error.__traceback__)
    if isinstance(error, PipelineError):
        error.__cause__ = None  # its text is part of the message
        error.__suppress_context__ = True
    elif not entries or _is_ours(entries[-1]):
        return error
    kept: TracebackType | None = None
    for entry in reversed(entries):
        if not _is_ours(entry):
            kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return error.with_traceback(kept)


def _entries(traceback: TracebackType | None) -> list[TracebackType]:
    entries = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    return entries


def _is_ours(entry: TracebackType) -> bool:
    return str(entry.tb_frame.f_globals.get("__name__", "")).startswith(_PACKAGE)
