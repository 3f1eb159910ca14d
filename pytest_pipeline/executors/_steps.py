"""A chunk of items, and a stage as it meets one. Worker processes import this: it must stay free of numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._places import note_items
from pytest_pipeline.executors._summary import summary

_SHORT = "return None for an item that it drops, and let the next stage skip it"
_LONG = "return a list for an item that it makes several of"
_LIST = "return list(...) of it, or leave out batch= if the stage takes one item"
_NOTHING = (
    "return a list with an output for each item, where nothing comes out the list that was given"
)
_ROWS = (
    'return its rows as a list: frame.to_dict("records") of pandas, frame.to_dicts() of polars, '
    "table.to_pylist() of pyarrow"
)
_VALUES = "return a list of its values, in the order of the items"
_ORDER = "return a list in the order of the items, which a set does not keep"

Failed = tuple[int, str, str]
"""(item, name of the stage that raised, type and message in one line)."""


@dataclass(slots=True)
class Chunk:
    """Consecutive items on their way through a batched plan."""

    items: Sequence[int]
    """Index in the source of each value: a range, as long as none has failed."""
    values: list[Any]
    """What the last stage made of these items."""
    count: int
    """Items at the source, failed ones included."""
    collects_errors: bool
    """An exception of a stage ends its item or its batch only."""
    failures: tuple[Failed, ...] = ()
    """Items that ended on the way."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stage as chunks meet it."""

    fn: Callable[[Any], Any]
    """The user's function."""
    name: str
    """The stage's name in the plan."""
    batch: int | None
    """Items per call as a list; None = one call per item."""

    def __call__(self, chunk: Chunk) -> Chunk:
        """Return the chunk that the next stage takes; raises what `fn` raises, with its place noted."""
        made = Chunk(chunk.items, [], chunk.count, chunk.collects_errors, chunk.failures)
        kept = list[int]()
        for items, values in self._calls(chunk):
            try:
                outputs = [self.fn(values[0])] if self.batch is None else self.fn(values)
            except BaseException as error:
                if not (chunk.collects_errors and isinstance(error, Exception)):
                    note_items(error, self.name, items)
                    raise
                text = summary(error)
                made.failures += tuple((item, self.name, text) for item in items)
                continue
            made.values += outputs if self.batch is None else self._checked(outputs, items)
            kept += items
        if len(kept) < len(chunk.items):
            made.items = kept
        return made

    def _calls(self, chunk: Chunk) -> Iterator[tuple[Sequence[int], list[Any]]]:
        """Yield what each call takes; a batch whose items have all failed is no call."""
        batch = self.batch or 1
        begin = 0
        for _, group in groupby(chunk.items, lambda item: item // batch):
            items = list(group)
            yield items, chunk.values[begin : begin + len(items)]
            begin += len(items)

    def _checked(self, outputs: Any, items: Sequence[int]) -> list[Any]:
        """Return the outputs of a batch; raises `UsageError` when they are not one per item."""
        given = f"a batch of {len(items)} (item {items[0]} is its first)"
        step = _why_no_list(outputs)
        if step:
            returned = "nothing" if outputs is None else type(outputs).__name__
            raise UsageError(
                f"stage {self.name!r} was given {given} and returned {returned}: "
                f"a stage with batch= takes a list and returns a list, one output per item\nnext: {step}"
            )
        made = list(outputs)
        if len(made) != len(items):
            step = _SHORT if len(made) < len(items) else _LONG
            raise UsageError(
                f"stage {self.name!r} was given {given} and returned {len(made)} outputs: "
                f"a stage with batch= returns one output per item, in their order\nnext: {step}"
            )
        return made


def _why_no_list(outputs: Any) -> str:
    """Return what to return instead of what does not hold one output after the other; empty for what does."""
    # Of a frame the length counts rows, and iterating it gives columns. Asked is its type: a series has
    # its labels as attributes, which may be called anything.
    if hasattr(type(outputs), "columns"):
        return _ROWS
    if isinstance(outputs, Mapping):
        return _VALUES
    if isinstance(outputs, AbstractSet):
        return _ORDER
    if isinstance(outputs, str | bytes):
        return _LIST
    try:
        len(outputs)  # of an array of one number, or of a generator, there is none
        iter(outputs)
    except TypeError:
        return _NOTHING if outputs is None else _LIST
    return ""
