"""Curves over workers and over parameters: what people read off them."""

from __future__ import annotations

import documents
import pages
import pytest

from pytest_pipeline.report import html
from pytest_pipeline.report.charts.families import make_families
from pytest_pipeline.report.charts.growth import growth_chart
from pytest_pipeline.report.sweeps import make_sweep
from pytest_pipeline.report.terminal import summary_lines


def sweep_view(**changes):
    return make_sweep({**documents.swept()["sweeps"][0], **changes})


def test_the_fastest_setting_is_the_first_sentence_and_ties_are_admitted():
    lead = sweep_view().lead
    assert "fastest is threads with workers=4, 3.50x" in lead
    assert "1 other cannot be told apart from it, the cheapest is threads with workers=2" in lead


def test_a_clear_winner_is_not_called_a_tie():
    points = documents.swept()["sweeps"][0]["points"]
    view = sweep_view(points=[point for point in points if point["workers"] != 4])
    assert view.lead == "Sweep of 4 settings: fastest is threads with workers=2, 3.40x."


def test_every_measured_point_is_in_the_picture_the_summary_and_the_table():
    view = sweep_view()
    assert sum(len(curve.dots) for curve in view.chart.curves) == 6
    assert "0.80x" in view.chart.frame.summary
    assert len(view.table.rows) == 6
    for curve in view.chart.curves:
        for _, y, _ in curve.dots:
            assert view.chart.frame.box.top <= y <= view.chart.frame.box.bottom


def test_a_law_that_fits_gives_its_limit_and_one_that_does_not_gives_no_forecast():
    scaling = documents.swept()["sweeps"][0]["scalings"][0]
    assert any("at most 14.3x of its single worker" in note for note in sweep_view().notes)
    (note,) = sweep_view(
        scalings=[{**scaling, "amdahl_error": 0.3, "coherency": None}], unavailable={}
    ).notes
    assert "does not follow Amdahl's law" in note
    assert "at most" not in note


def test_batch_sizes_are_curves_of_their_own_over_one_common_baseline():
    points = [
        {**point, "batch_size": size, "batch_gain": gain}
        for size, gain in ((4, 1.0), (8, 1.5))
        for point in documents.swept()["sweeps"][0]["points"]
        if point["executor"] == "threads"
    ]
    view = sweep_view(points=points)
    assert view.lead == (
        "Sweep of 6 settings: fastest is threads with workers=4, batch_size=8, 5.25x over the baseline with batch_size=4 "
        "(1.50x from the batch size alone, 3.50x from the executor); 1 other cannot be told apart from it, "
        "the cheapest is threads with workers=2, batch_size=8."
    )
    assert {curve.label for curve in view.chart.curves} == {"threads, by 4", "threads, by 8"}
    assert view.chart.frame.title.endswith("by batch size, over the baseline with batch_size=4")
    assert "5.25x" in view.chart.frame.summary


def test_an_executor_that_could_not_run_is_named():
    assert any("cuda could not run here: no CUDA device" in note for note in sweep_view().notes)


def test_nothing_timed_is_said_and_draws_nothing():
    points = [{**point, "speedup": None} for point in documents.swept()["sweeps"][0]["points"]]
    view = sweep_view(points=points, scalings=[])
    assert view.lead == "Sweep of 6 settings: nothing was timed."
    assert view.chart is None


def test_one_point_is_no_curve():
    assert growth_chart({"threads": [(1.0, 2.0, None, None)]}, title="", x_label="") is None


def test_names_of_curves_never_cover_each_other():
    series = {
        f"arm {k}": [(1.0, 2.0, None, None), (2.0, 2.0 + k / 1e3, None, None)] for k in range(6)
    }
    chart = growth_chart(series, title="", x_label="")
    heights = [curve.label_y for curve in chart.curves]
    assert all(b - a >= 14 for a, b in zip(heights, heights[1:], strict=False))


