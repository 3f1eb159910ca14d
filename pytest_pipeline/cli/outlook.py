"""What would be inconclusive on this machine, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_pipeline.cli.checkup import Checkup, ControlFacts, Noise
from pytest_pipeline.judge.capacity import WAITING_FACTOR, Capacity, largest_effective_limit
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.units import show_share

QUIET_SHARE = 0.1
"""Share of disturbed control windows that is not worth a line."""

_WAITING = "; plans that mostly wait are measured all the same, but for their p99"

HOPELESS_SHARE = 0.75
"""Share from which extending the budget ends: gates near their limit stay open."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """One thing that a test here would run into."""

    what: str
    """What would happen to which test."""
    why: str
    """What was seen."""
    next_step: str = ""
    """What to do about it; empty when nothing can be done."""


def outlooks(checkup: Checkup) -> list[Outlook]:
    """Return everything that a test on this machine would run into, the gravest first."""
    return [
        *_rival(checkup),
        *_traced(checkup),
        *(
            each
            for facts in checkup.controls
            for each in _control(facts, checkup.environment.cores_usable)
        ),
        *_noise(checkup.noise),
        *_quota(checkup),
        *_gil(checkup),
        *_cuda(checkup),
        *_evidence(checkup),
    ]


def _rival(checkup: Checkup) -> Iterator[Outlook]:
    if checkup.rival:
        yield Outlook(
            "every pytest run stops at start",
            f"pytest-pipeline {checkup.rival} (2017) is installed beside us and overwrites our import package",
            "uninstall both, then install pytest-pipeline-speedup again",
        )


def _traced(checkup: Checkup) -> Iterator[Outlook]:
    if checkup.traced:
        yield Outlook(
            "every gate that reads a clock: inconclusive(traced)",
            f"{checkup.traced} is on and cannot be stopped while measuring",
            "run the gated tests without it",
        )


def _control(facts: ControlFacts, cores: int) -> Iterator[Outlook]:
    reference = facts.reference
    if reference is None:
        yield Outlook(f"{facts.executor}: nothing can be measured", facts.cause)
        return
    computing = Capacity(reference, cpu_share=1.0, limit=1.0)
    if not reference.is_valid:
        yield Outlook(
            f"a plan that computes, on {facts.executor}: inconclusive(capacity)",
            computing.shortfall,
            f"stop what else runs here and ask again{_WAITING if reference.slowdown <= WAITING_FACTOR else ''}",
        )
        return
    limit = largest_effective_limit(reference, cpu_share=1.0)
    largest = limit / Requirement(Quantity.SPEEDUP, 1.0).effective_limit
    if reference.width < cores:
        yield Outlook(
            f"a plan that computes all the time and asks for more than {largest:.2f}x on {facts.executor}: not examined",
            f"the control kernel ran on {reference.width} of {cores} usable cores, to be quick",
        )
        return
    yield Outlook(
        f"a plan that computes all the time and asks for more than {largest:.2f}x on {facts.executor}: inconclusive(capacity)",
        f"the control kernel reaches {reference.speedup:.2f}x on {reference.width} workers",
        "ask for less, or measure on a machine with more cores",
    )


def _noise(noise: Noise | None) -> Iterator[Outlook]:
    if noise is None or noise.disturbed_share <= QUIET_SHARE:
        return
    share = noise.disturbed_share
    why = f"{show_share(share)} of {noise.windows} control runs were disturbed"
    if share >= HOPELESS_SHARE:
        yield Outlook(
            "plans that compute: mostly inconclusive(busy)",
            why,
            "measure when less runs beside, or on a machine of your own",
        )
        return
    yield Outlook(
        f"expect about {1 / (1 - share):.1f}x the rounds",
        why,
        'give gates near their limit a larger budget: @pytest.mark.measure(budget="60s")',
    )


def _quota(checkup: Checkup) -> Iterator[Outlook]:
    quota = checkup.environment.cpu_quota
    if quota is None:
        return
    yield Outlook(
        "a round during which the CPU quota stops us places no bet: inconclusive(quota) when most do",
        f"a quota of {quota:g} cores; {checkup.environment.cores_usable} of them are used",
        "" if quota == int(quota) else "a quota of whole cores wastes none",
    )


def _gil(checkup: Checkup) -> Iterator[Outlook]:
    if checkup.environment.gil:
        yield Outlook(
            "stages that compute in pure Python gain nothing on threads: missed, not inconclusive",
            "the GIL is on",
            "use processes, or code that releases the GIL (numpy, zlib, I/O)",
        )


def _cuda(checkup: Checkup) -> Iterator[Outlook]:
    if checkup.cuda:
        yield Outlook("a gate on cuda: unavailable (skipped)", checkup.cuda)


def _evidence(checkup: Checkup) -> Iterator[Outlook]:
    missing = [name for name, is_readable in checkup.readable.items() if not is_readable]
    if missing:
        yield Outlook(
            "a busy finding says less about its cause", f"not readable here: {', '.join(missing)}"
        )
    if not checkup.clock.is_shared:
        yield Outlook(
            "p99 gates excuse no item for a machine without a free core",
            "processes share no clock that may be compared: there is no heartbeat",
        )
