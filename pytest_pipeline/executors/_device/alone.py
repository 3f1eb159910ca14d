"""A backend around a backend: every operation runs alone, is timed, and is noted. For a diagnosis, never for a timed run."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pytest_pipeline.executors._device.sync_calls import SyncWatch


class Step(IntEnum):
    """The parts of an item's way through a device, in order."""

    STAGE_IN = 0
    H2D = 1
    KERNELS = 2
    D2H = 3
    STAGE_OUT = 4

    @property
    def label(self) -> str:
        """Name in reports: `stage-in`, `H2D`, ..."""
        return _LABELS[self]


_LABELS = ("stage-in", "H2D", "kernels", "D2H", "stage-out")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that ran alone."""

    step: Step
    """Which part it belongs to."""
    device: str
    """Of its stream; empty for work of the host."""
    ns: int
    """How long it took: by the device's events, on the host by the clock."""
    nbytes: int
    """Bytes that it moved; 0 when unknown, and for kernels."""


class AloneGraph:
    """A recorded graph whose replays run alone."""

    def __init__(self, graph: Any, replay: Callable[[Any, Any], None]) -> None:
        self._graph = graph
        self._replay = replay

    @property
    def output(self) -> Any:
        """What the recorded call returned."""
        return self._graph.output

    def replay(self, stream: Any) -> None:
        """Issue the launches on `stream`, alone."""
        self._replay(self._graph, stream)


class AloneBackend:
    """Offers whatever `backend` offers (`_device/backend.py` holds the protocol).

    Copies, launches and host copies are made one at a time, on an idle device. What is asked for
    besides goes through untouched.
    """

    def __init__(
        self,
        backend: Any,
        *,
        watch: SyncWatch | None = None,
        stage_of: Callable[[Any], str] = lambda fn: str(getattr(fn, "__name__", fn)),
        now_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._backend = backend
        self._watch = watch
        self._stage_of = stage_of
        self._now_ns = now_ns
        self._lock = threading.RLock()
        self._known: dict[int, tuple[Any, bool, int]] = {}
        """Buffers, views and spans by identity: the object (so that it stays one), on the host?, bytes."""
        self._clocks: dict[str, tuple[Any, Any]] = {}
        self.operations: list[Operation] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def host_buffer(self, nbytes: int) -> Any:
        """Allocate, and remember that it lies on the host."""
        return self._remember(self._backend.host_buffer(nbytes), is_host=True, nbytes=nbytes)

    def device_buffer(self, device: str, nbytes: int, stream: Any) -> Any:
        """Allocate, and remember that it lies on a device."""
        made = self._backend.device_buffer(device, nbytes, stream)
        return self._remember(made, is_host=False, nbytes=nbytes)

    def view(self, buffer: Any, offset: int, like: Any) -> Any:
        """Return the view; it lies where the buffer does."""
        made = self._backend.view(buffer, offset, like)
        is_host = self._is_host(buffer, default=False)
        return self._remember(made, is_host=is_host, nbytes=self._backend.spec(like)[1])

    def span(self, buffer: Any, nbytes: int) -> Any:
        """Return the span; it lies where the buffer does."""
        made = self._backend.span(buffer, nbytes)
        return self._remember(made, is_host=self._is_host(buffer, default=False), nbytes=nbytes)

    def host_copy(self, target: Any, source: Any) -> None:
        """Copy within host memory, alone."""
        with self._lock:
            began = self._now_ns()
            self._backend.host_copy(target, source)
            ns = self._now_ns() - began
            self.operations.append(Operation(Step.STAGE_IN, "", ns, self._size(target)))

    def taken_out(self, view: Any) -> Any:
        """Copy out of a pinned view, alone."""
        with self._lock:
            began = self._now_ns()
            made = self._backend.taken_out(view)
            ns = self._now_ns() - began
            self.operations.append(Operation(Step.STAGE_OUT, "", ns, self._size(view)))
            return made

    def copy(self, stream: Any, target: Any, source: Any) -> None:
        """Copy on `stream`, alone. Between two devices it counts as kernels: no part of the host's link."""
        if self._is_host(target, default=False):
            step = Step.D2H
        elif self._is_host(source, default=not self._backend.is_on_device(source)):
            step = Step.H2D
        else:
            step = Step.KERNELS
        nbytes = 0 if step is Step.KERNELS else self._size(target) or self._size(source)
        self._alone(stream, step, nbytes, lambda: self._backend.copy(stream, target, source))

    def launch(self, stream: Any, fn: Callable[..., Any], *values: Any) -> Any:
        """Call a stage, alone, and count the calls in it that wait for the device."""
        with self._stage(fn):
            return self._alone(
                stream, Step.KERNELS, 0, lambda: self._backend.launch(stream, fn, *values)
            )

    def capture(self, stream: Any, fn: Callable[[Any], Any], value: Any) -> AloneGraph:
        """Record; every replay then runs alone too."""
        return AloneGraph(self._backend.capture(stream, fn, value), self._replay)

    def _replay(self, graph: Any, stream: Any) -> None:
        self._alone(stream, Step.KERNELS, 0, lambda: graph.replay(stream))

    def _alone(self, stream: Any, step: Step, nbytes: int, operate: Callable[[], Any]) -> Any:
        device = stream.device
        with self._lock:
            begin, end = self._clocks_of(device)
            self._backend.synchronize(device)
            begin.record(stream)
            made = operate()
            end.record(stream)
            end.synchronize()
            self.operations.append(Operation(step, device, end.elapsed_ns(begin), nbytes))
            return made

    def _stage(self, fn: Callable[..., Any]) -> contextlib.AbstractContextManager[None]:
        if self._watch is None:
            return contextlib.nullcontext()
        return self._watch.stage(self._stage_of(fn))

    def _clocks_of(self, device: str) -> tuple[Any, Any]:
        if device not in self._clocks:
            self._clocks[device] = (
                self._backend.event(device, is_timed=True),
                self._backend.event(device, is_timed=True),
            )
        return self._clocks[device]

    def _remember(self, made: Any, *, is_host: bool, nbytes: int) -> Any:
        self._known[id(made)] = (made, is_host, nbytes)
        return made

    def _is_host(self, value: Any, *, default: bool) -> bool:
        known = self._known.get(id(value))
        return default if known is None else known[1]

    def _size(self, value: Any) -> int:
        known = self._known.get(id(value))
        return 0 if known is None else known[2]
