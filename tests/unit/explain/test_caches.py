"""Caches make the timed executions cheaper than the first: named, not hidden."""

from __future__ import annotations

from unit.virtual import Lab

from pytest_pipeline.explain.caches import cache_warnings
from pytest_pipeline.measure.checks.watch import median_services_s
from pytest_pipeline.model.plan import Stage


def caching_stage(lab: Lab, *, caches):
    """A stage of 40 ms per item that takes 2 ms where `caches()` has the item already."""

    def load(item):
        known = caches()
        lab.machine.work(0.002 if item in known else 0.040)
        known.add(item)
        return item

    return Stage(load, name="load")


def test_a_stage_with_a_cache_is_named_with_both_times_and_a_way_out():
    lab, seen = Lab(), set()
    (warning,) = lab.compare([caching_stage(lab, caches=lambda: seen)]).warnings
    assert warning.startswith(
        "stage 'load' took 40 ms per item in the first execution and 2.0 ms later: a cache"
    )
    assert "setup=" in warning


def test_a_cache_that_setup_clears_is_not_warned_about():
    lab, seen = Lab(), set()
    stages = [caching_stage(lab, caches=lambda: seen)]
    assert lab.compare(stages, setup=seen.clear).warnings == ()


def test_a_cache_that_is_warm_in_the_parent_and_cold_in_the_workers_is_named_with_the_arm():
    lab, seen = Lab(), {"serial": set(range(40)), "threads": set()}
    stages = [caching_stage(lab, caches=lambda: seen[lab.machine.running])]
    (warning,) = lab.compare(stages).warnings
    assert (
        "in the first execution under threads, 2.0 ms later and 2.0 ms in the baseline" in warning
    )
    assert "warm in this process was cold in the workers" in warning


def test_a_first_item_that_imports_something_is_no_cache():
    lab, done = Lab(), []

    def lazy(item):
        lab.machine.work(0.002 if done else 1.0)
        done.append(item)
        return item

    assert lab.compare([Stage(lazy, name="lazy")]).warnings == ()


def test_steady_stages_are_not_warned_about():
    assert Lab().compare().warnings == ()


def test_microseconds_are_not_worth_a_word():
    assert not cache_warnings({"serial": {"s": 3e-4}}, {"serial": {"s": 1e-6}}, "serial")


def test_twice_as_fast_is_a_warm_up_and_no_cache():
    assert not cache_warnings({"serial": {"s": 0.02}}, {"serial": {"s": 0.01}}, "serial")


def test_what_ran_only_once_is_not_judged():
    assert not cache_warnings({"serial": {"s": 0.02}}, {}, "serial")
    assert not cache_warnings({"threads": {"s": 0.02}}, {"threads": {"s": 0.001}}, "serial")


def test_a_worker_that_is_slow_for_good_is_no_cold_cache():
    first, later = {"threads": {"s": 0.02}}, {"threads": {"s": 0.02}, "serial": {"s": 0.001}}
    assert not cache_warnings(first, later, "serial")


def test_the_fingerprints_of_the_first_execution_are_not_taken_for_a_cold_stage():
    trace = Lab().compare()["serial"].trace
    seconds = median_services_s(trace, {"parse": [1_500_000] * 40})
    assert (seconds["fetch"], seconds["parse"]) == (0.001, 0.0005)
