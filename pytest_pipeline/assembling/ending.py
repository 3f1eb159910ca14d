"""The finding of a measurement that an exception ended: what was raised, where, and what to try."""

from __future__ import annotations

import re
from dataclasses import replace

from pytest_pipeline.errors import (
    PipelineError,
    StageTimeoutError,
    WorkerDiedError,
    add_note,
    notes_of,
)
from pytest_pipeline.explain.advice import Advice
from pytest_pipeline.explain.failures import raised_advice
from pytest_pipeline.judge.conclude import without_rounds
from pytest_pipeline.model.finding import Finding, Reason, Verdict

_REASONS: tuple[tuple[type[BaseException], Reason], ...] = (
    (KeyboardInterrupt, Reason.INTERRUPTED),
    (StageTimeoutError, Reason.TIMEOUT),
    (WorkerDiedError, Reason.WORKER_DIED),
)
_STAGE_NOTE = re.compile(r"stage '(.+)', items? \d")
"""What every executor notes on the exception of a stage."""
_NEXT_STEP = re.compile(r"(?:^|; )next: (.+)$", re.MULTILINE)
"""How our own messages, and what we note on the exceptions of others, end."""


def finding_of(error: BaseException, baseline: str, *, has_run: bool) -> Finding:
    """Return the finding of `error`; `has_run` when the baseline had gone through all the items before."""
    reason = next((each for kind, each in _REASONS if isinstance(error, kind)), Reason.STAGE_RAISED)
    where = "; ".join(notes_of(error))
    text = f"{type(error).__name__}: {_seen(str(error))}" + (f" ({_seen(where)})" if where else "")
    advice = _advice_on(error, baseline, has_run=has_run)
    finding = without_rounds(None, "", Verdict.INVALID, reason, text)
    return replace(finding, cause=advice.cause, next_step=advice.next_step)


def note_advice(error: BaseException, finding: Finding) -> None:
    """Write cause and next step on the exception, where the user looks: it is raised, the finding is not.

    A next step without a cause was read from the exception itself.
    """
    if finding.cause:
        add_note(error, f"likely cause: {finding.cause}\nnext: {finding.next_step}")


def _seen(text: str) -> str:
    """Return the first line of `text` without its next step, which a report shows by itself."""
    return _NEXT_STEP.sub("", (text.splitlines() or [""])[0])


def _advice_on(error: BaseException, baseline: str, *, has_run: bool) -> Advice:
    """Return what to try: our own errors and what we note of a device say it, of a stage it is worked out."""
    notes = notes_of(error)
    own = [str(error)] if isinstance(error, PipelineError) else []
    said = _NEXT_STEP.search("\n".join([*own, *notes]))
    if said:
        return Advice("", said[1])
    stage = _STAGE_NOTE.match(notes[0]) if len(notes) == 1 else None
    if stage is None or isinstance(error, PipelineError) or not isinstance(error, Exception):
        return Advice("", "")
    text = f"{type(error).__name__}: {error}"
    return raised_advice(stage[1], text, baseline, has_run=has_run)
