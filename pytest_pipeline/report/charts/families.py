"""One chart for the parameters of a parametrised test: speedup over the number that varies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report.charts.growth import GrowthChart, Sample, growth_chart
from pytest_pipeline.report.text import anchor, one_line, shorten
from pytest_pipeline.report.units import count
from pytest_pipeline.report.words import Json, final_tests

_NUMBER = re.compile(r"(?<![\w.])(\d+(?:[_,]\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?)(k|M)?(?![\w.])")
_BETWEEN = re.compile(r"(?<!\de)-")
"""What separates parameters; in `1e-05` it does not."""
_FACTORS = {None: 1.0, "k": 1e3, "M": 1e6}
_MOST_CURVES = 6
"""As many as there are colours that can be told apart."""


@dataclass(frozen=True, slots=True)
class Family:
    """One test function and its parameters."""

    name: str
    """Test id without parameters."""
    anchor: str
    """Permalink of the chart."""
    chart: GrowthChart
    left_out: str
    """Said when parameters have no number, nothing was timed, or there are too many curves; empty otherwise."""


@dataclass(frozen=True, slots=True)
class _Member:
    rest: str
    """Parameters with the number cut out: tests that differ in more than the number are other curves."""
    x: float
    test: Json


def make_families(tests: Sequence[Json]) -> tuple[Family, ...]:
    """Return a chart for every test function measured under at least two numeric parameters."""
    groups: dict[str, list[Json]] = {}
    for test in final_tests(tests):
        name, bracket, _ = str(test["nodeid"]).partition("[")
        if bracket:
            groups.setdefault(name, []).append(test)
    made = (_family(name, members) for name, members in groups.items() if len(members) > 1)
    return tuple(family for family in made if family is not None)


def _family(name: str, tests: Sequence[Json]) -> Family | None:
    members = [member for test in tests if (member := _member(test)) is not None]
    if len({member.x for member in members}) < 2:
        return None
    found = _series(members)
    series = dict(list(found.items())[:_MOST_CURVES])
    shown = one_line(name)
    chart = growth_chart(
        series,
        title="Speedup over the parameter",
        x_label=f"parameter of {shorten(shown.rpartition('::')[2], 60)}",
        limit=_common_limit(members),
    )
    if chart is None:
        return None
    silent = len(tests) - len({id(m.test) for m in members if _timed(m.test)})
    said = [f"{silent} of {len(tests)} parameters have no number or no timed arm"] if silent else []
    if len(found) > len(series):
        said.append(f"{count(len(found) - len(series), 'more curve')} not drawn")
    return Family(shown, f"{anchor(name)}-family", chart, "; ".join(said))


def _common_limit(members: Sequence[_Member]) -> float | None:
    """Return the speedup that every one of these tests requires; None when they ask for none or for several."""
    limits = {
        tuple(
            finding["limit"]
            for run in member.test["runs"][:1]
            for finding in run["findings"]
            if finding["quantity"] == "speedup" and not finding["cold"]
        )
        for member in members
    }
    asked = set(next(iter(limits))) if len(limits) == 1 else set()
    return asked.pop() if len(asked) == 1 else None


def _member(test: Json) -> _Member | None:
    """Read the only number among the parameters; with none or several there is no single axis."""
    parameters = str(test["nodeid"]).partition("[")[2].rpartition("]")[0]
    pieces = _BETWEEN.split(parameters)
    if "" in pieces:
        return None  # a sign, which reads like what separates parameters
    found = [(k, match) for k, piece in enumerate(pieces) if (match := _NUMBER.fullmatch(piece))]
    if len(found) != 1:
        return None
    position, match = found[0]
    rest = "-".join(piece for k, piece in enumerate(pieces) if k != position)
    number = float(re.sub(r"[_,]", "", match[1])) * _FACTORS[match[2]]
    return _Member(rest, number, test)


def _series(members: Sequence[_Member]) -> dict[str, list[Sample]]:
    series: dict[str, list[Sample]] = {}
    for member in members:
        rest = f" {member.rest}" if member.rest else ""
        for arm in _timed(member.test):
            speedup = arm["speedup"]
            sample = (member.x, speedup["value"], speedup["lower"], speedup["upper"])
            series.setdefault(one_line(arm["executor"]) + rest, []).append(sample)
    for member in members if len(series) > 1 else ():
        for name in _baselines(member.test):
            series.setdefault(name, []).append((member.x, 1.0, None, None))
    return series


def _baselines(test: Json) -> set[str]:
    """Return the name of the baseline, where something was timed beside it: the curve that the others are over."""
    return {one_line(run["baseline"]) for run in test["runs"][:1] if _timed(test)}


def _timed(test: Json) -> list[Json]:
    """Return the timed arms of the test's first run: a later one may be another study."""
    return [
        arm
        for run in test["runs"][:1]
        for arm in run["arms"]
        if not arm["is_baseline"] and arm["speedup"] and arm["speedup"]["value"]
    ]
