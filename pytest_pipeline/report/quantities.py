"""The quantities in words: one table for sentences, charts and columns."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.report.words import Json


@dataclass(frozen=True, slots=True)
class Words:
    """How one quantity is spoken of."""

    sentence: str
    """What an arm did; holds `{arm}` and `{value}`, and `{label}` where the label varies."""
    chart: str
    """Title of the bars that compare the arms."""
    evidence: str
    """What its gates count: `clean round`, `clean block` or `execution`."""
    field: str = ""
    """Where the document keeps the value of an arm without a gate; empty when it does not."""


_WORDS = {
    "speedup": Words(
        "{arm} reached {value}", "Speedup over the baseline", "clean round", "speedup"
    ),
    "p99_latency": Words("{arm} had a {label} of {value}", "p99 latency", "clean block", "latency"),
    "throughput": Words(
        "{arm} reached a throughput of {value}", "Throughput", "clean round", "throughput_per_s"
    ),
    "first_result": Words(
        "{arm} gave its first result after {value}",
        "Time to the first result",
        "clean round",
        "first_result_s",
    ),
    "efficiency": Words(
        "{arm} reached an efficiency of {value}",
        "Efficiency (speedup / workers)",
        "clean round",
        "efficiency",
    ),
    "overlap": Words(
        "{arm} had {value} in service at once", "Items in service at once", "execution", "overlap"
    ),
    "peak_memory": Words(
        "{arm} took up to {value} more memory", "Peak memory (increase)", "execution"
    ),
    "error_rate": Words("{value} of the items failed under {arm}", "Error rate", "execution"),
}

SHOWN_FOR_EVERY_ARM = frozenset({"speedup", "p99_latency"})
"""Quantities with bars and a column for every arm, gated or not."""


def words_of(finding: Json) -> Words:
    """Return the words of a finding's quantity; one that a newer version wrote reads by its label."""
    known = _WORDS.get(finding["quantity"])
    return known or Words("{arm} had a {label} of {value}", finding["label"], "clean round")
