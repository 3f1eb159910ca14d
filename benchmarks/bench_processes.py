"""What an item costs between processes: null items, arrays, frames and CPU work, beside the peers.

Joblib chooses its batches by itself in every table, also where the others send one item at a time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Protocol

import numpy as np
from _rounds import Run, interleave, timed
from _tables import spread, table

from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

WORKERS = 2
ROUNDS = 9
ARRAY = 1 << 20
"""Elements of eight bytes: 8 MB."""

_kept: dict[int, Any] = {}


def null(item: Any) -> Any:
    return item


def produce(size: int) -> Any:
    """Return an array that the worker has made before: the transfer is what is measured."""
    if size not in _kept:
        _kept[size] = np.ones(size)
    return _kept[size]


def compute(item: int) -> int:
    total = 0
    for number in range(60_000):
        total += number * item
    return total


class Peer(Protocol):
    """A pool with its workers up."""

    def __call__(self, fn: Callable[[Any], Any], items: Sequence[Any], chunk: int) -> Iterable[Any]:
        """Return the outputs in order."""
        ...


@contextlib.contextmanager
def pool() -> Iterator[Peer]:
    with multiprocessing.get_context("fork").Pool(WORKERS) as opened:
        yield lambda fn, items, chunk: opened.imap(fn, items, chunksize=chunk)


@contextlib.contextmanager
def futures() -> Iterator[Peer]:
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as opened:
        yield lambda fn, items, chunk: opened.map(fn, items, chunksize=chunk)


@contextlib.contextmanager
def loky() -> Iterator[Peer]:
    import loky  # type: ignore[import-not-found]

    opened = loky.get_reusable_executor(max_workers=WORKERS)
    yield lambda fn, items, chunk: opened.map(fn, items, chunksize=chunk)
    opened.shutdown()


@contextlib.contextmanager
def pebble() -> Iterator[Peer]:
    import pebble  # type: ignore[import-not-found]

    with pebble.ProcessPool(max_workers=WORKERS) as opened:
        yield lambda fn, items, chunk: opened.map(fn, items, chunksize=chunk).result()


@contextlib.contextmanager
def mpire() -> Iterator[Peer]:
    import mpire  # type: ignore[import-not-found]

    with mpire.WorkerPool(n_jobs=WORKERS, keep_alive=True) as opened:
        yield lambda fn, items, chunk: opened.imap(
            fn, [(each,) for each in items], chunk_size=chunk
        )


@contextlib.contextmanager
def joblib() -> Iterator[Peer]:
    import joblib  # type: ignore[import-not-found,import-untyped]

    with joblib.Parallel(n_jobs=WORKERS, max_nbytes=None) as opened:
        # Its batches are set when it is made; here it chooses them by itself.
        yield lambda fn, items, _: opened(joblib.delayed(fn)(each) for each in items)


PEERS = {
    "mp.Pool.imap": pool,
    "ProcessPoolExecutor.map": futures,
    "loky": loky,
    "pebble": pebble,
    "mpire": mpire,
    "joblib": joblib,
}
BASELINE = "mp.Pool.imap"


def missing() -> list[str]:
    """Return the names of peers that are not installed."""
    third_party = [name for name in PEERS if "." not in name]
    return [name for name in third_party if importlib.util.find_spec(name) is None]


def ours(fn: Callable[[Any], Any], items: Sequence[Any], **options: Any) -> tuple[Run, Any]:
    """Return a run of our executor, its makespan as the product reports it, and the open executor."""
    running = Processes(workers=WORKERS, **options).open(make_plan([fn]))
    source = Source(lambda: iter(items))
    return lambda: running.run(source).makespan_s, running


def compare(
    fn: Callable[[Any], Any],
    items: Sequence[Any],
    show: Callable[[float], float],
    unit: str,
    arms: dict[str, dict[str, Any]],
    *,
    chunk: int = 1,
    peers: Sequence[str] = tuple(PEERS),
) -> list[list[str]]:
    """Run ours and the peers in interleaved rounds; `show` turns seconds into what the row says."""
    runs: dict[str, Run] = {}
    with contextlib.ExitStack() as stack:
        for name in peers:  # first: those that fork do so before our threads exist
            if name not in missing():
                peer = stack.enter_context(PEERS[name]())
                runs[name] = timed(lambda peer=peer: list(peer(fn, items, chunk)))  # type: ignore[misc]
        for name, options in arms.items():
            runs[name], running = ours(fn, items, **options)
            stack.callback(running.close)
        rounds = interleave(runs, baseline=BASELINE, rounds=ROUNDS)
    rows = []
    for name, seconds in rounds.makespans_s.items():
        found = [show(each) for each in seconds]
        rows.append([name, spread(found, unit), spread(rounds.ratios(name), "x")])
    return [*rows, *([name, "not installed", ""] for name in missing() if name in peers)]


def null_table(chunk: int, count: int) -> str:
    rows = compare(
        null,
        list(range(count)),
        lambda seconds: seconds / count * 1e6,
        " us",
        {f"processes, chunk={chunk}": {"chunk": chunk}},
        chunk=chunk,
    )
    return table([f"null item, chunk {chunk}", "per item", f"times as fast as {BASELINE}"], rows)


def memory_rows(count: int) -> list[list[str]]:
    """Return what this machine's memory gives: copies into touched and into fresh memory."""
    sources = [np.ones(ARRAY) for _ in range(4)]
    touched = [np.ones(ARRAY) for _ in range(8)]

    def into_touched() -> None:
        for k in range(count):
            np.copyto(touched[k % len(touched)], sources[k % len(sources)])

    def into_fresh() -> None:
        kept = [sources[k % len(sources)].copy() for k in range(count)]
        del kept

    rows = []
    for name, run in (("memcpy, touched", into_touched), ("memcpy, fresh", into_fresh)):
        once = timed(run)
        once()
        found = [count * ARRAY * 8 / once() / 1e9 for _ in range(ROUNDS)]
        rows.append([name, spread(found, " GB/s"), ""])
    return rows


