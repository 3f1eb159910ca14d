"""The contract every executor keeps, in types and in prose.

1. `open(plan)` starts the workers and ships the stages; its duration is start-up, never makespan.
2. `Running.run(source)` executes the plan once. It may be called any number of times; workers live
   across calls. Outputs come back in input order and equal those of the serial executor.
3. Memory is bounded: items admitted minus items emitted in order never exceed
   sum of queue sizes + workers (or `source.in_flight` when that is smaller). Where items travel in
   chunks, threads hold so many chunks; processes hold a chunk per worker and, on their way, the sum
   of queue sizes in items or seven chunks per worker, whichever is more.
4. When a stage raises, the original exception reaches the caller with the note
   `stage 'parse', item 17`; everything else is cancelled in bounded time and the next `run` works.
5. When an execution outlives `plan.timeout_s`, `StageTimeoutError` names stage and item and holds
   the stacks. Processes are killed and replaced; a hung thread is abandoned as a daemon and named.
6. Ctrl-C (KeyboardInterrupt in the calling thread) cancels like an exception.
7. `close()` ends every worker, and may be called twice. Nothing is left: no process, thread, segment, descriptor.
8. All stamps of a trace come from `time.perf_counter_ns` of one host.
9. With `source.collects_errors` an `Exception` of a stage ends its item only: no output, its index in
   `Trace.failed_items`, the first ones in words in `Trace.failures`. Exits, timeouts, dead workers and
   items that cannot travel still end the execution.
10. An executor knows nothing of batches: a plan with batched stages reaches it as one whose items are chunks of
   whole batches (`batches.open_plan`, `Plan.items_each`). What it bounds and numbers are then chunks.
11. Worker processes that `multiprocessing` starts have names that begin with `WORKER_PROCESS`: the CPU time of others,
   a server that the tests started among them, is never taken for an arm's work.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pytest_pipeline.model.device import DeviceDiagnosis
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.trace import Trace

WORKER_PROCESS = "pipeline-worker-"
"""What the name of a worker process begins with."""


class Running(Protocol):
    """Workers that are up and hold the stages of one plan."""

    @property
    def startup_s(self) -> float:
        """Seconds that `open` took."""
        ...

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Names of worker threads that hung and could not be ended."""
        ...

    def run(self, source: Source) -> Trace:
        """Execute the plan once over `source`."""
        ...

    def close(self) -> None:
        """End all the workers; harmless when repeated."""
        ...


@runtime_checkable
class Diagnosable(Protocol):
    """A `Running` that can look into its devices, apart from any timed execution."""

    def diagnose(self, source: Source) -> tuple[DeviceDiagnosis, ...]:
        """Execute the first items once more, one at a time, and say what each device did."""
        ...


@runtime_checkable
class Executor(Protocol):
    """One way to run a plan."""

    @property
    def name(self) -> str:
        """The arm's name in markers, messages and reports."""
        ...

    def workers(self, plan: Plan) -> int:
        """Worker slots this executor uses for `plan`: the width of its control kernel."""
        ...

    def unavailable(self) -> str | None:
        """Why this executor cannot run here, or None when it can."""
        ...

    def open(self, plan: Plan) -> Running:
        """Start workers, ship the stages, return when every worker is ready."""
        ...
