"""Trace Event files: the profiled executions of a session for Perfetto, speedscope and about:tracing.

Format: "Trace Event Format" (Google, 2016), JSON object form. One file per test; a process per arm,
a thread per worker of a stage, a complete event per visit, a counter per stage for its queue.
Times are microseconds since the execution began.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from pytest_pipeline.report.json_file import write_text
from pytest_pipeline.report.text import anchor
from pytest_pipeline.report.words import Json, final_tests

_SLUG = 60
"""Characters of the test id in a file name; the hash behind it keeps names apart."""

Event = dict[str, Any]


def write_all(document: Json, directory: str | Path) -> int:
    """Write one file per test that has a timeline and return how many; raises `OSError` naming the file."""
    tests = final_tests(document["tests"])
    recorded = [test for test in tests if any(_recorded(run) for run in test["runs"])]
    Path(directory).mkdir(parents=True, exist_ok=True)
    for test in recorded:
        text = json.dumps(trace_of(test), ensure_ascii=True, separators=(",", ":"))
        write_text(text + "\n", Path(directory) / file_name(test["nodeid"]))
    return len(recorded)


def file_name(nodeid: str) -> str:
    """Return the file's name: readable, safe on every file system, the same in every session."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", nodeid)[-_SLUG:].strip("-.")
    return f"{slug}-{anchor(nodeid)[2:]}.json"


def trace_of(test: Json) -> dict[str, Any]:
    """Return the trace of one test: every arm of every run that was recorded."""
    events: list[Event] = []
    notes: list[str] = []
    for number, run in enumerate(test["runs"], start=1):
        for arm in _recorded(run):
            process = len({event["pid"] for event in events}) + 1
            name = (
                str(arm["executor"]) if len(test["runs"]) == 1 else f"{arm['executor']} #{number}"
            )
            events += _arm_events(arm["timeline"], process, name)
            if _is_sampled(arm["timeline"]):
                kept, all_visits = arm["timeline"]["num_kept"], arm["timeline"]["num_visits"]
                notes.append(f"{name}: {kept} of {all_visits} visits, evenly sampled, no queues")
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {"test": test["nodeid"], "notes": "; ".join(notes)},
    }


def _recorded(run: Json) -> list[Json]:
    return [arm for arm in run["arms"] if arm["timeline"] and arm["timeline"]["item"]]


def _is_sampled(timeline: Json) -> bool:
    return bool(timeline["num_kept"] < timeline["num_visits"])


def _arm_events(timeline: Json, process: int, name: str) -> Iterator[Event]:
    yield _label("process_name", process, 0, name)
    lanes = sorted(set(zip(timeline["stage"], timeline["worker"], strict=True)))
    threads = {lane: number for number, lane in enumerate(lanes, start=1)}
    for (stage, worker), thread in threads.items():
        yield _label("thread_name", process, thread, f"{_stage(timeline, stage)} {worker + 1}")
        yield {**_event("M", "thread_sort_index", process, thread), "args": {"sort_index": thread}}
    for visit in _visits(timeline):
        yield _service(timeline, visit, process, threads[visit["stage"], visit["worker"]])
    if not _is_sampled(timeline):
        for stage in sorted({stage for stage, _ in lanes}):
            yield from _queue(timeline, stage, process)


def _visits(timeline: Json) -> Iterator[dict[str, int]]:
    columns = ("item", "stage", "worker", "enqueued_us", "started_us", "finished_us")
    for row in zip(*(timeline[column] for column in columns), strict=True):
        yield dict(zip(columns, row, strict=True))


def _service(timeline: Json, visit: dict[str, int], process: int, thread: int) -> Event:
    return {
        **_event("X", _stage(timeline, visit["stage"]), process, thread),
        "cat": "service",
        "ts": visit["started_us"],
        "dur": max(0, visit["finished_us"] - visit["started_us"]),
        "args": {
            "item": visit["item"],
            "queueing_us": max(0, visit["started_us"] - visit["enqueued_us"]),
        },
    }


def _queue(timeline: Json, stage: int, process: int) -> Iterator[Event]:
    """Yield how many items waited in front of `stage`, each time that number changed."""
    steps: dict[int, int] = {}
    for visit in _visits(timeline):
        if visit["stage"] == stage and visit["enqueued_us"] < visit["started_us"]:
            steps[visit["enqueued_us"]] = steps.get(visit["enqueued_us"], 0) + 1
            steps[visit["started_us"]] = steps.get(visit["started_us"], 0) - 1
    moments = sorted(steps)
    lengths = accumulate(steps[moment] for moment in moments)
    for moment, length in zip(moments, lengths, strict=True):
        yield {
            **_event("C", f"queue of {_stage(timeline, stage)}", process, 0),
            "ts": moment,
            "args": {"items": length},
        }


def _stage(timeline: Json, stage: int) -> str:
    names = timeline["stage_names"]
    return str(names[stage]) if 0 <= stage < len(names) else f"stage {stage}"


def _event(kind: str, name: str, process: int, thread: int) -> Event:
    return {"ph": kind, "name": name, "pid": process, "tid": thread}


def _label(kind: str, process: int, thread: int, name: str) -> Event:
    return {**_event("M", kind, process, thread), "args": {"name": name}}
