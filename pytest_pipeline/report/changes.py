"""Two values of one quantity, now and then, in words."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_pipeline.report import units
from pytest_pipeline.report.facts import readable_time
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json

QUANTITIES = {
    "speedup": "speedup",
    "makespan": "makespan",
    "p99_latency": "p99 latency",
    "throughput": "throughput",
}
"""Name in the document -> name in messages."""


def since_sentences(test: Json, number: int) -> Iterator[tuple[str, str]]:
    """Yield executor and sentence for what run `number` of `test` gates, or what changed in it."""
    findings = test["runs"][number]["findings"]
    for series in test.get("history", ()):
        if series["run"] != number:
            continue
        gated = {each["quantity"] for each in findings if each["executor"] == series["executor"]}
        for change in series["changes"]:
            if change["quantity"] in (gated or {"speedup"}) or change["is_changed"]:
                yield series["executor"], since_sentence(change)


def since_sentence(change: Json) -> str:
    """Return value now, value then and where, the change, and the session since which it has been so."""
    now, then, unit = change["now"], change["then"], change["unit"]
    head = (
        f"{QUANTITIES[change['quantity']]} {units.quantity(now['value'], unit)} now, "
        f"{units.quantity(then['value'], unit)}{_range(then, unit)} at {_place(then)}"
    )
    if not change["is_changed"]:
        return f"{head}: {_unchanged(change)}."
    text = f"{head}: {change_words(now, then)}."
    if not change["sessions_since"]:
        return f"{text} First seen in this session: the next one will tell whether it stays."
    ago = units.count(change["sessions_since"], "session")
    return f"{text} First seen {ago} ago, at {_place(change['first'])}."


def change_words(now: Json, then: Json) -> str:
    """Return `46 % less; the intervals do not overlap` for two readings."""
    if not then["value"]:
        return "no change can be told from zero"
    share = now["value"] / then["value"] - 1
    much = "as much" if abs(share) < 0.0005 else units.percent(abs(share))
    amount = much if much == "as much" else f"{much} {'more' if share > 0 else 'less'}"
    overlap = intervals_overlap(now, then)
    if overlap is None:
        return amount
    return f"{amount}; the intervals {'overlap' if overlap else 'do not overlap'}"


def intervals_overlap(one: Json, other: Json) -> bool | None:
    """Whether the intervals have a value in common; None when an end is open or unknown."""
    ends = [each[end] for each in (one, other) for end in ("lower", "upper")]
    if any(end is None for end in ends):
        return None
    return bool(one["lower"] <= other["upper"] and other["lower"] <= one["upper"])


def _unchanged(change: Json) -> str:
    if change["band"] is None:
        return f"{change_words(change['now'], change['then'])}. {units.count(change['sessions'], 'session')} with this fingerprint are too few to tell a change, 5 are needed"
    within = units.percent(change["band"])
    return f"unchanged within {within} over {units.count(change['sessions'], 'session')}"


def _range(reading: Json, unit: str) -> str:
    text = units.interval(reading["lower"], reading["upper"], unit)
    return f" ({text})" if text else ""


def _place(reading: Json) -> str:
    """Return `commit 4f1c2ab90d77 with changes, 2026-11-21 20:06 UTC`."""
    when = readable_time(reading["created"])
    commit = one_line(reading["commit"])[:12]
    if not commit:
        return when
    return f"commit {commit}{' with changes' if reading['is_dirty'] else ''}, {when}"
