"""Other ways to run a function in worker processes. They keep their workers up unless the name says otherwise."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from _installed import is_installed, with_versions

WORKERS = 2
DEPTH = 16
BASELINE = "mp.Pool.imap"

Stage = Callable[[Any], Any]


class Pool(Protocol):
    """A pool with its workers up."""

    def __call__(self, fn: Stage, items: Sequence[Any], chunk: int) -> Iterable[Any]:
        """Return the outputs in order."""
        ...


@dataclass(frozen=True)
class Peer:
    """One way."""

    open: Callable[[], contextlib.AbstractContextManager[Pool]]
    module: str = "multiprocessing"
    distribution: str = ""
    is_slow: bool = False
    """Gets a tenth of the items: some need half a millisecond for each."""
    sends_items: bool = True
    """False when its workers are forked with the items."""
    forks: bool = False
    """Forks this process in every execution. Whatever is written next is then copied page by page first: plain copies
    fell from 9.7 to 2.3 GB/s, and all that is measured beside it with them."""


@contextlib.contextmanager
def mp_pool() -> Iterator[Pool]:
    with multiprocessing.get_context("fork").Pool(WORKERS) as opened:
        yield lambda fn, items, chunk: opened.imap(fn, items, chunksize=chunk)


@contextlib.contextmanager
def futures() -> Iterator[Pool]:
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as opened:
        yield lambda fn, items, chunk: opened.map(fn, items, chunksize=chunk)


@contextlib.contextmanager
def loky() -> Iterator[Pool]:
    import loky  # type: ignore[import-not-found]

    opened = loky.get_reusable_executor(max_workers=WORKERS)
    yield lambda fn, items, chunk: opened.map(fn, items, chunksize=chunk)
    opened.shutdown()


@contextlib.contextmanager
def pebble() -> Iterator[Pool]:
    import pebble  # type: ignore[import-not-found]

    with pebble.ProcessPool(max_workers=WORKERS) as opened:
        yield lambda fn, items, chunk: opened.map(fn, items, chunksize=chunk).result()


@contextlib.contextmanager
def mpire() -> Iterator[Pool]:
    import mpire  # type: ignore[import-not-found]

    with mpire.WorkerPool(n_jobs=WORKERS, keep_alive=True) as opened:
        yield lambda fn, items, chunk: opened.imap(
            fn, [(each,) for each in items], chunk_size=chunk
        )


@contextlib.contextmanager
def joblib() -> Iterator[Pool]:
    import joblib  # type: ignore[import-not-found,import-untyped]

    with joblib.Parallel(n_jobs=WORKERS, max_nbytes=None) as opened:
        # Its batches are set when it is made; here it chooses them by itself.
        yield lambda fn, items, _: opened(joblib.delayed(fn)(each) for each in items)


class Mapped:
    """A data set for `DataLoader`: the function applied to each item, or to a chunk of them."""

    def __init__(self, fn: Stage, items: Sequence[Any]) -> None:
        self.fn = fn
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.fn(self.items[index])


def as_it_is(batch: Any) -> Any:
    return batch


@contextlib.contextmanager
def data_loader() -> Iterator[Pool]:
    from torch.utils.data import DataLoader

    made: dict[int, Any] = {}

    def run(fn: Stage, items: Sequence[Any], chunk: int) -> Iterable[Any]:
        if id(items) not in made:  # its workers hold the items, hence one loader for each list
            made[id(items)] = DataLoader(
                Mapped(fn, items),  # type: ignore[arg-type]
                batch_size=None if chunk == 1 else chunk,
                collate_fn=as_it_is,
                num_workers=WORKERS,
                persistent_workers=True,
                multiprocessing_context="fork",
            )
        return made[id(items)]  # type: ignore[no-any-return]

    yield run
    made.clear()


@contextlib.contextmanager
def torchdata() -> Iterator[Pool]:
    from torchdata.nodes import (  # type: ignore[import-not-found]
        IterableWrapper,
        Loader,
        ParallelMapper,
    )

    yield lambda fn, items, _: Loader(
        ParallelMapper(
            IterableWrapper(items),
            fn,
            num_workers=WORKERS,
            in_order=True,
            method="process",
            multiprocessing_context="fork",
        )
    )


@contextlib.contextmanager
def pypeln() -> Iterator[Pool]:
    import pypeln  # type: ignore[import-not-found]

    yield lambda fn, items, _: pypeln.process.ordered(
        pypeln.process.map(fn, items, workers=WORKERS)
    )


@contextlib.contextmanager
def spdl() -> Iterator[Pool]:
    from spdl.pipeline import PipelineBuilder  # type: ignore[import-not-found]

    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("fork")) as opened:

        def run(fn: Stage, items: Sequence[Any], _: int) -> Iterator[Any]:
            builder = PipelineBuilder().add_source(items)
            builder.pipe(fn, executor=opened, concurrency=WORKERS, output_order="input")
            pipeline = builder.add_sink(DEPTH).build(num_threads=WORKERS)
            with pipeline.auto_stop():
                yield from pipeline

        yield run


class Produced:
    """An iterable for SPDL's worker process, which makes a fresh iterator of it each time."""

    def __init__(self, fn: Stage, items: Sequence[Any], chunk: int) -> None:
        self.fn = fn
        self.items = items
        self.chunk = chunk

    def __iter__(self) -> Iterator[Any]:
        if self.chunk == 1:
            return map(self.fn, self.items)
        starts = range(0, len(self.items), self.chunk)
        return ([self.fn(each) for each in self.items[k : k + self.chunk]] for k in starts)


