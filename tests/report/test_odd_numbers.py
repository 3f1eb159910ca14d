"""Numbers that a measurement could not give: the page is made all the same, and says nothing untrue."""

from __future__ import annotations

import copy
import dataclasses
import math
import re

import documents
import pages
import pytest
from test_schema import VALIDATOR

from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.report import html, json_file, markdown, terminal

WHOLE = {
    "missed": documents.document(documents.missed()),
    "latency": documents.document(documents.slow_tail()),
    "cold": documents.document(documents.cold_processes()),
    "studies": documents.document(documents.swept(), documents.family()[0]),
}
TIMES = (
    "makespan_s",
    "throughput_per_s",
    "first_result_s",
    "startup_s",
    "empty_run_s",
    "efficiency",
    "overlap",
)
DECLARED = {"limit", "effective_limit"}
"""Markers refuse a limit that is no finite number."""


def numbers(value, path=()):
    """Yield the path of every number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield path
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in pairs:
        yield from numbers(each, (*path, key))


def by_field(document):
    """Return the paths of all numbers by the field they stand in, whichever test or arm has it."""
    fields = {}
    for path in numbers(document):
        fields.setdefault(tuple(key for key in path if isinstance(key, str)), []).append(path)
    return {field: paths for field, paths in fields.items() if field[-1] not in DECLARED}


def without(document, paths):
    made = copy.deepcopy(document)
    for path in paths:
        place = made
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = None
    return made


@pytest.mark.parametrize("kind", WHOLE)
def test_any_number_that_may_be_missing_can_be_missing(kind):
    tried = 0
    for field, paths in by_field(WHOLE[kind]).items():
        made = without(WHOLE[kind], paths)
        if not VALIDATOR.is_valid(made):
            continue
        tried += 1
        try:
            html.render(made)
            markdown.render(made)
            list(terminal.summary_lines(made, width=100))
        except Exception as error:
            error.add_note(f"without {'.'.join(field)}")
            raise
    assert tried > 20


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_reach_no_file(odd, tmp_path):
    value = Estimate("speedup", "x", odd, odd, odd, 0.95, 9)
    arm = dataclasses.replace(
        documents.make_arm("threads", value, makespan_s=1.0), **dict.fromkeys(TIMES, odd)
    )
    gate = documents.finding("threads", 2.0, Verdict.INCONCLUSIVE, value, headline="not decided")
    run = documents.comparison([documents.serial_arm(), arm], [gate])
    made = documents.document(documents.test_entry("t.py::test_odd", "inconclusive", [run]))
    json_file.write(made, tmp_path / "out.json")
    again = json_file.read(tmp_path / "out.json")
    assert VALIDATOR.is_valid(again)
    text = pages.body_text(pages.parse(html.render(again)))
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE)


def test_two_sessions_that_write_one_path_leave_one_whole_file(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    first, second = "first " * 1000, "second " * 1000
    really = json_file.os.fdopen
    seen = []

    def interrupted(*args, **options):
        """Let the other session write its file after ours was opened and before ours is written."""
        monkeypatch.setattr(json_file.os, "fdopen", really)
        json_file.write_text(second, path)
        seen.append(path.read_text())
        return really(*args, **options)

    monkeypatch.setattr(json_file.os, "fdopen", interrupted)
    json_file.write_text(first, path)
    assert seen == [second]
    assert path.read_text() == first
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
