"""What the CUDA backend asks of torch, with a torch that writes it down."""

import contextlib
import types

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._device.on_cuda import CudaBackend


class FakeCuda:
    """Records streams, events, and which stream was current at each call."""

    def __init__(self, devices=2):
        self.current = None
        self.log = []
        self._devices = devices

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
        return types.SimpleNamespace(replay=lambda: self.log.append(("replay", self.current)))

    @contextlib.contextmanager
    def device(self, device):
        self.log.append(("device", device))
        yield

    @contextlib.contextmanager
    def graph(self, graph, *, stream, capture_error_mode):
        self.log.append(("begin", capture_error_mode))
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before
            self.log.append(("end", graph))

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
    backend.torch = types.SimpleNamespace(cuda=FakeCuda(), no_grad=contextlib.nullcontext)
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
