"""What one attempt of one test has measured so far."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.plugin.declaring.markers import Declared, declared_by
from pytest_pipeline.plugin.names import STATE

if TYPE_CHECKING:
    from pytest_pipeline.model.comparison import Comparison
    from pytest_pipeline.model.finding import Finding
    from pytest_pipeline.model.requirement import Requirement
    from pytest_pipeline.model.sweep import Sweep
    from pytest_pipeline.model.tuning import Tuning


@dataclass(slots=True)
class Run:
    """One `pipeline.run`."""

    comparison: Comparison
    """What it returned, or what it had when it was interrupted."""
    is_gated: bool = True
    """False for `gates=False`."""
    is_raised: bool = False
    """True once the failure was raised inside the body, by `assert_met()` or by `run` itself: uncaught it
    fails the test there, caught it was expected; either way not a second time after the body."""
    has_read_nothing: bool = False
    """True once the body has read a value of it that was not measured."""
    has_asserted_open: bool = False
    """True once `assert_met()` has let a gate pass that was not decided: who expected a failure there cannot get one."""
    demanded: tuple[Requirement, ...] = ()
    """What the markers demanded when it was made."""


@dataclass(slots=True)
class ItemState:
    """One attempt."""

    declared: Declared
    """What the markers demand."""
    attempt: int = 1
    """Counts reruns, from 1."""
    began_s: float = field(default_factory=time.monotonic)
    """When the first attempt began: a timer of the test runs through all of them."""
    runs: list[Run] = field(default_factory=list)
    """In order of execution."""
    sweeps: list[Sweep] = field(default_factory=list)
    """Ungated studies, in order of execution."""
    tunings: list[Tuning] = field(default_factory=list)
    """Searches for a setting, in order of execution."""
    properties: list[tuple[str, object]] = field(default_factory=list)
    """What was added to the test's `user_properties`: the next attempt takes exactly that back."""
    uses_fixture: bool = False
    """True once it has called our fixture: markers of our names are ours then, whatever fixtures it names."""
    has_ended: bool = False
    """True once the body is over: a report of the call that is made before is one of a subtest."""
    error: str = ""
    """Why the test failed when it was not a finding."""

    @property
    def findings(self) -> list[Finding]:
        """All findings of all runs."""
        return [finding for run in self.runs for finding in run.comparison.findings]

    @property
    def gated_runs(self) -> int:
        """How many runs of this attempt could fail the test."""
        return sum(run.is_gated for run in self.runs)

    @property
    def late_requirements(self) -> list[Requirement]:
        """What the markers demand now and demanded when none of the gated runs was made."""
        gated = [run for run in self.runs if run.is_gated]
        held_to = {each for run in gated for each in run.demanded}
        return [each for each in self.declared.requirements if gated and each not in held_to]

    @property
    def is_relevant(self) -> bool:
        """True when the session's report has something to say about this test."""
        return bool(self.runs or self.sweeps or self.tunings or self.error)

    def forget(self) -> None:
        """Let go of what was measured, once the report has it: stages and outputs hold what the test made."""
        self.runs.clear()
        self.sweeps.clear()
        self.tunings.clear()


_ATTEMPTS = pytest.StashKey[int]()


def begin_attempt(item: pytest.Item) -> None:
    """Start clean, so that a rerun does not see what the attempt before it measured.

    Raises `UsageError` for a bad marker that was added after collection.
    """
    attempt = item.stash.get(_ATTEMPTS, 0) + 1
    item.stash[_ATTEMPTS] = attempt
    item.stash[STATE] = _next_state(item, item.stash.get(STATE, None), attempt)
    item.stash[STATE].declared = declared_by(item)


def _next_state(item: pytest.Item, before: ItemState | None, attempt: int) -> ItemState:
    if before is None:
        return ItemState(Declared(), attempt)
    ours = {id(each) for each in before.properties}
    # By identity: a project may have properties of the same names and values.
    item.user_properties[:] = [each for each in item.user_properties if id(each) not in ours]
    return ItemState(Declared(), attempt, before.began_s)


def declared_now(item: pytest.Item) -> Declared:
    """Return what the markers demand at this moment: set-up, fixtures and the body of a test may add some.

    Raises `UsageError` for a bad one.
    """
    state = state_of(item)
    state.declared = declared_by(item, is_ours=state.uses_fixture)
    return state.declared


@contextlib.contextmanager
def bad_markers_fail() -> Iterator[None]:
    """Fail the test, without a traceback through our own code, for a bad marker that is read inside."""
    try:
        yield
    except UsageError as problem:
        pytest.fail(str(problem), pytrace=False)


def state_of(item: pytest.Item) -> ItemState:
    """Return the state of the present attempt."""
    if STATE not in item.stash:
        begin_attempt(item)
    return item.stash[STATE]
