"""What the CUDA backend asks of torch, with a torch that writes it down."""

import collections
import contextlib
import inspect
import itertools
import operator
import types

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._device.on_cuda import CudaBackend


class FakeCuda:
    """Records streams, events, and which stream was current at each call."""

    def __init__(self, devices=2):
        self.current = None
        self.log = []
        self.cannot_end = False
        """A recording cannot be ended: torch stays on its stream (`torch.cuda.graph.__exit__`) and in its pool."""
        self.underway, self.pools = set(), collections.Counter()
        self._devices, self._on = devices, 0
        self._handles = itertools.count(1)

    def device_count(self):
        return self._devices

    def Stream(self, device):  # noqa: N802 - torch's name
        return types.SimpleNamespace(
            device=device, wait_event=lambda event: self.log.append(("wait", event))
        )

    def Event(self, *, enable_timing, blocking):  # noqa: N802 - torch's name
        return types.SimpleNamespace(
            enable_timing=enable_timing,
            blocking=blocking,
            record=lambda stream: self.log.append(("record", stream)),
            elapsed_time=lambda later: 1.5,
        )

    def CUDAGraph(self):  # noqa: N802 - torch's name
        return types.SimpleNamespace(
            replay=lambda: self.log.append(("replay", self.current)),
            reset=lambda: self.log.append(("reset", None)),
        )

    def graph_pool_handle(self):
        return 0, next(self._handles)

    def empty_cache(self):
        if self.underway:
            raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")

    def end_allocate(self, index, pool):
        if (index, pool) not in self.underway:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.underway.remove((index, pool))

    def release(self, index, pool):
        self.pools[index, pool] -= 1

    @contextlib.contextmanager
    def device(self, device):
        self.log.append(("device", device))
        self._on = int(device.partition(":")[2])
        yield

    @contextlib.contextmanager
    def graph(self, graph, *, pool, stream, capture_error_mode):
        self.empty_cache()
        self.log.append(("begin", capture_error_mode))
        before, self.current = self.current, stream
        self.underway.add((self._on, pool))
        self.pools[self._on, pool] += 1
        try:
            yield
        finally:
            self.log.append(("end", graph))
            if self.cannot_end:
                raise RuntimeError("operation failed due to a previous error during capture")
            self.end_allocate(self._on, pool)
            self.current = before

    def current_stream(self, device):
        return self.current

    def set_stream(self, stream):
        self.current = stream

    @contextlib.contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before


class FakeTensor:
    def __init__(self, cuda):
        self._cuda = cuda

    def copy_(self, source, *, non_blocking):
        self._cuda.log.append(("copy", self._cuda.current, non_blocking))


@pytest.fixture
def backend():
    backend = CudaBackend.__new__(CudaBackend)
    backend.torch = torch = types.SimpleNamespace(
        cuda=FakeCuda(), no_grad=contextlib.nullcontext, is_caching=True
    )
    torch._C = types.SimpleNamespace(
        _cuda_endAllocateToPool=torch.cuda.end_allocate, _cuda_releasePool=torch.cuda.release
    )
    torch.is_autocast_cache_enabled = lambda: torch.is_caching
    torch.set_autocast_cache_enabled = lambda flag: setattr(torch, "is_caching", flag)
    return backend


def test_a_device_that_is_not_here_is_refused_with_those_that_are(backend):
    backend.check(("cuda:0", "cuda:1"))
    for name in ("cuda:2", "cuda", "gpu:0", "cpu:0", "cuda:-1"):
        with pytest.raises(
            UsageError, match=f'device {name!r} is not here: expected "cuda:0", "cuda:1"'
        ):
            backend.check(("cuda:0", name))


def test_waiting_for_an_event_sleeps_and_only_timed_events_pay_for_the_clock(backend):
    plain, timed = backend.event("cuda:0"), backend.event("cuda:0", is_timed=True)
    assert (plain.event.blocking, plain.event.enable_timing) == (True, False)
    assert (timed.event.blocking, timed.event.enable_timing) == (True, True)
    assert timed.elapsed_ns(timed) == 1_500_000


def test_copies_do_not_wait_and_everything_happens_on_its_own_stream(backend):
    cuda = backend.torch.cuda
    one, two = backend.stream("cuda:0"), backend.stream("cuda:1")
    backend.copy(one, FakeTensor(cuda), None)
    seen = backend.launch(two, lambda a, b: (cuda.current, a + b), 1, 2)
    event = backend.event("cuda:0")
    event.record(one)
    two.wait_event(event)
    assert seen == (two.stream, 3)
    assert cuda.log == [("copy", one.stream, True), ("record", one.stream), ("wait", event.event)]
    assert cuda.current is None