def array_table(*, is_echo: bool) -> str:
    count = 40
    arrays = [np.full(ARRAY, float(k)) for k in range(4)]
    items = [arrays[k % 4] for k in range(count)] if is_echo else [ARRAY] * count
    rows = compare(
        null if is_echo else produce,
        items,
        lambda seconds: count * ARRAY * 8 / seconds / 1e9,
        " GB/s",
        {"processes": {}, "processes, view=True": {"view": True}},
    )
    way = "there and back" if is_echo else "worker to parent"
    header = [f"8 MB float64 arrays, {way}", "of result", f"times as fast as {BASELINE}"]
    return table(header, [*rows, *memory_rows(count)])


def frame_table() -> str:
    if importlib.util.find_spec("pandas") is None:
        return "pandas is not installed: no table of frames"
    import pandas as pd

    size, count = 100_000, 10
    frame = pd.DataFrame(
        {
            "whole": np.arange(size),
            "real": np.linspace(0.0, 1.0, size),
            "text": [f"row {k % 997}" for k in range(size)],
            "kind": pd.Categorical(["a", "b"] * (size // 2)),
            "when": pd.date_range("2020-01-01", periods=size, freq="min"),
        }
    )
    rows = compare(
        null, [frame] * count, lambda seconds: seconds / count * 1e3, " ms", {"processes": {}}
    )
    header = ["frame of 100,000 rows, there and back", "per frame"]
    return table([*header, f"times as fast as {BASELINE}"], rows)


def cpu_table() -> str:
    count = 60
    rows = compare(
        compute,
        list(range(count)),
        lambda seconds: seconds / count * 1e3,
        " ms",
        {"processes": {}},
        peers=(BASELINE, "ProcessPoolExecutor.map"),
    )
    return table(["CPU stage, 2 workers", "per item", f"times as fast as {BASELINE}"], rows)


def tables() -> list[str]:
    return [
        null_table(1, 5_000),
        null_table(32, 20_000),
        array_table(is_echo=False),
        array_table(is_echo=True),
        frame_table(),
        cpu_table(),
    ]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
