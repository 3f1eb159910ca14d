"""Put the pieces of one execution together as a `Trace`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pytest_pipeline.executors._accounts import recording_of, stage_row
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import SOURCE_STAGE
from pytest_pipeline.model.trace import Trace, per_item

if TYPE_CHECKING:
    from pytest_pipeline.executors._accounts import Account
    from pytest_pipeline.executors._floor import Floor
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink
    from pytest_pipeline.model.plan import Plan, Source
    from pytest_pipeline.model.trace import Ints, Sample, Visits


class Emitted(Protocol):
    """What came out at the end of a run."""

    outputs: list[Any]
    """In input order, without the items that failed."""
    first_result_ns: int
    """When the first output came; 0 when none did."""


def stage_names(plan: Plan, source: Source) -> tuple[str, ...]:
    """Return the names in visiting order, with the source's in front when it is timed."""
    return (SOURCE_STAGE, *plan.names) if source.is_timed else plan.names


def assemble(
    executor: str,
    names: tuple[str, ...],
    run: Run,
    result: Emitted,
    *,
    visits: Visits,
    rows: Sequence[LedgerRow],
    chunk: int = 1,
    sample: Sample | None = None,
    ends: Ints | None = None,
) -> Trace:
    """Return the trace of a run that ended well.

    `ends` are items and when they were through, shape (2, items): by default the ends of their last visits.
    """
    outputs = result.outputs
    num_items = len(outputs) + len(run.failures.items)
    kept = np.arange(num_items, dtype=np.int64) if sample is None else sample.items
    last = visits.stage == len(names) - 1
    if ends is None:
        ends = np.stack([visits.item[last], visits.finished_ns[last]])
    emitted = per_item(kept, chunk, *ends)
    emitted[np.isin(kept, run.failures.items)] = 0
    if run.admitted_ns:
        admitted = np.array(run.admitted_ns, dtype=np.int64)[kept]
    else:
        first = visits.stage == 0
        admitted = per_item(kept, chunk, visits.item[first], visits.enqueued_ns[first])
    return Trace(
        executor=executor,
        stage_names=names,
        outputs=outputs,
        began_ns=run.began_ns,
        ended_ns=run.ended_ns,
        first_result_ns=result.first_result_ns or run.ended_ns,
        startup_s=0.0,  # `Running.run` tells it once
        visits=visits,
        admitted_ns=admitted,
        emitted_ns=emitted,
        send_lag_s=np.array(run.send_lag_ns[:num_items], dtype=np.float64) / 1e9,
        ledger=Ledger(tuple(rows), (run.ended_ns - run.began_ns) / 1e9),
        failures=tuple(run.failures.first),
        failed_items=tuple(run.failures.items),
        chunk=chunk,
        sample=sample,
        handed_over=chunk,
    )


def assemble_floor(
    executor: str,
    names: tuple[str, ...],
    run: Run,
    sink: Sink,
    *,
    floor: Floor,
    recorded: Sequence[Account],
    source: Account | None,
    chunk: int = 1,
) -> Trace:
    """Return the trace of a run whose workers, those of `floor` and the source's thread, left their visits in `recorded`.

    `source` is the account of that thread when it is a worker of the plan: when the items come from a callable.
    """
    recording = recording_of(recorded, len(names))
    service = recording.service_s
    front = [] if source is None else [stage_row(names[0], [source], float(service[0]), run)]
    return assemble(
        executor,
        names,
        run,
        sink,
        visits=recording.visits,
        rows=(*front, *floor.rows(service, run)),
        chunk=chunk,
        sample=recording.sample(sink.num_items, chunk),
    )
