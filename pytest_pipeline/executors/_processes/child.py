"""What runs inside a worker process: load the stages, then run items through all of them."""

from __future__ import annotations

import contextlib
import pickle
import socket
import traceback
from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from typing import Any

from pytest_pipeline.errors import ShippingError
from pytest_pipeline.executors._places import named
from pytest_pipeline.executors._processes.applying import Applied, apply_environ
from pytest_pipeline.executors._processes.board import Board
from pytest_pipeline.executors._processes.channel import Channel
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.guards import (
    PipeEnd,
    dump_stacks_to,
    end_with_parent,
    follow_parent,
    leave_interrupts_to_parent,
)
from pytest_pipeline.executors._processes.records import Setup, Surroundings
from pytest_pipeline.executors._processes.replies import Replies
from pytest_pipeline.executors._processes.runner import Runner
from pytest_pipeline.executors._processes.shipping import Codec, dynamic_classes
from pytest_pipeline.executors._processes.slots import SLOTS, Room, SlotReader, SlotWriter
from pytest_pipeline.executors._summary import summary


def main(sock: socket.socket, stacks: PipeEnd, setup: Setup) -> None:
    """Serve the parent until it says CLOSE, closes the channel, or dies."""
    leave_interrupts_to_parent()
    follow_parent()
    dump_stacks_to(stacks)
    if setup.environ is not None:
        apply_environ(setup.environ)  # the forkserver has that of its own start
    board = Board(setup.board, setup.slots)
    setup.board.close()
    worker = Worker(_channel(sock, setup), board, setup)
    with contextlib.closing(worker), contextlib.suppress(EOFError, ConnectionError):
        worker.serve()


def _channel(sock: socket.socket, setup: Setup) -> Channel:
    channel = Channel(sock)
    if setup.room is not None:
        # Without addresses to spare, READY tells the parent that slots are of no use here.
        with contextlib.suppress(OSError):
            room = Room(setup.room)
            channel.use_slots(SlotWriter(room, SLOTS), SlotReader(room))
    return channel


class Worker:
    """The message loop and the current run."""

    def __init__(self, channel: Channel, board: Board, setup: Setup) -> None:
        self._channel = channel
        self._cells = board.cells
        self._runner = Runner(board, setup)
        self._is_view = setup.is_view
        self._codec = Codec(is_worker=True, is_relayed=setup.is_relayed)
        self._run, self._items_each = 0, 1
        self._replies = Replies(channel, self._codec, self._runner)
        self._around = Applied(self._codec)
        self._classes: list[type] = []
        """Those that came with the stages: items name them without their definition, so they must live."""

    def close(self) -> None:
        """Undo the surroundings of a run that has not ended."""
        self._around.close()

    def serve(self) -> None:
        """Handle messages until CLOSE."""
        handlers: dict[Kind, Callable[[Frame], None]] = {
            Kind.INIT: self._init,
            Kind.BEGIN: self._begin,
            Kind.ITEM: self._item,
            Kind.END: self._end,
        }
        while True:
            waiting = perf_counter_ns()
            frame = self._channel.receive()
            if frame.kind is Kind.CLOSE:
                return
            if frame.kind is Kind.ITEM:
                self._account_wait(frame, waiting)
            elif frame.kind is Kind.END:
                began, ended, _ = frame.stamps
                self._runner.report.starved_ns += max(0, ended - max(waiting, began))
            handlers[frame.kind](frame)
            frame.release()

    def _account_wait(self, frame: Frame, waiting: int) -> None:
        """Split the wait for an item: its serialisation, its transfer, and the rest, starved."""
        pickling, pickled, sending = frame.stamps
        now = perf_counter_ns()
        serialisation = max(0, pickled - max(pickling, waiting))
        transfer = now - max(sending, waiting)
        self._runner.report.serialisation_ns += serialisation
        self._runner.report.transfer_ns += transfer
        self._runner.report.starved_ns += now - waiting - serialisation - transfer

    def _init(self, frame: Frame) -> None:
        end_with_parent()
        try:
            self._runner.load(pickle.loads(frame.body))
        except BaseException as error:
            text = f"{summary(error)}\n{traceback.format_exc()}"
            self._channel.send(Frame(Kind.ERROR, body=text.encode(errors="backslashreplace")))
            return
        self._classes = dynamic_classes()
        self._channel.send(Frame(Kind.READY, stamps=(int(self._channel.has_slots), 0, 0)))

    def _begin(self, frame: Frame) -> None:
        surroundings: Surroundings = pickle.loads(frame.body)
        self._around.begin(surroundings)
        self._run, self._items_each = frame.item, surroundings.items_each
        self._runner.begin(
            collects_errors=surroundings.collects_errors, most_visits=surroundings.most_visits
        )
        self._channel.send(Frame(Kind.READY, frame.item))
        self._runner.report.entered_ns = perf_counter_ns()

    def _end(self, frame: Frame) -> None:
        self._around.end()
        report = self._runner.report
        began, _, _ = frame.stamps
        if not report.recorder.is_empty:
            # The first wait began before the run did. Without an item there was only the last one.
            report.starved_ns -= max(0, began - report.entered_ns)
        report.trouble = self._channel.trouble
        report.left_ns = perf_counter_ns()
        report.total_cpu_ns += process_time_ns()
        self._channel.send(Frame(Kind.REPORT, body=pickle.dumps(report)))

    def _item(self, frame: Frame) -> None:
        first, count = frame.item, frame.count
        if self._cells[0] == self._run:
            self._channel.send(Frame(Kind.SKIPPED, first, count=count))
            return
        self._runner.receive(first)
        try:
            values = self._unpack(frame)
        except BaseException as error:
            unreadable = ShippingError(
                f"{named(first, self._items_each)} cannot be rebuilt in a worker process: {summary(error)}"
            )
            for item in range(first, first + count):
                self._replies.error(unreadable, self._runner.stages[0], item)
            return
        if count == 1:
            self._run_one(values[0], first)
        else:
            self._run_chunk(values, first)
        self._runner.report.recorder.fold_if_due()

    def _run_chunk(self, values: list[Any], first: int) -> None:
        runs, failures = self._runner.chunk(values, first)
        for item, stage, failure in failures:
            self._replies.error(failure, stage, item)
        for begin, outputs in runs:
            self._replies.outputs(outputs, begin)
        left = len(values) - len(failures) - sum(len(outputs) for _, outputs in runs)
        if left:  # behind the error that ends the run: the parent counts this worker idle
            self._replies.send(Frame(Kind.SKIPPED, first, count=left))

    def _run_one(self, value: Any, item: int) -> None:
        try:
            output = self._runner.one(value, item)
        except BaseException as error:
            self._replies.error(error, self._runner.stage, item)
        else:
            self._replies.outputs([output], item)

    def _unpack(self, frame: Frame) -> list[Any]:
        """Return the items; what they lay in may be overwritten afterwards."""
        received = perf_counter_ns()
        body, buffers = frame.contents(is_view=self._is_view)
        copied = perf_counter_ns()
        try:
            value = self._codec.loads(body, buffers)
        finally:
            del body, buffers
            frame.release()
            self._runner.report.transfer_ns += copied - received
            self._runner.report.serialisation_ns += perf_counter_ns() - copied
        return [value] if frame.count == 1 else value
