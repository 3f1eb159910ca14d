"""The flights compute, and most of it under the GIL: only stages that release the GIL gain from threads."""

from pathlib import Path

import pandas as pd
import pytest
from warehouse.flights import Delivery, Enrich, Load, parse, unpack

from pytest_pipeline import Stage


@pytest.mark.speedup(min=1.6, executor="processes")
@pytest.mark.speedup(min=1.4, executor="threads")
@pytest.mark.executors("threads", "processes")
def test_a_year_of_flights(
    pipeline, year: list[Delivery], enrich: Enrich, load: Load, tmp_path: Path
) -> None:
    result = pipeline.run([unpack, parse, enrich, Stage(load, workers=2)], year)

    assert sum(loaded.flights for loaded in result.outputs) == 327_346
    assert len(list(tmp_path.iterdir())) == len(year)


@pytest.mark.measure(budget="15s")
@pytest.mark.p99_latency(max="80ms", rate=60)
def test_small_deliveries_are_loaded_as_they_arrive(
    pipeline, hourly: list[Delivery], enrich: Enrich, load: Load
) -> None:
    result = pipeline.run([unpack, parse, enrich, load], hourly)

    delays = pd.concat([loaded.by_carrier for loaded in result.outputs])["arr_delay"]
    assert delays.notna().all()
