"""Shards of a CI matrix in one report."""

from __future__ import annotations

import copy

import documents
import pages
import pytest
from jsonschema import Draft202012Validator
from test_schema import SCHEMA

from pytest_pipeline.report import html
from pytest_pipeline.report.gate_counts import count_gates
from pytest_pipeline.report.merge import merge


def shard(*tests, **environment):
    made = copy.deepcopy(documents.document(*tests))
    made["environment"] |= environment
    return made


def test_tests_of_all_shards_stand_in_one_valid_document():
    merged = merge({"a.json": shard(documents.met()), "b.json": shard(documents.missed())})
    assert [test["outcome"] for test in merged["tests"]] == ["met", "missed"]
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(merged)] == []
    assert merged["notices"] == ["merged from a.json, b.json"]


def test_a_pass_on_one_machine_never_hides_a_miss_on_another():
    nodeid = "tests/test_shop.py::test_both"
    merged = merge(
        {"linux.json": shard(documents.missed(nodeid)), "mac.json": shard(documents.met(nodeid))}
    )
    assert count_gates(merged).by_verdict["missed"] == 1
    text = pages.body_text(pages.parse(html.render(merged)))
    assert "shard linux.json" in text
    assert "superseded" not in text


def test_attempts_within_one_shard_still_supersede_each_other():
    first, second = documents.missed("t.py::test"), documents.met("t.py::test")
    second["attempt"] = 2
    merged = merge({"a.json": shard(first, second), "b.json": shard(documents.met("t.py::other"))})
    assert "missed" not in count_gates(merged).by_verdict


def test_merging_what_was_merged_before_loses_no_miss():
    nodeid = "tests/test_shop.py::test_both"
    first = {"a.json": shard(documents.missed(nodeid)), "b.json": shard(documents.met(nodeid))}
    merged = merge({"ab.json": merge(first), "c.json": shard(documents.met(nodeid))})
    assert count_gates(merged).by_verdict == {"met": 2, "missed": 1}
    assert [test["shard"] for test in merged["tests"]] == [
        "ab.json/a.json",
        "ab.json/b.json",
        "c.json",
    ]


def test_shards_with_other_versions_or_without_the_gil_are_named():
    packages = {"pytest": "9.2.0", "numpy": "2.3.0", "pandas": "3.1.1"}
    other = shard(documents.missed(), packages=packages, gil=False)
    notices = merge({"a.json": shard(documents.met()), "b.json": other})["notices"]
    assert "measured with different versions: numpy 2.4.6 and 2.3.0" in notices
    (machines,) = [each for each in notices if "different machines" in each]
    assert "b.json: AMD EPYC 7B13, 2, Linux 6.1.0, CPython 3.11.9, GIL off" in machines
    assert machines.count("GIL") == 1


def test_different_machines_and_commits_are_named_in_the_page():
    other = shard(documents.missed(), cpu="Xeon Gold", cores_usable=16)
    other["context"]["commit"] = "deadbeef0000"
    merged = merge({"a.json": shard(documents.met()), "b.json": other})
    text = pages.body_text(pages.parse(html.render(merged)))
    assert "measured on different machines, so compare ratios, never seconds" in text
    assert "Xeon Gold, 16" in text
    assert "measured at different commits: 4f1c2ab90d77, deadbeef0000" in text


def test_a_file_that_could_not_be_read_is_named_in_the_page():
    merged = merge({"a.json": shard(documents.met())}, unreadable=["b.json is cut off"])
    assert "b.json is cut off" in pages.body_text(pages.parse(html.render(merged)))


def test_merging_nothing_says_why():
    with pytest.raises(ValueError, match="nothing to merge; b.json is cut off"):
        merge({}, unreadable=["b.json is cut off"])


def test_one_document_alone_renders_the_same_page():
    alone = shard(documents.met(), documents.missed())
    assert html.render(alone) == html.render(merge({"a.json": alone}))


def test_what_other_plugins_added_stands_once_or_under_its_shards_name():
    same = {"title": "Team", "text": "shop", "header": [], "rows": []}
    first, second = shard(documents.met()), shard(documents.missed())
    first["sections"] = [same, {**same, "title": "Runner", "text": "linux"}]
    second["sections"] = [same, {**same, "title": "Runner", "text": "mac"}]
    merged = merge({"a.json": first, "b.json": second})
    assert [each["title"] for each in merged["sections"]] == [
        "Team",
        "Runner (a.json)",
        "Runner (b.json)",
    ]
