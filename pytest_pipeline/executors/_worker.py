"""The loop of one worker thread of one stage."""

from __future__ import annotations

from itertools import islice
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import IDLE
from pytest_pipeline.executors._floor import Loop, Place, raised
from pytest_pipeline.executors._recorder import FOLD_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_pipeline.executors._accounts import Account
    from pytest_pipeline.executors._hops import Outgoing
    from pytest_pipeline.executors._intake import Intake
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink


class Worker(Loop):
    """Takes items, runs the stage on them, hands them on, and records each visit."""

    def __init__(
        self,
        fn: Callable[[Any], Any],
        name: str,
        run: Run,
        account: Account,
        *,
        intake: Intake,
        outlet: Outgoing,
        sink: Sink,
    ) -> None:
        super().__init__(run, account, intake)
        self._fn = fn
        self._name = name
        self._outlet = outlet
        self._sink = sink

    def _work(self) -> None:
        fn, account, send = self._fn, self._account, self._outlet.send
        stage, record = account.stage, account.recorder.add
        messages = self._intake.messages()
        while not self._intake.is_over:
            for item, value, enqueued in islice(messages, FOLD_EVERY):
                account.item = item
                account.since_ns = started = perf_counter_ns()
                try:
                    value = fn(value)  # noqa: PLW2901 - keeps one reference to the item, not two
                except BaseException as error:
                    self._raised(error, item, enqueued)
                    continue
                finished = perf_counter_ns()
                account.item = IDLE
                record((item, stage, enqueued, started, finished))
                if not send(item, value, finished):
                    return
            account.recorder.fold()

    def _raised(self, error: BaseException, item: int, enqueued: int) -> None:
        raised(error, Place(self._name, item, enqueued), self._account, self._run, self._sink)


class BareWorker(Worker):
    """The same without recording: what the benchmark calls recording off."""

    def _work(self) -> None:
        fn, account, send = self._fn, self._account, self._outlet.send
        for item, value, enqueued in self._intake.messages():
            account.item = item
            try:
                value = fn(value)  # noqa: PLW2901 - as above
            except BaseException as error:
                self._raised(error, item, enqueued)
                continue
            account.item = IDLE
            if not send(item, value, enqueued):
                return
