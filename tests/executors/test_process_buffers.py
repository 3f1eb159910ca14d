"""Large buffers between processes: every kind arrives intact, and no shared memory is left."""

import gc
import os
import signal
import sys
import tempfile

import numpy as np
import psutil
import pytest
from stages import identity

from pytest_pipeline.executors._processes import slots
from pytest_pipeline.executors._processes.channel import Channel
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.shipping import Codec
from pytest_pipeline.executors._processes.sockets import prefetch_limit, socket_pair
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

LARGE = 100_000
"""Elements of eight bytes: far more than the smallest message that uses shared memory."""


@pytest.fixture
def slots_used(monkeypatch):
    """Count the messages that the parent stores in shared memory."""
    stored = []
    store = slots.SlotWriter.store

    def counting(self, pieces):
        slot = store(self, pieces)
        stored.append(slot)
        return slot

    monkeypatch.setattr(slots.SlotWriter, "store", counting)
    return stored


@pytest.fixture(params=["fused", "staged", "view"])
def processes(request):
    return {
        "fused": Processes(workers=2),
        "staged": Processes(layout="staged"),
        "view": Processes(workers=2, view=True),
    }[request.param]


# --- what travels


def test_arrays_keep_type_order_and_writability(processes, opened, source, slots_used):
    frozen = np.arange(LARGE)
    frozen.flags.writeable = False
    arrays = [
        np.arange(LARGE, dtype=np.int32),
        np.asfortranarray(np.arange(float(LARGE)).reshape(100, -1)),
        np.arange(2 * LARGE)[::2],
        np.arange(LARGE)[::-1],
        np.zeros(LARGE, dtype=[("a", "i1"), ("b", "f8")]),
        np.array(["ab", "c"] * LARGE),
        frozen,
    ]
    outputs = opened(processes, [identity, identity]).run(source(arrays)).outputs
    for array, output in zip(arrays, outputs, strict=True):
        assert output.dtype == array.dtype
        assert output.flags.writeable == array.flags.writeable
        assert output.flags.aligned
        np.testing.assert_array_equal(output, array)
    assert outputs[1].flags.f_contiguous
    assert len(slots_used) - slots_used.count(None) >= len(arrays)


def _times():
    dates = np.arange(LARGE).astype("M8[ms]")
    dates[7] = "NaT"
    frozen = dates.copy()
    frozen.flags.writeable = False
    return [
        dates,
        dates.astype(">M8[ms]"),
        np.arange(LARGE).astype("m8[D]"),
        np.asfortranarray(dates.reshape(100, -1)),
        dates[::-2],
        frozen,
        dates[:3],
        dates[:0],
    ]


@pytest.mark.slow
def test_dates_and_durations_keep_unit_order_and_writability(processes, opened, source):
    arrays = _times()
    outputs = opened(processes, [identity]).run(source(arrays)).outputs
    for array, output in zip(arrays, outputs, strict=True):
        assert output.dtype == array.dtype
        assert output.flags.writeable == array.flags.writeable
        np.testing.assert_array_equal(output, array)
    assert outputs[3].flags.f_contiguous


@pytest.mark.parametrize("beside", [None, lambda: None], ids=["alone", "beside a lambda"])
def test_dates_and_durations_are_not_copied_into_the_pickle(beside):
    dates = np.arange(LARGE).astype("M8[s]")
    codec = Codec(is_worker=False)
    body, buffers = codec.dumps((dates, beside))
    assert [buffer.nbytes for buffer in buffers] == [dates.nbytes]
    assert len(body) < 10_000
    np.testing.assert_array_equal(codec.loads(body, buffers)[0], dates)


def test_one_message_may_hold_many_arrays_and_large_bytes(processes, opened, source):
    item = {"arrays": [np.full(LARGE + k, k) for k in range(20)], "raw": b"xyz" * LARGE}
    output = opened(processes, [identity]).run(source([item])).outputs[0]
    assert output["raw"] == item["raw"]
    for mine, its in zip(item["arrays"], output["arrays"], strict=True):
        np.testing.assert_array_equal(mine, its)


