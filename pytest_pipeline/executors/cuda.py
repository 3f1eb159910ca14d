"""CUDA: stages on devices through a ring of slots and three streams, beside stages on host threads."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_pipeline.errors import UnavailableError, UsageError
from pytest_pipeline.executors._device.poison import poisoned
from pytest_pipeline.model.plan import ON_HOST
from pytest_pipeline.model.units import optional_whole_number, whole_number

if TYPE_CHECKING:
    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.executors._device.running import RunningOnDevices
    from pytest_pipeline.model.plan import Plan

_STAND_IN = "cpu:"


class Cuda:
    """Overlap copies and kernels of several items on CUDA devices.

    Stages run on the executor's device; `Stage(fn, device="cuda:1")` runs on that one, and
    `Stage(fn, device="cpu")` stays on threads, before, between or after the device's, and overlaps
    with them. Tensors and numpy arrays inside an item (tuples, lists, dicts and dataclasses are looked into) are
    copied to the device once, and copied back after the last of neighbouring device stages; anything else passes
    as it is. An item of numpy arrays comes back as numpy arrays. Stages must not wait for the
    device (`.item()`, `.cpu()`): that ends the overlap. Precision and autocast are the caller's.

    `devices` with several names makes replicas: each has a ring of its own and takes the next item as
    soon as it has room. `slots` is the size of a ring: items on a device at once (one more is being
    copied into page-locked memory). A tensor that is page-locked already is copied from where it is.

    `graphs=True` is for stages of many small kernels, whose time goes into launching them: after three
    items a stage is recorded as a CUDA graph in each slot and replayed from then on, without being
    called. It must do the same to every item: no branch on values, no state or print of its own,
    tensors in and out, one shape. A stage that cannot be recorded, a fan, and the stages of a plan
    with `batch=` are launched as ever, and a note beside the device says which and why.

    `batch_bytes=1_000_000` puts small items of one type and shape together in a page-locked buffer, up to so
    many bytes, and copies them to the device at once; a copy of 100 kB costs as much to submit as to make.
    The stages still get one item at a time, so that the arithmetic stays the same, and results are copied
    back one by one. A group is what already waits: it is sent when it is full, when another shape comes
    and when nothing else is there, and `queue_size` bounds it with everything in flight. Its items leave
    the device together: the latency of each is that of its group, and in the trace they share the
    group's time evenly. Items above half of `batch_bytes` go alone.

    `devices=["cpu:0"]` (`"cpu:1"`, ...) runs the same scheduler on the CPU, for tests of plans where
    there is no device: the same results, no measurement.

    Raises `UsageError` for devices that are no list of names, counts below 1, and `graphs` together with `batch_bytes`.
    """

    def __init__(
        self,
        name: str = "cuda",
        *,
        devices: Sequence[str] = ("cuda:0",),
        slots: int = 3,
        graphs: bool = False,
        batch_bytes: int | None = None,
        backend: Backend | None = None,
    ) -> None:
        if isinstance(devices, str) or not devices or ON_HOST in devices:
            raise UsageError(
                f'Cuda(devices={devices!r}): expected a list of names such as ["cuda:0", "cuda:1"]'
            )
        self._name = name
        self._devices = tuple(devices)
        self._slots = whole_number(slots, what="Cuda: slots")
        if graphs and batch_bytes is not None:
            raise UsageError(
                "Cuda(graphs=True, batch_bytes=...): a graph is recorded for one item at a time; leave one of them out"
            )
        self._graphs = graphs
        self._batch_bytes = optional_whole_number(batch_bytes, what="Cuda: batch_bytes")
        self._backend = backend
        self._is_ahead = True

    def __repr__(self) -> str:
        said = f"name={self._name!r}, devices={list(self._devices)!r}, slots={self._slots!r}"
        if self._graphs:
            said += ", graphs=True"
        if self._batch_bytes is not None:
            said += f", batch_bytes={self._batch_bytes}"
        return f"{type(self).__name__}({said})"

    @property
    def name(self) -> str:
        """The arm's name."""
        return self._name

    def workers(self, plan: Plan) -> int:
        """Return the slots of all the rings, and the threads of the stages on the host."""
        from pytest_pipeline.executors._device.floor import sections_of

        return sum(
            self._slots * len(self._devices)
            if section.is_on_device
            else plan.stages[section.stages[0]].workers
            for section in sections_of(plan)
        )

    def unavailable(self) -> str | None:
        """Return the exact cause, or None; never imports torch when it is not installed."""
        if self._backend is not None:
            return None
        if importlib.util.find_spec("torch") is None:
            return "torch is not installed (pip install torch)"
        is_stand_in = all(device.startswith(_STAND_IN) for device in self._devices)
        return None if is_stand_in else self._no_cuda()

    def _no_cuda(self) -> str | None:
        lost = poisoned()
        if lost is not None:
            return lost.text
        import torch

        if torch.version.cuda is None:
            return f"torch {torch.__version__} is built without CUDA: install a CUDA build of torch"
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None and visible.strip() in {"", "-1"}:
            return f"CUDA_VISIBLE_DEVICES={visible!r} hides every CUDA device"
        # No public name tells it before the first call fails.
        if getattr(torch.cuda, "_is_in_bad_fork", bool)():
            return (
                "this process was forked from one that had initialised CUDA, and cannot use it;"
                " next: start it by spawn or forkserver, or keep CUDA out of the parent"
            )
        if not torch.cuda.is_available():
            return f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no CUDA driver or no device"
        return None

    def open(self, plan: Plan) -> RunningOnDevices:
        """Start the threads; raises `UnavailableError` with the cause, `UsageError` for an unknown device."""
        cause = self.unavailable()
        if cause is not None:
            raise UnavailableError(f"executor {self._name!r}: {cause}")
        from pytest_pipeline.executors._device.running import RunningOnDevices

        if plan.chunk > 1:
            raise UsageError(
                f"chunk={plan.chunk} under {self._name!r}: items travel to a device one by one; leave chunk at 1"
            )
        if self._batch_bytes is not None and plan.items_each > 1:
            raise UsageError(
                f"{self!r} in a plan with batch=: a batch is one copy already; leave batch_bytes out"
            )
        return RunningOnDevices(
            self._name,
            plan,
            self._backend if self._backend is not None else self._make_backend(),
            devices=self._devices,
            slots=self._slots,
            is_ahead=self._is_ahead,
            graphs=self._graphs,
            batch_bytes=self._batch_bytes or 0,
        )

    def _make_backend(self) -> Backend:
        if self._devices[0].startswith(_STAND_IN):
            from pytest_pipeline.executors._device.on_cpu import CpuBackend

            return CpuBackend()
        from pytest_pipeline.executors._device.on_cuda import CudaBackend

        return CudaBackend()


class CudaSerial(Cuda):
    """The baseline of a cuda arm: the same device, one item at a time, waited for before the next begins.

    A plain loop in one thread: the same functions on the same device, so that outputs are bit-equal where the operations are
    deterministic, and what is compared is the overlap alone. A CPU baseline is another ratio.
    """

    def __init__(
        self,
        name: str = "cuda-serial",
        *,
        devices: Sequence[str] = ("cuda:0",),
        backend: Backend | None = None,
    ) -> None:
        super().__init__(name, devices=devices, slots=1, backend=backend)
        if len(self._devices) != 1:
            raise UsageError(
                f"CudaSerial(devices={devices!r}): one item at a time needs one device"
            )
        self._is_ahead = False
