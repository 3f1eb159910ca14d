"""`pytest-pipeline history` and `compare`: the past on the terminal."""

from __future__ import annotations

import copy

import pytest
from report import documents
from unit.history.records import record, sessions

from pytest_pipeline.cli import main
from pytest_pipeline.history import store
from pytest_pipeline.report import json_file
from pytest_pipeline.report.merge import merge


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "past.sqlite"
    for each in sessions(2.6, 2.61, 2.59, 2.6, 2.6, 1.4, 1.41):
        store.append(path, [each])
    return path


def test_the_last_sessions_are_a_table_and_a_change_says_since_when(file, capsys):
    assert main(["history", "test_b", f"--file={file}", "--last=3"]) == 0
    title, *rows, sentence = capsys.readouterr().out.strip().splitlines()
    assert title == "tests/test_a.py::test_b (threads)"
    assert len(rows) == 3
    assert "c006" in rows[-1]
    assert "1.41x" in rows[-1]
    assert "speedup 1.41x now, 2.60x (2.57x to 2.63x) at commit c004" in sentence
    assert "46 % less; the intervals do not overlap" in sentence
    assert "First seen 1 session ago, at commit c005" in sentence


def test_sessions_on_another_machine_say_so(file, capsys):
    store.append(file, [record(8, machine="there")])
    assert main(["history", f"--file={file}"]) == 0
    assert "other machine" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["nothing_like_it"], ["--file=missing.sqlite"]])
def test_nothing_to_show_is_said_and_fails(file, capsys, arguments):
    assert main(["history", f"--file={file}", *arguments]) == 2
    assert "pytest-pipeline history: " in capsys.readouterr().err


@pytest.fixture
def two(tmp_path):
    first = documents.document(documents.met())
    second = copy.deepcopy(first)
    for arm in second["tests"][0]["runs"][0]["arms"]:
        if arm["speedup"]:
            arm["speedup"].update(value=1.0, lower=0.9, upper=1.1)
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    json_file.write(first, paths[0])
    json_file.write(second, paths[1])
    return [str(path) for path in paths]


def test_two_sessions_side_by_side_say_how_much_changed(two, capsys):
    assert main(["compare", *two]) == 0
    printed = capsys.readouterr().out
    assert "-> 1.00x (0.90x to 1.10x): " in printed
    assert "less; the intervals do not overlap" in printed
    assert "as much" in printed
    assert "different machines" not in printed


def test_tests_of_one_file_only_and_other_machines_are_named(two, tmp_path, capsys):
    other = documents.document(documents.missed())
    other["environment"] = {**other["environment"], "cpu": "other"}
    json_file.write(other, tmp_path / "c.json")
    assert main(["compare", two[0], str(tmp_path / "c.json")]) == 0
    printed = capsys.readouterr().out
    assert "measured on different machines" in printed
    assert "only in the first file" in printed
    assert "only in the second file" in printed


def test_a_file_that_cannot_be_read_is_named(two, capsys):
    assert main(["compare", two[0], "absent.json"]) == 2
    assert "absent.json" in capsys.readouterr().err


def test_a_file_that_is_no_text_is_named(two, tmp_path, capsys):
    (tmp_path / "results.zip").write_bytes(b"PK\x03\x04\xff")
    assert main(["compare", two[0], str(tmp_path / "results.zip")]) == 2
    assert "results.zip is no text: an archive to unpack first?" in capsys.readouterr().err


def compared(tmp_path, capsys, first, second):
    json_file.write(first, tmp_path / "first.json")
    json_file.write(second, tmp_path / "second.json")
    assert main(["compare", str(tmp_path / "first.json"), str(tmp_path / "second.json")]) == 0
    return capsys.readouterr().out


def test_every_shard_of_a_merged_file_is_compared(tmp_path, capsys):
    nodeid = "tests/test_shop.py::test_both"
    fast, slow = documents.met(nodeid), documents.missed(nodeid)
    before = merge({"a.json": documents.document(slow), "b.json": documents.document(fast)})
    after = merge({"a.json": documents.document(fast), "b.json": documents.document(fast)})
    printed = compared(tmp_path, capsys, before, after)
    assert f"{nodeid} @ a.json" in printed
    assert f"{nodeid} @ b.json" in printed
    assert "missed" in printed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_items": 400}, "400 items through generate, "),
        ({"check": "none"}, "outputs: none"),
        ({"stages": [{"name": "generate"}]}, "40 items through generate, outputs"),
    ],
)
def test_a_test_that_measures_other_work_now_says_so(tmp_path, capsys, changes, words):
    other = documents.met()
    other["runs"][0].update(changes)
    printed = compared(
        tmp_path, capsys, documents.document(documents.met()), documents.document(other)
    )
    assert (
        "test_orders_overlap (threads) measures other work: 40 items through generate, " in printed
    )
    assert words in printed.partition("measures other work")[2].partition("; ")[2]


def test_a_test_that_broke_since_is_told_from_one_that_is_gone(tmp_path, capsys):
    nodeid = "tests/test_shop.py::test_orders"
    kept, gone = documents.met(nodeid), documents.met("tests/test_shop.py::test_gone")
    broken = {**documents.met(nodeid), "outcome": "invalid", "runs": []}
    printed = compared(tmp_path, capsys, documents.document(kept, gone), documents.document(broken))
    assert (
        f"only in the first file: {nodeid} (threads); in the other the test is invalid" in printed
    )
    assert "only in the first file: tests/test_shop.py::test_gone (threads)\n" in printed