def test_text_and_bytes_of_any_size_travel(processes, opened, source):
    items = [b"", b"x" * 65_000, b"x" * 1_000_000, "y" * 300_000, bytearray(200_000)]
    assert opened(processes, [identity]).run(source(items)).outputs == items


@pytest.mark.slow
def test_frames_of_mixed_types_travel(processes, opened, source):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "whole": np.arange(LARGE),
            "real": np.linspace(0, 1, LARGE),
            "text": [f"row {k % 97}" for k in range(LARGE)],
            "kind": pandas.Categorical(["a", "b"] * (LARGE // 2)),
            "when": pandas.date_range("2020-01-01", periods=LARGE, freq="min"),
        }
    )
    for output in opened(processes, [identity]).run(source([frame, frame])).outputs:
        pandas.testing.assert_frame_equal(output, frame)


@pytest.mark.slow
def test_arrow_tables_travel(processes, opened, source):
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"a": np.arange(LARGE), "b": [str(k) for k in range(LARGE)]})
    assert opened(processes, [identity]).run(source([table])).outputs[0].equals(table)


@pytest.mark.slow
def test_torch_tensors_travel_through_shared_memory(processes, opened, source, slots_used):
    torch = pytest.importorskip("torch")
    tensors = [
        torch.arange(LARGE, dtype=torch.float64).reshape(10, -1),
        torch.arange(LARGE, dtype=torch.float32).to(torch.bfloat16),
        torch.arange(float(LARGE)).reshape(10, -1).t(),
        torch.ones(LARGE, requires_grad=True),
        torch.tensor(3.5),
        torch.empty(0, 4),
        torch.tensor([True, False]),
    ]
    outputs = opened(processes, [identity]).run(source(tensors)).outputs
    for tensor, output in zip(tensors, outputs, strict=True):
        assert output.dtype == tensor.dtype
        assert output.requires_grad == tensor.requires_grad
        torch.testing.assert_close(output, tensor, rtol=0, atol=0)
    assert len(slots_used) - slots_used.count(None) >= 3


@pytest.mark.slow
def test_torch_tensors_keep_the_order_of_their_dimensions_in_memory(processes, opened, source):
    torch = pytest.importorskip("torch")
    images = torch.arange(float(2 * 3 * 100 * 100)).reshape(2, 3, 100, 100)
    dense = [
        images.to(memory_format=torch.channels_last),
        torch.arange(float(LARGE)).reshape(10, -1).t(),
        torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    ]
    cropped = dense[0][:, :, 2:-2, 2:-2]
    outputs = opened(processes, [identity]).run(source([*dense, cropped])).outputs
    for tensor, output in zip([*dense, cropped], outputs, strict=True):
        torch.testing.assert_close(output, tensor, rtol=0, atol=0)
    assert [output.stride() for output in outputs[:-1]] == [tensor.stride() for tensor in dense]
    assert outputs[-1].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
@pytest.mark.parametrize("beside", [None, lambda: None], ids=["alone", "beside a lambda"])
def test_a_row_that_requires_a_gradient_does_not_bring_its_whole_batch(beside):
    torch = pytest.importorskip("torch")
    batch = torch.ones(50, LARGE, requires_grad=True)
    codec = Codec(is_worker=False)
    body, buffers = codec.dumps((batch[3], beside))
    assert [buffer.nbytes for buffer in buffers] == [4 * LARGE]
    assert len(body) < 10_000
    arrived, _ = codec.loads(body, buffers)
    assert arrived.requires_grad
    assert arrived.is_leaf
    (2 * arrived).sum().backward()
    assert torch.equal(arrived.grad, 2 * torch.ones(LARGE))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_nested_tensors_travel():
    torch = pytest.importorskip("torch")
    nested = torch.nested.nested_tensor([torch.ones(2), torch.zeros(3)])
    codec = Codec(is_worker=False)
    arrived = codec.loads(*codec.dumps(nested))
    assert [each.tolist() for each in arrived.unbind()] == [[1, 1], [0, 0, 0]]


