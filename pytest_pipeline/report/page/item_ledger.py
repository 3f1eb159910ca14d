"""The item ledger: where the latency of an item went, as a table that adds up."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json


@dataclass(frozen=True, slots=True)
class ItemLedgerView:
    """The table's lines, and the checks under it."""

    unit: str
    lines: tuple[tuple[str, ...], ...]
    """Stage, then queueing, service, blocked, all three, share of the latency, mean queue length."""
    total: tuple[str, ...]
    check: str
    """What the parts add up to, and by how much the two ways to count waiting differ."""


def make_item_ledger(ledger: Json | None) -> ItemLedgerView | None:
    """Return the view of one arm's item ledger; None when there is none."""
    if not ledger or not ledger["rows"]:
        return None
    latency = ledger["latency_s"] or 0.0
    scale = units.table_scale(latency)
    sums = [sum(row[field] or 0.0 for row in ledger["rows"]) for field in _PARTS]
    rest = (ledger["transfer_s"] or 0.0) + (ledger["unaccounted_s"] or 0.0)
    return ItemLedgerView(
        unit=scale.unit,
        lines=tuple(_line(row, latency, scale) for row in ledger["rows"]),
        total=(
            "all stages",
            *(scale.text(part) for part in sums),
            scale.text(sum(sums)),
            _share(sum(sums), latency),
            units.significant(sum(row["mean_queue_length"] or 0.0 for row in ledger["rows"]), 2),
        ),
        check=_check(ledger, sum(sums) + rest, latency),
    )


_PARTS = ("queueing_s", "service_s", "blocked_s")


def _line(row: Json, latency: float, scale: units.Scale) -> tuple[str, ...]:
    parts = [row[field] or 0.0 for field in _PARTS]
    return (
        one_line(str(row["name"])),
        *(scale.text(part) for part in parts),
        scale.text(sum(parts)),
        _share(sum(parts), latency),
        units.significant(row["mean_queue_length"] or 0.0, 2),
    )


def _check(ledger: Json, whole: float, latency: float) -> str:
    sampled = ledger["num_items"] < ledger["num_emitted"]
    kept = f"{ledger['num_items']:,} of {ledger['num_emitted']:,} items, a seeded sample"
    every = units.count(ledger["num_items"], "item")
    together = f", handed over {ledger['chunk']} at a time" if ledger["chunk"] > 1 else ""
    balance = "the parts add up to it"
    if abs(whole - latency) > max(1e-9, 0.001 * latency):
        balance = f"but the parts add up to {units.seconds(whole)}: this ledger does not balance"
    return (
        f"mean latency of {kept if sampled else every}{together}: {units.seconds(latency)}, {balance};"
        f" transfer {_share(ledger['transfer_s'] or 0.0, latency)},"
        f" unaccounted {_share(ledger['unaccounted_s'] or 0.0, latency)};"
        f" queueing item by item and mean queue length x makespan differ by {units.percent(ledger['little_gap'])}"
    )


def _share(part: float, whole: float) -> str:
    return units.percent(part / whole if whole else None)
