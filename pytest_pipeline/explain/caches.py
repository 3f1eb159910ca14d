"""Stages that are much faster once they have run: a cache makes the timed executions other work than the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

COLDER = 3.0
"""First / later service time from which a warm-up is named."""

LEAST_S = 0.0005
"""Difference per item below which it is not worth a word, seconds."""

Services = Mapping[str, float]
"""Stage -> median service time per item, seconds. Of the median item, so that an import or a
connection made by the first item alone is no cache."""


def cache_warnings(
    first: Mapping[str, Services], later: Mapping[str, Services], baseline: str
) -> tuple[str, ...]:
    """Return a sentence for every stage that was cold in the first execution of an arm and warm later.

    `first` and `later` hold the services by arm. In an arm other than the baseline a stage counts
    only when it is warm in the baseline too: then its workers have a cache of their own.
    """
    return (*_cold_baseline(first, later, baseline), *_cold_workers(first, later, baseline))


def _cold_baseline(
    first: Mapping[str, Services], later: Mapping[str, Services], baseline: str
) -> Iterator[str]:
    warm = later.get(baseline, {})
    for stage, cold_s in first.get(baseline, {}).items():
        if stage in warm and _is_colder(cold_s, warm[stage]):
            yield (
                f"stage {stage!r} took {_ms(cold_s)} per item in the first execution and {_ms(warm[stage])} later: "
                "a cache is warm in every timed execution; clear it in setup=, or accept that warm is what you measure"
            )


def _cold_workers(
    first: Mapping[str, Services], later: Mapping[str, Services], baseline: str
) -> Iterator[str]:
    for arm, cold in first.items():
        if arm == baseline:
            continue
        for stage, cold_s in cold.items():
            here, there = later.get(arm, {}).get(stage), later.get(baseline, {}).get(stage)
            if here is None or there is None or not _is_colder(cold_s, max(here, there)):
                continue
            yield (
                f"stage {stage!r} took {_ms(cold_s)} per item in the first execution under {arm}, {_ms(here)} later "
                f"and {_ms(there)} in the baseline: a cache that is warm in this process was cold in the workers; "
                "clear it in setup=, or accept that warm is what you measure"
            )


def _is_colder(cold_s: float, warm_s: float) -> bool:
    return cold_s >= COLDER * warm_s and cold_s - warm_s >= LEAST_S


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.01 else f"{seconds * 1e3:.0f} ms"
