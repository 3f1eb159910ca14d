"""Numbers as people read them."""

import math

import pytest
from hypothesis import given, strategies as st

from pytest_pipeline.report import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (1e-9, "0.00100 µs"),
        (0.0000123, "12.3 µs"),
        (0.0009996, "1.00 ms"),
        (0.05, "50.0 ms"),
        (0.9996, "1.00 s"),
        (2.2, "2.20 s"),
        (140, "140 s"),
        (12345.6, "12346 s"),
        (-0.003, "-3.00 ms"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_seconds(value, text):
    assert units.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.414, "2.41x"),
        (0.34, "0.34x"),
        (9.996, "10.0x"),
        (12.44, "12.4x"),
        (0.034, "0.034x"),
        (1234, "1234x"),
        (None, "–"),
        (math.nan, "–"),
        (0, "0x"),
    ],
)
def test_ratio(value, text):
    assert units.ratio(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.97, "97 %"),
        (0.05, "5 %"),
        (0.042, "4.2 %"),
        (0.0031, "0.31 %"),
        (0, "0 %"),
        (1, "100 %"),
        (0.9999, "100 %"),
        (None, "–"),
    ],
)
def test_percent(value, text):
    assert units.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (8_589_934_592, "8.59 GB"), (1500, "1.50 kB"), (None, "–")],
)
def test_size(value, text):
    assert units.size(value) == text


def test_quantity_knows_the_units_of_the_document():
    assert units.quantity(2, "x") == "2.00x"
    assert units.quantity(0.08, "s") == "80.0 ms"
    assert units.quantity(41.7, "1/s") == "41.7/s"
    assert units.quantity(1e6, "B") == "1.00 MB"
    assert units.quantity(3, "") == "3.00"


def test_a_measured_share_has_three_digits_since_limits_lie_between_whole_per_cents():
    shares = (0.625, 0.6, 0.0312, 1.25, 0.9999, None)
    shown = [units.quantity(each, "share") for each in shares]
    assert shown == ["62.5 %", "60 %", "3.1 %", "125 %", "100 %", "–"]


def test_open_intervals_say_so():
    assert units.interval(1.2, 1.4, "x") == "1.20x to 1.40x"
    assert units.interval(None, 1.4, "x") == "below 1.40x"
    assert units.interval(1.2, None, "x") == "above 1.20x"
    assert units.interval(None, None, "x") == ""


def test_a_table_has_one_unit():
    scale = units.table_scale(1.2)
    assert (scale.text(0.4), scale.text(0.0), scale.text(1.2), scale.text(None)) == (
        "400.0",
        "0",
        "1,200.0",
        "–",
    )
    assert scale.text(-0.00001) == "0.0"


@given(st.floats())
def test_any_float_becomes_short_text(value):
    for show in (units.seconds, units.ratio, units.percent, units.size, units.rate):
        text = show(value)
        assert text
        assert "nan" not in text


@given(st.floats(min_value=1e-5, max_value=900))
def test_seconds_lose_less_than_a_hundredth(value):
    number, unit = units.seconds(value).split()
    factor = {"µs": 1e-6, "ms": 1e-3, "s": 1}[unit]
    assert float(number) * factor == pytest.approx(value, rel=0.0051)
