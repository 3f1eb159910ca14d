"""Laws of the predictions: another worker never costs, nothing beats the cores, the GIL or the sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_pipeline.explain.ceiling import Line

lawful = settings(max_examples=60)
ROUNDING = 1e-5
"""The stretch factors are solved to seven digits."""


@st.composite
def lines(draw) -> Line:
    """A line of even items with any shares of CPU and GIL."""
    stages = draw(st.integers(1, 4))

    def each(values):
        return draw(st.lists(values, min_size=stages, max_size=stages))

    row = each(st.floats(0.001, 1).map(lambda t: round(t, 3)))
    cpu = each(st.floats(0, 1))
    held = [min(c, share * c) for c, share in zip(cpu, each(st.floats(0, 1)), strict=True)]
    service = np.array([row] * draw(st.integers(1, 20)))
    return Line(
        names=tuple(f"s{k}" for k in range(stages)),
        service_s=service,
        workers=tuple(each(st.integers(1, 3))),
        queue_sizes=tuple(each(st.integers(1, 16))),
        cpu_shares=tuple(cpu),
        gil_shares=tuple(held),
        cores=draw(st.sampled_from([1.0, 1.5, 2.0, 4.0])),
        serial_s=float(service.sum()),
    )


def without_limits(line: Line) -> Line:
    zeros = (0.0,) * len(line.names)
    return replace(line, cpu_shares=zeros, gil_shares=zeros)


@lawful
@given(lines(), st.integers(0, 3))
def test_another_worker_is_never_predicted_to_slow_even_items_down(line, at):
    free = without_limits(line)
    wider = free.widened(at % len(line.names))
    assert wider.speedup() >= free.speedup() * (1 - ROUNDING)


@lawful
@given(lines(), st.integers(0, 3))
def test_no_prediction_is_above_what_the_cores_give_for_the_share_that_computes(line, at):
    wider = line.widened(at % len(line.names))
    cpu_s = float(line.service_s.sum(axis=0) @ np.array(line.cpu_shares))
    if cpu_s:
        assert wider.speedup() <= line.serial_s * line.cores / cpu_s * (1 + ROUNDING)


@lawful
@given(lines(), st.integers(0, 3))
def test_no_prediction_is_above_what_one_gil_gives(line, at):
    wider = line.widened(at % len(line.names))
    held_s = float(line.service_s.sum(axis=0) @ np.array(line.gil_shares))
    if held_s:
        assert wider.speedup() <= line.serial_s / held_s * (1 + ROUNDING)


@lawful
@given(lines())
def test_cores_and_gil_only_take_away(line):
    assert line.speedup() <= without_limits(line).speedup() * (1 + ROUNDING)


@given(st.floats(0.1, 1), st.integers(2, 50), st.integers(1, 4))
@lawful
def test_workers_that_compute_without_the_gil_reach_the_smaller_of_workers_and_cores(
    service, items, workers
):
    line = Line(
        ("only",),
        np.full((items * workers, 1), service),
        (workers,),
        (16,),
        (1.0,),
        (0.0,),
        cores=2.0,
        serial_s=items * workers * service,
    )
    assert line.speedup() == pytest.approx(min(workers, 2), rel=1e-4)
