"""One gate marker: what its arguments may be, and the requirement that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    show_share,
)
from pytest_pipeline.plugin.names import near

Question = tuple[str, str, bool, float | None]
"""What one test has one limit for: marker, executor, whether start-up counts, and items per second that arrive."""


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


def requirement(mark: pytest.Mark, location: str) -> Requirement:
    """Return what `mark` at `location` (`file:line`) demands; raises `UsageError` for a bad argument."""
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
    made = Requirement(
        gate.quantity,
        limit,
        executor=_bound_executor(where, given),
        tolerance=tolerance,
        cold=_flag(where, given, "cold"),
        rate_per_s=rate_per_s,
        location=location,
    )
    if made.quantity is Quantity.OVERLAP and made.effective_limit <= 1:
        raise UsageError(
            f"{where}: min={limit:g} less its tolerance of {show_share(tolerance)} is {made.effective_limit:.4g}, and a "
            "serial loop has 1: ask for more, or write a smaller tolerance="
        )
    return made


def add_gate(here: dict[Question, Requirement], mark: pytest.Mark, made: Requirement) -> None:
    """Put `made` among the gates of one level; raises `UsageError` when another answers its question differently."""
    other = here.setdefault((mark.name, made.executor, made.cold, made.rate_per_s), made)
    if other != made:
        limit = _GATES[mark.name].limit
        whom = "" if made.executor == EVERY_CANDIDATE else f" for executor={made.executor!r}"
        rate = "" if made.rate_per_s is None else f" at rate={made.rate_per_s:g}"
        raise UsageError(
            f"@pytest.mark.{mark.name} contradicts itself{whom}{rate}: {limit}={other.limit:g} and {limit}={made.limit:g} on the same test; keep one"
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
    refuse_unknown(where, given, gate.accepted)
    if gate.limit not in given:
        raise UsageError(f"{where}: {gate.limit} is missing; write {where}({example})")
    return given


def refuse_unknown(where: str, given: dict[str, Any], accepted: tuple[str, ...]) -> None:
    """Raise `UsageError` for the first argument that marker `where` does not know."""
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
