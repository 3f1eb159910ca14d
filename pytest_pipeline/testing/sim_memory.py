"""Who touched which memory, in what order: races found by vector clocks.

Every stream and every host thread has a vector clock (Fidge 1988, Mattern 1989): an operation is
ordered behind another exactly when it has seen its tick. Two uses of one memory, one of them a
write, without that order are a race, whatever the timing happened to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

Ticks = dict[Hashable, int]


@dataclass(slots=True)
class Moment:
    """What one host thread, stream or event has seen, and when."""

    at_ns: int = 0
    """Virtual time."""
    seen: Ticks = field(default_factory=dict)
    """Operations of each actor that are ordered before."""

    def join(self, other: Moment) -> None:
        """Come after `other` too."""
        self.at_ns = max(self.at_ns, other.at_ns)
        for actor, tick in other.seen.items():
            self.seen[actor] = max(tick, self.seen.get(actor, 0))

    def copy(self) -> Moment:
        """Return the same moment, apart."""
        return Moment(self.at_ns, dict(self.seen))


class Memory:
    """One allocation: what lies at each offset, and who touched it last."""

    def __init__(self, name: str, *, is_pinned: bool = False) -> None:
        self.name = name
        self.is_pinned = is_pinned
        self.cells: dict[int, Any] = {}
        self.write: tuple[Hashable, int] | None = None
        self.reads: list[tuple[Hashable, int]] = []


class SimTensor:
    """A tensor of a simulated device: a value, its bytes, and the memory it lies in. No record, but a leaf."""

    def __init__(self, memory: Memory, offset: int, nbytes: int) -> None:
        self.memory = memory
        self.offset = offset
        """From the start of the memory, bytes."""
        self.nbytes = nbytes

    @property
    def value(self) -> Any:
        """What lies there now."""
        return self.memory.cells.get(self.offset)


class Uses:
    """Watches the uses of memory, and the pools that freed memory goes to."""

    def __init__(self) -> None:
        self.races: list[str] = []
        """Every pair of uses that nothing orders."""
        self._pools: defaultdict[Hashable, list[Memory]] = defaultdict(list)

    def touch(
        self, actor: Hashable, moment: Moment, *, reads: list[SimTensor], writes: list[SimTensor]
    ) -> None:
        """Let `actor` read and write at its moment."""
        tick = moment.seen.get(actor, 0) + 1
        moment.seen[actor] = tick
        for tensor in reads:
            self._expect(moment, tensor.memory, [tensor.memory.write], "read after write")
            tensor.memory.reads.append((actor, tick))
        for tensor in writes:
            memory = tensor.memory
            earlier = [each for each in memory.reads if each != (actor, tick)]
            self._expect(moment, memory, [memory.write, *earlier], "write after use")
            memory.write, memory.reads = (actor, tick), []

    def free(self, pool: Hashable, memory: Memory, seen: Ticks) -> None:
        """Return memory; what the freeing thread has `seen` the end of is over for whoever gets it next."""
        memory.reads = [each for each in memory.reads if seen.get(each[0], 0) < each[1]]
        if memory.write is not None and seen.get(memory.write[0], 0) >= memory.write[1]:
            memory.write = None
        self._pools[pool].append(memory)

    def pooled(self, pool: Hashable, name: str) -> Memory:
        """Take memory that was freed, or new one."""
        free = self._pools[pool]
        return free.pop() if free else Memory(name)

    def _expect(
        self, moment: Moment, memory: Memory, uses: list[tuple[Hashable, int] | None], what: str
    ) -> None:
        for use in uses:
            if use is not None and moment.seen.get(use[0], 0) < use[1]:
                self.races.append(f"{what} of the {memory.name}: nothing orders the two")
