"""The exceptions users can meet, each with a slug that names it in messages and documentation."""

from __future__ import annotations

import contextlib
import dataclasses


def notes_of(error: BaseException) -> tuple[str, ...]:
    """Return the notes of `error`; none of one that refuses to be asked."""
    try:
        return tuple(getattr(error, "__notes__", None) or ())
    except Exception:  # whatever the `__getattr__` of a user's exception raises
        return ()


def add_note(error: BaseException, note: str) -> None:
    """Note `note` on `error`, as far as it takes notes: the error itself matters more.

    A frozen dataclass refuses every attribute that is set the usual way.
    """
    with contextlib.suppress(Exception):
        if not hasattr(error, "__notes__"):
            object.__setattr__(error, "__notes__", [])
        error.add_note(note)


def original(error: BaseException) -> BaseException:
    """Return what a stage raised, where a context manager made of a generator could not hand it on.

    `contextlib` sets the `__traceback__` of whatever passes, which an exception that is a frozen dataclass refuses.
    """
    while isinstance(error, dataclasses.FrozenInstanceError) and "'__traceback__'" in str(error):
        if error.__context__ is None:
            break
        error = error.__context__
        object.__setattr__(error, "__suppress_context__", True)  # which is the refusal
    return error


class PipelineError(Exception):
    """Base of everything this package raises on purpose."""

    slug: str = "pipeline-error"
    """Stable short name, printed in messages and listed in docs/messages.md."""


class UsageError(PipelineError):
    """A declaration that cannot work: bad marker argument, no stages, one-shot iterator, ..."""

    slug = "usage"


class StageError(PipelineError):
    """A stage failed and its own exception could not be carried (it does not pickle, say)."""

    slug = "stage-raised"


class StageTimeoutError(PipelineError):
    """An execution did not end within its timeout; the message holds the stacks of all workers."""

    slug = "timeout"


class WorkerDiedError(PipelineError):
    """A worker process ended by itself: the message names pid, exit code or signal, stage and item."""

    slug = "worker-died"


class ShippingError(PipelineError):
    """A stage or an item cannot be sent to worker processes; for a stage before any worker starts, for an item during the run."""

    slug = "cannot-ship"


class UnavailableError(PipelineError):
    """The executor cannot run on this machine; the message is the exact cause."""

    slug = "unavailable"


class HistoryError(PipelineError):
    """The history file cannot be read or written; the message names it and says why. Verdicts stand."""

    slug = "history"


class PipelineRegression(AssertionError):  # noqa: N818 - the public contract names it so
    """A requirement was missed, or the run was invalid. The message is the failure text.

    Subclasses `AssertionError`, so that `pytest.raises` and `xfail(raises=PipelineRegression)`
    can name it.
    """


class SlowPathWarning(RuntimeWarning):
    """Large buffers go to worker processes through a socket, since shared memory could not be had."""


class LeftBehindWarning(RuntimeWarning):
    """Something of the test's surroundings cannot go to worker processes; the message names it."""
