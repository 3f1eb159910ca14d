"""What an arm used of the machine: strips on one time axis, the same in numbers, and words where there is none."""

from __future__ import annotations

import copy
import re

import documents
import pages
import pytest

from pytest_pipeline.report import html
from pytest_pipeline.report.charts.resources import HEIGHT, LEFT, MAX_CORES, RIGHT, make_resources


@pytest.fixture
def arm():
    return copy.deepcopy(documents.missed()["runs"][0]["arms"][2])


def with_levels(arm, **changes):
    arm["resources"] |= changes
    return make_resources(arm)


def heights(strip):
    """Return the height above the base line at every corner of a strip."""
    found, y = [], 0.0
    for step in re.findall(r"v(-?[\d.]+)", strip.path):
        y -= float(step)
        found.append(y)
    return found


def test_every_core_and_both_kinds_of_memory_have_a_strip(arm):
    labels = [strip.label for strip in make_resources(arm).strips]
    assert labels == ["core 0", "core 1", "memory, pytest", "memory, children"]


def test_strips_of_threads_do_not_pretend_to_have_children():
    used = make_resources(documents.missed()["runs"][0]["arms"][1])
    assert [strip.label for strip in used.strips][2:] == ["memory, pytest"]


def test_a_busy_core_is_as_high_as_the_strip_and_an_idle_one_is_flat(arm):
    used = with_levels(
        arm,
        until_s=[1.0, 3.0],
        cores=[{"core": 4, "busy": [1.0, 0.5]}, {"core": 7, "busy": [0.0, 0.0]}],
    )
    busy, idle = used.strips[:2]
    assert heights(busy) == [HEIGHT, HEIGHT / 2]
    assert set(heights(idle)) == {0.0}
    # The second span is twice as long: it weighs twice as much.
    assert (busy.label, busy.value, idle.value) == ("core 4", "67 % busy", "0 % busy")


def test_all_strips_stand_on_the_time_axis_of_the_execution(arm):
    used = with_levels(
        arm,
        seconds=4.0,
        at_s=[0.0, 4.0],
        own_bytes=[1, 2],
        children_bytes=[0, 0],
        until_s=[4.0],
        cores=[{"core": 0, "busy": [0.5]}],
    )
    assert used.ticks[0].label == "0"
    assert used.ticks[-1].at <= RIGHT
    for strip in used.strips:
        corners = [float(x) for x in re.findall(r"H([\d.]+)", strip.path)]
        assert all(LEFT <= x <= RIGHT for x in corners)
        assert corners == sorted(corners)
    assert re.search(rf"H{RIGHT}v", used.strips[-1].path)


def test_memory_of_parent_and_children_share_one_scale_from_zero(arm):
    used = with_levels(arm, at_s=[0.0, 1.0], own_bytes=[50, 100], children_bytes=[200, 200])
    own, children = used.strips[-2:]
    assert heights(own)[:2] == [6.0, HEIGHT / 2]
    assert max(heights(children)) == HEIGHT


def test_numbers_stand_in_a_table_and_in_the_label_for_screen_readers(arm):
    used = make_resources(arm)
    assert used.summary.startswith("Resources of processes: core 0 95 % busy; ")
    assert ("memory, pytest", "120 MB", "154 MB") in used.table.rows
    page = html.render(documents.document(documents.missed()))
    text = pages.body_text(pages.parse(page))
    assert "1,234 context switches to wait, 56 because another thread took the core." in text
    assert "items and outputs are about 4.20 MB when pickled." in text
    assert "one more execution (6.40 s), sampled and not timed" in text


def test_what_could_not_be_read_is_left_out_of_the_words(arm):
    used = with_levels(arm, voluntary_switches=None, shipped_bytes=None, cpu_s=None)
    assert used.notes == ("resident memory: pages that processes share count in each of them",)


def test_an_arm_that_was_not_sampled_says_why(arm):
    empty = dict.fromkeys(("at_s", "own_bytes", "children_bytes", "until_s", "cores"), [])
    test = documents.missed()
    test["runs"][0]["arms"][2]["resources"] |= {
        **empty,
        "left_out": "an execution of 3 ms is short",
    }
    text = pages.body_text(pages.parse(html.render(documents.document(test))))
    assert "Resources of processes were not sampled: an execution of 3 ms is short." in text


def test_a_file_from_before_there_were_resources_still_renders(arm):
    del arm["resources"]
    assert make_resources(arm) is None
    test = documents.missed()
    for each in test["runs"][0]["arms"]:
        del each["resources"]
    assert "Resources of" not in html.render(documents.document(test))


def test_many_cores_keep_the_busiest_and_say_so(arm):
    cores = [{"core": k, "busy": [k / 100] * 20} for k in range(64)]
    used = with_levels(arm, cores=cores)
    shown = [strip.label for strip in used.strips if strip.label.startswith("core")]
    assert shown == [f"core {k}" for k in range(64 - MAX_CORES, 64)]
    assert f"shows the busiest {MAX_CORES} of 64 cores" in used.notes
