"""The most important mark, the limit, can never fall off its axis."""

import copy

import documents
import pytest
from hypothesis import given, settings, strategies as st

from pytest_pipeline.report.charts.axis import make_axis
from pytest_pipeline.report.charts.bars import speedup_chart
from pytest_pipeline.report.charts.curve import latency_curves
from pytest_pipeline.report.charts.rounds import round_charts, round_ratio

positive = st.floats(min_value=1e-12, max_value=1e12)
anything = st.one_of(st.none(), st.floats())


@given(st.lists(anything, max_size=6), positive)
def test_the_limit_lies_inside_the_axis(values, limit):
    axis = make_axis([*values, limit], start=100, length=500, unit="x")
    assert axis.lower <= limit <= axis.upper
    assert 100 <= axis.at(limit) <= 600
    assert [tick.at for tick in axis.ticks] == sorted(tick.at for tick in axis.ticks)


@given(st.lists(anything, max_size=6), st.integers(2, 8))
def test_ticks_are_few_and_round(values, most):
    axis = make_axis(values, start=0, length=100, unit="s", most_ticks=most)
    assert 2 <= len(axis.ticks) <= most + 2
    assert axis.ticks[0].label == "0"


@given(positive, positive)
def test_larger_values_lie_further_out(first, second):
    axis = make_axis([first, second], start=0, length=100, unit="x")
    low, high = sorted([first, second])
    assert axis.at(low) <= axis.at(high)


RUN = documents.missed()["runs"][0]


@settings(max_examples=60)
@given(st.floats(0.01, 1000), st.floats(0.01, 1000))
def test_every_chart_shows_its_limit(limit, value):
    run = copy.deepcopy(RUN)
    run["findings"][0].update(limit=limit, effective_limit=limit * 0.95)
    run["arms"][1]["speedup"].update(value=value, lower=value * 0.9, upper=value * 1.1)
    bars = speedup_chart(run, cold=False)
    (line,) = bars.limits
    assert bars.left <= line.x <= bars.right
    # Not clamped at the edge: limit and bar stand in the proportion of their values.
    reach, width = line.x - bars.left, bars.bars[1].width
    if limit > value:
        assert abs(width - max(1, reach * value / limit)) < 1
    else:
        assert abs(reach - width * limit / value) < 1 + limit / value
    assert line.row_top >= bars.top - 1
    assert line.bottom <= bars.bottom
    for bar in bars.bars:
        assert bar.value_x < bar.range_x
    dots = round_charts(run)[0]
    box, line = dots.frame.box, dots.frame.limit
    assert box.top <= line.y <= box.bottom
    reach = box.bottom - line.y
    for dot, each in zip(dots.dots, run["rounds"], strict=True):
        ratio = round_ratio(each, "serial", "threads", cold=False)
        assert reach * ratio == pytest.approx(
            limit * (box.bottom - dot.y), abs=0.11 * (ratio + limit)
        )


def test_a_latency_limit_far_above_all_samples_stands_at_its_own_value():
    run = copy.deepcopy(documents.slow_tail()["runs"][0])
    run["findings"][0].update(limit=10.0, effective_limit=10.5)
    chart = latency_curves(run)
    (tick,) = [each for each in chart.frame.y_ticks if each.label == "10.0 s"]
    assert chart.frame.limit.y == tick.at
