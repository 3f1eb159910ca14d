"""One buffer for several tensors: it grows without ever being there twice."""

import weakref

import pytest

from pytest_pipeline.executors._device.on_cpu import CpuBackend
from pytest_pipeline.executors._device.packing import Packing

torch = pytest.importorskip("torch")


def test_the_old_buffer_is_gone_before_a_larger_one_is_asked_for():
    backend = CpuBackend()
    made = []

    def allocate(nbytes):
        assert not [buffer for buffer in made if buffer() is not None]
        storage = backend.host_buffer(nbytes)
        made.append(weakref.ref(storage))
        return storage

    packing = Packing(backend, allocate)
    for size in (4, 8, 100):
        (view,) = packing.views([torch.ones(size)])
        assert view.shape == (size,)
        assert packing.span.numel() == 4 * size
        del view
    assert len(made) == 3
