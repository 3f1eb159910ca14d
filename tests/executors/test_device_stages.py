"""Stages on devices, through torch: on CPU stand-ins here, on CUDA where there is a device."""

import collections
import dataclasses
import threading
import typing

import numpy as np
import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._device.on_cpu import CpuBackend
from pytest_pipeline.executors.cuda import Cuda, CudaSerial
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.fan import Fan
from pytest_pipeline.model.plan import Source, Stage, make_plan

torch = pytest.importorskip("torch")


def run(executor, stages, items, **kwargs):
    running = executor.open(make_plan(stages, timeout_s=60.0))
    try:
        return running.run(Source(lambda: iter(items), **kwargs))
    finally:
        running.close()


def tensors(count, *shape, dtype=torch.float32, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(*shape, generator=generator).to(dtype) for _ in range(count)]


def scale(x):
    return x * 3


def shift(x):
    return x + 1


STAND_INS = [
    Cuda(devices=["cpu:0"]),
    Cuda(devices=["cpu:0"], slots=1),
    Cuda(devices=["cpu:0", "cpu:1"], slots=2),
    CudaSerial(devices=["cpu:0"]),
]


@pytest.fixture(params=STAND_INS, ids=["ring", "one slot", "replicas", "baseline"])
def stand_in(request):
    return request.param


def assert_equal(actual, expected):
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.int64, torch.bool, torch.complex64]
)
def test_tensors_of_any_type_come_back_bit_equal_to_serial(stand_in, dtype):
    items = tensors(9, 5, 7, dtype=dtype)
    stages = [torch.clone, torch.t]
    assert_equal(run(stand_in, stages, items).outputs, run(Serial(), stages, items).outputs)


def test_items_of_changing_shapes_share_the_slots(stand_in):
    items = [torch.arange(float(n)) for n in (3, 100, 1, 50, 0, 7, 200, 3)]
    assert_equal(run(stand_in, [scale, shift], items).outputs, [3 * x + 1 for x in items])


def test_a_stage_that_works_in_place_does_not_touch_the_users_items(stand_in):
    items = tensors(6, 4)
    before = [item.clone() for item in items]
    outputs = run(stand_in, [lambda x: x.mul_(2)], items).outputs
    assert_equal(items, before)
    assert_equal(outputs, [2 * x for x in before])


def test_outputs_keep_their_values_after_later_items_and_runs(stand_in):
    items = tensors(8, 16)
    running = stand_in.open(make_plan([lambda x: x]))
    first = running.run(Source(lambda: iter(items))).outputs
    running.run(Source(lambda: iter([torch.zeros(16)] * 8)))
    running.close()
    assert_equal(first, items)


def test_arrays_of_numpy_meet_the_stage_as_tensors_and_come_back_as_arrays(stand_in):
    seen = []
    items = [np.arange(6.0).reshape(2, 3) + k for k in range(5)]
    items[1] = items[1][::-1]
    items[2].flags.writeable = False

    def stage(x):
        seen.append(type(x))
        return x * 2

    outputs = run(stand_in, [stage], items).outputs
    assert set(seen) == {torch.Tensor}
    for output, item in zip(outputs, items, strict=True):
        np.testing.assert_array_equal(output, 2 * item)
        assert isinstance(output, np.ndarray)


def test_gradients_noted_on_one_item_do_not_cling_to_the_next(stand_in):
    weight = torch.ones(3, requires_grad=True)
    seen = []

    def shifted_in_place(x):
        seen.append(x.requires_grad)
        return x.add_(weight)

    outputs = run(stand_in, [shifted_in_place], tensors(9, 3)).outputs
    assert seen == [False] * 9
    assert_equal(outputs, [x + 1 for x in tensors(9, 3)])


def test_a_run_outside_inference_mode_may_follow_one_inside(stand_in, opened):
    items = tensors(5, 3)
    running = opened(stand_in, [scale])
    with torch.inference_mode():
        running.run(Source(lambda: iter(items)))
    assert_equal(running.run(Source(lambda: iter(items))).outputs, [3 * x for x in items])


