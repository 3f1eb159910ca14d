"""Exceptions of stages on their way from a worker process to the caller."""

from __future__ import annotations

import pickle
import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_pipeline.errors import ShippingError, StageError
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from pytest_pipeline.executors._processes.shipping import Codec

_HERE = str(Path(__file__).parents[1])


class RemoteTraceback(Exception):  # noqa: N818 - named like the one of concurrent.futures
    """Set as the cause of an exception from a worker process, to show where it was raised there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = text

    def __str__(self) -> str:
        return f'\n"""\n{self._text}"""'


def error_frame(codec: Codec, error: BaseException, stage: int, item: int) -> Frame:
    """Return the exception itself when it survives the journey, and its text in any case."""
    text = "".join(traceback.format_exception(type(error), error, _beyond_this_package(error)))
    carried = b""
    try:
        body, _ = codec.dumps(error, out_of_band=False)
        twin = codec.loads(body, ())
        if type(twin) is type(error) and str(twin) == str(error):
            carried = body
    except BaseException:  # noqa: S110 - the text goes instead
        pass
    return Frame(
        Kind.ERROR,
        item,
        (stage, int(_is_of_the_stage(error)), 0),
        pickle.dumps((carried, summary(error), text)),
    )


def _is_of_the_stage(error: BaseException) -> bool:
    """Whether it may be collected: an item that cannot travel is a mistake of the plan, not of the item."""
    return isinstance(error, Exception) and not isinstance(error, ShippingError)


def _beyond_this_package(error: BaseException) -> types.TracebackType | None:
    """Return the traceback from the stage function on."""
    link = error.__traceback__
    while link is not None and link.tb_frame.f_code.co_filename.startswith(_HERE):
        link = link.tb_next
    return link


def rebuilt(codec: Codec, carried: bytes, text: str, stack: str) -> BaseException:
    """Return the exception that a worker has sent, or a `StageError` with its text."""
    error: BaseException | None = None
    if carried:
        try:
            error = codec.loads(carried, ())
        except Exception as problem:
            text = f"{text} (not rebuilt: {summary(problem)})"
    if error is None:
        error = StageError(
            f"{text} (raised in a worker process; the exception itself could not be carried)"
        )
    # Also where the exception is a frozen dataclass, which refuses attributes.
    object.__setattr__(error, "__cause__", RemoteTraceback(stack))
    return error
