"""How sure a gate is that counts instead of timing: its rule in words, where no interval decides."""

from __future__ import annotations

from pytest_pipeline.report import units
from pytest_pipeline.report.words import Json


def counted_words(finding: Json, executions: str) -> str:
    """Return the sentence for peak memory, p99 latency and an error rate of zero; empty for every other gate.

    `executions` is what was looked at, ready to print: `3 executions`.
    """
    if finding["quantity"] == "peak_memory":
        return (
            f"The largest of {executions}, each on fresh workers: three within the limit and none above it meet it, "
            "two above it miss it."
        )
    if finding["quantity"] == "p99_latency":
        return _tail(finding)
    if finding["quantity"] == "error_rate" and finding["limit"] == 0:
        return _zero(finding, executions)
    return ""


def _tail(finding: Json) -> str:
    blocks = units.count(finding["clean_rounds"], "clean block")
    if finding["dirty_rounds"]:
        disturbed = units.count(finding["dirty_rounds"], "disturbed one")
        blocks += f" and {disturbed}, where a late item proves nothing"
    return f"No interval decides, but the share of late items, of which 1 % are allowed: counted in {blocks}."


def _zero(finding: Json, executions: str) -> str:
    estimate = finding["estimate"]
    if estimate["value"]:
        return f"Counted in {executions}: one failed item contradicts a limit of zero."
    items = units.count(estimate["count"], "item")
    shown = f", which shows a rate of at most {units.percent(estimate['upper'])} ({units.percent(estimate['level'])} level)"
    return f"None of {items} failed in {executions}{shown}."
