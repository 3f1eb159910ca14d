"""From the markers that a user wrote on a test to validated demands, nearest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.units import parse_seconds
from pytest_pipeline.plugin.declaring.gate_markers import (
    Question,
    add_gate,
    refuse_unknown,
    requirement,
)
from pytest_pipeline.plugin.declaring.marker_levels import levels
from pytest_pipeline.plugin.declaring.ownership import uses_our_fixtures
from pytest_pipeline.plugin.names import GATES, MARKERS, PROVISIONAL_GATES, check_executor_name


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


def declared_by(item: pytest.Item, *, is_ours: bool = False) -> Declared:
    """Return what the markers of `item` demand; raises `UsageError` with `file:line` for a bad one.

    `is_ours` for a test that has got our fixture by a way that its arguments do not show (`getfixturevalue`).
    """
    if not any(mark.name in MARKERS for mark in item.iter_markers()):
        return _NOTHING
    try:
        return _read(item, is_ours=is_ours or uses_our_fixtures(item))
    except UsageError as problem:
        raise UsageError(f"{location(item)}: {item.name}: {problem}") from None


def location(item: pytest.Item) -> str:
    """Return `file:line` of the test: its first decorator or its `def`."""
    path, line, _ = item.location
    return path if line is None else f"{path}:{line + 1}"


def _read(item: pytest.Item, *, is_ours: bool) -> Declared:
    gates: dict[Question, Requirement] = {}
    helpers: dict[str, pytest.Mark] = {}
    labels: list[str] = []
    for level in levels(item):
        here: dict[Question, Requirement] = {}
        helpers_here: dict[str, pytest.Mark] = {}
        for mark in level:
            if not is_ours and _is_bare(mark):
                labels.append(mark.name)
            elif mark.name in PROVISIONAL_GATES:
                raise UsageError(f"@pytest.mark.{mark.name} is not in this release (provisional)")
            elif mark.name in GATES:
                add_gate(here, mark, requirement(mark, location(item)))
            else:
                _add_helper(helpers_here, mark)
        gates, helpers = {**_not_nearer(here, gates), **gates}, {**helpers_here, **helpers}
    executors = _executors(helpers["executors"], item) if "executors" in helpers else None
    measure = _measure(helpers["measure"]) if "measure" in helpers else {}
    in_source_order = tuple(reversed(gates.values()))  # pytest keeps decorators bottom-up
    return Declared(in_source_order, executors, **measure, labels=tuple(dict.fromkeys(labels)))


def _not_nearer(
    here: dict[Question, Requirement], nearer: dict[Question, Requirement]
) -> dict[Question, Requirement]:
    """Return the gates of one level that no nearer level has, whatever the rate there."""
    taken = {question[:3] for question in nearer}
    return {question: made for question, made in here.items() if question[:3] not in taken}


def _is_bare(mark: pytest.Mark) -> bool:
    return mark.name in MARKERS and not mark.args and not mark.kwargs


def _add_helper(here: dict[str, pytest.Mark], mark: pytest.Mark) -> None:
    if here.setdefault(mark.name, mark) != mark:
        raise UsageError(
            f"@pytest.mark.{mark.name} stands twice on the same test with different arguments; keep one"
        )


def _executors(mark: pytest.Mark, item: pytest.Item) -> tuple[Any, ...]:
    where = "@pytest.mark.executors"
    if mark.kwargs:
        raise UsageError(f"{where} takes names only, found {', '.join(mark.kwargs)}=")
    if not mark.args:
        raise UsageError(f'{where} names no executor; write {where}("threads", "processes")')
    for executor in mark.args:
        if isinstance(executor, str):
            try:
                check_executor_name(item.config, executor, item.ihook)
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
    refuse_unknown(where, given, ("budget", "max_rounds"))
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
