"""What goes to worker processes: items from the source, pickled one by one or in chunks."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from pytest_pipeline.errors import ShippingError
from pytest_pipeline.executors._hops import END_OF_SOURCE, STOP
from pytest_pipeline.executors._places import named
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.lanes import Lane, Parcel
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from pytest_pipeline.executors._hops import Message
    from pytest_pipeline.executors._processes.shipping import Codec
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink


class Feed(Protocol):
    """Where the items come from."""

    def take(self) -> Message | None:
        """Return the next item, the end of the source, or `STOP`; None when there is none yet."""
        ...

    def take_many(self, limit: int) -> tuple[int, list[Any], int]:
        """Return the index of the next item, up to `limit` items, and their stamp; maybe none."""
        ...


class Packer:
    """Takes items of one run from their feed and pickles them for the first lane."""

    def __init__(
        self, codec: Codec, run: Run, sink: Sink, feed: Feed, *, chunk: int, first_stage: str
    ) -> None:
        self._codec = codec
        self._run = run
        self._sink = sink
        self._feed = feed
        self._chunk = chunk
        self._first_stage = first_stage

    def fill(self, lane: Lane) -> bool:
        """Let the next item, or a chunk of those that are there, wait for `lane`; False when there is none yet."""
        first, values = -1, list[Any]()
        if self._chunk > 1:
            first, values, at_ns = self._feed.take_many(self._chunk)
            if values:
                lane.note_arrival(first, len(values), at_ns)
        if len(values) < self._chunk:
            first = self._take_singly(lane, first, values)
        if not values:
            return False
        lane.waiting.append(self._parcel(values, first))
        return True

    def _take_singly(self, lane: Lane, first: int, values: list[Any]) -> int:
        """Add to `values` what is there, up to a chunk; return the index of the first."""
        while len(values) < self._chunk:
            message = self._feed.take()
            if message is None:
                break
            if message is STOP:
                if self._run.error is not None:
                    raise self._run.error
                break
            item, value, at_ns = message
            if item == END_OF_SOURCE:
                self._sink.accept(item, value)
                break
            lane.note_arrival(item, 1, at_ns)
            if not values:
                first = item
            values.append(value)
        return first

    def _parcel(self, values: list[Any], first: int) -> Parcel:
        began = perf_counter_ns()
        try:
            body, buffers = self._codec.dumps(values if len(values) > 1 else values[0])
        except Exception as error:
            raise self._unsendable(values, first, error) from error
        stamps = (began, perf_counter_ns(), 0)
        return Parcel(Frame(Kind.ITEM, first, stamps, body, buffers, len(values)))

    def _unsendable(self, values: list[Any], first: int, error: Exception) -> ShippingError:
        """Return the error that names the item that does not pickle."""
        item = first
        for value in values:
            try:
                self._codec.dumps(value)
            except Exception as its_own:
                error = its_own
                break
            item += 1
        unsendable = ShippingError(
            f"{named(item, self._run.items_each)} cannot be sent to a worker process: {summary(error)}"
        )
        unsendable.__cause__ = error
        self._run.fail(unsendable, self._first_stage, item)
        return unsendable
