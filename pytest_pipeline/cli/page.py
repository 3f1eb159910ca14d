"""A checkup as text and as JSON: the same facts, the same conclusions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pytest_pipeline.cli.checkup import Checkup, ControlFacts
from pytest_pipeline.cli.outlook import Outlook, outlooks
from pytest_pipeline.model.document import to_plain
from pytest_pipeline.model.units import show_seconds, show_share

HEADINGS = (
    "machine",
    "control kernel",
    "noise",
    "clock",
    "interpreter",
    "cuda",
    "instruments",
    "evidence",
    "what a test here would run into",
)
"""In the order in which they are printed."""


def as_text(checkup: Checkup) -> str:
    """Return the page that a terminal shows."""
    sections = (
        _machine(checkup),
        [_control(facts) for facts in checkup.controls],
        _noise(checkup),
        _clock(checkup),
        _interpreter(checkup),
        [checkup.cuda or "available"],
        _instruments(checkup),
        _evidence(checkup),
        [line for outlook in outlooks(checkup) for line in _outlook(outlook)],
    )
    lines = [f"pytest-pipeline doctor ({checkup.seconds:.1f} s)"]
    for heading, section in zip(HEADINGS, sections, strict=True):
        lines += [heading, *(f"  {line}" for line in section)]
    return "\n".join(lines)


def as_json(checkup: Checkup) -> str:
    """Return one JSON object: the fields of the checkup, and `outlooks`."""
    plain: dict[str, Any] = to_plain(checkup)
    for facts, each in zip(checkup.controls, plain["controls"], strict=True):
        if facts.reference is not None:
            each["reference"] |= {
                "speedup": facts.reference.speedup,
                "efficiency": facts.reference.efficiency,
                "is_valid": facts.reference.is_valid,
            }
    return json.dumps(plain | {"outlooks": to_plain(outlooks(checkup))}, indent=1)


def _machine(checkup: Checkup) -> list[str]:
    machine = checkup.environment
    quota = "none" if machine.cpu_quota is None else f"{machine.cpu_quota:g} cores"
    return [
        f"{machine.cpu}, {machine.system}",
        (
            f"{machine.cores_usable} usable cores ({machine.cores_logical} in the machine, {checkup.cores_allowed} "
            f"by affinity, CPU quota {quota})"
        ),
    ]


def _control(facts: ControlFacts) -> str:
    reference = facts.reference
    if reference is None:
        return f"{facts.executor}: cannot run: {facts.cause}"
    verdict = "a valid reference" if reference.is_valid else "not a valid reference"
    if reference.loaded_serial_s is not None:
        verdict += f" ({reference.loaded_serial_s / reference.parallel_s:.2f}x with the other cores held busy)"
    return (
        f"{facts.executor}: {reference.speedup:.2f}x on {reference.width} workers "
        f"(efficiency {reference.efficiency:.2f}), {verdict}"
    )


def _noise(checkup: Checkup) -> list[str]:
    noise = checkup.noise
    if noise is None:
        return ["not heard: threads could not run the control kernel"]
    return [
        (
            f"{show_share(noise.disturbed_share)} of {noise.windows} control runs disturbed in {noise.seconds:.1f} s, "
            f"middle half within {show_share(noise.spread)} of the median"
        )
    ]


def _clock(checkup: Checkup) -> list[str]:
    clock = checkup.clock
    shared = "shared by" if clock.is_shared else "not comparable between"
    return [
        (
            f"{clock.implementation}: step {_nanoseconds(clock.resolution_s)}, one reading "
            f"{_nanoseconds(clock.cost_s)}, {shared} the processes of this host"
        )
    ]


def _nanoseconds(seconds: float) -> str:
    return f"{seconds * 1e9:.0f} ns" if seconds < 1e-6 else show_seconds(seconds)


def _interpreter(checkup: Checkup) -> list[str]:
    gil = "on" if checkup.environment.gil else "off"
    build = "free-threaded build" if checkup.free_threaded else "build with the GIL"
    return [
        f"{checkup.environment.python}, {build}, GIL {gil}",
        f"processes start by {checkup.start_methods[0]} (also known: {_listed(checkup.start_methods[1:])})",
    ]


def _instruments(checkup: Checkup) -> list[str]:
    versions = (f"{name} {version}" for name, version in checkup.companions.items())
    return [
        f"installed: {_listed(versions)}",
        f"BLAS and OpenMP pools: {_listed(checkup.pools)}; capped at one thread while measuring",
        *checkup.instruments,
        *([f"{checkup.traced} is on and cannot be stopped"] if checkup.traced else []),
    ]


def _evidence(checkup: Checkup) -> list[str]:
    words = {True: "readable", False: "not readable"}
    return [f"{name}: {words[is_readable]}" for name, is_readable in checkup.readable.items()]


def _outlook(outlook: Outlook) -> list[str]:
    lines = [f"- {outlook.what}", f"  {outlook.why}"]
    if outlook.next_step:
        lines.append(f"  next: {outlook.next_step}")
    return lines


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