def test_names_of_low_curves_stay_inside_the_picture():
    series = {f"arm {k}": [(1.0, 0.2, None, None), (2.0, 0.2, None, None)] for k in range(6)}
    chart = growth_chart(series, title="", x_label="", limit=4.0)
    assert all(curve.label_y <= chart.frame.box.height for curve in chart.curves)


def test_the_line_of_ideal_scaling_stays_inside_the_picture():
    chart = sweep_view().chart
    numbers = [float(part) for part in chart.ideal.replace("M", " ").replace("L", " ").split()]
    assert min(numbers[1::2]) >= chart.frame.box.top
    assert max(numbers[0::2]) <= chart.frame.box.right


def test_parameters_of_a_test_become_one_chart_over_their_number():
    (family,) = make_families(documents.family())
    assert family.name == "tests/test_shop.py::test_size"
    assert family.chart.x_label == "parameter of test_size"
    assert [tick.label for tick in family.chart.x_ticks] == ["25,000", "50,000", "100,000"]
    assert {curve.label for curve in family.chart.curves} == {"threads", "processes", "serial"}
    assert family.chart.frame.summary.endswith(
        "serial 1.00x at 25,000, 1.00x at 50,000, 1.00x at 100,000"
    )


def test_the_limit_that_all_parameters_share_is_a_line_inside_the_chart():
    tests = documents.family()
    for test in tests:
        test["runs"][0]["findings"] = [{"quantity": "speedup", "cold": False, "limit": 40.0}]
    (family,) = make_families(tests)
    frame = family.chart.frame
    assert frame.limit.label == "limit 40.0x"
    assert frame.box.top <= frame.limit.y < frame.box.bottom
    tests[0]["runs"][0]["findings"][0]["limit"] = 2.0
    (family,) = make_families(tests)
    assert family.chart.frame.limit is None


@pytest.mark.parametrize(
    ("ids", "labels"),
    [
        (["25k", "50k"], ["25,000", "50,000"]),
        (["rows-8", "rows-16"], ["8", "16"]),
        (["a", "b"], None),
        (["4-8", "4-16"], None),
        (["py3", "py4"], None),
        (["1e-05-a", "2e-05-a"], ["0.0000100", "0.0000200"]),
        (["-5", "-10"], None),
        (["a--5", "a--10"], None),
    ],
)
def test_only_a_single_number_makes_an_axis(ids, labels):
    tests = [
        {**test, "nodeid": f"tests/test_a.py::test_it[{name}]"}
        for test, name in zip(documents.family(), ids, strict=False)
    ]
    families = make_families(tests)
    found = [tick.label for tick in families[0].chart.x_ticks] if families else None
    assert found == labels


def test_parameters_that_were_not_timed_are_counted():
    tests = documents.family()
    tests[0]["runs"] = []
    (family,) = make_families(tests)
    assert family.left_out == "1 of 3 parameters have no number or no timed arm"


def test_curves_beyond_the_colours_are_counted():
    tests = [
        {**test, "nodeid": test["nodeid"].replace("[", f"[{kind}-")}
        for kind in ("csv", "json", "xml")
        for test in documents.family()
    ]
    (family,) = make_families(tests)
    assert len(family.chart.curves) == 6
    assert family.left_out == "1 more curve not drawn"
    tests[0]["runs"] = []
    (family,) = make_families(tests)
    assert family.left_out == (
        "1 of 9 parameters have no number or no timed arm; 1 more curve not drawn"
    )


def test_page_and_terminal_show_the_study():
    document = documents.studies()
    page = pages.parse(html.render(document))
    ids = [each.get("id") for each in pages.elements(page) if each.get("id")]
    assert len(ids) == len(set(ids))
    assert "fastest is threads with workers=4" in pages.body_text(page)
    assert "Over their parameters" in pages.body_text(page)
    assert any("fastest is threads" in text for text, _ in summary_lines(document, width=140))
