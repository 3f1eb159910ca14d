"""What runs inside a worker process: load the stages, then run items through all of them."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from time import perf_counter_ns, process_time_ns
from typing import Any

from pytest_pipeline.errors import ShippingError
from pytest_pipeline.executors._board import Board
from pytest_pipeline.executors._channel import Channel
from pytest_pipeline.executors._context import applied, capped_blas
from pytest_pipeline.executors._exceptions import error_frame
from pytest_pipeline.executors._frames import Frame, Kind
from pytest_pipeline.executors._records import Setup, Surroundings
from pytest_pipeline.executors._runner import Runner
from pytest_pipeline.executors._shipping import Codec
from pytest_pipeline.executors._slots import SLOTS, Room, SlotReader, SlotWriter
from pytest_pipeline.executors._summary import summary

STACK_SIGNAL: int | None = getattr(signal, "SIGRTMAX", None) or getattr(signal, "SIGUSR2", None)
"""Makes a worker dump its stacks; the real-time signal is one that stages do not use."""


def main(sock: socket.socket, stacks: socket.socket, setup: Setup) -> None:
    """Serve the parent until it says CLOSE, closes the channel, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent coordinates Ctrl-C
    _follow_parent()
    _dump_stacks_to(stacks)
    board = Board(setup.board, setup.slots)
    setup.board.close()
    worker = Worker(_channel(sock, setup), board, setup)
    with contextlib.suppress(EOFError, ConnectionError):
        worker.serve()


def _channel(sock: socket.socket, setup: Setup) -> Channel:
    channel = Channel(sock)
    if setup.room is not None:
        # Without addresses to spare, READY tells the parent that slots are of no use here.
        with contextlib.suppress(OSError):
            room = Room(setup.room)
            channel.use_slots(SlotWriter(room, SLOTS), SlotReader(room))
    return channel


def _follow_parent() -> None:
    """End this process as soon as the parent has ended, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    ends = [parent.sentinel]
    if hasattr(os, "pidfd_open") and parent.pid is not None:
        # The sentinel is a pipe: a process that a sibling's stage has forked may hold it open.
        try:
            ends.append(os.pidfd_open(parent.pid))
        except ProcessLookupError:
            os._exit(1)
        except OSError:
            pass

    def wait() -> None:
        multiprocessing.connection.wait(ends)
        os._exit(1)

    threading.Thread(target=wait, name="pipeline-parent-watch", daemon=True).start()


def _dump_stacks_to(stacks: socket.socket) -> None:
    faulthandler.enable(stacks.fileno())  # the stack of a crash
    if sys.platform != "win32" and STACK_SIGNAL is not None:
        faulthandler.register(STACK_SIGNAL, file=stacks.fileno(), all_threads=True)


_MOST_HELD = 4
"""Answers that go out in one write, while quick items wait to be run: half a window, so that the
parent sends more before this worker has run out. A write that wakes the parent costs more than a
null item."""

_HELD_NS = 50_000
"""An answer waits no longer, unless the very next item takes longer than any since the last write."""


class Worker:
    """The message loop and the current run."""

    def __init__(self, channel: Channel, board: Board, setup: Setup) -> None:
        self._channel = channel
        self._cells = board.cells
        self._runner = Runner(board, setup)
        self._is_view = setup.is_view
        self._codec = Codec(is_worker=True, is_relayed=setup.is_relayed)
        self._run = 0
        self._held = self._held_since_ns = 0
        self._modes = contextlib.ExitStack()

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
        try:
            self._runner.load(pickle.loads(frame.body))
        except BaseException:
            self._channel.send(Frame(Kind.ERROR, body=traceback.format_exc().encode()))
            return
        self._channel.send(Frame(Kind.READY, stamps=(int(self._channel.has_slots), 0, 0)))

    def _begin(self, frame: Frame) -> None:
        surroundings: Surroundings = pickle.loads(frame.body)
        os.environ.update(surroundings.environ)
        for name in set(os.environ) - set(surroundings.environ):
            del os.environ[name]
        with contextlib.suppress(OSError):
            os.chdir(surroundings.directory)
        self._modes.close()
        self._modes.enter_context(applied(surroundings.modes))
        self._modes.enter_context(capped_blas(surroundings.blas_cap))
        self._set_variables(surroundings.variables)
        self._run = frame.item
        self._runner.begin(collects_errors=surroundings.collects_errors)
        self._channel.send(Frame(Kind.READY, frame.item))
        self._runner.report.entered_ns = perf_counter_ns()

    def _set_variables(self, pairs: Sequence[bytes]) -> None:
        for pair in pairs:
            # What does not load here, no stage could have used either.
            with contextlib.suppress(Exception):
                variable, value = self._codec.loads(pair, ())
                self._modes.callback(variable.reset, variable.set(value))

    def _end(self, frame: Frame) -> None:
        self._modes.close()
        report = self._runner.report
        began, _, _ = frame.stamps
        if report.visits:
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
        try:
            values = self._unpack(frame)
        except BaseException as error:
            unreadable = ShippingError(
                f"item {first} cannot be rebuilt in a worker process: {summary(error)}"
            )
            for item in range(first, first + count):
                self._reply(error_frame(self._codec, unreadable, self._runner.stages[0], item))
            return
        if count == 1:
            self._run_one(values[0], first)
            return
        runs, failures = self._runner.chunk(values, first)
        for item, stage, failure in failures:
            self._reply(error_frame(self._codec, failure, stage, item))
        for begin, outputs in runs:
            self._reply_outputs(outputs, begin)
        left = count - len(failures) - sum(len(outputs) for _, outputs in runs)
        if left:  # behind the error that ends the run: the parent counts this worker idle
            self._reply(Frame(Kind.SKIPPED, first, count=left))

    def _run_one(self, value: Any, item: int) -> None:
        try:
            output = self._runner.one(value, item)
        except BaseException as error:
            self._reply(error_frame(self._codec, error, self._runner.stage, item))
        else:
            self._reply_outputs([output], item)

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

    def _reply_outputs(self, outputs: list[Any], first: int) -> None:
        """Answer consecutive items in one message, or one by one if they do not pickle together."""
        whole = self._result_frame(outputs if len(outputs) > 1 else outputs[0], first)
        if whole.kind is Kind.RESULT:
            whole.count = len(outputs)
            whole.stamps = (self._runner.worked_ns, 0, 0)
            self._runner.worked_ns = 0
        if whole.kind is Kind.RESULT or len(outputs) == 1:
            self._reply(whole)
            return
        for item, output in enumerate(outputs, first):
            self._reply(self._result_frame(output, item))

    def _result_frame(self, value: Any, item: int) -> Frame:
        began = perf_counter_ns()
        try:
            body, buffers = self._codec.dumps(value)
            return Frame(Kind.RESULT, item, body=body, buffers=buffers)
        except BaseException as error:
            stamps = (self._runner.stages[-1], 0, 0)
            return Frame(Kind.UNSENDABLE, item, stamps, summary(error).encode())
        finally:
            self._runner.report.serialisation_ns += perf_counter_ns() - began

    def _reply(self, frame: Frame) -> None:
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
