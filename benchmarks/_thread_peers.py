"""Other ways to run stages in threads; each is a generator of the outputs, closed to stop early."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.pool import ThreadPool
from typing import Any

from _installed import is_installed, with_versions
from _rounds import Run, timed

Stages = Sequence[Callable[[Any], Any]]
Peer = Callable[[Stages, Iterable[Any], int], Iterator[Any]]
"""(stages, items, workers per stage) -> outputs."""

DEPTH = 16
_END = object()


def queue_pipeline(stages: Stages, items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """One or more threads per stage, `queue.Queue(16)` between them, a sentinel at the end."""
    queues: list[queue.Queue[Any]] = [queue.Queue(DEPTH) for _ in range(len(stages) + 1)]

    def feed() -> None:
        for item in items:
            queues[0].put(item)
        queues[0].put(_END)

    left = [itertools.count(1) for _ in stages]

    def work(number: int) -> None:
        stage, here, there = stages[number], queues[number], queues[number + 1]
        while (item := here.get()) is not _END:
            there.put(stage(item))
        # The last worker of a stage passes the sentinel on: an earlier one could overtake items.
        (there if next(left[number]) == workers else here).put(_END)

    threads = [threading.Thread(target=feed)]
    threads += [
        threading.Thread(target=work, args=(number,))
        for number in range(len(stages))
        for _ in range(workers)
    ]
    for thread in threads:
        thread.daemon = True
        thread.start()
    yield from iter(queues[-1].get, _END)


def stamped(stages: Stages) -> Stages:
    """Wrap each stage so that it stamps its start and its end and keeps the row, as we do."""

    def wrap(stage: Callable[[Any], Any]) -> Callable[[Any], Any]:
        rows: list[tuple[int, int]] = []

        def timed(item: Any) -> Any:
            started = time.perf_counter_ns()
            value = stage(item)
            rows.append((started, time.perf_counter_ns()))
            return value

        return timed

    return [wrap(stage) for stage in stages]


def stamped_queue_pipeline(stages: Stages, items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """Do the same with the stamps of a recorder."""
    return queue_pipeline(stamped(stages), items, workers)


def pool_imap(stages: Stages, items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """Chain `ThreadPool.imap`: unbounded."""
    with ExitStack() as stack:
        found: Iterable[Any] = items
        for stage in stages:
            found = stack.enter_context(ThreadPool(workers)).imap(stage, found)
        yield from found


def chained_submit(stages: Stages, items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """Use a `ThreadPoolExecutor` per stage; each result submits the next call: unbounded."""
    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(workers)) for _ in stages]

        def submit(done: Future[Any], position: int, value: Any) -> None:
            if position == len(stages):
                done.set_result(value)
                return
            pools[position].submit(stages[position], value).add_done_callback(
                lambda future: submit(done, position + 1, future.result())
            )

        waiting: deque[Future[Any]] = deque()
        for item in items:
            waiting.append(Future())
            submit(waiting[-1], 0, item)
        while waiting:
            yield waiting.popleft().result()


def pypeln_threads(stages: Stages, items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """Chain `pypeln.thread.map`, ordered, maxsize 16."""
    import pypeln

    found: Any = items
    for stage in stages:
        found = pypeln.thread.map(stage, found, workers=workers, maxsize=DEPTH)
    yield from pypeln.thread.ordered(found)


def mpire_threads(stages: Stages, items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """Chain `mpire.WorkerPool.imap` with the threading start method."""
    from mpire import WorkerPool

    with ExitStack() as stack:
        found: Any = items
        for stage in stages:
            pool = stack.enter_context(WorkerPool(n_jobs=workers, start_method="threading"))
            found = pool.imap(stage, found, iterable_len=None, max_tasks_active=DEPTH, chunk_size=1)
        yield from found


def torchdata_nodes(stages: Stages, items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """Chain `torchdata.nodes.ParallelMapper` in threads, in order."""
    from torchdata.nodes import IterableWrapper, Loader, ParallelMapper

    node: Any = IterableWrapper(items)
    for stage in stages:
        node = ParallelMapper(
            node, stage, num_workers=workers, in_order=True, method="thread", max_concurrent=None
        )
    yield from Loader(node)


def spdl_pipeline(stages: Stages, items: Iterable[Any], workers: int = 1) -> Iterator[Any]:
    """Use `spdl.pipeline`, in order, sink of 16."""
    from spdl.pipeline import PipelineBuilder

    builder = PipelineBuilder().add_source(items)
    for stage in stages:
        builder = builder.pipe(stage, concurrency=workers, output_order="input")
    pipeline = builder.add_sink(DEPTH).build(num_threads=workers * len(stages))
    with pipeline.auto_stop():
        yield from pipeline


_OPTIONAL: dict[str, tuple[str, str, Peer]] = {
    "pypeln.thread": ("pypeln", "pypeln", pypeln_threads),
    "torchdata.nodes": ("torchdata.nodes", "torchdata", torchdata_nodes),
    "SPDL": ("spdl.pipeline", "spdl_core", spdl_pipeline),
    "mpire, threading": ("mpire", "mpire", mpire_threads),
}

BUILT_IN: dict[str, Peer] = {
    "queue.Queue(16), thread per stage": queue_pipeline,
    "ThreadPool.imap, chained (unbounded)": pool_imap,
    "chained submit (unbounded)": chained_submit,
}
INSTALLED: dict[str, Peer] = {
    name: peer for name, (module, _, peer) in _OPTIONAL.items() if is_installed(module)
}


def drained(
    peer: Peer, stages: Sequence[Callable[[Any], Any]], items: Iterable[Any], workers: int
) -> Run:
    """Return a `Run` of a peer, start and stop included, since none of them keeps its workers."""
    return timed(lambda: [None for _ in peer(stages, items, workers)])


def with_peers(text: str) -> str:
    """Add versions, and what is not installed, to what stands above a table."""
    return with_versions(text, {name: each[:2] for name, each in _OPTIONAL.items()})


def wait(seconds: float) -> Callable[[Any], Any]:
    """Return a stage that sleeps."""

    def stage(item: Any) -> Any:
        time.sleep(seconds)
        return item

    return stage
