"""One finding in plain sentences: value, limit and distance, then how sure that is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.counted import counted_words
from pytest_pipeline.report.quantities import words_of
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json, Outcome, outcome_of, reason_words

_CODE = re.compile(r"\w+[(=]")
"""How a call or an argument begins."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One requirement on one arm, ready to print."""

    outcome: Outcome
    sentence: str
    """Value, limit, distance; stands alone."""
    confidence: str
    """Interval and rounds in words."""
    demand: str
    """The limit and what its tolerance makes of it."""
    headline: str
    """What pytest printed."""
    cause: str
    cause_label: str
    """`Bottleneck` when the cause names one, else `Likely cause`."""
    next_step: str
    evidence: tuple[str, ...]


def make_gate(finding: Json) -> Gate:
    """Return the sentences of one finding."""
    outcome = outcome_of(finding["verdict"])
    measured = _measured_sentence(finding)
    headline = one_line(finding["headline"])
    is_bottleneck = finding["cause"].lower().startswith("bottleneck:")
    return Gate(
        outcome=outcome,
        sentence=measured or _stopped(headline),
        confidence=_confidence(finding),
        demand=_demand(finding),
        headline=headline if measured else "",
        cause=_capital(_strip(_strip(finding["cause"], "likely cause:"), "bottleneck:")),
        cause_label="Bottleneck" if is_bottleneck else "Likely cause",
        next_step=_capital(_strip(finding["next_step"], "next:")),
        evidence=tuple(_capital(one_line(each)) for each in finding["evidence"]),
    )


def gate_order(finding: Json) -> tuple[int, float]:
    """Sort key: most urgent verdict first, then the largest distance from the limit."""
    return outcome_of(finding["verdict"]).rank, -margin(finding)


def margin(finding: Json) -> float:
    """Return how far the value lies on the wrong side of the limit, as a share of it; 0 when unknown."""
    estimate, limit = finding["estimate"], finding["limit"]
    if not estimate or estimate["value"] is None or limit is None:
        return 0.0
    if limit == 0:
        return 1.0 if estimate["value"] > 0 else 0.0
    distance = (estimate["value"] - limit) / limit
    return float(-distance if finding["is_minimum"] else distance)


def distance_words(finding: Json) -> str:
    """Return `34 % below the required 2.00x`, or how the tolerance or the limit was kept."""
    limit = units.quantity(finding["limit"], finding["unit"])
    required = f"required {limit}" if finding["is_minimum"] else f"allowed {limit}"
    wrong_by = margin(finding)
    tolerance = finding["tolerance"] or 0.0
    if abs(wrong_by) < 0.0005:
        return f"exactly the {required}"
    if finding["limit"] == 0:
        return f"above the {required}"
    if wrong_by > 1:
        return f"{units.significant(1 + wrong_by, 2)} times the {required}"
    is_below = finding["estimate"]["value"] < finding["limit"]
    side = "below" if is_below else "above"
    if 0 < wrong_by <= tolerance:
        return f"{units.percent(wrong_by)} {side} the {required}, within its {units.percent(tolerance)} tolerance"
    return f"{units.percent(abs(wrong_by))} {side} the {required}"


def _measured_sentence(finding: Json) -> str:
    estimate = finding["estimate"]
    is_measured = finding["verdict"] in {"met", "missed", "inconclusive"}
    if not is_measured or not estimate or estimate["value"] is None or finding["limit"] is None:
        return ""
    said = words_of(finding).sentence.format(
        arm=one_line(finding["executor"]),
        value=units.quantity(estimate["value"], finding["unit"]),
        label=one_line(finding["label"]),
    )
    start = " with start-up counted" if finding["cold"] else ""
    at = f" at {units.rate(finding['rate_per_s'])}" if finding["rate_per_s"] else ""
    return f"{said}{start}{at}, {distance_words(finding)}."


def _confidence(finding: Json) -> str:
    parts = []
    if finding["verdict"] == "inconclusive" and finding["reason"]:
        parts.append(f"Not decided: {reason_words(finding['reason'])}.")
    elif finding["verdict"] in {"invalid", "unavailable"} and finding["reason"]:
        parts.append(f"Reason: {reason_words(finding['reason'])}.")
    elif finding["reason"]:
        parts.append(f"{_capital(reason_words(finding['reason']))}.")
    if finding["estimate"] and finding["verdict"] in {"met", "missed", "inconclusive"}:
        counted = counted_words(finding, _rounds_words(finding))
        parts.append(counted or _interval_words(finding))
    return " ".join(parts)


