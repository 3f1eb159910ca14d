"""The probe of the GIL: from late wake-ups to a share per stage."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from pytest_pipeline.measure.system import gil
from pytest_pipeline.model.ledger import Ledger
from pytest_pipeline.model.trace import Trace, make_visits

MS = 1_000_000


def trace_of(*visits: tuple[int, int, int]) -> Trace:
    """One item per (stage, started, finished), milliseconds."""
    rows = [(item, s, 0, a * MS, a * MS, b * MS) for item, (s, a, b) in enumerate(visits)]
    empty = np.zeros(0, dtype=np.int64)
    return Trace(
        executor="serial",
        stage_names=("python", "zlib"),
        outputs=[],
        began_ns=0,
        ended_ns=max(b for _, _, b in visits) * MS,
        first_result_ns=0,
        startup_s=0.0,
        visits=make_visits(rows),
        admitted_ns=empty,
        emitted_ns=empty,
        send_lag_s=np.zeros(0),
        ledger=Ledger((), 0.0),
    )


def asked(every_ms: int, until_ms: int, late_ms) -> list[tuple[int, int]]:
    return [(at * MS, int((at + late_ms(at)) * MS)) for at in range(0, until_ms, every_ms)]


def shares(trace: Trace, samples) -> dict[str, float]:
    return gil.held_shares(gil.samples_by_stage(trace, samples))


def test_a_stage_in_which_every_request_waits_holds_it_and_one_in_which_none_does_not():
    trace = trace_of((0, 0, 50), (1, 50, 100))
    found = shares(trace, asked(1, 100, lambda at: 0.6 if at < 50 else 0.08))
    assert found == {"python": 1.0, "zlib": 0.0}


def test_a_stage_that_releases_it_half_of_the_time_holds_it_for_half():
    trace = trace_of((0, 0, 100))
    found = shares(trace, asked(1, 100, lambda at: 0.5 if at < 50 else 0.08))
    assert found["python"] == pytest.approx(0.5, abs=0.05)


def test_samples_between_visits_count_for_no_stage():
    trace = trace_of((0, 0, 20), (1, 80, 100))
    found = gil.samples_by_stage(trace, asked(1, 100, lambda _: 0.6))
    assert sum(map(len, found.values())) < 50


def test_a_stage_that_was_seen_a_few_times_only_stays_unknown():
    trace = trace_of((0, 0, 98), (1, 98, 100))
    assert "zlib" not in shares(trace, asked(1, 100, lambda _: 0.6))


def test_a_neighbour_that_has_the_core_for_long_is_one_sample_and_not_many():
    trace = trace_of((1, 0, 100))
    samples = [*asked(1, 40, lambda _: 0.08), (40 * MS, 60 * MS), (61 * MS, 61 * MS)]
    assert shares(trace, samples)["zlib"] < 0.1


def test_a_plan_that_takes_long_is_not_executed_once_more():
    def never() -> Trace:
        raise AssertionError("executed")

    assert gil.observed_shares(never, gil.LONGEST_S + 1) == {}


class ScriptedProbe:
    """A probe that saw a held GIL throughout."""

    def __init__(self, *, is_crowded: bool) -> None:
        self.samples = asked(1, 100, lambda _: 0.6)
        self.is_crowded = is_crowded

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize(("is_crowded", "expected"), [(True, {}), (False, {"python": 1.0})])
def test_on_a_crowded_machine_nothing_is_concluded(monkeypatch, is_crowded, expected):
    monkeypatch.setattr(gil, "Probe", lambda: ScriptedProbe(is_crowded=is_crowded))
    assert gil.observed_shares(lambda: trace_of((0, 0, 100)), 1.0) == expected


def test_a_probe_that_mostly_waited_for_a_core_is_crowded():
    probe = gil.Probe()
    probe.samples = [(0, 10 * MS)]
    probe.queued_s = 0.006
    assert probe.is_crowded
    probe.queued_s = 0.004
    assert not probe.is_crowded


def test_ctrl_c_while_the_probe_ends_leaves_the_interpreter_as_it_was(monkeypatch):
    before = sys.getswitchinterval()
    probe = gil.Probe()

    def interrupted() -> None:
        join()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), probe:
        join = probe._thread.join
        monkeypatch.setattr(probe._thread, "join", interrupted)
    assert sys.getswitchinterval() == before


def test_probing_leaves_no_thread_and_the_interpreter_as_it_was_even_when_a_stage_raises():
    before, threads = sys.getswitchinterval(), set(threading.enumerate())

    def broken() -> Trace:
        assert sys.getswitchinterval() == pytest.approx(gil.INTERVAL_S)
        raise ValueError("item 3")

    with pytest.raises(ValueError, match="item 3"):
        gil.observed_shares(broken, 0.1)
    assert sys.getswitchinterval() == before
    assert set(threading.enumerate()) == threads
