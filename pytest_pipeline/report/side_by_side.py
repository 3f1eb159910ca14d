"""Two documents side by side: what every arm did in each, and the change in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.changes import QUANTITIES, change_words
from pytest_pipeline.report.merge import machine_of
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json, final_tests, identity, outcome_of

_UNITS = {"speedup": "x", "makespan": "s", "p99_latency": "s", "throughput": "1/s"}

_Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of one arm."""

    test: str
    executor: str
    quantity: str
    before: str
    """Value in the first document."""
    after: str
    """Value in the second."""
    change: str
    """In words."""


def compare(first: Json, second: Json) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return the rows of the tests that both measured, and sentences about everything else."""
    before, after = dict(_arms(first)), dict(_arms(second))
    rows = tuple(
        row for key in after if key in before for row in _rows(key, before[key], after[key])
    )
    return rows, tuple(_notes(first, second, before, after))


def _arms(document: Json) -> Iterator[tuple[_Key, Json]]:
    """Yield the measured candidates of every test's last attempt, with what was measured and the verdict of the test."""
    for name, test in _finals(document).items():
        for number, run in enumerate(test["runs"]):
            for arm in run["arms"]:
                if not (arm["is_baseline"] or arm["unavailable"]):
                    key = (name, number, str(arm["executor"]))
                    work = {"work": _work(run), "outcome": test["outcome"]}
                    yield key, {**_readings(run, arm), **work}


def _finals(document: Json) -> dict[str, Json]:
    """Return the attempt of each test that counts, by what tells the test from others."""
    return {identity(test): test for test in final_tests(document["tests"])}


def _work(run: Json) -> str:
    """Return in words what was measured: other work has other times."""
    stages = ", ".join(str(stage["name"]) for stage in run["stages"])
    return f"{units.count(run['num_items'], 'item')} through {stages}, outputs: {run['check']}"


def _readings(run: Json, arm: Json) -> dict[str, Json]:
    plain = {
        "speedup": arm["speedup"],
        "makespan": {"value": arm["makespan_s"], "lower": None, "upper": None},
        "p99_latency": _p99(run, arm),
        "throughput": {"value": arm["throughput_per_s"], "lower": None, "upper": None},
    }
    return {name: each for name, each in plain.items() if each and each["value"] is not None}


def _p99(run: Json, arm: Json) -> Json | None:
    for each in run["findings"]:
        if (each["quantity"], each["executor"]) == ("p99_latency", arm["executor"]):
            gated: Json | None = each["estimate"]
            return gated
    latency = arm["latency"]
    if not latency or latency["loop"] == "saturated":
        return None
    return {"value": latency["p99_s"], "lower": None, "upper": None}


def _rows(key: _Key, before: Json, after: Json) -> Iterator[Row]:
    nodeid, number, executor = key
    test = one_line(nodeid) + (f" run {number + 1}" if number else "")
    for name, label in QUANTITIES.items():
        if name in before and name in after:
            old, new, unit = before[name], after[name], _UNITS[name]
            yield Row(
                test,
                one_line(executor),
                label,
                _shown(old, unit),
                _shown(new, unit),
                change_words(new, old),
            )
    was, now = (outcome_of(each["outcome"]).word for each in (before, after))
    if was != now:
        yield Row(test, one_line(executor), "verdict of the test", was, now, "another verdict")


def _shown(reading: Json, unit: str) -> str:
    text = units.interval(reading["lower"], reading["upper"], unit)
    return units.quantity(reading["value"], unit) + (f" ({text})" if text else "")


def _notes(
    first: Json, second: Json, before: dict[_Key, Json], after: dict[_Key, Json]
) -> Iterator[str]:
    machines = [machine_of(each) for each in (first, second)]
    if machines[0] != machines[1]:
        yield f"measured on different machines, so compare ratios, never seconds: {machines[0]}; {machines[1]}"
    for key in after:
        was, now = (side.get(key, {}).get("work") for side in (before, after))
        if was and was != now:
            yield f"{one_line(key[0])} ({one_line(key[2])}) measures other work: {one_line(str(was))}; {one_line(str(now))}"
    outcomes = [_finals(each) for each in (first, second)]
    for keys, where, other in (
        (before.keys() - after, "first", outcomes[1]),
        (after.keys() - before, "second", outcomes[0]),
    ):
        for nodeid, _, executor in sorted(keys):
            there = other.get(nodeid)
            verdict = (
                f"; in the other the test is {outcome_of(there['outcome']).word}" if there else ""
            )
            yield f"only in the {where} file: {one_line(nodeid)} ({one_line(executor)}){verdict}"