# --- whose memory it is


def test_an_output_is_a_copy_that_later_items_do_not_change(opened, source):
    running = opened(Processes(workers=1), [lambda k: np.full(LARGE, k)])
    outputs = running.run(source(list(range(30)))).outputs
    running.run(source([99] * 30))
    assert [int(output[0]) for output in outputs] == list(range(30))
    assert [int(output[-1]) for output in outputs] == list(range(30))


def test_a_view_that_the_caller_keeps_is_not_changed_by_later_items(opened, source):
    running = opened(Processes(workers=1, view=True), [lambda k: np.full(LARGE, k)])
    outputs = running.run(source(list(range(30)))).outputs
    running.run(source([99] * 30))
    assert [int(output[0]) for output in outputs] == list(range(30))
    running.close()
    assert [int(output[-1]) for output in outputs] == list(range(30))


def test_a_view_that_a_stage_keeps_is_not_changed_by_later_items(opened, source):
    kept = []

    def keep(array):
        kept.append(array)
        return [int(each[0]) for each in kept]

    running = opened(Processes(workers=1, view=True), [keep])
    arrays = [np.full(LARGE, k) for k in range(20)]
    assert running.run(source(arrays)).outputs[-1] == list(range(20))


def test_slots_are_used_again(opened, source, slots_used):
    running = opened(Processes(workers=1), [len])
    running.run(source([np.zeros(LARGE)] * 100))
    assert None not in slots_used
    assert len(slots_used) == 100
    room = running._pool.workers[0]._room
    assert set(room.flags[: 2 * slots.SLOTS]) == {0}


def test_an_array_beside_much_text_is_stored_once(opened, source, slots_used):
    running = opened(Processes(workers=1), [len])
    items = [("x" * 40_000, np.zeros(LARGE))] * 50
    assert running.run(source(items)).outputs == [2] * 50
    assert len(slots_used) == 50


def test_slots_are_free_again_after_a_failure(opened, source):
    def fails(array):
        if array[0] == 3:
            raise ValueError("three")
        return array

    running = opened(Processes(layout="staged"), [identity, fails, identity])
    workers = list(running._pool.workers)
    for _ in range(3):
        with pytest.raises(ValueError, match="three"):
            running.run(source([np.full(LARGE, k) for k in range(12)]))
    alive = [worker for worker in running._pool.workers if worker in workers]
    assert alive
    for worker in alive:
        assert set(worker._room.flags[: 2 * slots.SLOTS]) == {0}


# --- nothing is left, whatever happens


def channels():
    ours, theirs = socket_pair()
    room = slots.Room.create()
    near, far = Channel(ours), Channel(theirs)
    writer = slots.SlotWriter(room, 0)
    near.use_slots(writer, slots.SlotReader(room))
    far.use_slots(slots.SlotWriter(room, slots.SLOTS), slots.SlotReader(room))
    return near, far, room, writer


def send(channel, frame):
    size = channel.prepare(frame)
    channel.send(frame)
    return size


def test_a_message_uses_the_socket_when_every_slot_is_taken():
    near, far, room, writer = channels()
    body = bytes(100_000)
    sizes = [send(near, Frame(Kind.ITEM, k, body=body)) for k in range(slots.SLOTS + 1)]
    assert sizes[0] == sizes[slots.SLOTS - 1] < 100
    assert sizes[-1] > 100_000
    frames = [far.receive() for _ in sizes]
    assert all(frame.contents()[0] == body for frame in frames)
    frames[3].release()
    assert send(near, Frame(Kind.ITEM, 0, body=body)) < 100
    for channel in (near, far):
        channel.close()
    room.close()


def test_messages_of_any_pickle_with_large_buffers_fit_into_a_window_beside_others():
    near, far, room, _ = channels()
    bodies = [bytes([size % 251]) * size for size in (100, 2_000, 3_000, 10_000, 40_000, 90_000)]
    for body in bodies:
        frame = Frame(Kind.ITEM, body=body, buffers=[bytes(200_000)])
        assert 9 * send(near, frame) < prefetch_limit(near.sock)
        received = far.receive()
        assert received.contents() == (body, [bytes(200_000)])
        received.release()
    assert set(room.flags[: 2 * slots.SLOTS]) == {0}
    for channel in (near, far):
        channel.close()
    room.close()


