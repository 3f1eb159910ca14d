"""CUDA: our ring of slots beside what people write today, and beside the bound.

python benchmarks/bench_cuda.py                         # on a machine with an NVIDIA GPU, about ten minutes
python benchmarks/bench_cuda.py --shapes balanced null  # some of its tables
python benchmarks/bench_cuda.py --dry-run               # tiny, on the CPU: tests the script, measures nothing

In a checkout that is not installed: PYTHONPATH=. python benchmarks/bench_cuda.py. Each table is printed when it is
there; a shape that fails is told and the others go on, and the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from _cuda_ours import Ours, one_at_a_time, ring, unavailable
from _cuda_peers import Loop, inference, naive, pinned, pinned_items, prefetching_loader, select
from _cuda_shapes import CPU, NULL, SHAPES, Shape
from _rounds import Rounds, interleave, timed
from _tables import spread, table

from pytest_pipeline.stats.confidence import median_sequence

NAIVE = "naive: .to(device), .cpu(), pageable"
PINNED = "pinned buffers, one stream, synchronised per item"
LOADER = "DataLoader(pin_memory=True), prefetch of one"
SERIAL = "ours, one at a time (CudaSerial)"
GRAPHS = "ours, 3 slots, CUDA graphs"
LIKE_FOR_LIKE = "ours, 3 slots, as naive and DataLoader"
PINNED_BEFORE = "pinned before"
PAGEABLE = "pageable"
SLOTS = (1, 2, 3, 4)
ROUNDS = 20
BY_NAME = {shape.name.partition(":")[0]: shape for shape in (*SHAPES, NULL)}
DRY_NOTE = (
    "DRY RUN on the CPU with tiny items and a stand-in for the device: it shows that the script works; "
    "none of these figures means anything."
)


class Arms:
    """All the ways to run one shape. Each keeps the outputs of its last execution."""

    def __init__(self, shape: Shape, device: str) -> None:
        self.items = shape.make_items(device)
        self.outputs: dict[str, list[Any]] = {}
        self.ours: dict[str, Ours] = {}
        fn = shape.make_fn(device)
        workers = 0 if device == CPU else 2
        self._loops: dict[str, Loop] = {
            NAIVE: naive(self.items, fn, device),
            PINNED: pinned(self.items, fn, device),
            LOADER: prefetching_loader(self.items, fn, device, workers=workers),
        }
        near = pinned_items(self.items, device)
        self._add(SERIAL, Ours(one_at_a_time(device), fn, near))
        for slots in SLOTS:
            self._add(ours_with(slots), Ours(ring(device, slots), fn, near))
        self._add(LIKE_FOR_LIKE, Ours(ring(device, 3), fn, self.items))
        if shape.has_graphs:
            self._add(GRAPHS, Ours(ring(device, 3, graphs=True), fn, near))

    def _add(self, name: str, ours: Ours) -> None:
        self.ours[name] = ours
        self._loops[name] = ours.run

    def runs(self) -> dict[str, Callable[[], float]]:
        """Return the arms, timed from outside; an arm's outputs are complete on the host when it returns."""
        return {name: timed(partial(self._run, name)) for name in self._loops}

    def _run(self, name: str) -> None:
        with inference():
            self.outputs[name] = self._loops[name]()

    def wrong(self) -> set[str]:
        """Return the arms whose outputs are not, bit for bit, those of the naive loop."""
        import torch

        expected = self.outputs[NAIVE]
        return {
            name
            for name, outputs in self.outputs.items()
            if len(outputs) != len(expected)
            or not all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))
        }

    def close(self) -> None:
        """End our workers."""
        for each in self.ours.values():
            each.close()


def shape_table(shape: Shape, device: str, rounds: int) -> str:
    """Return the arms of one shape side by side."""
    arms = Arms(shape, device)
    try:
        found = interleave(arms.runs(), baseline=NAIVE, rounds=rounds)
        wrong = arms.wrong()
        with inference():  # as it ran: with gradients on, a model takes other kernels
            bounds = {name: ours.bound_s() for name, ours in arms.ours.items()}
        fallbacks = {name: "; ".join(ours.notes()) for name, ours in arms.ours.items()}
    finally:
        arms.close()
    header = [
        f"{shape.name}; {len(arms.items)} items",
        "source",
        "makespan",
        "ratio to naive",
        "ratio to DataLoader",
        "its lower 95 % bound",
        "efficiency = bound / makespan",
        "outputs",
    ]
    rows = [
        _row(
            name,
            found,
            bounds.get(name),
            said_of("WRONG" if name in wrong else "equal", fallbacks.get(name, "")),
        )
        for name in found.makespans_s
    ]
    return table(header, [*rows, _bound_row(found, bounds[ours_with(3)])])


