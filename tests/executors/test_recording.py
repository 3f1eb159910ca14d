"""What a trace holds when an execution has more visits than it may keep."""

import pickle

import numpy as np
import pytest

from pytest_pipeline.executors import _accounts, _recorder
from pytest_pipeline.executors._processes.board import Board
from pytest_pipeline.executors._processes.channel import Channel
from pytest_pipeline.executors._processes.child import Worker
from pytest_pipeline.executors._processes.chunk_recorder import ChunkRecorder, chunk_ends
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.records import Setup
from pytest_pipeline.executors._processes.sockets import socket_pair
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.explain.profile import overlap, service_matrix, stage_summaries
from pytest_pipeline.model.plan import Stage

COUNT = 20_000
LIMIT = 600


def double(x):
    return 2 * x


def add_one(x):
    return x + 1


@pytest.fixture(
    params=[
        Serial(),
        Threads(),
        Threads(layout="shared", workers=2),
        Threads(chunk=3),
        Processes(workers=2),
        Processes(workers=2, chunk=7),
        Processes(layout="staged", chunk=7),
    ],
    ids=["serial", "staged", "shared", "chunks", "processes", "process-chunks", "process-stages"],
)
def recording(request, no_thread_left):
    return request.param


@pytest.fixture(params=["list", "callable"])
def many(request, source):
    return source(list(range(COUNT)) if request.param == "list" else lambda: iter(range(COUNT)))


@pytest.fixture
def little_room(monkeypatch):
    monkeypatch.setattr(_accounts, "MOST_VISITS", LIMIT)


STAGES = [double, Stage(add_one, workers=2)]


def test_every_item_is_kept_up_to_the_limit(recording, opened, many):
    trace = opened(recording, STAGES).run(many)
    assert trace.sample is None
    assert trace.num_items == len(trace.latency_s) == COUNT
    assert trace.num_visits == len(trace.visits)


