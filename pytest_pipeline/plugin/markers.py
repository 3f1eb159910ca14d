"""Markers: registration, and from what a user wrote to validated requirements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.requirement import EVERY_CANDIDATE, Quantity, Requirement
from pytest_pipeline.model.units import (
    parse_bytes,
    parse_efficiency,
    parse_overlap,
    parse_seconds,
    parse_share,
    positive_number,
)
from pytest_pipeline.plugin.names import (
    GATES,
    MARKERS,
    PROVISIONAL_GATES,
    check_executor_name,
    near,
)
from pytest_pipeline.plugin.ownership import uses_our_fixtures


@dataclass(frozen=True, slots=True)
class Gate:
    """What the arguments of one gate marker may be."""

    quantity: Quantity
    """What it limits."""
    limit: str
    """Its mandatory argument: `min` or `max`."""
    parse: Callable[..., float]
    """Reads the limit."""
    example: str
    """A correct limit, for messages."""
    extra: str = ""
    """Its own optional argument; empty when it has none."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """All argument names."""
        common = (self.limit, "executor", "tolerance")
        return (*common, self.extra) if self.extra else common


_GATES = {
    "speedup": Gate(Quantity.SPEEDUP, "min", positive_number, "2.0", "cold"),
    "p99_latency": Gate(Quantity.P99_LATENCY, "max", parse_seconds, '"80ms"', "rate"),
    "throughput": Gate(Quantity.THROUGHPUT, "min", positive_number, "400"),
    "first_result": Gate(Quantity.FIRST_RESULT, "max", parse_seconds, '"200ms"'),
    "efficiency": Gate(Quantity.EFFICIENCY, "min", parse_efficiency, '"60%"'),
    "overlap": Gate(Quantity.OVERLAP, "min", parse_overlap, "2.0"),
    "peak_memory": Gate(Quantity.PEAK_MEMORY, "max", parse_bytes, '"512MB"'),
    "error_rate": Gate(Quantity.ERROR_RATE, "max", parse_share, '"1%"'),
}


@dataclass(frozen=True, slots=True)
class Declared:
    """What the markers of one test demand, nearest first, validated."""

    requirements: tuple[Requirement, ...] = ()
    """One per gate marker that applies."""
    executors: tuple[Any, ...] | None = None
    """From `@pytest.mark.executors`."""
    budget_s: float | None = None
    """From `@pytest.mark.measure`."""
    max_rounds: int | None = None
    """From `@pytest.mark.measure`."""
    labels: tuple[str, ...] = field(default=(), compare=False)
    """Names of ours without arguments on a test that does not use our fixtures: not our markers."""

    @property
    def gate_names(self) -> tuple[str, ...]:
        """Names of the gate markers, for messages."""
        return tuple(dict.fromkeys(each.quantity.value for each in self.requirements))


_NOTHING = Declared()


def declared_by(item: pytest.Item) -> Declared:
    """Return what the markers of `item` demand; raises `UsageError` with `file:line` for a bad one."""
    if not any(mark.name in MARKERS for mark in item.iter_markers()):
        return _NOTHING
    try:
        return _read(item)
    except UsageError as problem:
        raise UsageError(f"{location(item)}: {item.name}: {problem}") from None


def location(item: pytest.Item) -> str:
    """Return `file:line` of the test: its first decorator or its `def`."""
    path, line, _ = item.location
    return path if line is None else f"{path}:{line + 1}"


def _read(item: pytest.Item) -> Declared:
    gates: dict[tuple[str, str, bool], Requirement] = {}
    helpers: dict[str, pytest.Mark] = {}
    labels: list[str] = []
    for level in levels(item):
        here: dict[tuple[str, str, bool], Requirement] = {}
        helpers_here: dict[str, pytest.Mark] = {}
        for mark in level:
            if _is_label(mark, item):
                labels.append(mark.name)
            elif mark.name in PROVISIONAL_GATES:
                raise UsageError(f"@pytest.mark.{mark.name} is not in this release (provisional)")
            elif mark.name in GATES:
                _add_gate(here, mark, _requirement(mark, item))
            else:
                _add_helper(helpers_here, mark)
        gates, helpers = {**here, **gates}, {**helpers_here, **helpers}
    executors = _executors(helpers["executors"], item) if "executors" in helpers else None
    measure = _measure(helpers["measure"]) if "measure" in helpers else {}
    in_source_order = tuple(reversed(gates.values()))  # pytest keeps decorators bottom-up
    return Declared(in_source_order, executors, **measure, labels=tuple(dict.fromkeys(labels)))


def _is_label(mark: pytest.Mark, item: pytest.Item) -> bool:
    is_bare = mark.name in MARKERS and not mark.args and not mark.kwargs
    return is_bare and not uses_our_fixtures(item)


def _add_gate(
    here: dict[tuple[str, str, bool], Requirement], mark: pytest.Mark, made: Requirement
) -> None:
    key = (mark.name, made.executor, made.cold)
    other = here.setdefault(key, made)
    if other != made:
        limit = _GATES[mark.name].limit
        whom = "" if made.executor == EVERY_CANDIDATE else f" for executor={made.executor!r}"
        raise UsageError(
            f"@pytest.mark.{mark.name} contradicts itself{whom}: {limit}={other.limit:g} and {limit}={made.limit:g} on the same test; keep one"
        )


def _add_helper(here: dict[str, pytest.Mark], mark: pytest.Mark) -> None:
    if here.setdefault(mark.name, mark) != mark:
        raise UsageError(
            f"@pytest.mark.{mark.name} stands twice on the same test with different arguments; keep one"
        )


def levels(item: pytest.Item) -> Iterator[list[pytest.Mark]]:
    """Yield the marks of ours on `item`, nearest level first.

    pytest keeps marks added by code, `pytest.param(marks=)` and decorators in one list, and lists
    base classes before derived ones; nearest-wins needs them apart.
    """
    for node in reversed(item.listchain()):
        own = [mark for mark in node.own_markers if mark.name in MARKERS]
        if own:
            written = _written_levels(node)
            yield [mark for mark in own if not any(_holds(level, mark) for level in written)]
            yield from ([mark for mark in level if _holds(own, mark)] for level in written)


def _written_levels(node: Any) -> list[list[pytest.Mark]]:
    callspec = getattr(node, "callspec", None)
    params = list(callspec.marks) if callspec is not None else []
    sources = node.obj.__mro__ if isinstance(node, pytest.Class) else [getattr(node, "obj", None)]
    return [params, *(_written_on(source) for source in sources)]


def _holds(marks: list[pytest.Mark], mark: pytest.Mark) -> bool:
    return any(mark is each for each in marks)


def _written_on(source: object) -> list[pytest.Mark]:
    found = (
        source.__dict__.get("pytestmark", [])
        if isinstance(source, type)
        else getattr(source, "pytestmark", [])
    )
    listed = found if isinstance(found, list) else [found]
    marks = (getattr(each, "mark", each) for each in listed)
    return [mark for mark in marks if isinstance(mark, pytest.Mark)]


def _requirement(mark: pytest.Mark, item: pytest.Item) -> Requirement:
    gate = _GATES[mark.name]
    given = _arguments(mark, gate)
    where = f"@pytest.mark.{mark.name}"
    try:
        limit = gate.parse(given[gate.limit], what=gate.limit)
        tolerance = parse_share(given.get("tolerance", 0.05), what="tolerance")
        rate = given.get("rate")
        rate_per_s = None
        if rate is not None:
            rate_per_s = positive_number(rate, what="rate", accepts="items per second")
    except UsageError as problem:
        raise UsageError(f"{where}: {problem}") from None
    return Requirement(
        gate.quantity,
        limit,
        executor=_bound_executor(where, given),
        tolerance=tolerance,
        cold=_flag(where, given, "cold"),
        rate_per_s=rate_per_s,
        location=location(item),
    )


def _arguments(mark: pytest.Mark, gate: Gate) -> dict[str, Any]:
    where, example = f"@pytest.mark.{mark.name}", f"{gate.limit}={gate.example}"
    if len(mark.args) > 1:
        raise UsageError(
            f"{where} takes one positional argument, found {len(mark.args)}: {mark.args!r}; accepted: {', '.join(gate.accepted)}"
        )
    given = dict(mark.kwargs)
    if mark.args:
        if gate.limit in given:
            raise UsageError(f"{where}: {gate.limit} is given twice")
        given[gate.limit] = mark.args[0]
    _refuse_unknown(where, given, gate.accepted)
    if gate.limit not in given:
        raise UsageError(f"{where}: {gate.limit} is missing; write {where}({example})")
    return given


def _refuse_unknown(where: str, given: dict[str, Any], accepted: tuple[str, ...]) -> None:
    for name, value in given.items():
        if name not in accepted:
            raise UsageError(
                f"{where}: unknown argument {name}={value!r}{near(name, accepted)}; accepted: {', '.join(accepted)}"
            )


def _bound_executor(where: str, given: dict[str, Any]) -> str:
    executor = given.get("executor")
    if executor is None:
        return EVERY_CANDIDATE
    if not isinstance(executor, str) or not executor:
        raise UsageError(
            f"{where}: executor={executor!r} is a {type(executor).__name__}: expected the name of an arm such as 'threads', or 'best'"
        )
    return executor


def _flag(where: str, given: dict[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise UsageError(
            f"{where}: {name}={value!r} is a {type(value).__name__}: expected True or False"
        )
    return value


def _executors(mark: pytest.Mark, item: pytest.Item) -> tuple[Any, ...]:
    where = "@pytest.mark.executors"
    if mark.kwargs:
        raise UsageError(f"{where} takes names only, found {', '.join(mark.kwargs)}=")
    if not mark.args:
        raise UsageError(f'{where} names no executor; write {where}("threads", "processes")')
    for executor in mark.args:
        if isinstance(executor, str):
            try:
                check_executor_name(item.config, executor)
            except UsageError as problem:
                raise UsageError(f"{where}: {problem}") from None
        elif not callable(getattr(executor, "open", None)):
            raise UsageError(
                f"{where}: {executor!r} is a {type(executor).__name__}: expected names or configured executors"
            )
    return mark.args


def _measure(mark: pytest.Mark) -> dict[str, Any]:
    where, given = "@pytest.mark.measure", dict(mark.kwargs)
    if mark.args:
        raise UsageError(
            f"{where} takes keywords only, found {mark.args!r}; accepted: budget, max_rounds"
        )
    _refuse_unknown(where, given, ("budget", "max_rounds"))
    rounds = given.get("max_rounds")
    if rounds is not None and (
        isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1
    ):
        raise UsageError(f"{where}: max_rounds={rounds!r} must be a whole number of at least 1")
    budget_s = None
    if "budget" in given:
        try:
            budget_s = parse_seconds(given["budget"], what="budget")
        except UsageError as problem:
            raise UsageError(f"{where}: {problem}") from None
    return {"budget_s": budget_s, "max_rounds": rounds}