def test_an_empty_tensor_may_come_first(stand_in):
    assert_equal(
        run(stand_in, [scale], [torch.empty(0), torch.ones(2)]).outputs,
        [torch.empty(0), 3 * torch.ones(2)],
    )


@pytest.mark.parametrize(
    "item", [np.array(["a", "b"]), np.array([1, None]), np.ones(2, np.longdouble)]
)
def test_arrays_that_torch_cannot_hold_pass_as_they_are(stand_in, item):
    (output,) = run(stand_in, [lambda x: x], [item]).outputs
    assert output is item


def test_stages_and_outputs_see_the_layout_that_serial_sees(stand_in):
    """Channels last, transposed, with gaps, and one value for many places."""
    items = [
        torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.rand(4, 6).t(),
        torch.rand(4, 6)[:, ::2],
        torch.rand(3, 1).expand(3, 4),
    ]
    seen = {}

    def doubled(x):
        seen[x.shape] = x.stride()
        return x * 2

    outputs = run(stand_in, [doubled], items).outputs
    assert_equal(outputs, [2 * item for item in items])
    assert [seen[item.shape] for item in items[:2]] == [item.stride() for item in items[:2]]
    assert [each.stride() for each in outputs[:2]] == [item.stride() for item in items[:2]]


def test_a_masked_array_keeps_its_mask(stand_in):
    item = np.ma.array([1.0, 2.0], mask=[False, True])
    (output,) = run(stand_in, [lambda x: x], [item]).outputs
    assert output is item


def test_a_field_of_a_record_array_travels_like_any_array(stand_in):
    records = np.zeros(4, dtype=[("label", "i1"), ("value", "f4")])
    records["value"] = [1, 2, 3, 4]
    (output,) = run(stand_in, [scale], [records["value"]]).outputs
    np.testing.assert_array_equal(output, [3, 6, 9, 12])


def test_a_result_that_numpy_has_no_type_for_stays_a_tensor(stand_in):
    (output,) = run(stand_in, [lambda x: x.to(torch.bfloat16)], [np.ones(3)]).outputs
    assert_equal([output], [torch.ones(3, dtype=torch.bfloat16)])


class Pair(typing.NamedTuple):
    left: torch.Tensor
    label: str


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    pair: Pair
    rest: dict
    parent: "Sample | None" = None


def test_tensors_inside_records_travel_and_are_not_overwritten_by_later_items(stand_in):
    seen = []

    def stage(sample):
        seen.append(sample.pair.left.data_ptr())
        return dataclasses.replace(sample, pair=sample.pair._replace(left=sample.pair.left * 2))

    items = [
        Sample(Pair(torch.ones(3) * k, f"item {k}"), collections.OrderedDict(x=torch.ones(2) * k))
        for k in range(8)
    ]
    outputs = run(stand_in, [stage], items).outputs
    assert_equal([each.pair.left for each in outputs], [2 * torch.ones(3) * k for k in range(8)])
    assert_equal([each.rest["x"] for each in outputs], [torch.ones(2) * k for k in range(8)])
    assert [(type(each.rest), each.pair.label) for each in outputs] == [
        (collections.OrderedDict, f"item {k}") for k in range(8)
    ]
    assert not {each.pair.left.data_ptr() for each in items} & set(seen)


def test_a_record_that_leads_back_to_itself_does_not_hang(stand_in):
    @dataclasses.dataclass
    class Node:
        value: torch.Tensor
        next: object = None

    node = Node(torch.ones(2))
    node.next = node
    (output,) = run(stand_in, [lambda each: each.value + 1], [node]).outputs
    assert_equal([output], [2 * torch.ones(2)])


def test_tensors_inside_containers_travel_and_the_rest_passes_as_it_is(stand_in):
    def stage(item):
        return {"sum": item["a"] + item["b"][0], "label": item["label"], "n": len(item["b"])}

    items = [{"a": torch.ones(3) * k, "b": [torch.ones(3)], "label": f"item {k}"} for k in range(5)]
    outputs = run(stand_in, [stage], items).outputs
    assert_equal([each["sum"] for each in outputs], [torch.ones(3) * k + 1 for k in range(5)])
    assert [(each["label"], each["n"]) for each in outputs] == [(f"item {k}", 1) for k in range(5)]