def test_beyond_the_limit_whole_items_are_sampled_and_the_trace_says_so(
    recording, opened, many, little_room
):
    trace = opened(recording, STAGES).run(many)
    assert trace.outputs == [2 * x + 1 for x in range(COUNT)]
    assert trace.sample is not None
    assert trace.num_items == COUNT
    stages = len(trace.stage_names)
    per_chunk = 1 if trace.chunk == 1 else 3
    assert trace.num_visits == stages * -(-COUNT // per_chunk)
    assert LIMIT / 8 < len(trace.visits) <= LIMIT
    kept = trace.sample.items
    heads = np.unique(kept - kept % per_chunk)
    for stage in range(stages):
        assert sorted(trace.visits.item[trace.visits.stage == stage]) == heads.tolist()
    assert len(trace.admitted_ns) == len(trace.emitted_ns) == len(trace.latency_s) == len(kept)
    assert (trace.latency_s > 0).all()


def test_the_worker_ledger_stays_exact_beyond_the_limit(recording, opened, many, little_room):
    trace = opened(recording, STAGES).run(many)
    ledger = trace.ledger
    total = sum(row.total_s for row in ledger.rows)
    assert total == pytest.approx(ledger.workers * ledger.makespan_s, rel=1e-9)
    kept = float((trace.visits.finished_ns - trace.visits.started_ns).sum() / 1e9)
    service = sum(row.service_s for row in ledger.rows)
    assert service > 5 * kept
    assert all(row.handover_s > -1e-6 for row in ledger.rows)


def test_the_same_items_are_kept_in_every_run(opened, source, little_room):
    running = opened(Threads(), [double, add_one])
    first, second = (running.run(source(list(range(COUNT)))) for _ in range(2))
    assert (first.sample.items == second.sample.items).all()


def test_the_sample_is_spread_over_the_whole_run(opened, source, little_room):
    kept = opened(Threads(), [double]).run(source(list(range(COUNT)))).sample.items
    # A uniform sample of some 300 items: each tenth of the run has 30, give or take 6 standard errors.
    found = np.histogram(kept, bins=10, range=(0, COUNT))[0]
    assert (np.abs(found - len(kept) / 10) < 6 * np.sqrt(len(kept) / 10)).all()


def test_collected_failures_are_reported_whether_their_items_were_kept_or_not(
    recording, opened, many, little_room
):
    def fails_often(x):
        if x % 3 == 0:
            raise ValueError(x)
        return x

    trace = opened(recording, [fails_often, double]).run(
        type(many)(many.factory, is_timed=many.is_timed, collects_errors=True)
    )
    assert len(trace.failed_items) == -(-COUNT // 3)
    kept = trace.sample.items
    assert (kept[trace.emitted_ns == 0] % 3 == 0).all()
    assert (kept[trace.emitted_ns > 0] % 3 != 0).all()
    assert len(trace.latency_s) == (kept % 3 != 0).sum()


def test_the_summary_of_a_stage_stays_exact_beyond_the_limit(recording, opened, many, little_room):
    trace = opened(recording, STAGES).run(many)
    summaries = {summary.name: summary for summary in stage_summaries(trace)}
    for name in trace.stage_names:
        row = trace.stages[name]
        busy = row.service_s / (summaries[name].workers * trace.makespan_s)
        assert summaries[name].utilization == pytest.approx(busy)
    matrix = service_matrix(trace)
    assert matrix.shape == (len(trace.sample.items), len(trace.stage_names))
    kept = float((trace.visits.finished_ns - trace.visits.started_ns).sum() / 1e9)
    assert float(matrix.sum()) == pytest.approx(kept)
    assert overlap(trace) is None


def test_a_chunks_service_is_shared_out_over_its_items(opened, source):
    trace = opened(Threads(chunk=10), [double, add_one]).run(source(list(range(25))))
    matrix = service_matrix(trace)
    assert matrix.shape == (25, 2)
    for index, summary in enumerate(stage_summaries(trace)):
        assert matrix[:, index].sum() == pytest.approx(trace.stages[summary.name].service_s)
        assert len(set(matrix[20:25, index])) == 1


def test_every_item_has_its_send_lag_beyond_the_limit(opened, source, little_room, recording):
    offsets = [0] * COUNT
    trace = opened(recording, [double]).run(source(list(range(COUNT)), offsets_ns=offsets))
    assert trace.sample is not None
    assert len(trace.send_lag_s) == trace.num_items == COUNT


def test_items_are_sampled_alike_however_they_were_cut_into_chunks():
    kept = []
    for size in (1, 7, 32):
        recorder = ChunkRecorder(limit=200)
        for first in range(0, 10_000, size):
            recorder.add((first, 0, min(size, 10_000 - first), 0, 10))
            recorder.fold_if_due()
        recorder.finish()
        assert recorder.counts.tolist() == [10_000]
        kept.append(sorted(recorder.table(recorder.threshold)[:, 0]))
        assert 25 < len(kept[-1]) <= 200
    assert kept[0] == kept[1] == kept[2]


def test_a_sampled_item_keeps_the_end_of_its_chunk():
    recorder = ChunkRecorder(limit=100)
    for first in range(0, 10_000, 10):
        recorder.add((first, 0, 10, first, first + 10))
        recorder.fold_if_due()
    recorder.finish()
    rows = recorder.table(recorder.threshold // 2)
    assert 10 < len(rows) < 100
    assert (rows[:, 4] == rows[:, 0] + 1).all()
    assert (chunk_ends(rows) == rows[:, 0] - rows[:, 0] % 10 + 10).all()


def test_what_a_worker_writes_down_takes_bounded_memory(monkeypatch):
    monkeypatch.setattr(_recorder, "_DUE", 5 * 50)
    recorder = ChunkRecorder(limit=100)
    for first in range(0, 200_000, 10):
        recorder.add((first, 0, 10, first, first + 10))
        recorder.fold_if_due()
        assert len(recorder._rows) <= 5 * 50
        assert sum(len(part) for part in recorder._parts) <= 100
    thawed = pickle.loads(pickle.dumps(recorder))
    thawed.finish()
    assert thawed.counts.tolist() == thawed.service_ns.tolist() == [200_000]
    assert thawed.threshold == recorder.threshold


def test_a_worker_process_folds_what_it_writes_down_while_it_works(monkeypatch):
    monkeypatch.setattr(_recorder, "_DUE", 5 * 10)
    board = Board.create(1)
    ours, theirs = socket_pair()
    with ours, theirs:
        worker = Worker(Channel(theirs), board, Setup(0, 1, board.file, None, (0, 1)))
        worker._runner.load([double])
        worker._runner.begin(collects_errors=False)
        worker._run = 1
        for item in range(200):
            worker._item(Frame(Kind.ITEM, item, body=pickle.dumps(item)))
            assert len(worker._runner.report.recorder._rows) <= 5 * 10
    board.close()
