"""Parallelism regression testing: make parallel speed a property that tests protect.

Names are resolved lazily, so that having the plugin installed costs a pytest start nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

_HOMES = {
    "Arm": "pytest_pipeline.model.comparison",
    "Arrivals": "pytest_pipeline.model.plan",
    "Close": "pytest_pipeline.model.plan",
    "Comparison": "pytest_pipeline.model.comparison",
    "Cuda": "pytest_pipeline.executors.cuda",
    "CudaSerial": "pytest_pipeline.executors.cuda",
    "Estimate": "pytest_pipeline.model.estimate",
    "Fan": "pytest_pipeline.model.fan",
    "Finding": "pytest_pipeline.model.finding",
    "PipelineFixture": "pytest_pipeline.plugin.measuring.fixtures",
    "PipelineRegression": "pytest_pipeline.errors",
    "Processes": "pytest_pipeline.executors.processes",
    "Reason": "pytest_pipeline.model.finding",
    "Requirement": "pytest_pipeline.model.requirement",
    "Quantity": "pytest_pipeline.model.requirement",
    "Serial": "pytest_pipeline.executors.serial",
    "Stage": "pytest_pipeline.model.plan",
    "Sweep": "pytest_pipeline.model.sweep",
    "Threads": "pytest_pipeline.executors.threads",
    "Trace": "pytest_pipeline.model.trace",
    "Verdict": "pytest_pipeline.model.finding",
    "Tuning": "pytest_pipeline.model.tuning",
    "compare": "pytest_pipeline.comparing",
    "sweep": "pytest_pipeline.sweeping",
    "tune": "pytest_pipeline.tuning",
}

if TYPE_CHECKING:
    from pytest_pipeline.comparing import compare as compare
    from pytest_pipeline.errors import PipelineRegression as PipelineRegression
    from pytest_pipeline.executors.cuda import Cuda as Cuda, CudaSerial as CudaSerial
    from pytest_pipeline.executors.processes import Processes as Processes
    from pytest_pipeline.executors.serial import Serial as Serial
    from pytest_pipeline.executors.threads import Threads as Threads
    from pytest_pipeline.model.comparison import Arm as Arm, Comparison as Comparison
    from pytest_pipeline.model.estimate import Estimate as Estimate
    from pytest_pipeline.model.fan import Fan as Fan
    from pytest_pipeline.model.finding import (
        Finding as Finding,
        Reason as Reason,
        Verdict as Verdict,
    )
    from pytest_pipeline.model.plan import Arrivals as Arrivals, Close as Close, Stage as Stage
    from pytest_pipeline.model.requirement import (
        Quantity as Quantity,
        Requirement as Requirement,
    )
    from pytest_pipeline.model.sweep import Sweep as Sweep
    from pytest_pipeline.model.trace import Trace as Trace
    from pytest_pipeline.model.tuning import Tuning as Tuning
    from pytest_pipeline.plugin.measuring.fixtures import PipelineFixture as PipelineFixture
    from pytest_pipeline.sweeping import sweep as sweep
    from pytest_pipeline.tuning import tune as tune


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pytest_pipeline' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