def test_host_stages_before_and_after_run_in_threads_of_their_own():
    names = {}

    def noted(key, fn):
        def stage(x):
            names.setdefault(key, set()).add(threading.current_thread().name)
            return fn(x)

        return stage

    stages = [
        Stage(noted("load", lambda k: torch.ones(4) * k), name="load", device="cpu", workers=2),
        Stage(noted("model", scale), name="model"),
        Stage(noted("store", lambda x: float(x.sum())), name="store", device="cpu"),
    ]
    trace = run(Cuda(devices=["cpu:0"]), stages, list(range(12)))
    assert trace.outputs == [12.0 * k for k in range(12)]
    assert names["model"] == {"pipeline-cuda-model-cpu:0-feeder"}
    assert names["load"] <= {"pipeline-cuda-load-0", "pipeline-cuda-load-1"}
    assert names["store"] == {"pipeline-cuda-store-0"}


def test_host_stages_overlap_with_the_device():
    barrier = threading.Barrier(2)

    def meets(x):
        barrier.wait(30)
        return x

    # Item k is on the device while item k - 1 is on the host; the two meet.
    stages = [
        Stage(lambda x: meets(x) if x else x),
        Stage(lambda x: meets(x) if x < 3 else x, device="cpu"),
    ]
    assert run(Cuda(devices=["cpu:0"]), stages, [0, 1, 2, 3]).outputs == [0, 1, 2, 3]


def test_the_baseline_is_a_plain_loop_that_hands_nothing_from_thread_to_thread():
    threads = set()

    class Noting(CpuBackend):
        def launch(self, stream, fn, *values):
            threads.add(threading.get_ident())
            return super().launch(stream, fn, *values)

        def taken_out(self, view):
            threads.add(threading.get_ident())
            return super().taken_out(view)

    items = tensors(5, 3)
    trace = run(CudaSerial(devices=["cpu:0"], backend=Noting()), [scale], items)
    assert_equal(trace.outputs, [3 * x for x in items])
    assert len(threads) == 1


def test_a_stage_of_its_own_device_and_a_fan_over_two_give_what_serial_gives():
    stages = [
        scale,
        Stage(shift, device="cpu:1"),
        Stage(
            Fan([Stage(scale, device="cpu:0"), Stage(shift, device="cpu:2")], join=torch.add),
            name="shards",
        ),
    ]
    items = tensors(7, 8)
    expected = run(Serial(), stages, items).outputs
    assert_equal(run(Cuda(devices=["cpu:0"]), stages, items).outputs, expected)
    assert_equal(run(Threads(), stages, items).outputs, expected)


def test_visits_are_contiguous_and_the_slots_hold_no_two_items_at_once(stand_in):
    trace = run(stand_in, [scale, shift], tensors(20, 64))
    visits = trace.visits
    assert len(visits) == 40
    for worker in set(visits.worker.tolist()):
        mine = visits.worker == worker
        order = np.lexsort((visits.stage[mine], visits.started_ns[mine]))
        started, finished = visits.started_ns[mine][order], visits.finished_ns[mine][order]
        assert (started[1:] >= finished[:-1]).all()


