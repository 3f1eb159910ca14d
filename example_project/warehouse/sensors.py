"""The ETL that this project grew from: generate, preprocess, transform, metrics.

Each stage waits as long as the original did (for a disk, a database, a service) and then
computes. Every batch is normalised with the same fixed parameters, so it makes no
difference which batch is processed first, or where: all executors do the same work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

GENERATE_S, PREPROCESS_S, TRANSFORM_S, METRICS_S = 0.010, 0.020, 0.015, 0.010
SENSORS = ["a", "b", "c", "d"]
MEAN = np.array([10.0, 20.0, 30.0, 40.0])
SCALE = np.array([1.0, 2.0, 3.0, 4.0])
OUTLIER = 3.0
WINDOW = 25
SEED = 2025


@dataclass(frozen=True, slots=True)
class Batch:
    """What to generate; the number seeds it, so a batch is the same in every execution."""

    number: int
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """Summary of one batch."""

    batch: int
    rows: int
    outliers: int
    quartiles: np.ndarray
    """Smallest, 25 %, 50 %, 75 %, largest value of every feature."""
    spectrum: np.ndarray
    """Eigenvalues of the features' correlation matrix, ascending."""


def batches(rows: int, *, count: int = 40) -> list[Batch]:
    """Cut `rows` rows into `count` batches of equal size."""
    return [Batch(number, rows // count) for number in range(count)]


def generate(batch: Batch) -> pd.DataFrame:
    """Read the batch from its sensors."""
    time.sleep(GENERATE_S)
    random = np.random.default_rng([SEED, batch.number])
    readings = random.normal(MEAN, SCALE, size=(batch.rows, len(SENSORS)))
    return pd.DataFrame(readings, columns=SENSORS).assign(batch=batch.number)


def preprocess(readings: pd.DataFrame) -> pd.DataFrame:
    """Normalise with fixed parameters and mark outliers instead of dropping them."""
    time.sleep(PREPROCESS_S)
    normal = (readings[SENSORS].to_numpy() - MEAN) / SCALE
    is_outlier = (np.abs(normal) > OUTLIER).any(axis=1)
    return pd.DataFrame(normal, columns=SENSORS).assign(
        batch=readings["batch"], is_outlier=is_outlier
    )


def transform(normal: pd.DataFrame) -> pd.DataFrame:
    """Add the features that the metrics are about: energy, and a rolling trend per sensor."""
    time.sleep(TRANSFORM_S)
    trend = normal[SENSORS].rolling(WINDOW, min_periods=1).mean().add_suffix("_trend")
    energy = np.square(normal[SENSORS].to_numpy()).sum(axis=1)
    return normal.assign(energy=energy).join(trend)


def metrics(features: pd.DataFrame) -> Metrics:
    """Summarise one batch."""
    time.sleep(METRICS_S)
    numbers = features.drop(columns=["batch", "is_outlier"]).to_numpy()
    return Metrics(
        batch=int(features["batch"].iloc[0]),
        rows=len(features),
        outliers=int(features["is_outlier"].sum()),
        quartiles=np.quantile(numbers, [0.0, 0.25, 0.5, 0.75, 1.0], axis=0),
        spectrum=np.linalg.eigvalsh(np.corrcoef(numbers, rowvar=False)),
    )
