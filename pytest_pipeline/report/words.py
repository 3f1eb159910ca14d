"""The outcomes in words, symbols and order of urgency: one table for every kind of output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
"""A JSON object of the document."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one outcome is shown everywhere. Colour never stands alone: symbol and word say the same."""

    name: str
    """The document's value, also the CSS class."""
    symbol: str
    """One character."""
    word: str
    """What people read."""
    rank: int
    """0 = most urgent."""
    style: str
    """Terminal colour: `green`, `red`, `yellow` or empty."""
    has_card: bool
    """True when the test opens the report as a card."""


_ALL = (
    Outcome("invalid", "‼", "invalid", 0, "red", has_card=True),
    Outcome("missed", "✗", "missed", 1, "red", has_card=True),
    Outcome("inconclusive", "?", "inconclusive", 2, "yellow", has_card=True),
    Outcome("unavailable", "∅", "unavailable", 3, "yellow", has_card=True),
    Outcome("not-run", "\N{EN DASH}", "not run", 4, "", has_card=False),
    Outcome("met", "✓", "met", 5, "green", has_card=False),
    Outcome("ungated", "·", "ungated", 6, "", has_card=False),
)
OUTCOMES = {outcome.name: outcome for outcome in _ALL}
"""By name, most urgent first."""

REASONS = {
    "busy": "the machine was busy with something else",
    "capacity": "this host cannot give, or not show, what the limit needs",
    "quota": "the container's CPU quota throttled the run",
    "not-exclusive": "other tests ran at the same time",
    "traced": "tracing or coverage was on",
    "near-limit": "the value lies too close to the limit to tell in the time allowed",
    "confirm-disagreed": "the confirmation did not repeat what the first rounds showed",
    "unsteady": "clean executions fall into two modes, and most are in the slow one, which does not meet the limit",
    "no-baseline": "there is no stored baseline to compare with",
    "self-disturbed": "the code under test itself keeps the machine busy",
    "outputs-differ": "the outputs differ from the baseline's",
    "items-modified": "a stage modified its input items",
    "stage-raised": "a stage raised an exception",
    "worker-died": "a worker process died",
    "timeout": "an execution did not end in time",
    "budget": "the time budget cannot hold enough rounds",
    "samples": "too few items for a verdict within the budget",
    "unreachable": "this plan can never meet the limit, whatever the machine",
    "interrupted": "the session was interrupted",
    "cannot-run-here": "the executor cannot run on this machine",
    "off": "it was not run",
}
"""The document's machine-readable reasons as clauses."""


def outcome_of(name: object) -> Outcome:
    """Return the entry for `name`; an unknown one is shown as inconclusive, never as a pass."""
    return OUTCOMES.get(str(name), OUTCOMES["inconclusive"])


def worst(names: Iterable[object]) -> Outcome:
    """Return the most urgent of `names`; `ungated` when there are none."""
    return min(map(outcome_of, names), key=lambda each: each.rank, default=OUTCOMES["ungated"])


def reason_words(reason: object) -> str:
    """Return the clause for a machine-readable reason, or the reason itself when it is new."""
    return REASONS.get(str(reason), str(reason or ""))


def final_indices(tests: Iterable[Json]) -> frozenset[int]:
    """Return the positions of each test's last attempt: earlier ones are shown but never counted.

    Of a test that several workers ran (`--dist each`) the worst of their last attempts counts.
    """
    last: dict[tuple[str, str], tuple[int, int]] = {}
    for index, test in enumerate(tests):
        key = identity(test), str(test.get("worker", ""))
        last[key] = outcome_of(test["outcome"]).rank, index
    worst: dict[str, tuple[int, int]] = {}
    for (name, _), found in last.items():
        worst[name] = min(worst.get(name, found), found)
    return frozenset(index for _, index in worst.values())


def final_tests(tests: Sequence[Json]) -> list[Json]:
    """Return the attempt of each test that counts."""
    return [tests[index] for index in sorted(final_indices(tests))]


def identity(test: Json) -> str:
    """Return what tells a test from all others: its id, and its shard when several ran it."""
    shard = test.get("shard", "")
    return f"{test.get('nodeid', '')} @ {shard}" if shard else str(test.get("nodeid", ""))