_ARENA_BYTES = 9 << 20
"""Of one unit: an array of 8 MB and its alignment."""


def _spdl_arena(make: Callable[[Any], Any]) -> Iterator[Pool]:
    from spdl import pipeline

    made: dict[int, Any] = {}

    def run(fn: Stage, items: Sequence[Any], chunk: int) -> Iterable[Any]:
        if id(items) not in made:  # its one worker holds the items
            made[id(items)] = pipeline.iterate_in_subprocess(
                partial(Produced, fn, items, chunk),
                buffer_size=DEPTH,
                mp_context="fork",
                arena=make(pipeline),
            )
        return made[id(items)]  # type: ignore[no-any-return]

    yield run
    made.clear()


@contextlib.contextmanager
def spdl_ring() -> Iterator[Pool]:
    """Copy out of one shared ring."""
    yield from _spdl_arena(lambda made: made.SharedMemoryRingBuffer(DEPTH * _ARENA_BYTES))


@contextlib.contextmanager
def spdl_segments() -> Iterator[Pool]:
    """Hand out views of shared segments: enough for all the arrays that are held."""
    yield from _spdl_arena(lambda made: made.SharedMemorySegmentPool(_ARENA_BYTES, 3 * DEPTH))


@contextlib.contextmanager
def ray() -> Iterator[Pool]:
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")
    import ray  # type: ignore[import-not-found]

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, address="local")
    made: dict[Stage, Any] = {}

    def run(fn: Stage, items: Sequence[Any], chunk: int) -> Iterator[Any]:
        if fn not in made:
            made[fn] = ray.remote(lambda several: [fn(each) for each in several])
        parts = [items[k : k + chunk] for k in range(0, len(items), chunk)]
        for waiting in [made[fn].remote(part) for part in parts]:
            yield from ray.get(waiting)

    yield run
    ray.shutdown()


PEERS: dict[str, Peer] = {
    BASELINE: Peer(mp_pool),
    "ProcessPoolExecutor.map": Peer(futures),
    "loky": Peer(loky, "loky", "loky"),
    "pebble": Peer(pebble, "pebble", "pebble"),
    "mpire": Peer(mpire, "mpire", "mpire"),
    "joblib": Peer(joblib, "joblib", "joblib"),
    "DataLoader": Peer(data_loader, "torch.utils.data", "torch", is_slow=True, sends_items=False),
    "torchdata.nodes, started each time": Peer(
        torchdata, "torchdata.nodes", "torchdata", is_slow=True, forks=True
    ),
    "pypeln.process, started each time": Peer(pypeln, "pypeln", "pypeln", is_slow=True, forks=True),
    "SPDL, ProcessPoolExecutor": Peer(spdl, "spdl.pipeline", "spdl_core", is_slow=True),
    "SPDL arena, ring, 1 worker": Peer(spdl_ring, "spdl.pipeline", "spdl_core", sends_items=False),
    "SPDL arena, segments as views, 1 worker": Peer(
        spdl_segments, "spdl.pipeline", "spdl_core", sends_items=False
    ),
    "Ray tasks": Peer(ray, "ray", "ray", is_slow=True),
}

HERE = {name: peer for name, peer in PEERS.items() if is_installed(peer.module)}
"""Those that are installed."""

CALM = tuple(name for name, peer in HERE.items() if not peer.forks)
"""Those beside which large memory can be measured."""


def with_peers(text: str) -> str:
    """Add versions, and what is not installed, to the head of a table."""
    third_party = {name: (p.module, p.distribution) for name, p in PEERS.items() if p.distribution}
    return with_versions(text, third_party)