def test_a_message_beyond_the_budget_uses_the_socket(monkeypatch):
    monkeypatch.setattr(slots, "_BUDGET", 1_000_000)
    near, far, room, writer = channels()
    assert writer.store([memoryview(bytes(1_100_000))]) is None
    assert writer.store([memoryview(bytes(600_000))]) == 0
    writer.hand_over(0)
    assert writer.store([memoryview(bytes(600_000))]) is None
    assert writer.trouble == ""
    for channel in (near, far):
        channel.close()
    room.close()


def test_no_memory_for_a_slot_means_the_socket_and_a_warning_that_says_why(
    opened, source, monkeypatch
):
    from pytest_pipeline.errors import SlowPathWarning
    from pytest_pipeline.executors._processes.sharedfile import SharedFile

    def no_room(self, offset, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SharedFile, "reserve", no_room)
    running = opened(Processes(workers=1), [len])
    with pytest.warns(SlowPathWarning, match="No space left on device.*next:"):
        assert running.run(source([bytes(200_000)])).outputs == [200_000]
    assert running.run(source([bytes(200_000)])).outputs == [200_000]  # said once


def test_no_descriptor_for_shared_memory_means_the_socket_and_a_warning(
    opened, source, monkeypatch
):
    from pytest_pipeline.errors import SlowPathWarning

    def exhausted():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(slots.Room, "create", exhausted)
    running = opened(Processes(workers=1), [lambda x: x])
    with pytest.warns(SlowPathWarning, match="Too many open files"):
        assert running.run(source([bytes(200_000)])).outputs == [bytes(200_000)]


@pytest.fixture
def temporary():
    """A folder with a short name: the forkserver's socket lies in it, whose path holds 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="pp") as path:
        yield path


ALL_KILLED = """
import os, sys
import numpy as np
from pytest_pipeline.executors._processes.shipping import Codec
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

def wait(array):
    with open(sys.argv[1]) as pipe:
        pipe.read()

running = Processes(workers=2).open(make_plan([wait]))
print(*(worker.process.pid for worker in running._pool.workers), flush=True)
running.run(Source(lambda: iter([np.zeros(500_000)] * 4)))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/shm")
def test_nothing_is_left_when_parent_and_workers_are_killed_while_they_hold_a_slot(
    script, fifo, temporary, monkeypatch
):
    monkeypatch.setenv("TMPDIR", temporary)
    before = set(os.listdir("/dev/shm"))
    process = script(ALL_KILLED, fifo)
    workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    writer = os.open(fifo, os.O_WRONLY)  # a stage has its item
    for one in workers:
        one.send_signal(signal.SIGSTOP)  # so that none can tidy up
    process.send_signal(signal.SIGKILL)
    for one in workers:
        one.kill()
    gone, alive = psutil.wait_procs(workers, timeout=10)
    os.close(writer)
    assert not alive
    output, _ = process.communicate(timeout=20)
    assert "resource_tracker" not in output
    left = [name for name in os.listdir(temporary) if not name.startswith("pymp-")]
    assert left == []  # multiprocessing itself leaves the folder of its forkserver
    assert not {n for n in set(os.listdir("/dev/shm")) - before if "pipeline" in n}


def test_systems_without_memfd_use_a_file_that_has_no_name(opened, source, tmp_path, monkeypatch):
    opened(Processes(workers=1), [identity])  # the forkserver has its folder
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.delattr(os, "posix_fallocate")
    running = opened(Processes(workers=2), [identity])
    assert os.listdir(tmp_path) == []
    arrays = [np.full(LARGE * k, k) for k in range(1, 12)]
    for array, output in zip(arrays, running.run(source(arrays)).outputs, strict=True):
        np.testing.assert_array_equal(array, output)
    assert os.listdir(tmp_path) == []


