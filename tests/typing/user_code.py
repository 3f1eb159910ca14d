"""What a user's annotated test looks like; mypy checks it, nobody runs it."""

from __future__ import annotations

from typing import assert_type

import pytest

from pytest_pipeline import (
    Arm,
    Arrivals,
    Close,
    Comparison,
    PipelineFixture,
    Processes,
    Stage,
    Threads,
    Trace,
    Tuning,
    compare,
    tune,
)


def double(value: int) -> int:
    return 2 * value


@pytest.mark.speedup(min=1.5)
def test_with_the_fixture(pipeline: PipelineFixture) -> None:
    result = pipeline.run(
        [double, Stage(double, workers=2)],
        [1, 2, 3],
        executors=["threads", Processes(workers=2), Threads(name="wide", chunk=10)],
        check=Close(rtol=1e-9),
        arrivals=Arrivals(rate=50),
    )
    assert_type(result, Comparison)
    assert_type(result["threads"], Arm)
    speedup = result["threads"].speedup
    assert speedup is not None
    assert_type(speedup.value, float)
    assert_type(result["threads"].peak_memory_bytes, int | None)


def total(values: list[int]) -> list[int]:
    return [2 * value for value in values]


def test_with_studies(pipeline: PipelineFixture) -> None:
    tuning = pipeline.tune([double, Stage(total, batch=8)], [1, 2, 3], batch_size=[4], budget="5s")
    assert_type(tuning, Tuning)
    assert_type(tuning.best.code, str)
    assert_type(tune([double], [1, 2, 3]), Tuning)


def without_pytest() -> Trace | None:
    return compare([double], lambda: iter([1, 2, 3]))["threads"].trace
