"""The document inside the page: as much of it as fits, what was left out said in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_pipeline.report.words import Json, outcome_of

MAX_BYTES = 700_000
"""500 tests have to stay below 3 MB together with their markup."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


@dataclass(frozen=True, slots=True)
class Embedded:
    """What stands in `<script type="application/json" id="report-data">`."""

    text: str
    """JSON, ASCII only, without `<`, `>` and `&`: no text inside can end the element."""
    omitted: str
    """What is missing against the JSON file; empty when nothing is."""


def embed(document: Json) -> Embedded:
    """Return the richest version of `document` that fits `MAX_BYTES`."""
    # Tests last, as in the JSON file: a page made from that file has the same bytes.
    head = {key: value for key, value in document.items() if key != "tests"}
    for reduce, omitted in _LEVELS:
        text = _fitting(head, (reduce(test) for test in document["tests"]))
        if text is not None:
            return Embedded(text, omitted)
    return Embedded(script_json({**head, "tests": []}), "all tests")


def _fitting(head: Json, tests: Iterator[Json]) -> str | None:
    """Return the document, or None as soon as it is too large: most sessions fail most levels early."""
    start = f'{script_json(head)[:-1]},"tests":['
    pieces: list[str] = []
    size = len(start) + len("]}")
    for test in tests:
        pieces.append(script_json(test))
        size += len(pieces[-1]) + (len(pieces) > 1)
        if size > MAX_BYTES:
            return None
    return f"{start}{','.join(pieces)}]}}"


def script_json(value: Any) -> str:
    """Return `value` as JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text


def _whole(test: Json) -> Json:
    return test


def _without(fields: dict[str, Any], arm_fields: dict[str, Any]) -> Callable[[Json], Json]:
    def reduce(test: Json) -> Json:
        runs = [
            {**run, **fields, "arms": [{**arm, **arm_fields} for arm in run["arms"]]}
            for run in test["runs"]
        ]
        return {**test, "runs": runs}

    return reduce


def _rounded(value: Any) -> Any:
    """Six significant digits are more than any clock gives, and a third of the bytes."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value


_no_timelines = _without({}, {"timeline": None, "resources": None})
_no_arrays = _without({"rounds": [], "blocks": []}, {"timeline": None, "resources": None})
_no_details = _without(
    {"rounds": [], "blocks": []},
    {"timeline": None, "resources": None, "ledger": None, "item_ledger": None, "stages": []},
)


def _verdicts_only(test: Json) -> Json:
    """Drop whole arms; what is left still says how every gate ended."""
    runs = [{**_no_details_run(run), "arms": []} for run in test["runs"]]
    return {**_no_past(test), "runs": _rounded(runs)}


def _no_past(test: Json) -> dict[str, Any]:
    return {key: value for key, value in test.items() if key != "history"}


def _no_details_run(run: Json) -> Json:
    return {**run, "rounds": [], "blocks": [], "stages": [], "notes": {}}


def _passing_only(reduce: Callable[[Json], Json]) -> Callable[[Json], Json]:
    def only(test: Json) -> Json:
        return test if outcome_of(test["outcome"]).has_card else reduce(test)

    return only


_LEVELS: tuple[tuple[Callable[[Json], Json], str], ...] = (
    (_whole, ""),
    (_passing_only(_no_timelines), "timelines and resources of passing tests"),
    (_no_timelines, "timelines and resources"),
    (
        lambda test: _no_timelines(_passing_only(_no_arrays)(test)),
        "timelines and resources, and the rounds of passing tests",
    ),
    (_no_arrays, "timelines, resources, rounds and latencies"),
    (
        lambda test: _rounded(_no_details(_no_past(test))),
        "timelines, resources, rounds, latencies, ledgers, stages, history and digits after the sixth",
    ),
    (_verdicts_only, "everything but verdicts and estimates, and digits after the sixth"),
)
