"""The verdict on one requirement for one arm, with its reason and evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.requirement import Requirement


class Verdict(StrEnum):
    """How a gate ended."""

    MET = "met"
    MISSED = "missed"
    INCONCLUSIVE = "inconclusive"
    UNAVAILABLE = "unavailable"
    INVALID = "invalid"
    NOT_RUN = "not-run"

    @property
    def fails(self) -> bool:
        """True for the verdicts that fail a test whatever the policy."""
        return self in {Verdict.MISSED, Verdict.INVALID}

    @property
    def is_decided(self) -> bool:
        """True when the gate was answered."""
        return self in {Verdict.MET, Verdict.MISSED, Verdict.INVALID}


class Reason(StrEnum):
    """Why a verdict is what it is; machine-readable."""

    NONE = ""
    # inconclusive
    BUSY = "busy"
    CAPACITY = "capacity"
    QUOTA = "quota"
    NOT_EXCLUSIVE = "not-exclusive"
    TRACED = "traced"
    NEAR_LIMIT = "near-limit"
    CONFIRM_DISAGREED = "confirm-disagreed"
    UNSTEADY = "unsteady"
    NO_BASELINE = "no-baseline"
    # missed
    SELF_DISTURBED = "self-disturbed"
    # invalid
    OUTPUTS_DIFFER = "outputs-differ"
    ITEMS_MODIFIED = "items-modified"
    STAGE_RAISED = "stage-raised"
    WORKER_DIED = "worker-died"
    TIMEOUT = "timeout"
    BUDGET = "budget"
    SAMPLES = "samples"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"
    # unavailable, not run
    CANNOT_RUN_HERE = "cannot-run-here"
    SWITCHED_OFF = "off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One decided (or undecidable) gate. The texts are complete sentences, ready to print."""

    requirement: Requirement | None
    """What was demanded; None for the demand every run makes: equal outputs, unmodified items, no error."""
    executor: str
    """The arm it was demanded of."""
    verdict: Verdict
    """The answer."""
    reason: Reason
    """Why, machine-readable."""
    headline: str
    """Observed against required in one line that stands alone."""
    estimate: Estimate | None = None
    """What was observed; None when nothing could be measured."""
    clean_rounds: int = 0
    """Clean rounds, clean latency blocks or executions that placed bets."""
    dirty_rounds: int = 0
    """Rounds (or latency blocks) disturbed from outside."""
    cause: str = ""
    """Likely cause: bottleneck, ceiling, disturbance."""
    next_step: str = ""
    """One concrete action, or empty when no rule fires."""
    evidence: tuple[str, ...] = ()
    """Further sentences: disturbance readings, samples, warnings."""

    @property
    def text(self) -> str:
        """The failure text: headline, cause, evidence, next step, each on a line of its own."""
        lines = [self.headline]
        if self.cause:
            lines.append(f"  {self.cause}")
        lines += [f"  {line}" for line in self.evidence]
        if self.next_step:
            lines.append(f"  next: {self.next_step}")
        return "\n".join(lines)
