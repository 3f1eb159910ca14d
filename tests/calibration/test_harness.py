"""The calibration harness counts, resumes, schedules and prints as it says; nothing here is timed."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from benchmarks.calibration import clean, one_run, workloads
from benchmarks.calibration.cells import CELLS, Cell, choose, seed_of
from benchmarks.calibration.clean import NotQuietError, clean_of, key_of, workload_of
from benchmarks.calibration.neighbours import KINDS, neighbour
from benchmarks.calibration.one_run import compact, limit_of, run_cell
from benchmarks.calibration.peers import is_red
from benchmarks.calibration.runner import Session
from benchmarks.calibration.schedule import next_cell, seconds_per_run
from benchmarks.calibration.store import Store, default_path
from benchmarks.calibration.summary import summarise
from pytest_pipeline import Requirement, compare
from pytest_pipeline.model.requirement import Quantity
from tests.calibration.records import HEALTHY, PLANTED, run


def is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def has_ended(process):
    """Wait for its end, a minute at most; one that nobody has reaped yet has ended too."""
    until = time.monotonic() + 60
    while is_alive(process) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_alive(process)


def test_the_cell_furthest_from_its_runs_is_next():
    small, large = Cell("small", runs=10), Cell("large", runs=100)
    order = []
    counts = dict.fromkeys(("small", "large"), 0)
    while (cell := next_cell([small, large], counts, {}, left_s=60.0)) is not None:
        counts[cell.name] += 1
        order.append(cell.name)
    assert order[:3] == ["small", "large", "large"]
    assert counts == {"small": 10, "large": 100}
    halfway = order[: len(order) // 2]
    assert halfway.count("small") == 5


def test_a_run_that_would_not_end_in_time_is_not_begun():
    lasts = seconds_per_run([run("healthy", seconds=50.0), run("planted", seconds=2.0)])
    assert next_cell([HEALTHY, PLANTED], {}, lasts, left_s=20.0) == PLANTED
    assert next_cell([HEALTHY, PLANTED], {}, lasts, left_s=1.0) is None


def test_a_session_goes_on_behind_a_line_that_was_cut_off(store):
    store.append(run(index=0))
    with store.path.open("a") as file:
        file.write('{"kind":"run","cell":"hea')
    again = Store(store.path)
    assert again.counts() == {"healthy": 1}
    again.append(run(index=1))
    assert [record["index"] for record in Store(store.path).runs("healthy")] == [0, 1]


def test_the_runs_of_another_machine_count_and_its_clean_speedup_does_not(store, monkeypatch):
    other = Store(store.path.with_name("another-machine.jsonl"))
    other.append(run(index=0))
    now = datetime.now(tz=UTC).isoformat()
    other.append({"kind": "clean", "key": key_of(HEALTHY), "at": now, "speedup": 1.4})
    here = Store(store.path)
    here.append(run(index=1))
    assert [record["index"] for record in here.runs("healthy")] == [0, 1]
    assert Store(other.path).counts() == here.counts() == {"healthy": 2}
    monkeypatch.setattr(clean, "_learn", lambda _: {"at": now, "speedup": 1.9})
    assert clean_of(HEALTHY, here)["speedup"] == 1.9


def test_the_results_file_is_named_by_machine_not_by_host():
    name = default_path().name
    assert name.endswith(".jsonl")
    assert os.uname().nodename not in name


def test_every_run_has_its_own_seed_and_the_same_one_in_every_session():
    seeds = {seed_of(cell, index) for cell in CELLS for index in range(100)}
    assert len(seeds) > 0.999 * len(CELLS) * 100
    assert seed_of(Cell("no neighbour, 1.10x"), 0) == 2637314293


def test_names_choose_cells():
    assert [cell.name for cell in choose("p99*")] == ["p99, 0.5 % late", "p99, 5 % late"]
    assert {cell.regression for cell in choose("planted")} == set(workloads.REGRESSIONS)
    assert [cell.name for cell in choose("bursts, 1.10x")] == ["bursts, 1.10x"]
    assert len(choose("on/off neighbour, 1.10x")) == 1 < len(choose("on/off neighbour"))
    assert all(cell.runs >= 300 for cell in choose("*", is_nightly=True))


def test_cells_are_told_apart_and_name_what_exists():
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert {cell.neighbour for cell in CELLS} == {"none", *KINDS}
    assert {cell.regression for cell in CELLS} == {"", *workloads.REGRESSIONS}


def test_the_limit_is_the_clean_speedup_over_the_truth():
    assert limit_of(Cell("x", healthy=1.25), {"speedup": 2.0}) == 1.6


@pytest.mark.parametrize(
    ("minutes", "is_quiet", "expected"),
    [
        (4, True, 1.9),
        (6, True, 1.8),
        (6, False, 1.9),
        (21, True, 1.8),
        (61, True, 1.7),
        (21, False, None),
    ],
)
def test_a_clean_speedup_is_the_mean_of_an_hour_and_learned_anew_every_few_quiet_minutes(
    minutes, is_quiet, expected, store, monkeypatch
):
    def learn(cell):
        if not is_quiet:
            raise NotQuietError("never quiet")
        now = clean._now().isoformat()
        return {"kind": "clean", "key": key_of(cell), "speedup": 1.7, "loops": 5, "at": now}

    at = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    stored = {"kind": "clean", "key": "compute/threads/0.1", "speedup": 1.9, "loops": 5}
    store.append({**stored, "at": at.isoformat()})
    monkeypatch.setattr(clean, "_learn", learn)
    monkeypatch.setattr(clean, "_now", lambda: at + timedelta(minutes=minutes))
    if expected is None:
        with pytest.raises(NotQuietError):
            clean_of(HEALTHY, store)
    else:
        assert clean_of(HEALTHY, store)["speedup"] == pytest.approx(expected)


def test_a_clean_speedup_is_learned_after_a_rest(monkeypatch):
    rests = []
    monkeypatch.setattr(clean, "settle", rests.append)
    monkeypatch.setattr(clean, "_measure", lambda *_: rests.append("measured"))
    monkeypatch.setattr(clean, "clean_ratios", lambda _: [1.9] * clean.CLEAN_ROUNDS)
    assert clean._learn(HEALTHY)["speedup"] == 1.9
    assert rests == [clean.REST_S, "measured"]


def test_pytest_benchmarks_rule_is_red_above_ten_percent_of_the_statistic():
    saved = [1.0, 1.0, 1.3]
    assert not is_red(saved, [1.05, 1.0, 1.3], "mean")
    assert is_red(saved, [1.2, 1.2, 1.3], "mean")
    assert is_red(saved, [1.2, 1.2, 1.3], "median")
    assert not is_red(saved, [1.05, 1.2, 1.3], "min")


@pytest.mark.parametrize("regression", ["", *workloads.REGRESSIONS])
def test_a_planted_regression_changes_the_parallel_arm_only(regression, monkeypatch):
    loops = {"serial": 0, "parallel": 0}
    moods = itertools.cycle([0.0])  # below the share: every execution is slow
    own = threading.local()  # the virtual time of a worker: a loop lasts a second

    def count(number):
        loops["parallel" if workloads.is_parallel_arm() else "serial"] += number
        own.s = getattr(own, "s", 0) + number

    monkeypatch.setattr(workloads, "compress", count)
    monkeypatch.setattr(workloads, "clock", lambda: getattr(own, "s", 0))
    monkeypatch.setattr(workloads.random.Random, "random", lambda _: next(moods))
    work = workload_of(Cell("x", regression=regression), {"loops": 120}, seed=1)
    compare(work.stages, work.items, setup=work.setup, mode="off")
    factor = {"1.25x slower": 1.25, "slow in 60 % of executions": 1.25 / 0.6}.get(regression, 1.0)
    assert loops["serial"] == 8 * 120
    assert loops["parallel"] == pytest.approx(8 * 120 * factor, abs=8)
    assert work.stages[0].workers == (1 if "one worker" in regression else 2)


def test_a_comparison_is_kept_with_its_raw_rounds():
    demand = Requirement(Quantity.SPEEDUP, 1.5)
    work = workload_of(HEALTHY, {"loops": 1}, seed=1)
    document = compare(work.stages, work.items, requirements=[demand], mode="off").to_dict()
    document["rounds"] = [
        {
            "phase": "measure",
            "is_clean": False,
            "was_alone": True,
            "makespans_s": {"serial": [0.1, 0.2], "threads": [0.05, 0.0612345]},
            "controls_s": [0.01],
        }
    ]
    kept = compact(document)
    assert kept["verdict"] == "not-run"
    assert kept["rounds"] == [["m!=", [100.0, 200.0], [50.0, 61.23], [10.0]]]


def test_a_run_that_raises_is_kept_and_shown_and_ends_its_neighbour(monkeypatch):
    def crash(*_):
        raise RuntimeError("no space left")

    @contextmanager
    def watched(kind, seed):
        with neighbour(kind, seed) as pid:
            started.append(psutil.Process(pid))
            yield pid

    started = []
    monkeypatch.setattr(one_run, "measure", crash)
    monkeypatch.setattr(one_run, "neighbour", watched)
    record = run_cell(replace(HEALTHY, neighbour="bursts"), 0, {"speedup": 1.9, "loops": 1})
    assert (record["verdict"], record["headline"]) == ("error", "no space left")
    assert summarise(HEALTHY, [record]).reasons == {"RuntimeError": 1}
    (process,) = started
    assert has_ended(process)


def test_cells_whose_clean_speedup_cannot_be_learned_now_are_left_out(store, monkeypatch, capsys):
    def refuse(cell):
        if cell.arm_s > 1:
            raise NotQuietError("never quiet")
        at = datetime.now(tz=UTC).isoformat()
        return {"kind": "clean", "key": key_of(cell), "at": at, "speedup": 1.9}

    monkeypatch.setattr(clean, "_learn", refuse)
    long = Cell("long", arm_s=2.0)
    assert list(Session([HEALTHY, long, PLANTED], store, 1.0)._learned()) == [HEALTHY, PLANTED]
    assert capsys.readouterr().out.count("never quiet") == 1
    with pytest.raises(NotQuietError):
        Session([long], store, 1.0)._learned()


@pytest.mark.parametrize("kind", ["on-off", "bursts", "permanent", "disk"])
def test_a_neighbour_ends_with_its_block(kind):
    with neighbour(kind, seed=1) as pid:
        process = psutil.Process(pid)
        assert is_alive(process)
    assert has_ended(process)


def test_the_cpu_time_of_a_neighbour_is_not_ours():
    with neighbour("permanent", seed=1) as pid:
        assert pid not in {child.pid for child in psutil.Process().children(recursive=True)}


def test_no_neighbour_starts_nothing():
    with neighbour("none", seed=1) as pid:
        assert pid is None


def test_a_neighbour_ends_when_its_parent_is_killed(tmp_path):
    code = (
        "from benchmarks.calibration.neighbours import neighbour\n"
        "with neighbour('bursts', 1) as pid:\n"
        "    print(pid, flush=True)\n"
        "    input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    orphan = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert has_ended(orphan)
