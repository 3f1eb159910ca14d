"""Time and order on a simulated device: which operation begins when, what it comes after, and what a script breaks."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING

from pytest_pipeline.testing.sim_memory import Memory, Moment, SimTensor, Uses

if TYPE_CHECKING:
    from pytest_pipeline.testing.sim_streams import SimStream


class SimOrder:
    """Virtual clocks of streams, engines and host threads, and the races between them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.counts: Counter[str] = Counter()
        """Operations so far, by name; events that were never recorded are no edges and not counted."""
        self.drop: tuple[str, int] | None = None
        """Leave out the n-th (from 0) `wait_event`, `synchronize` or `take_over`."""
        self.failure: tuple[str, int, BaseException] | None = None
        """Raise at the n-th (from 0) operation of a name."""
        self._uses = Uses()
        self._hosts: dict[int, Moment] = {}
        self._streams: list[SimStream] = []
        self._engines: defaultdict[tuple[str, str], int] = defaultdict(int)

    @property
    def races(self) -> list[str]:
        """Every pair of uses that nothing orders."""
        return self._uses.races

    @property
    def host(self) -> Moment:
        """The moment of the calling thread."""
        return self._hosts.setdefault(threading.get_ident(), Moment())

    @property
    def makespan_ns(self) -> int:
        """Virtual time at which everything is done."""
        moments = [*self._hosts.values(), *(stream.moment for stream in self._streams)]
        return max((moment.at_ns for moment in moments), default=0)

    def step(self, name: str) -> None:
        """Count an operation, and fail where the script says so."""
        number = self.counts[name]
        self.counts[name] += 1
        if self.failure is not None and self.failure[:2] == (name, number):
            raise self.failure[2]

    def drops(self, name: str) -> bool:
        """Count an edge, and tell whether the script leaves it out."""
        number = self.counts[f"{name} edges"]
        self.counts[f"{name} edges"] += 1
        return self.drop == (name, number)

    def stamp(self, stream: SimStream, time: SimTensor) -> None:
        """Let the stream write the time of an event."""
        stream.moment.join(self.host)
        self._uses.touch(stream, stream.moment, reads=[], writes=[time])

    def read(self, tensors: list[SimTensor]) -> None:
        """Let the calling thread read."""
        self._uses.touch(("host", threading.get_ident()), self.host, reads=tensors, writes=[])

    def _run(self, stream: SimStream, engine: str, ns: int) -> None:
        stream.moment.join(self.host)
        key = (stream.device, engine)
        stream.moment.at_ns = max(stream.moment.at_ns, self._engines[key]) + ns
        self._engines[key] = stream.moment.at_ns

    def _on_host(self, source: SimTensor, target: SimTensor | None, ns_per_byte: int) -> None:
        self.host.at_ns += source.nbytes * ns_per_byte
        writes = [] if target is None else [target]
        self._uses.touch(("host", threading.get_ident()), self.host, reads=[source], writes=writes)

    def _free(self, pool: Hashable, memory: Memory) -> None:
        with self.lock:
            self._uses.free(pool, memory, self.host.seen)
