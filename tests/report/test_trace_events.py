"""Trace Event files: what Perfetto and speedscope are given."""

from __future__ import annotations

import json

from pytest_pipeline.report.trace_events import file_name, trace_of, write_all
from tests.report import documents


def events_of(test, kind):
    return [event for event in trace_of(test)["traceEvents"] if event["ph"] == kind]


def test_every_visit_is_a_slice_on_its_workers_track():
    test = documents.met()
    timelines = [arm["timeline"] for arm in test["runs"][0]["arms"] if arm["timeline"]]
    slices = events_of(test, "X")
    assert len(slices) == sum(len(each["item"]) for each in timelines)
    first = timelines[0]
    assert {(each["ts"], each["dur"]) for each in slices if each["pid"] == 1} == {
        (start, end - start)
        for start, end in zip(first["started_us"], first["finished_us"], strict=True)
    }


def test_arms_are_processes_and_workers_are_threads_with_readable_names():
    labels = events_of(documents.met(), "M")
    arms = [each["args"]["name"] for each in labels if each["name"] == "process_name"]
    assert arms == ["threads"]
    workers = [each["args"]["name"] for each in labels if each["name"] == "thread_name"]
    assert "generate 1" in workers


def test_slices_of_one_track_never_overlap():
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for each in events_of(documents.met(), "X"):
        tracks.setdefault((each["pid"], each["tid"]), []).append(
            (each["ts"], each["ts"] + each["dur"])
        )
    for spans in tracks.values():
        ordered = sorted(spans)
        assert all(end <= start for (_, end), (start, _) in zip(ordered, ordered[1:], strict=False))


def test_a_queue_ends_empty_and_is_never_negative():
    last: dict[tuple[int, str], int] = {}
    for each in events_of(documents.met(), "C"):
        length = each["args"]["items"]
        assert length >= 0
        last[each["pid"], each["name"]] = length
    assert last
    assert set(last.values()) == {0}


def test_a_sampled_timeline_says_so_and_claims_no_queue_lengths():
    test = documents.met()
    for arm in test["runs"][0]["arms"]:
        if arm["timeline"]:
            arm["timeline"]["num_visits"] *= 3
    trace = trace_of(test)
    assert "evenly sampled" in trace["otherData"]["notes"]
    assert not [event for event in trace["traceEvents"] if event["ph"] == "C"]


def test_one_file_per_recorded_test_whatever_its_id_contains(tmp_path):
    hostile = documents.met(nodeid='tests/a.py::t[</script>"\x00\u202e' + "x" * 10_000 + "]")
    document = documents.document(documents.met(), hostile, documents.unavailable())
    written = write_all(document, tmp_path / "traces")
    files = sorted((tmp_path / "traces").iterdir())
    assert (
        len(files)
        == written
        == sum(
            any(arm["timeline"] for run in test["runs"] for arm in run["arms"])
            for test in document["tests"]
        )
    )
    assert {json.loads(file.read_text())["otherData"]["test"] for file in files} >= {
        hostile["nodeid"]
    }


def test_ids_that_differ_only_in_odd_characters_get_different_files():
    assert file_name("t.py::a[x y]") != file_name("t.py::a[x/y]")
    assert len(file_name("t.py::" + "x" * 5000)) < 100
