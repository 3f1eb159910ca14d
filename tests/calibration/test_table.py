"""The calibration's table says what the recorded runs show; nothing here is timed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy import stats

from benchmarks.calibration.cells import Required
from benchmarks.calibration.machines import machine_table
from benchmarks.calibration.plan import plan_table
from benchmarks.calibration.power import power_table
from benchmarks.calibration.store import Store
from benchmarks.calibration.summary import share_text, summarise, wilson
from benchmarks.calibration.table import render
from tests.calibration.records import HEALTHY, PLANTED, run

SESSION = {"kind": "session", "at": "2026-11-22T01:00:00", "commit": "abc", "machine": "a box"}


def rows_of(text):
    return [[field.strip() for field in line.split("|")[1:-1]] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("hits", "runs"), [(0, 100), (0, 300), (1, 30), (15, 30), (30, 30), (95, 100)]
)
def test_the_intervals_are_those_of_scipy(hits, runs):
    expected = stats.binomtest(hits, runs).proportion_ci(0.95, method="wilson")
    assert wilson(hits, runs) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_none_of_a_hundred_shows_at_most_3_7_percent():
    assert share_text(0, 100) == "0 of 100 (0 % to 3.7 %)"


def test_one_false_failure_breaks_a_row_however_few_runs_there_are():
    assert summarise(HEALTHY, [run(verdict="missed")]).holds == "NO: 1 false FAIL"
    assert summarise(HEALTHY, [run(verdict="invalid", reason="budget")]).holds.startswith("NO")


@pytest.mark.parametrize(
    ("demand", "verdicts", "holds"),
    [
        (Required(met=0.75), "met met met inconclusive", "yes"),
        (Required(met=0.80), "met met met inconclusive", "NO: met >= 80 %"),
        (
            Required(inconclusive_at_most=0.2),
            "met met met inconclusive",
            "NO: inconclusive <= 20 %",
        ),
        (Required(no_false_fail=False, missed=0.75), "missed missed missed met", "yes"),
        (
            Required(no_false_fail=False, met_at_most=0.10),
            "missed missed missed met",
            "NO: met <= 10 %",
        ),
        (Required(rounds=3), "met met met met", "yes"),
        (Required(rounds=2), "met met met met", "NO: median rounds <= 2"),
        (Required(), "met met met", "not enough runs yet (3 of 4)"),
    ],
)
def test_a_row_holds_when_its_demands_do(demand, verdicts, holds):
    cell = replace(HEALTHY, required=demand)
    assert summarise(cell, [run(verdict=each) for each in verdicts.split()]).holds == holds


def test_disturbed_and_confirming_rounds_count_and_warm_up_does_not():
    assert summarise(HEALTHY, [run(rounds=("w", "w!", "m", "m!", "c", "c!"))]).rounds == 4


def test_the_table_shows_every_row_also_those_without_runs(store):
    store.append(SESSION)
    for index in range(4):
        peers = {"benchmark mean": index < 2, "benchmark median": False, "benchmark min": False}
        store.append(run(index=index, peers={**peers, "one shot": True, "mean of 10": True}))
    null = {"kind": "null", "alpha": 0.001, "runs": 200_000, "failed": 138}
    store.append({**null, "bets": "best", "exact": 0.00069})
    store.append({**null, "bets": "best and mean", "exact": None})
    text = render([HEALTHY, PLANTED], store)
    lines = rows_of(text)
    assert [
        "healthy",
        "4",
        "4",
        "0",
        "0",
        "0 of 4 (0 % to 49 %)",
        "3",
        "1.25 (1.25-1.25)",
        "0 false FAIL",
        "yes",
    ] in lines
    assert [
        "planted",
        "0",
        "0",
        "0",
        "0",
        "-",
        "-",
        "-",
        "FAIL >= 99 %",
        "not enough runs yet (0 of 2)",
    ] in lines
    assert ["healthy", "4", "green", "0 %", "50 %", "0 %", "0 %", "100 %", "100 %"] in lines
    assert ["0.1 %", "best", "138 of 200000", "0.00069", "0.00069", "yes"] in lines
    assert ["0.1 %", "best and mean", "138 of 200000", "0.00069", "-", "yes"] in lines
    assert "at most 3.7 %" in text
    assert "on 2026-11-22, commits abc" in text


def test_a_row_says_what_the_code_reached_in_its_own_clean_rounds(store):
    for parallel in (50.0, 40.0, 62.5):
        store.append(run(limit=2.0, rounds=()))
        store.records[-1]["rounds"] = [
            [
                mark,
                [100.0, 100.0, 100.0],
                [parallel, parallel, 1.0 if mark == "m!" else parallel],
                [],
            ]
            for mark in ("w", "m!", "m", "m~=")
        ]
    assert summarise(HEALTHY, store.runs("healthy")).reached == (0.8, 1.0, 1.25)
    assert "1.00 (0.80-1.25)" in render([HEALTHY], store)


def test_runs_are_sorted_by_what_the_code_reached_and_those_beside_a_neighbour_left_out(store):
    beside = replace(HEALTHY, name="beside", neighbour="on-off")
    for name, parallel, verdict, reason in (
        ("healthy", 62.5, "missed", ""),
        ("healthy", 50.0, "inconclusive", "near-limit"),
        ("healthy", 49.0, "met", ""),
        ("healthy", 40.0, "met", ""),
        ("beside", 40.0, "missed", ""),
    ):
        store.append(run(name, limit=2.0, verdict=verdict, reason=reason, rounds=()))
        store.records[-1]["rounds"] = [["m", [100.0] * 3, [parallel] * 3, []]]
    assert [row[:5] for row in rows_of(power_table([HEALTHY, beside], store))[2:]] == [
        ["0.80 to 0.90", "1", "0", "1", "0"],
        ["0.97 to 1.03", "2", "1", "0", "1 (1 near-limit)"],
        ["from 1.20", "1", "1", "0", "0"],
    ]


def test_what_each_machine_said_stands_beside_the_sum(store):
    for name, verdicts in (("one", "met met missed"), ("two", "met inconclusive")):
        own = Store(store.path.with_name(f"{name}.jsonl"))
        own.append({**SESSION, "machine": f"box {name}"})
        for verdict in verdicts.split():
            reason = "busy" if verdict == "inconclusive" else ""
            own.append(run(verdict=verdict, reason=reason))
    both = Store(store.path)
    header, _, *rows = rows_of(machine_table([HEALTHY, PLANTED], both))
    assert header == ["experiment", "box one", "box two"]
    assert rows == [["healthy", "3: 2 met, 1 missed", "2: 1 met, 1 busy"]]
    assert next(row for row in rows_of(render([HEALTHY], both)) if row[:1] == ["healthy"])[1] == "5"


def test_one_machine_needs_no_table_of_machines(store):
    store.append(run())
    assert machine_table([HEALTHY], store) == "All runs are of one machine."


def test_the_plan_says_what_a_cell_costs_and_what_is_missing(store):
    store.append(run())
    assert "| healthy | 1 of 4 | 4.0             | 900    | 0.00" in plan_table([HEALTHY], store)
