"""Every quantity has a name, a unit and a direction, and every unit can be shown."""

from __future__ import annotations

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.units import (
    parse_bytes,
    parse_efficiency,
    parse_overlap,
    show_about,
    show_apart,
    show_quantity,
    show_range,
    show_share,
)
from pytest_pipeline.report import units
from pytest_pipeline.report.quantities import words_of


@pytest.mark.parametrize("quantity", list(Quantity))
def test_a_quantity_can_be_shown_in_messages_and_in_the_report(quantity):
    assert quantity.label
    assert quantity.evidence in {"clean round", "clean block", "execution"}
    assert show_quantity(0.5, quantity.unit).startswith(("0.5", "500", "50", "0"))
    assert units.quantity(0.5, quantity.unit)
    words = words_of({"quantity": quantity.value, "label": "?"})
    assert words.evidence == quantity.evidence
    assert words.chart != "?"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (1.419, "x", "1.42x"),
        (0.082, "s", "82.0 ms"),
        (411.6, "1/s", "412/s"),
        (0.05, "1/s", "0.05/s"),
        (0.8, "share", "80 %"),
        (0.0005, "share", "0.05 %"),
        (2.0 / 3.0, "share", "66.7 %"),
        (12.0, "share", "1200 %"),
        (1.0, "items", "1.00 items"),
        (12_345_678, "B", "12.3 MB"),
        (512, "B", "512 B"),
    ],
)
def test_a_value_is_shown_in_its_unit(value, unit, shown):
    assert show_quantity(value, unit) == shown


@pytest.mark.parametrize(
    ("value", "other", "unit", "shown"),
    [
        (0.9957, 1.0, "x", "0.9957x"),
        (1.996, 2.0, "x", "1.996x"),
        (1.99, 2.0, "x", "1.99x"),
        (0.0799996, 0.08, "s", "79.9996 ms"),
        (0.79999, 0.8, "share", "79.999 %"),
        (1.0, 0.9957, "x", "1.00x"),
        (1.121, 1.125, "x", "1.121x"),
        (1.125, 1.121, "x", "1.125x"),
        (2.0, 2.0, "x", "2.00x"),
        (0.001, 0.002, "x", "0.00x"),
    ],
)
def test_a_value_has_the_digits_that_tell_it_from_its_limit(value, other, unit, shown):
    assert show_apart(value, other, unit) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(840.4, "840 s"), (40, "40 s"), (9.96, "10 s"), (2.61, "2.6 s"), (0.5, "0.5 s")],
)
def test_a_time_that_is_known_roughly_is_never_zero(seconds, shown):
    assert show_about(seconds) == shown


def test_an_interval_names_its_unit_once():
    assert show_range(1.38, 1.46, "x") == "1.38-1.46"
    assert show_range(0.0121, 0.013, "s") == "12.1-13.0 ms"
    assert show_range(0.9, 1.2, "s") == "900 ms-1.20 s"
    assert show_range(412, 430, "1/s") == "412-430/s"
    assert show_range(0.78, 0.81, "share") == "78-81 %"


def test_an_unknown_unit_is_refused_rather_than_guessed():
    with pytest.raises(ValueError, match="unit='furlongs'"):
        show_quantity(1.0, "furlongs")


@pytest.mark.parametrize("quantity", list(Quantity))
def test_the_tolerance_always_helps(quantity):
    requirement = Requirement(quantity, 2.0, tolerance=0.1)
    assert requirement.effective_limit == pytest.approx(1.8 if quantity.is_minimum else 2.2)


@pytest.mark.parametrize(
    ("share", "text"), [(0.967, "97 %"), (0.05, "5 %"), (0, "0 %"), (1, "100 %")]
)
def test_a_share_in_a_message_is_written_as_the_report_writes_it(share, text):
    assert show_share(share) == text
    assert units.percent(round(share, 2)) == text


@pytest.mark.parametrize(("value", "share"), [("80%", 0.8), (0.8, 0.8), (1, 1.0), ("100%", 1.0)])
def test_an_efficiency_is_a_share_or_per_cent(value, share):
    assert parse_efficiency(value, what="min") == pytest.approx(share)


@pytest.mark.parametrize("value", [0, 80, 1.2, "lots", True, None])
def test_an_efficiency_that_nothing_can_have_is_refused(value):
    with pytest.raises(UsageError, match="is not an efficiency"):
        parse_efficiency(value, what="min")


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (4096, 4096),
        ("512 B", 512),
        ("64kB", 64_000),
        ("64KiB", 64 * 1024),
        ("512MB", 512_000_000),
        ("512MiB", 512 * 1024**2),
        ("1.5GB", 1_500_000_000),
        ("1.5GiB", 1.5 * 1024**3),
    ],
)
def test_a_size_is_bytes_or_has_a_unit_of_thousands_or_of_1024(size, count):
    assert parse_bytes(size, what="max") == count


@pytest.mark.parametrize("value", [1, 0.5, 1.0])
def test_an_overlap_that_a_serial_loop_has_is_refused(value):
    with pytest.raises(UsageError, match="must be above 1, which is what a serial loop has"):
        parse_overlap(value, what="min")
