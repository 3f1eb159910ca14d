"""The pipeline this project grew from, published with 2.55x for threads, 0.34x for processes.

Those figures compared different work. Here every executor runs the same functions on the
same batches, and the outputs must be equal before anybody looks at the clock.
"""

import pytest
from warehouse.sensors import batches, generate, metrics, preprocess, transform

from pytest_pipeline import Stage

STAGES = [generate, preprocess, transform, metrics]


@pytest.mark.speedup(min=2.56)
@pytest.mark.parametrize("rows", [25_000, 50_000, 100_000])
def test_threads_beat_the_published_figure(pipeline, rows: int) -> None:
    result = pipeline.run(STAGES, batches(rows))

    assert sum(batch.rows for batch in result.outputs) == rows


@pytest.mark.executors("threads", "processes")
@pytest.mark.measure(budget="15s")
@pytest.mark.parametrize("rows", [25_000, 50_000, 100_000])
def test_what_the_data_size_does_to_every_executor(pipeline, rows: int) -> None:
    """A study, not a gate: the report draws all three executors over the number of rows."""
    result = pipeline.run(STAGES, batches(rows, count=10))

    assert sum(batch.rows for batch in result.outputs) == rows


@pytest.mark.speedup(min=2.7)
def test_a_second_worker_on_the_slowest_stage(pipeline) -> None:
    pipeline.run(
        [generate, Stage(preprocess, workers=2), transform, metrics],
        batches(25_000, count=20),
    )


@pytest.mark.executors("processes")
@pytest.mark.speedup(min=1.6)
@pytest.mark.speedup(min=0.6, cold=True)
def test_two_processes_start_up_counted_and_not(pipeline) -> None:
    pipeline.run(STAGES, batches(50_000, count=20))
