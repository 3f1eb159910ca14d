"""What a worker process answers: outputs and errors, several small ones in one write."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._processes.exceptions import error_frame
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from pytest_pipeline.executors._processes.channel import Channel
    from pytest_pipeline.executors._processes.runner import Runner
    from pytest_pipeline.executors._processes.shipping import Codec

_MOST_HELD = 4
"""Answers that go out in one write, while quick items wait to be run: half a window, so that the
parent sends more before this worker has run out. A write that wakes the parent costs more than a
null item."""

_HELD_NS = 50_000
"""An answer waits no longer, unless the very next item takes longer than any since the last write."""


class Replies:
    """The answers of one worker, whose time for pickling and sending goes into the report of its run."""

    def __init__(self, channel: Channel, codec: Codec, runner: Runner) -> None:
        self._channel = channel
        self._codec = codec
        self._runner = runner
        self._held = self._held_since_ns = 0

    def error(self, error: BaseException, stage: int, item: int) -> None:
        """Answer that a stage raised, at once: the next item may hang or end this process."""
        self.send(error_frame(self._codec, error, stage, item))
        if self._held:
            self._flush()

    def outputs(self, outputs: list[Any], first: int) -> None:
        """Answer consecutive items in one message, or one by one if they do not pickle together."""
        whole = self._result_frame(outputs if len(outputs) > 1 else outputs[0], first)
        if whole.kind is Kind.RESULT:
            whole.count = len(outputs)
            whole.stamps = (self._runner.worked_ns, 0, 0)
            self._runner.worked_ns = 0
        if whole.kind is Kind.RESULT or len(outputs) == 1:
            self.send(whole)
            return
        for item, output in enumerate(outputs, first):
            self.send(self._result_frame(output, item))

    def _result_frame(self, value: Any, item: int) -> Frame:
        began = perf_counter_ns()
        try:
            body, buffers = self._codec.dumps(value)
            return Frame(Kind.RESULT, item, body=body, buffers=buffers)
        except BaseException as error:
            stamps = (self._runner.stages[-1], 0, 0)
            text = summary(error).encode(errors="backslashreplace")
            return Frame(Kind.UNSENDABLE, item, stamps, text)
        finally:
            self._runner.report.serialisation_ns += perf_counter_ns() - began

    def send(self, frame: Frame) -> None:
        """Send one answer, now or together with the next ones."""
        began = perf_counter_ns()
        channel = self._channel
        channel.prepare(frame)
        channel.post(frame)
        if not self._held:
            self._held_since_ns = began
        self._held += 1
        if not (
            channel.has_message
            and self._held < _MOST_HELD
            and began - self._held_since_ns < _HELD_NS
            and self._runner.slowest_ns < _HELD_NS
        ):
            self._flush()
        self._runner.report.transfer_ns += perf_counter_ns() - began

    def _flush(self) -> None:
        self._channel.flush()
        self._held = 0
        self._runner.slowest_ns = 0
