"""What travels to the report is plain JSON that the shipped schema accepts."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from importlib import resources

import jsonschema
import numpy as np
import pytest
from unit.virtual import Lab, p99, speedup

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.model.document import _block, _timeline, make_document, to_plain
from pytest_pipeline.model.plan import Source, Stage, make_plan
from pytest_pipeline.model.rounds import LatencyBlock
from pytest_pipeline.model.units import parse_seconds, parse_share, show_seconds
from pytest_pipeline.report.charts.curve import latency_curves, nearest_rank
from pytest_pipeline.testing import VirtualExecutor


def document_of(comparison):
    test = {
        "nodeid": "test_shop.py::test_orders",
        "location": "test_shop.py:3",
        "outcome": "met",
        "attempt": 1,
        "worker": "",
        "seconds": comparison.seconds,
        "error": "",
        "runs": [comparison.to_dict()],
    }
    made = make_document(
        [test],
        environment=to_plain(comparison.environment),
        created="2026-11-21T22:00:00Z",
        context={"project": "shop"},
    )
    return json.loads(json.dumps(made))


def missed(lab):
    return lab.compare(requirements=[speedup(3.0), p99(0.05, rate_per_s=100)])


def wrong(lab):
    def score(item):
        return item + (lab.machine.running == "threads")

    return lab.compare([Stage(score, name="score")], requirements=[speedup(1.5)])


def absent(lab):
    gpu = VirtualExecutor("cuda", lab.machine, unavailable="no device")
    return lab.compare(candidates=[lab.threads, gpu], requirements=[speedup(1.5)])


@pytest.mark.parametrize("outcome", [missed, wrong, absent], ids=lambda case: case.__name__)
def test_a_measured_comparison_is_valid_under_the_shipped_schema(outcome):
    schema = json.loads(
        (resources.files("pytest_pipeline") / "report/schema.json").read_text("utf-8")
    )
    jsonschema.validate(document_of(outcome(Lab())), schema)


def test_a_comparison_becomes_a_frame_with_one_row_per_arm():
    frame = Lab().compare().to_frame()
    assert list(frame.index) == ["serial", "threads"]
    assert frame.loc["threads", "speedup"] == pytest.approx(160 / 82)


def test_a_trace_becomes_a_frame_with_one_row_per_visit():
    trace = Lab().compare()["threads"].trace
    assert list(trace.to_frame().columns) == [
        "item",
        "stage",
        "worker",
        "enqueued_ns",
        "started_ns",
        "finished_ns",
    ]
    assert len(trace.to_frame()) == 120


def test_numpy_numbers_and_infinities_become_plain_json():
    plain = to_plain({"a": np.float64(1.5), "b": np.int64(2), "c": float("nan"), "d": {1, 2}})
    assert json.dumps(plain) == '{"a": 1.5, "b": 2, "c": null, "d": [1, 2]}'


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("50ms", 0.05),
        ("1.5 s", 1.5),
        ("200us", 2e-4),
        ("1min", 60.0),
        (0.2, 0.2),
        (timedelta(seconds=2), 2.0),
    ],
)
def test_times_are_read_as_people_write_them(written, seconds):
    assert parse_seconds(written, what="max") == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["50 parsecs", "ms", "", "-5ms", 0, -1, True, None, float("inf"), []]
)
def test_what_is_no_time_is_refused_with_the_value_found(written):
    with pytest.raises(UsageError, match="max="):
        parse_seconds(written, what="max")


@pytest.mark.parametrize(("written", "share"), [("5%", 0.05), (0.1, 0.1), ("0.2", 0.2), (0, 0.0)])
def test_shares_are_read_as_people_write_them(written, share):
    assert parse_share(written, what="tolerance") == pytest.approx(share)


@pytest.mark.parametrize("written", ["five", 1, 1.5, "-5%", True, None])
def test_what_is_no_share_is_refused(written):
    with pytest.raises(UsageError, match="tolerance="):
        parse_share(written, what="tolerance")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.082, "82.0 ms"), (1.339, "1.34 s"), (0.00064, "640 us"), (123.4, "123 s"), (5e-8, "50 ns")],
)
def test_times_are_shown_with_three_digits(seconds, text):
    assert show_seconds(seconds) == text


@pytest.mark.parametrize(("stages", "items"), [(2, 4_000), (3, 4_000), (4, 2_000)])
def test_the_timeline_of_a_long_execution_shows_every_stage_alike(stages, items):
    plan = make_plan([Stage(str, name=f"stage {k}") for k in range(stages)])
    running = Serial().open(plan)
    try:
        trace = running.run(Source(lambda: iter(range(items))))
    finally:
        running.close()
    timeline = _timeline(trace)
    kept = Counter(timeline["stage"])
    assert len(timeline["stage"]) == timeline["num_kept"] <= 5_000 < timeline["num_visits"]
    assert len(kept) == stages
    assert max(kept.values()) - min(kept.values()) <= 1
    assert timeline["item"] == sorted(timeline["item"]), "in the order in which they were recorded"


def test_of_many_latencies_an_even_share_is_kept_and_their_number():
    latencies = tuple(k / 1e4 for k in range(5_000))
    plain = _block(LatencyBlock("threads", 50.0, latencies, 0.0, is_clean=True))
    assert plain["num_latencies"] == 5_000
    assert len(plain["latencies_s"]) == 2_000
    assert plain["latencies_s"][-1] == 0.4999
    for share in (0.01, 0.5, 0.99):
        exact = nearest_rank(sorted(latencies), share)
        assert nearest_rank(plain["latencies_s"], share) == pytest.approx(exact, abs=3e-4)
    run = {"blocks": [plain], "findings": []}
    (note,) = latency_curves(run).notes
    assert note.startswith("threads: 5,000 samples (2,000 kept, evenly from the smallest), p50")
