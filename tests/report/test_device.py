"""The device block of a card: every number is the model's, and what is unknown is left out or said."""

import documents
import pages
import pytest

from pytest_pipeline.model.device import DeviceReadings, HostMemory
from pytest_pipeline.report import html, markdown, units
from pytest_pipeline.report.charts.device_chart import part_chart
from pytest_pipeline.report.device import device_sentence, device_views


def arm(**changes):
    (cuda,) = documents.on_device(**changes)["runs"][0]["arms"][1:]
    return cuda


def run_of(**changes):
    return arm(**changes)["devices"][0]


def facts(**changes):
    (view,) = device_views(arm(**changes))
    return view.facts


def test_the_card_shows_bound_efficiency_source_bytes_memory_clocks_and_throttling():
    root = pages.parse(html.render(documents.document(documents.on_device())))
    (block,) = pages.with_class(root, "device")
    shown = pages.text_of(block)
    run = run_of()
    for text in (
        "Device cuda:0 (Example GPU 141GB)",
        f"the bound is {units.seconds(run['bound_s'])} (device efficiency {units.percent(run['efficiency'])})",
        "H2D limits it",
        "pinned (page-locked) memory",
        "2.56 GB",
        "peak 384 MB in tensors",
        "before 345 MHz (memory 3201 MHz), after 1980 MHz",
        "software power cap",
        "580.65.06",
        "640 MB from cuda:0 to cuda:1, through host memory (no peer access)",
        "stage preprocess waits for the device at shop/infer.py:31",
        "runs without a CUDA graph",
    ):
        assert text in shown


def test_the_efficiency_in_the_document_is_bound_over_makespan():
    assert run_of()["efficiency"] == pytest.approx(0.051 / 0.0535)


def test_every_part_is_a_bar_and_the_bound_is_a_line_at_its_own_value():
    run = run_of()
    chart = part_chart(run)
    assert [bar.label for bar in chart.bars] == [
        "stage-in",
        "H2D",
        "kernels",
        "D2H",
        "stage-out",
        "H2D + D2H at once",
        "makespan",
    ]
    (line,) = chart.limits
    assert line.label == "bound 51.0 ms"
    makespan = chart.bars[-1]
    reach = (line.x - chart.left) / makespan.width
    assert reach == pytest.approx(run["bound_s"] / run["makespan_s"], abs=0.01)
    for bar in chart.bars:
        assert chart.left + bar.width <= chart.right < bar.value_x < bar.range_x
    assert line.x <= chart.right


def test_a_bandwidth_stands_beside_what_was_moved():
    h2d, kernels = part_chart(run_of()).bars[1:3]
    assert h2d.range == "2.56 GB, 53.3 GB/s"
    assert kernels.range == ""


def test_an_arm_without_a_device_has_no_such_block():
    page = html.render(documents.document(documents.met()))
    assert not pages.with_class(pages.parse(page), "device")
    assert "bound is" not in markdown.render(documents.document(documents.met()))


def test_files_from_before_devices_were_recorded_still_render():
    test = documents.met()
    for each in test["runs"][0]["arms"]:
        del each["devices"]
    document = documents.document(test)
    assert html.render(document)
    assert markdown.render(document)


def test_parts_that_were_not_measured_alone_give_no_bound():
    run = run_of(parts=(), bound_s=None)
    assert part_chart(run) is None
    assert "not measured alone, so there is no bound" in device_sentence(run)


def test_readings_that_the_driver_refuses_are_said_and_not_shown_as_zero():
    found = dict(facts(readings=DeviceReadings(missing=("clocks: no permission",))))
    assert not {"Busy", "Clocks", "Held down", "Driver"} & set(found)
    assert (
        "clocks: no permission"
        in dict(
            facts(readings=DeviceReadings(missing=("clocks: no permission",)), notes=())
        ).values()
    )


def test_free_clocks_and_unknown_ones_are_told_apart():
    free = dict(facts(readings=DeviceReadings(throttle_reasons=())))
    assert free["Held down"] == "no: the clocks were free"
    assert "Held down" not in dict(facts(readings=DeviceReadings()))


def test_a_clean_diagnosis_and_a_missing_one_are_told_apart():
    assert dict(facts(sync_calls=()))["Waits"].startswith("no call in a stage waits")
    assert "Waits" not in dict(facts(sync_calls=None))


def test_pageable_sources_are_named_as_such():
    assert dict(facts(source=HostMemory.PAGEABLE))["Source"].startswith("pageable memory")


def test_markdown_has_one_line_per_device():
    text = markdown.render(documents.document(documents.on_device()))
    (line,) = [each for each in text.splitlines() if each.startswith("- ")]
    assert "the bound is 51.0 ms (device efficiency 95 %); H2D limits it" in line


def test_names_from_outside_cannot_break_out_of_the_block():
    run = run_of(name="<script>alert(1)</script>")
    test = documents.on_device()
    test["runs"][0]["arms"][1]["devices"] = [run]
    page = html.render(documents.document(test))
    assert "<script>alert(1)" not in page
