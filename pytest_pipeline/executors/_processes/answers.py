"""What worker processes answer: outputs to the sink, errors to the caller."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_pipeline.errors import ShippingError
from pytest_pipeline.executors._places import named
from pytest_pipeline.executors._processes.exceptions import rebuilt
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._processes.shipping import Codec
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink


class Answers:
    """The receiving end of one run."""

    def __init__(
        self, codec: Codec, run: Run, sink: Sink, names: tuple[str, ...], *, is_view: bool
    ) -> None:
        self._codec = codec
        self._run = run
        self._sink = sink
        self._names = names
        self._is_view = is_view

    def take(self, frame: Frame, last_stage: int) -> None:
        """Take one answer; raises the run's error when it is one. `last_stage` made the output."""
        if frame.kind is Kind.RESULT:
            self._accept(frame, last_stage)
        elif frame.kind is Kind.UNSENDABLE:
            self._refuse(
                frame,
                f"cannot be sent back from a worker process: {bytes(frame.body).decode()}",
                frame.stamps[0],
            )
        else:
            self._raised(frame)

    def _accept(self, frame: Frame, last_stage: int) -> None:
        body: Any = None
        buffers: Sequence[Any] = ()
        try:
            body, buffers = frame.contents(is_view=self._is_view)
            value = self._codec.loads(body, buffers)
        except Exception as error:
            self._refuse(frame, f"cannot be rebuilt here: {summary(error)}", last_stage)
        finally:
            del body, buffers
        if frame.count == 1:
            self._sink.accept(frame.item, value)
            return
        self._sink.accept_many(frame.item, value)

    def _refuse(self, frame: Frame, why: str, stage: int) -> NoReturn:
        name = self._names[stage]
        error = ShippingError(
            f"the output of stage {name!r}, {named(frame.item, self._run.items_each)} {why}"
        )
        self._run.fail(error, name, frame.item)
        raise error

    def _raised(self, frame: Frame) -> None:
        stage, is_plain, _ = frame.stamps
        carried, text, stack = pickle.loads(frame.body)
        if self._run.collects_errors and is_plain:
            self._sink.accept(frame.item, Dropped(self._names[stage], frame.item, text))
            return
        error = rebuilt(self._codec, carried, text, stack)
        self._run.fail(error, self._names[stage], frame.item)
        raise error