def _interval_words(finding: Json) -> str:
    estimate = finding["estimate"]
    rounds = _rounds_words(finding)
    lower, upper = estimate["lower"], estimate["upper"]
    if lower is None or upper is None:
        known = units.interval(lower, upper, estimate["unit"])
        return f"{'Interval ' + known if known else 'The interval is still open'} after {rounds}{_open_words(finding)}."
    bounds = units.interval(lower, upper, estimate["unit"])
    return (
        f"{units.percent(estimate['level'])} interval {bounds} from {rounds}: {_position(finding)}."
    )


def _rounds_words(finding: Json) -> str:
    clean, dirty = finding["clean_rounds"], finding["dirty_rounds"]
    evidence = words_of(finding).evidence
    if dirty and not clean:
        return f"{units.count(dirty, evidence.replace('clean', 'disturbed'))}, none of them clean"
    text = units.count(clean, evidence)
    if dirty:
        text += f" ({dirty} more {'was' if dirty == 1 else 'were'} disturbed and not used)"
    return text


def rests_on_value(finding: Json) -> bool:
    """Whether the verdict was made from the value: not where the code kept the machine busy, nor without a clean round."""
    is_seen = bool(finding["clean_rounds"]) or not finding["dirty_rounds"]
    return is_seen and finding["reason"] != "self-disturbed"


def _open_words(finding: Json) -> str:
    if finding["verdict"] not in {"met", "missed"} or not rests_on_value(finding):
        return ""
    side = "above" if (finding["verdict"] == "met") == finding["is_minimum"] else "below"
    limit = units.quantity(finding["effective_limit"], finding["unit"])
    return f"; the sequential test has decided that the value lies {side} {limit}"


def _position(finding: Json) -> str:
    """Say where the interval lies: against the limit itself, else against limit and tolerance."""
    if not rests_on_value(finding):
        return "for orientation, the verdict does not rest on it"
    lower, upper = finding["estimate"]["lower"], finding["estimate"]["upper"]
    limit, effective = finding["limit"], finding["effective_limit"]
    shown = units.quantity(effective, finding["unit"])
    good, bad = ("above", "below") if finding["is_minimum"] else ("below", "above")
    inside = "the whole interval lies"
    if (upper < effective) if finding["is_minimum"] else (lower > effective):
        return f"{inside} {bad} {shown}, so this is not noise"
    if (lower >= limit) if finding["is_minimum"] else (upper <= limit):
        return f"{inside} {good} the limit"
    if (lower >= effective) if finding["is_minimum"] else (upper <= effective):
        return f"{inside} {good} {shown}, the limit with its tolerance"
    if finding["verdict"] == "inconclusive":
        return f"it holds {shown}, so neither met nor missed is proved"
    return f"it still holds {shown}, where the sequential test, which is sharper, has decided"


def _demand(finding: Json) -> str:
    if finding["limit"] is None:
        return ""
    word = "at least" if finding["is_minimum"] else "at most"
    text = (
        f"{one_line(finding['label'])} {word} {units.quantity(finding['limit'], finding['unit'])}"
    )
    if finding["rate_per_s"]:
        text += f" at {units.rate(finding['rate_per_s'])}"
    if finding["effective_limit"] != finding["limit"]:
        decides = units.quantity(finding["effective_limit"], finding["unit"])
        text += f"; with the {units.percent(finding['tolerance'])} tolerance, {decides} decides"
    return text


def _stopped(sentence: str) -> str:
    return sentence if not sentence or sentence[-1] in ".!?" else sentence + "."


def _strip(text: str, prefix: str) -> str:
    line = one_line(text)
    return line[len(prefix) :].lstrip() if line.lower().startswith(prefix) else line


def _capital(text: str) -> str:
    """Return `text` as a sentence begins; code stays as it has to be written."""
    return text if _CODE.match(text) else text[:1].upper() + text[1:]
