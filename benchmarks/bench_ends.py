"""How soon a run ends that has nothing left to do: an error, an early stop, a killed worker; and a million items."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from _process_peers import HERE
from _tables import print_all, spread, table
from _thread_peers import BUILT_IN, INSTALLED, Peer, wait, with_peers

from pytest_pipeline import Processes, Stage, Threads
from pytest_pipeline.errors import WorkerDiedError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.model.plan import Source, make_plan

ARMS: dict[str, Executor] = {
    "threads": Threads(),
    "processes, 2 workers": Processes(workers=2),
    "processes, a worker per stage": Processes(layout="staged"),
}
TAKEN = 5
DEPTHS = 3 * 16


class StopEarlyError(Exception):
    """Ends our run where a peer's consumer would stop; carries the time at which it was raised."""


def same(item: Any) -> Any:
    return item


def raises_at(last: int) -> Callable[[int], int]:
    def stop(item: int) -> int:
        if item == last:
            raise StopEarlyError(time.perf_counter())
        return item

    return stop


def dies_at(last: int, note: Path) -> Callable[[int], int]:
    def die(item: int) -> int:
        if item == last:
            note.write_text(repr(time.perf_counter()))
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    return die


def ended_after(
    executor: Executor, last: Callable[[int], int], note: Path | None = None
) -> tuple[int, float]:
    """Return how many items were taken, and the seconds from the event until `run` had raised."""
    pulls: list[int] = []
    with closing(executor.open(make_plan([wait(0.002), same, last]))) as running:
        with suppress(StopEarlyError, WorkerDiedError):
            running.run(Source(lambda: _counting(20, []), is_timed=True))
        try:
            running.run(Source(lambda: _counting(3000, pulls), is_timed=True))
        except StopEarlyError as error:
            return len(pulls), time.perf_counter() - float(error.args[0])
        except WorkerDiedError:
            ended = time.perf_counter()
            return len(pulls), ended - float(note.read_text() if note else 0)
    raise AssertionError("the run did not end early")


def stop_table(rounds: int) -> str:
    """Print pulls and closing time when five outputs of 3,000 are wanted, and when a worker is killed.

    Our executors have no consumer: a stage that raises ends the run, so this is the error's time, too.
    """
    rows = []
    for name, executor in ARMS.items():
        found = [ended_after(executor, raises_at(TAKEN)) for _ in range(rounds)]
        workers = executor.workers(make_plan([same, same, same]))
        bound = f"<= {TAKEN + DEPTHS + workers + 1}"
        rows.append([f"{name}: error, early stop", *_cells(found), bound, "<= 100 ms"])
    for name in list(ARMS)[1:]:
        with TemporaryDirectory() as folder:
            note = Path(folder) / "died"
            found = [ended_after(ARMS[name], dies_at(TAKEN, note), note) for _ in range(rounds)]
        rows.append([f"{name}: worker killed", *_cells(found), "", "<= 500 ms"])
    peers = {k: p for k, p in BUILT_IN.items() if "imap" not in k and "submit" not in k}
    for name, peer in {**peers, **INSTALLED}.items():
        rows.append([name, *_cells([_stop_threads(peer)]), "", ""])
    pools = ("mp.Pool.imap", "ProcessPoolExecutor.map")
    rows += [[name, *_cells([_stop_processes(name)]), "", ""] for name in pools]
    head = with_peers(f"Stopped after {TAKEN} outputs of 3,000; the first stage takes 2 ms.")
    names = ["early end", "source pulls", "ended after", "pulls required", "time required"]
    return f"{head}\n\n" + table(names, rows)


def _cells(found: list[tuple[int, float]]) -> list[str]:
    pulls = spread([float(pulled) for pulled, _ in found], digits=0)
    return [pulls, spread([seconds * 1e3 for _, seconds in found], " ms")]


def _counting(count: int, pulls: list[int]) -> Iterator[int]:
    for item in range(count):
        pulls.append(item)
        yield item


def _stop_threads(peer: Peer) -> tuple[int, float]:
    pulls: list[int] = []
    outputs = peer([wait(0.002), same, same], _counting(3000, pulls), 1)
    for _ in range(TAKEN):
        next(outputs)
    return len(pulls), _seconds(outputs.close)


def _stop_processes(name: str) -> tuple[int, float]:
    pulls: list[int] = []
    stack = ExitStack()
    opened: Any = stack.enter_context(HERE[name].open())
    outputs = iter(opened(wait_2_ms, _counting(3000, pulls), 1))
    for _ in range(TAKEN):
        next(outputs)
    return len(pulls), _seconds(stack.close)


def wait_2_ms(item: int) -> int:
    time.sleep(0.002)
    return item


def _seconds(close: Callable[[], object]) -> float:
    began = time.perf_counter()
    closer = threading.Thread(target=close, daemon=True)
    closer.start()
    closer.join(20)
    return time.perf_counter() - began


def growth_table(rounds: int, counts: tuple[int, ...]) -> str:
    """Print the cost per item from a thousand to a million of them, and what the trace still holds."""
    rows = [
        *_growth_of("threads", Threads(), rounds, counts),
        *_growth_of("processes, chunk=32", Processes(workers=2, chunk=32), rounds, counts),
    ]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    names = ["items, 3 stages, recording on", "per item", "ratio to 10,000", "required"]
    return (
        f"Largest memory of the caller's process: {peak_mb:.0f} MB, all outputs included.\n\n"
        + table([*names, "CPU time of the workers", "visits kept"], rows)
    )


def _growth_of(
    name: str, executor: Executor, rounds: int, counts: tuple[int, ...]
) -> Iterator[list[str]]:
    costs: dict[int, list[float]] = {count: [] for count in counts}
    cpu: dict[int, list[float]] = {count: [] for count in counts}
    kept: dict[int, str] = {}
    plan = make_plan([Stage(same, name=stage, queue_size=64) for stage in "abc"])
    with closing(executor.open(plan)) as running:
        running.run(Source(lambda: iter(range(1000))))
        for count in counts * rounds:
            trace = running.run(Source(lambda count=count: iter(range(count))))  # type: ignore[misc]
            costs[count].append(trace.makespan_s / count)
            cpu[count].append(sum(row.cpu_s for row in trace.ledger.rows) / count)
            kept[count] = f"{len(trace.visits):,} of {trace.num_visits:,}"
    base = median(costs[10_000])
    for count, seconds in costs.items():
        ratio = spread([each / base for each in seconds], "x")
        required = "<= 1.2x" if count >= 10_000 else ""
        cost = spread([each * 1e6 for each in seconds], " us")
        of_workers = spread([each * 1e6 for each in cpu[count]], " us")
        yield [f"{name}, {count:,}", cost, ratio, required, of_workers, kept[count]]


def tables(is_quick: bool = False) -> Iterator[str]:
    yield stop_table(3 if is_quick else 9)
    few, many = (10**3, 10**4, 10**5), (10**3, 10**4, 10**5, 10**6)
    yield growth_table(2 if is_quick else 3, few if is_quick else many)


if __name__ == "__main__":
    print_all(tables)
