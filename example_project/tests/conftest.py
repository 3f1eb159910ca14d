from pathlib import Path

import pytest
from warehouse.flights import Delivery, Enrich, Load, data_folder, split


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> list[Delivery]:
    """All 336,776 flights, twelve deliveries a month."""
    return split(tmp_path_factory.mktemp("year"), rows=2_339)


@pytest.fixture(scope="session")
def hourly(tmp_path_factory: pytest.TempPathFactory) -> list[Delivery]:
    """The first 120,000 flights in 120 small deliveries, as a live feed would bring them."""
    return split(tmp_path_factory.mktemp("hourly"), rows=1_000, limit=120)


@pytest.fixture(scope="session")
def enrich() -> Enrich:
    return Enrich.from_files(data_folder())


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path)
