"""Executors side by side, their stages, and which one is the fastest."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.resources import ResourceView, make_resources
from pytest_pipeline.report.charts.timeline import Timeline, make_timeline
from pytest_pipeline.report.device import DeviceView, device_views
from pytest_pipeline.report.page.item_ledger import ItemLedgerView, make_item_ledger
from pytest_pipeline.report.page.ledger import LedgerView, make_ledger
from pytest_pipeline.report.page.whatif import WhatIfTable, what_if_table
from pytest_pipeline.report.table import Table
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json


@dataclass(frozen=True, slots=True)
class ArmView:
    """One executor's own pictures."""

    name: str
    lead: str
    """Bottleneck in a sentence, or why the arm could not run."""
    what_ifs: WhatIfTable | None
    stages: Table | None
    ledger: LedgerView | None
    item_ledger: ItemLedgerView | None
    timeline: Timeline | None
    resources: ResourceView | None = None
    devices: tuple[DeviceView, ...] = ()


_COLUMNS = (
    "executor",
    "workers",
    "makespan",
    "speedup",
    "items/s",
    "efficiency",
    "overlap",
    "start-up",
    "empty run",
    "first result",
    "p50",
    "p99",
)


def arm_table(run: Json) -> Table:
    """Return one row per arm; columns that nobody measured are left out."""
    rows = [_row(arm) for arm in run["arms"]]
    used = [
        k for k in range(len(_COLUMNS)) if k < 2 or any(row[k] != units.MISSING for row in rows)
    ]
    return Table(
        tuple(_COLUMNS[k] for k in used), tuple(tuple(row[k] for k in used) for row in rows)
    )


def arm_view(run: Json, arm: Json, address: str = "") -> ArmView:
    """Return predictions, stage table, ledger, timeline and resources of one arm of `run`, which stands at `address` (`test/run/arm`)."""
    return ArmView(
        name=one_line(arm["executor"]),
        lead=_lead(arm),
        what_ifs=what_if_table(run, arm),
        stages=_stage_table(arm),
        ledger=make_ledger(arm["ledger"]),
        item_ledger=make_item_ledger(arm["item_ledger"]),
        timeline=make_timeline(arm, address),
        resources=make_resources(arm),
        devices=device_views(arm),
    )


def bottleneck_sentence(arm: Json) -> str:
    """Return `Stage parse: 1 worker, 97 % busy; ... cannot exceed 1.46x.`; empty when unknown."""
    bottleneck = arm["bottleneck"]
    if not bottleneck:
        return ""
    stage, workers = one_line(bottleneck["stage"]), units.count(bottleneck["workers"], "worker")
    pool = bottleneck.get("pool_utilization")
    if pool is None:
        text = f"Stage {stage}: {workers}, {units.percent(bottleneck['utilization'])} busy."
    else:
        text = f"Pool of {workers}: {units.percent(pool)} busy, longest in stage {stage}."
    if bottleneck["ceiling"] is not None:
        text += f" With these service times this plan cannot exceed {units.ratio(bottleneck['ceiling'])}."
    return text


def fastest_sentence(run: Json) -> str:
    """Say which executor to use, and when several cannot be told apart."""
    best = [one_line(name) for name in run["best"]]
    timed = [arm for arm in run["arms"] if arm["makespan_s"] is not None]
    if not best or len(timed) < 2 or any(each["verdict"] == "invalid" for each in run["findings"]):
        return ""
    if best == [one_line(run["baseline"])]:
        return f"Fastest here: {best[0]}, the baseline. No other executor paid off."
    if len(best) == 1:
        return f"Fastest here: {best[0]}."
    return f"{', '.join(best[:-1])} and {best[-1]} cannot be told apart: neither is proved faster."


def _row(arm: Json) -> tuple[str, ...]:
    if arm["unavailable"]:
        return (one_line(arm["executor"]), "unavailable", *([units.MISSING] * (len(_COLUMNS) - 2)))
    latency = arm["latency"] or {}
    speedup = arm["speedup"] or {}
    return (
        one_line(arm["executor"]) + (" (baseline)" if arm["is_baseline"] else ""),
        str(arm["workers"]),
        units.seconds(arm["makespan_s"]),
        units.ratio(1.0 if arm["is_baseline"] and arm["makespan_s"] else speedup.get("value")),
        units.significant(arm["throughput_per_s"])
        if arm["throughput_per_s"] is not None
        else units.MISSING,
        units.percent(arm["efficiency"]),
        units.significant(arm["overlap"], 2) if arm["overlap"] is not None else units.MISSING,
        units.seconds(arm["startup_s"]),
        units.seconds(arm["empty_run_s"]),
        units.seconds(arm["first_result_s"]),
        units.seconds(latency.get("p50_s")),
        units.seconds(latency.get("p99_s")) + _loop_note(latency),
    )


def _loop_note(latency: Json) -> str:
    chunk = latency.get("chunk", 1)
    words = {"saturated": "full queues", "closed": "closed loop"}
    notes = [word for loop, word in words.items() if latency.get("loop") == loop]
    notes += [f"per chunk of {chunk}"] * (chunk > 1)
    return f" ({', '.join(notes)})" if notes else ""


def _lead(arm: Json) -> str:
    if arm["unavailable"]:
        return f"Could not run here: {one_line(arm['unavailable'])}."
    # The ceiling is a speedup over the baseline: beside the baseline itself it would mislead.
    return "" if arm["is_baseline"] else bottleneck_sentence(arm)


def _stage_table(arm: Json) -> Table | None:
    if not arm["stages"]:
        return None
    columns = (
        "stage",
        "workers",
        "utilization",
        "service mean",
        "median",
        "largest",
        "queueing mean",
        "CPU share",
    )
    rows = tuple(
        (
            one_line(stage["name"]),
            str(stage["workers"]),
            units.percent(stage["utilization"]),
            units.seconds(stage["service_mean_s"]),
            units.seconds(stage["service_p50_s"]),
            units.seconds(stage["service_max_s"]),
            units.seconds(stage["queueing_mean_s"]),
            units.percent(stage["cpu_share"]),
        )
        for stage in arm["stages"]
    )
    return Table(columns, rows)