def _bound_row(found: Rounds, bound_s: float | None) -> list[str]:
    """Put the limit itself beside the arms: that of three slots from pinned memory."""
    if bound_s is None:
        return ["the bound", *["-"] * 7]
    ratios = [
        spread([each / bound_s for each in found.makespans_s[name]]) for name in (NAIVE, LOADER)
    ]
    cells = [f"{1e3 * bound_s:.2f} ms", *(f"{each}x" for each in ratios)]
    return ["the bound", PINNED_BEFORE, *cells, "-", "1", "-"]


def said_of(outputs: str, fallback: str) -> str:
    """Return what is told of an arm's outputs, and of what it fell back to."""
    return f"{outputs} ({fallback})" if fallback else outputs


def source_of(arm: str) -> str:
    """Return where an arm's items lie when its clock starts: only arms with the same source are like for like.

    The DataLoader pins inside its time, in a thread of its own.
    """
    return PAGEABLE if arm in {NAIVE, LOADER, LIKE_FOR_LIKE} else PINNED_BEFORE


def ours_with(slots: int) -> str:
    """Name an arm of ours."""
    return f"ours, {slots} slot{'' if slots == 1 else 's'}"


def _row(name: str, found: Rounds, bound_s: float | None, outputs: str) -> list[str]:
    spans = found.makespans_s[name]
    to_loader = [a / b for a, b in zip(found.makespans_s[LOADER], spans, strict=True)]
    low = lower_bound(to_loader)
    return [
        name,
        source_of(name),
        spread([1e3 * each for each in spans], " ms"),
        f"{spread(found.ratios(name))}x",
        f"{spread(to_loader)}x",
        "-" if low is None else f"{low:.3f}x",
        "-" if bound_s is None else spread([bound_s / each for each in spans], digits=3),
        outputs,
    ]


def lower_bound(ratios: Sequence[float]) -> float | None:
    """Return a lower 95 % bound of the median ratio; None for too few rounds."""
    interval = median_sequence(ratios, alpha=0.10)
    return None if interval is None else interval[0]


def overhead_table(device: str, rounds: int) -> str:
    """Return what the host spends on an item when there is next to nothing to copy or compute."""
    items, fn = NULL.make_items(device), NULL.make_fn(device)
    arms = {ours_with(slots): Ours(ring(device, slots), fn, items) for slots in SLOTS}
    runs: dict[str, Callable[[], float]] = {NAIVE: timed(naive(items, fn, device))}
    runs |= {name: timed(ours.run) for name, ours in arms.items()}
    try:
        with inference():
            found = interleave(runs, baseline=NAIVE, rounds=rounds)
    finally:
        for ours in arms.values():
            ours.close()
    rows = [
        [name, spread([1e6 * each / len(items) for each in spans], " us", 1)]
        for name, spans in found.makespans_s.items()
    ]
    return table([f"{NULL.name}; {len(items)} items", "makespan per item (wanted: <= 30 us)"], rows)


def header_of(device: str, rounds: int) -> str:
    """Return date, device, driver, versions and the command."""
    import torch

    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    command = " ".join(["python benchmarks/bench_cuda.py", *sys.argv[1:]])
    if device == CPU:
        return f"{today}, torch {torch.__version__}, `{command}`\n\n{DRY_NOTE}"
    from pytest_pipeline.executors._device.nvml import Nvml

    properties = torch.cuda.get_device_properties(device)
    nvml = Nvml(str(getattr(properties, "uuid", "")))
    readings = nvml.before()
    nvml.close()
    driver = readings.driver or f"unknown ({'; '.join(readings.missing)})"
    return (
        f"{today}, {properties.name}, driver {driver}, torch {torch.__version__} (CUDA {torch.version.cuda}), "
        f"{rounds} interleaved rounds, medians with quartiles: `{command}`"
    )


def tables(device: str, rounds: int, shapes: Sequence[Shape]) -> Iterator[tuple[str, bool]]:
    """Yield each shape's table as soon as it is there, or how the shape failed; and whether it is a table."""
    for shape in shapes:
        try:
            made = overhead_table if shape is NULL else partial(shape_table, shape)
            yield made(device, rounds), True
        except Exception:
            yield f"{shape.name}: not measured\n\n{traceback.format_exc()}", False


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; return the exit code, 1 when a shape could not be measured."""
    options = _options(arguments)
    device = CPU if options.dry_run else options.device
    cause = unavailable(device)
    if cause:
        print(f"not measured: {cause}")
        return 0
    if device != CPU:
        select(device)
    rounds = 2 if options.dry_run else options.rounds
    print(f"{header_of(device, rounds)}\n", flush=True)
    is_complete = True
    for text, is_table in tables(device, rounds, [BY_NAME[name] for name in options.shapes]):
        print(f"{text}\n", flush=True)
        is_complete &= is_table
    return 0 if is_complete else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry-run", action="store_true", help="tiny, on the CPU; measures nothing")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="interleaved rounds, at least 20"
    )
    parser.add_argument(
        "--shapes", nargs="+", choices=list(BY_NAME), default=list(BY_NAME), help="which tables"
    )
    parser.add_argument("--device", default="cuda:0")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