def test_a_recording_is_of_this_thread_only_on_the_stream_and_its_device_and_a_replay_is_one_call(
    backend,
):
    cuda, stream = backend.torch.cuda, backend.stream("cuda:1")
    graph = backend.capture(stream, lambda value: (cuda.current, value + 1), 1)
    assert graph.output == (stream.stream, 2)
    graph.replay(stream)
    names = [name for name, _ in cuda.log]
    assert names == ["device", "begin", "end", "replay"]
    assert cuda.log[0][1] == "cuda:1"
    assert cuda.log[1][1] == "thread_local"
    assert cuda.log[3][1] is stream.stream


def test_a_recording_that_fails_ends_and_the_next_one_can_begin(backend):
    stream = backend.stream("cuda:0")

    def waits(value):
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        backend.capture(stream, waits, 1)
    assert backend.torch.cuda.log[-1][0] == "end"
    assert backend.capture(stream, lambda value: value, 1).output == 1


def test_a_recording_that_cannot_be_ended_leaves_the_thread_on_its_own_stream(backend):
    backend.torch.cuda.cannot_end = True
    with pytest.raises(RuntimeError, match="during capture"):
        backend.capture(backend.stream("cuda:0"), lambda value: value, 1)
    assert backend.torch.cuda.current is None


@pytest.mark.parametrize(
    "name", ["_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool"]
)
def test_a_recording_that_cannot_be_ended_leaves_the_allocator_to_all_who_come_later(backend, name):
    cuda, stream = backend.torch.cuda, backend.stream("cuda:1")
    setattr(backend.torch._C, name, backend.torch._C.__dict__.pop("_cuda_endAllocateToPool"))
    cuda.cannot_end = True
    with pytest.raises(RuntimeError, match="during capture"):
        backend.capture(stream, lambda value: value, 1)
    backend.empty_cache()
    assert set(cuda.pools.values()) == {0}
    assert cuda.log[-1] == ("reset", None)
    cuda.cannot_end = False
    assert backend.capture(stream, lambda value: value + 1, 1).output == 2


def test_what_was_recorded_keeps_its_memory_when_the_next_recording_fails(backend):
    cuda, stream = backend.torch.cuda, backend.stream("cuda:0")
    backend.capture(stream, lambda value: value, 1)
    with pytest.raises(ZeroDivisionError):
        backend.capture(stream, lambda value: value / 0, 1)
    assert list(cuda.pools.values()) == [1, 1]  # the second graph's own end lets go of its pool


def test_a_torch_without_these_names_fails_as_it_did(backend):
    del backend.torch._C
    backend.torch.cuda.cannot_end = True
    with pytest.raises(RuntimeError, match="during capture"):
        backend.capture(backend.stream("cuda:0"), lambda value: value, 1)


def test_a_recording_casts_weights_itself_instead_of_reading_casts_that_autocast_will_free(backend):
    def is_caching(value):
        return backend.torch.is_caching

    assert backend.capture(backend.stream("cuda:0"), is_caching, 1).output is False
    assert backend.torch.is_caching


def test_the_way_between_two_devices_is_asked_of_the_driver(backend):
    asked = []
    backend.torch.cuda.can_device_access_peer = lambda *pair: asked.append(pair) or len(asked) > 1
    assert [backend.has_peer_access("cuda:0", "cuda:1") for _ in range(2)] == [False, True]
    assert asked == [("cuda:0", "cuda:1")] * 2


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Stream.__new__", ["device"]),
        ("Event.__new__", ["enable_timing", "blocking"]),
        ("CUDAGraph.replay", []),
        ("graph.__init__", ["cuda_graph", "pool", "stream", "capture_error_mode"]),
        ("graph_pool_handle", []),
        ("CUDAGraph.reset", []),
        ("current_stream", ["device"]),
        ("set_stream", ["stream"]),
        ("can_device_access_peer", ["device", "peer_device"]),
        ("synchronize", ["device"]),
        ("memory_allocated", ["device"]),
        ("memory_reserved", ["device"]),
        ("max_memory_allocated", ["device"]),
        ("max_memory_reserved", ["device"]),
        ("reset_peak_memory_stats", ["device"]),
        ("empty_cache", []),
        ("get_sync_debug_mode", []),
        ("set_sync_debug_mode", ["debug_mode"]),
    ],
)
def test_what_is_asked_of_torch_is_there_under_the_same_names(name, parameters):
    found = operator.attrgetter(name)(pytest.importorskip("torch").cuda)
    assert set(parameters) <= set(inspect.signature(found).parameters)


@pytest.mark.parametrize("name", ["_cuda_endAllocateToPool", "_cuda_releasePool"])
def test_a_recording_that_failed_can_be_struck_off_in_this_torch(name):
    assert hasattr(pytest.importorskip("torch")._C, name)


def test_the_autocast_cache_can_be_read_and_set_in_this_torch():
    torch = pytest.importorskip("torch")
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(not before)
    try:
        assert torch.is_autocast_cache_enabled() is not before
    finally:
        torch.set_autocast_cache_enabled(before)
