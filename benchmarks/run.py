"""Print all the tables (about twenty minutes); `--write` also puts them into results.md."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
from pathlib import Path

import bench_decide
import bench_ends
import bench_flights
import bench_lock
import bench_processes
import bench_report
import bench_seed
import bench_startup
import bench_threads
import bench_whatif

BENCHES = (
    bench_seed,
    bench_threads,
    bench_processes,
    bench_ends,
    bench_flights,
    bench_startup,
    bench_decide,
    bench_whatif,
    bench_lock,
    bench_report,
)
RESULTS = Path(__file__).with_name("results.md")
INTRODUCTION = """# Results

Written by `python benchmarks/run.py --write` on {date}: {machine}.
Medians with quartiles in parentheses; ratios compare executions of the same round. Other machines give other figures.
"""


def machine() -> str:
    """Describe this machine in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return f"{system}, {cores} usable cores, CPython {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    parts = []
    for bench in BENCHES:
        for text in bench.tables():
            title = (bench.__doc__ or "").strip()
            print(f"{title}\n\n{text}\n", flush=True)
            parts.append(f"{title}\n\n{text}\n")
    if options.write:
        today = dt.datetime.now(tz=dt.UTC).date().isoformat()
        head = INTRODUCTION.format(date=today, machine=machine())
        RESULTS.write_text("\n".join([head, *parts]), encoding="utf-8")
        print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
