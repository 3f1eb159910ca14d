"""The flights compute, mostly under the GIL: two processes pay, threads do not. Both are measured, one is gated."""

import pandas as pd
import pytest
from warehouse.flights import Delivery, Enrich, Load, parse, unpack


@pytest.mark.speedup(min=1.3, executor="processes")
@pytest.mark.executors("threads", "processes")
def test_a_month_of_flights(pipeline, year: list[Delivery], enrich: Enrich, load: Load) -> None:
    result = pipeline.run([unpack, parse, enrich, load], year[:12])

    assert sum(loaded.flights for loaded in result.outputs) > 26_000
    assert len(list(load.folder.iterdir())) == 12


def test_the_whole_year_comes_out_the_same_everywhere(
    serial_executor, processes_executor, year: list[Delivery], enrich: Enrich, load: Load
) -> None:
    stages = [unpack, parse, enrich, load]
    expected = serial_executor.run(stages, year).outputs

    actual = processes_executor.run(stages, year).outputs

    assert sum(loaded.flights for loaded in actual) == 327_346
    assert [loaded.checksum for loaded in actual] == [loaded.checksum for loaded in expected]


@pytest.mark.measure(budget="20s")
@pytest.mark.p99_latency(max="150ms", rate=20)
def test_small_deliveries_are_loaded_as_they_arrive(
    pipeline, hourly: list[Delivery], enrich: Enrich, load: Load
) -> None:
    result = pipeline.run([unpack, parse, enrich, load], hourly)

    delays = pd.concat([loaded.by_carrier for loaded in result.outputs])["arr_delay"]
    assert delays.notna().all()