def test_failed_items_are_left_out_where_errors_are_collected(stand_in):
    def breaks(x):
        if x[0] == 3:
            raise ValueError("three")
        return x

    items = [torch.ones(2) * k for k in range(6)]
    trace = run(stand_in, [scale, lambda x: breaks(x / 3)], items, collects_errors=True)
    assert trace.failed_items == (3,)
    assert_equal(trace.outputs, [x for k, x in enumerate(items) if k != 3])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cuda(slots=0), "Cuda: slots"),
        (lambda: Cuda(devices="cuda:0"), "expected a list of names"),
        (lambda: Cuda(devices=[]), "expected a list of names"),
        (lambda: Cuda(devices=["cpu"]), "expected a list of names"),
        (lambda: CudaSerial(devices=["cuda:0", "cuda:1"]), "needs one device"),
        (lambda: Stage(abs, device=1), "device=1: expected a name"),
        (lambda: Fan([abs], join=max), "at least two branches, found 1"),
        (lambda: Fan([abs, abs], join=3), "join must be callable, found int"),
        (lambda: Fan([abs, Stage(abs, workers=2)], join=max), r"branch 'abs' has workers=2"),
        (lambda: Fan([abs, Stage(abs, device="cpu")], join=max), 'device="cpu"'),
        (
            lambda: Cuda(devices=["cpu:0"]).open(make_plan([Stage(abs, device="cuda:0")])),
            "'cuda:0' cannot stand beside",
        ),
        (
            lambda: Cuda(devices=["cpu:0"]).open(make_plan([Stage(abs, chunk=4)])),
            "leave chunk at 1",
        ),
    ],
)
def test_a_declaration_that_cannot_work_says_why(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_a_fan_is_named_after_its_branches():
    assert make_plan([Fan([scale, shift], join=max)]).names == ("fan(scale, shift)",)


# --- on a device


@pytest.fixture
def device():
    cause = Cuda().unavailable()
    if cause is not None:
        pytest.skip(f"executor 'cuda' cannot run here: {cause}")
    return "cuda:0"


@pytest.mark.cuda
@pytest.mark.parametrize("is_pinned", [True, False], ids=["pinned", "pageable"])
@pytest.mark.parametrize("slots", [1, 2, 3, 4])
def test_a_cuda_arm_is_bit_equal_to_its_one_stream_baseline(device, is_pinned, slots):
    items = tensors(30, 512, 512)
    items = [item.pin_memory() for item in items] if is_pinned else items
    stages = [lambda x: x * 2 + 1, lambda x: x.sqrt()]
    expected = run(CudaSerial(), stages, items).outputs
    assert_equal(run(Cuda(slots=slots), stages, items).outputs, expected)


@pytest.mark.cuda
def test_a_slow_kernel_shows_no_race(device):
    def slow(x):
        torch.cuda._sleep(2_000_000)
        return x * 2

    items = [torch.full((1 << 20,), float(k)).pin_memory() for k in range(24)]
    assert_equal(run(Cuda(), [slow], items).outputs, [2 * item for item in items])


@pytest.mark.cuda
def test_the_canary_with_a_missing_wait_gives_wrong_results(device, monkeypatch):
    from pytest_pipeline.executors._device.on_cuda import CudaStream

    monkeypatch.setattr(CudaStream, "wait_event", lambda self, event: None)

    def slow(x):
        torch.cuda._sleep(20_000_000)
        return x * 2

    items = [torch.full((1 << 20,), float(k + 1)).pin_memory() for k in range(12)]
    outputs = run(Cuda(), [slow], items).outputs
    assert not all(torch.equal(out, 2 * item) for out, item in zip(outputs, items, strict=True))


@pytest.mark.cuda
def test_used_up_device_memory_is_explained_and_the_next_run_works(device):
    total = torch.cuda.get_device_properties(device).total_memory

    def huge(x):
        return torch.empty(2 * total, dtype=torch.uint8, device=x.device) if x[0] == 2 else x

    running = Cuda().open(make_plan([Stage(huge, name="huge")]))
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            running.run(Source(lambda: iter([torch.ones(4) * k for k in range(6)])))
        assert any("stage 'huge', item 2" in note for note in caught.value.__notes__)
        assert any("slots x" in note for note in caught.value.__notes__)
        assert len(running.run(Source(lambda: iter([torch.ones(4)] * 6))).outputs) == 6
    finally:
        running.close()


@pytest.mark.cuda
def test_the_steady_state_allocates_nothing(device):
    items = [torch.ones(1 << 18).pin_memory() for _ in range(20)]
    running = Cuda().open(make_plan([lambda x: x * 2]))
    try:
        # How many results are alive at once depends on who is quicker, and two of them share a segment of 2 MB.
        for _ in range(3):
            running.run(Source(lambda: iter(items)))
        before = torch.cuda.memory_stats(device)["num_device_alloc"]
        running.run(Source(lambda: iter(items)))
        assert torch.cuda.memory_stats(device)["num_device_alloc"] == before
    finally:
        running.close()
