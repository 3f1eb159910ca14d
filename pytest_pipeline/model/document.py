"""Comparison to plain JSON types: the only place that knows the layout of `pytest-pipeline/1`.

xdist carries these dictionaries on reports (one numpy scalar would kill the whole run), the JSON
file is made of them, and the HTML is rendered from nothing else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_pipeline.model.comparison import Arm, Comparison
    from pytest_pipeline.model.device import DeviceRun
    from pytest_pipeline.model.finding import Finding
    from pytest_pipeline.model.item_ledger import ItemLedger
    from pytest_pipeline.model.ledger import Ledger
    from pytest_pipeline.model.requirement import Requirement
    from pytest_pipeline.model.rounds import LatencyBlock, Round
    from pytest_pipeline.model.trace import Trace, Visits

SCHEMA = "pytest-pipeline/1"
MAX_TIMELINE_VISITS = 5000
MAX_LATENCIES = 2000


def to_plain(value: Any) -> Any:
    """Return `value` made of None, bool, int, float, str, list and dict only; NaN and infinity become None."""
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return _container_to_plain(value)


def _container_to_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(each) for each in value]
    if hasattr(value, "tolist"):
        return to_plain(value.tolist())
    return str(value)


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """Return the JSON object of one comparison."""
    plan = comparison.plan
    return {
        "stages": [
            {
                "name": name,
                "workers": stage.workers,
                "queue_size": stage.queue_size,
                "batch": stage.batch,
            }
            for name, stage in zip(plan.names, plan.stages, strict=True)
        ],
        "baseline": comparison.baseline,
        "num_items": comparison.num_items,
        "repeats": comparison.repeats,
        "check": comparison.check,
        "seconds": to_plain(comparison.seconds),
        "best": list(comparison.best),
        "arms": [_arm(arm) for arm in comparison.arms.values()],
        "findings": [_finding(finding) for finding in comparison.findings],
        "rounds": [_round(each) for each in comparison.rounds],
        "blocks": [_block(each) for each in comparison.blocks],
        "reference": _reference(comparison),
        "warnings": list(comparison.warnings),
        "notes": to_plain(comparison.notes),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return _requirement(finding.requirement) | {
        "executor": finding.executor,
        "verdict": str(finding.verdict.value),
        "reason": str(finding.reason.value),
        "headline": finding.headline,
        "cause": finding.cause,
        "next_step": finding.next_step,
        "evidence": list(finding.evidence),
        "estimate": to_plain(finding.estimate),
        "clean_rounds": finding.clean_rounds,
        "dirty_rounds": finding.dirty_rounds,
    }


def _requirement(requirement: Requirement | None) -> dict[str, Any]:
    if requirement is None:
        return {
            "quantity": "outputs",
            "label": "equal outputs",
            "unit": "",
            "is_minimum": False,
            "limit": None,
            "effective_limit": None,
            "tolerance": None,
            "cold": False,
            "rate_per_s": None,
            "location": "",
        }
    return {
        "quantity": str(requirement.quantity.value),
        "label": requirement.label,
        "unit": requirement.quantity.unit,
        "is_minimum": requirement.quantity.is_minimum,
        "limit": to_plain(requirement.limit),
        "effective_limit": to_plain(requirement.effective_limit),
        "tolerance": to_plain(requirement.tolerance),
        "cold": requirement.cold,
        "rate_per_s": to_plain(requirement.rate_per_s),
        "location": requirement.location,
    }


def _arm(arm: Arm) -> dict[str, Any]:
    plain = {
        field.name: to_plain(getattr(arm, field.name))
        for field in dataclasses.fields(arm)
        if field.name not in {"ledger", "item_ledger", "trace", "devices"}
    }
    plain["ledger"] = None if arm.ledger is None else _ledger(arm.ledger)
    plain["item_ledger"] = None if arm.item_ledger is None else _item_ledger(arm.item_ledger)
    plain["timeline"] = None if arm.trace is None else _timeline(arm.trace)
    plain["devices"] = [_device(each) for each in arm.devices]
    return plain


def _device(run: DeviceRun) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(run)
    return plain | {"efficiency": to_plain(run.efficiency)}


def _ledger(ledger: Ledger) -> dict[str, Any]:
    return {
        "makespan_s": to_plain(ledger.makespan_s),
        "workers": ledger.workers,
        "rows": to_plain(ledger.rows),
    }


def _item_ledger(ledger: ItemLedger) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(ledger)
    return plain | {"little_gap": to_plain(ledger.little_gap)}


def _timeline(trace: Trace) -> dict[str, Any]:
    visits = trace.visits
    kept = _kept_visits(visits)
    return {
        "stage_names": list(trace.stage_names),
        "makespan_s": to_plain(trace.makespan_s),
        "num_visits": trace.num_visits,
        "num_kept": len(visits.item[kept]),
        "item": visits.item[kept].tolist(),
        "stage": visits.stage[kept].tolist(),
        "worker": visits.worker[kept].tolist(),
        "enqueued_us": ((visits.enqueued_ns[kept] - trace.began_ns) // 1000).tolist(),
        "started_us": ((visits.started_ns[kept] - trace.began_ns) // 1000).tolist(),
        "finished_us": ((visits.finished_ns[kept] - trace.began_ns) // 1000).tolist(),
    }


def _kept_visits(visits: Visits) -> Any:
    """Return the positions of at most MAX_TIMELINE_VISITS visits: every n-th of each worker.

    Every n-th of all would be the same stage again and again where one worker runs all stages in turn.
    """
    import numpy as np

    step = max(1, -(-len(visits) // MAX_TIMELINE_VISITS))
    by_worker = np.lexsort((visits.started_ns, visits.worker, visits.stage))
    return np.sort(by_worker[::step])


def _round(each: Round) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(each)
    return plain


def _block(block: LatencyBlock) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(block)
    plain["num_latencies"] = len(block.latencies_s)
    plain["latencies_s"] = to_plain(_kept_latencies(block.latencies_s))
    return plain


def _kept_latencies(latencies_s: Sequence[float]) -> Sequence[float]:
    """Return at most MAX_LATENCIES of them, evenly from the smallest to the largest: the first ones may be the quick ones."""
    count = len(latencies_s)
    if count <= MAX_LATENCIES:
        return latencies_s
    ordered = sorted(latencies_s)
    return [ordered[-(-(k + 1) * count // MAX_LATENCIES) - 1] for k in range(MAX_LATENCIES)]


def _reference(comparison: Comparison) -> dict[str, Any] | None:
    reference = comparison.reference
    if reference is None:
        return None
    plain: dict[str, Any] = to_plain(reference)
    return plain | {
        "speedup": to_plain(reference.speedup),
        "efficiency": to_plain(reference.efficiency),
    }


def make_document(
    tests: list[dict[str, Any]],
    *,
    environment: Mapping[str, Any],
    created: str,
    context: Mapping[str, Any],
) -> dict[str, Any]:
    """Assemble the whole JSON document of a session.

    `tests` are objects with `nodeid`, `location`, `outcome`, `attempt`, `worker`, `seconds` and `runs`;
    `context` holds project, commit, branch and the command.
    """
    from pytest_pipeline import __version__

    return {
        "schema": SCHEMA,
        "version": __version__,
        "created": created,
        "context": to_plain(context),
        "environment": to_plain(environment),
        "tests": tests,
    }
