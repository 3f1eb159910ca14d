"""Persistent worker threads: one inbox each, a handshake per run, and what to do with hung ones."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from pytest_pipeline.errors import StageTimeoutError, UsageError, add_note
from pytest_pipeline.executors._accounts import IDLE, SOURCE
from pytest_pipeline.executors._context import applied, capture_modes, hold_openmp, openmp_cap
from pytest_pipeline.executors._places import named
from pytest_pipeline.executors._run import TimedOutError, get_before
from pytest_pipeline.model.plan import SOURCE_STAGE

if TYPE_CHECKING:
    from pytest_pipeline.executors._accounts import Account
    from pytest_pipeline.executors._context import Modes, OpenmpCap
    from pytest_pipeline.executors._run import Run

_GRACE_S = 1.0
"""After a failure, how long to wait for stages that are still at work before giving up on them."""

_INTERRUPT_GRACE_S = 0.2
"""The same after Ctrl-C or a timeout: the caller wants to leave."""

_IDLE_S = 10.0
"""The same when no stage is at work, and at close: only a starved machine takes so long."""

_HUNG: list[threading.Thread] = []
"""Every thread of this process that was given up on."""

Job = Callable[[], None]
Inbox = SimpleQueue[Job | None]


@dataclass(frozen=True, slots=True)
class Watch:
    """What was under way when a run timed out."""

    visits: list[tuple[int, str, int]]
    """(since_ns, stage name, item) of every visit that had not ended."""
    stacks: str = ""
    """Stacks of workers that are not threads of this crew."""


def watch_accounts(accounts: Sequence[Account], names: Sequence[str]) -> Watch:
    """Return the visits that the accounts of worker threads show."""
    # Each looked at once: a worker may end its visit meanwhile, and is idle the next time.
    seen = [(a.since_ns, a.stage, a.item, len(a.done)) for a in accounts]
    return Watch(
        [
            (since, SOURCE_STAGE if stage == SOURCE else names[stage], item + done)
            for since, stage, item, done in seen
            if item != IDLE
        ]
    )


def hung_threads() -> tuple[str, ...]:
    """Return the names of all abandoned worker threads of this process that still live."""
    for thread in tuple(_HUNG):
        if not thread.is_alive():
            with contextlib.suppress(ValueError):  # another thread that asked was quicker
                _HUNG.remove(thread)
    return tuple(thread.name for thread in tuple(_HUNG))


class Member:
    """One worker thread, alive over many runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inbox: Inbox = SimpleQueue()
        # A daemon, so that a stage that hangs for ever cannot keep the interpreter from exiting.
        self.thread = threading.Thread(target=_serve, args=(self.inbox,), name=name, daemon=True)
        self.thread.start()


