"""A summary table in Markdown for pull-request comments and job summaries, below 64 kB."""

from __future__ import annotations

import re

from pytest_pipeline.report import units
from pytest_pipeline.report.changes import since_sentence
from pytest_pipeline.report.device import device_sentence
from pytest_pipeline.report.facts import noise_of
from pytest_pipeline.report.gate_counts import count_gates
from pytest_pipeline.report.gates import gate_order, make_gate
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json, final_tests, identity, outcome_of

MAX_BYTES = 60_000
"""A pull-request comment holds 65,536 characters."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~@])")
_ESCAPED = r"\\\1"
_MAX_CELL = 160
_MAX_SENTENCE = 600
"""Of a line below the table, where the middle of a sentence, or of code, would be missed."""


def render(document: Json) -> str:
    """Return the summary: gates counted, one table row per gate, worst first."""
    lines = [f"### pytest-pipeline: {count_gates(document).text}", ""]
    noise = noise_of(document)
    if noise is not None:
        warning = f"**{noise.warning}.** " if noise.warning else ""
        lines += [warning + escape(noise.text), ""]
    rows = _rows(document)
    if not rows:
        return "\n".join([*lines, "No measuring test ran in this session.", ""])
    lines += [
        "| verdict | test | executor | observed | interval | limit |",
        "|---|---|---|--:|--:|--:|",
    ]
    return _within(lines, rows, [*_next_steps(document), *_since(document), *_devices(document)])


def escape(text: str, most: int = _MAX_CELL) -> str:
    """Return `text` so that Markdown shows it literally, on one line of at most `most` characters, in one table cell."""
    return _SPECIAL.sub(_ESCAPED, shorten(text, most)).replace("&", "&amp;")


def _within(lines: list[str], rows: list[str], below: list[str]) -> str:
    """Fill the space with as many rows as fit; changes and devices stand below, if they fit whole."""
    used = sum(len(line.encode()) + 1 for line in lines)
    after = ["", *below] if below else []
    size = sum(len(line.encode()) + 1 for line in [*rows, *after])
    after = after if used + size <= MAX_BYTES else []
    for position, row in enumerate(rows):
        used += len(row.encode()) + 1
        if used > MAX_BYTES:
            lines += ["", f"{units.count(len(rows) - position, 'more gate')} not shown here."]
            break
        lines.append(row)
    return "\n".join([*lines, *after, ""])


def _next_steps(document: Json) -> list[str]:
    """Return what to do about each gate that was not met, in the words of its failure text."""
    found = [
        f"- {escape(identity(test))} ({escape(finding['executor'])}): next: {escape(finding['next_step'], _MAX_SENTENCE)}"
        for test in final_tests(document["tests"])
        for run in test["runs"]
        for finding in run["findings"]
        if finding["verdict"] != "met" and finding["next_step"]
    ]
    return list(dict.fromkeys(found))


def _devices(document: Json) -> list[str]:
    """Return one line per device that an arm used: how close to its bound it came."""
    return [
        f"- {escape(identity(test))}: {escape(device_sentence(device), _MAX_SENTENCE)}"
        for test in final_tests(document["tests"])
        for run in test["runs"]
        for arm in run["arms"]
        for device in arm.get("devices") or ()
    ]


def _since(document: Json) -> list[str]:
    """Return one line per quantity that is not what it was in earlier sessions."""
    return [
        f"- {escape(identity(test))} ({escape(series['executor'])}) since baseline: {_SPECIAL.sub(_ESCAPED, since_sentence(change))}"
        for test in final_tests(document["tests"])
        for series in test.get("history", ())
        for change in series["changes"]
        if change["is_changed"]
    ]


def _rows(document: Json) -> list[str]:
    keyed = []
    for test in final_tests(document["tests"]):
        findings = [each for run in test["runs"] for each in run["findings"]]
        keyed += [(gate_order(each), _row(test, each)) for each in findings]
        if not findings:
            keyed.append(((outcome_of(test["outcome"]).rank, 0.0), _bare_row(test)))
    return [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


def _row(test: Json, finding: Json) -> str:
    gate = make_gate(finding)
    estimate = finding["estimate"] or {}
    unit = finding["unit"]
    cells = (
        f"{gate.outcome.symbol} {gate.outcome.word}",
        escape(identity(test)),
        escape(finding["executor"]),
        units.quantity(estimate.get("value"), unit),
        units.interval(estimate.get("lower"), estimate.get("upper"), unit) or units.MISSING,
        _limit_text(finding),
    )
    return f"| {' | '.join(cells)} |"


def _limit_text(finding: Json) -> str:
    label = escape(finding["label"])
    if finding["limit"] is None:
        return label
    sign = "≥" if finding["is_minimum"] else "≤"
    rate = f" at {units.rate(finding['rate_per_s'])}" if finding["rate_per_s"] else ""
    return f"{label} {sign} {units.quantity(finding['limit'], finding['unit'])}{rate}"


def _bare_row(test: Json) -> str:
    outcome = outcome_of(test["outcome"])
    said = escape(one_line((test.get("error") or "").split("\n", 1)[0])) or units.MISSING
    return f"| {outcome.symbol} {outcome.word} | {escape(identity(test))} |  | {said} |  |  |"