def test_memory_that_runs_out_without_fallocate_is_an_error_and_no_crash(monkeypatch):
    from pytest_pipeline.executors._processes.sharedfile import SharedFile

    monkeypatch.delattr(os, "posix_fallocate")
    file = SharedFile.create(1 << 24)
    monkeypatch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        file.reserve(4096, 3 << 20)
    file.close()


def test_copies_are_made_in_memory_that_was_used_before():
    from pytest_pipeline.executors._processes import recycled

    recycled.forget()
    first = recycled.owned(memoryview(bytes(1_000_000)))
    address = np.frombuffer(first, np.uint8).ctypes.data
    second = recycled.owned(memoryview(b"x" * 1_000_000))
    assert np.frombuffer(second, np.uint8).ctypes.data != address  # the first is still held
    del first
    third = recycled.owned(memoryview(b"y" * 1_000_000))
    assert np.frombuffer(third, np.uint8).ctypes.data == address
    assert bytes(third) == b"y" * 1_000_000
    assert bytes(second) == b"x" * 1_000_000


def test_memory_kept_for_copies_is_a_sixteenth_of_the_machines_and_a_gigabyte_at_most():
    from pytest_pipeline.executors._processes import recycled

    assert recycled._budget() == min(1 << 30, psutil.virtual_memory().total // 16)


def test_memory_kept_for_copies_is_bounded(monkeypatch):
    from pytest_pipeline.executors._processes import recycled

    recycled.forget()
    monkeypatch.setattr(recycled, "_budget", lambda: 1_000_000)
    copies = [recycled.owned(memoryview(bytes(400_000))) for _ in range(5)]
    copies.clear()
    assert sum(size * len(blocks) for size, blocks in recycled._FREE.items()) <= 1_000_000
    recycled.forget()


def test_arrays_of_about_the_same_size_share_the_memory_kept_for_copies():
    from pytest_pipeline.executors._processes import recycled

    recycled.forget()
    for k in range(20):
        recycled.owned(memoryview(bytes(8_000_000 + 1000 * k)))
    assert [len(blocks) for blocks in recycled._FREE.values()] == [1]
    recycled.forget()


def test_memory_kept_for_sizes_that_came_before_makes_room_for_those_that_come_now(monkeypatch):
    from pytest_pipeline.executors._processes import recycled

    recycled.forget()
    monkeypatch.setattr(recycled, "_budget", lambda: 3_000_000)
    for size in (1_000_000, 1_500_000, 2_000_000):
        recycled.owned(memoryview(bytes(size)))
    assert [size // 100_000 for size in recycled._FREE] == [20]
    recycled.forget()


def test_memory_of_copies_that_outlive_their_executor_is_not_kept():
    from pytest_pipeline.executors._processes import recycled

    outlives = recycled.owned(memoryview(bytes(1_000_000)))
    recycled.forget()
    del outlives
    assert not recycled._FREE


def test_a_worker_killed_while_it_holds_a_slot_takes_nothing_with_it(opened, source):
    from pytest_pipeline.errors import WorkerDiedError

    def dies(array):
        if array[0] == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return array

    running = opened(Processes(workers=1, view=True), [dies])
    descriptors = psutil.Process().num_fds()
    for _ in range(3):
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            running.run(source([np.full(LARGE, k) for k in range(5)]))
        running._pool.fill()
        gc.collect()  # the traceback held views
        assert psutil.Process().num_fds() == descriptors
    np.testing.assert_array_equal(
        running.run(source([np.zeros(LARGE)])).outputs[0], np.zeros(LARGE)
    )


def test_an_executor_that_is_dropped_with_its_views_leaves_no_descriptor(source):
    def once():
        running = Processes(workers=1, view=True).open(make_plan([identity]))
        outputs = running.run(Source(lambda: iter([np.zeros(LARGE)]))).outputs
        running.close()
        return outputs

    once()
    before = psutil.Process().num_fds()
    outputs = once()
    assert outputs[0].sum() == 0
    del outputs
    assert psutil.Process().num_fds() == before