class Crew:
    """The worker threads of one open executor."""

    def __init__(self, names: Sequence[str]) -> None:
        self._members: list[Member] = []
        self._busy: set[int] = set()
        self._lost: list[Member] = []
        self._dismiss = weakref.finalize(self, _dismiss, self._members)
        try:
            for name in names:
                self._members.append(Member(name))
        except BaseException as error:
            self.close()
            if isinstance(error, RuntimeError):
                add_note(error, _no_more_threads(len(self._members), len(names)))
            raise

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Names of the threads that hung and are still alive."""
        return tuple(member.name for member in self._lost if member.thread.is_alive())

    def execute(
        self,
        run: Run,
        jobs: Sequence[Job],
        timeout_s: float,
        wait: Callable[[float], None],
        watch: Callable[[], Watch],
    ) -> None:
        """Run the jobs, one per member at most, to their end, or raise what ended them.

        `wait(deadline)` blocks the calling thread until the run is over, and raises
        `TimedOutError` at the deadline; then `watch()` says what was under way.
        Whatever happens, no member is left busy: one that hangs is replaced and named.
        """
        if not self._dismiss.alive:
            raise UsageError("this executor is closed: open it again")
        deadline = time.monotonic() + timeout_s
        grace_s = _IDLE_S
        try:
            self._launch(run, jobs, deadline)
            run.begin()
            wait(deadline)
        except TimedOutError:
            grace_s = _INTERRUPT_GRACE_S
            error = self._timeout_error(timeout_s, watch(), run.items_each)
            run.fail(error)
            raise error from None
        except BaseException as error:
            grace_s = _GRACE_S if error is run.error else _INTERRUPT_GRACE_S
            run.fail(error)
            raise
        finally:
            self._settle(run, grace_s)
            run.error = None  # breaks the cycle error -> traceback -> frame -> run

    def close(self) -> None:
        """End the threads; one that hangs is left behind as a daemon and named in `abandoned`."""
        self._dismiss()
        deadline = time.monotonic() + _IDLE_S
        for member in self._members:
            member.thread.join(max(0.0, deadline - time.monotonic()))
            if member.thread.is_alive() and member not in self._lost:
                self._lose(member)

    def _lose(self, member: Member) -> None:
        self._lost.append(member)
        _HUNG.append(member.thread)

    def _launch(self, run: Run, jobs: Sequence[Job], deadline: float) -> None:
        """Give each member its job and wait until all have begun; raises what kept one from it."""
        self._replace_busy()
        modes, cap = capture_modes(), openmp_cap()
        for number, (member, job) in enumerate(zip(self._members, jobs, strict=False)):
            self._busy.add(number)
            # A context can be entered by one thread at a time, hence a copy for each.
            context = contextvars.copy_context()
            perform = functools.partial(context.run, _perform, run, number, job, modes, cap)
            member.inbox.put(perform)
        for _ in jobs:
            get_before(run.ready, deadline)
        if run.error is not None:
            raise run.error

    def _settle(self, run: Run, grace_s: float) -> None:
        run.make_over()  # Ctrl-C may have come before `fail`, or amid it
        deadline = time.monotonic() + grace_s
        while self._busy:
            try:
                self._busy.discard(run.idle.get(timeout=max(0.0, deadline - time.monotonic())))
            except Empty:
                break
        self._replace_busy()

    def _replace_busy(self) -> None:
        """Give up on the members that are still at work: they end by themselves, or never."""
        for number in sorted(self._busy):
            lost = self._members[number]
            lost.inbox.put(None)
            self._lose(lost)
            self._members[number] = Member(lost.name)
        self._busy.clear()

    def _timeout_error(self, timeout_s: float, watch: Watch, items_each: int) -> StageTimeoutError:
        """Return the error that names the longest visit under way, with all the stacks."""
        where = "no stage function was running"
        if watch.visits:
            since, stage, item = min(watch.visits)
            spent_s = (time.perf_counter_ns() - since) / 1e9
            where = (
                f"stage {stage!r}, {named(item, items_each)} has been running for {spent_s:.3g} s"
            )
        text = f"the execution did not end within {timeout_s:g} s: {where}"
        step = "next: the stacks of this error show where it waits; if it is only slow, raise timeout= or use fewer items"
        return StageTimeoutError(f"{text}\n{step}\n{watch.stacks}\n{self._stacks()}")

    def _stacks(self) -> str:
        frames = sys._current_frames()  # noqa: SLF001 - the only way to see another thread's stack
        parts = []
        for member in self._members:
            frame = frames.get(member.thread.ident or 0)
            if frame is not None:
                parts.append(f"thread {member.name!r}:\n{''.join(traceback.format_stack(frame))}")
        return "\n".join(parts)


def _serve(inbox: Inbox) -> None:
    while (job := inbox.get()) is not None:
        job()
        del job  # nothing of the last run may stay alive in an idle worker


def _perform(run: Run, number: int, job: Job, modes: Modes, cap: OpenmpCap | None) -> None:
    try:
        with applied(modes):
            hold_openmp(cap)
            run.ready.put(number)
            job()
    except BaseException as error:
        run.fail(error)
        run.ready.put(number)  # it may have failed before: nobody may wait for it until the timeout
    finally:
        run.idle.put(number)


def _dismiss(members: list[Member]) -> None:
    for member in members:
        member.inbox.put(None)


def _no_more_threads(started: int, wanted: int) -> str:
    return (
        f"{started} of {wanted} worker threads could be started, and were ended again; "
        "next: fewer workers, or a higher limit of threads (ulimit -u, pids.max of the container)"
    )
