"""What an open plan is known by: the devices that it may touch, and its threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_pipeline.executors._device.steps import devices_of, make_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._device.floor import Section
    from pytest_pipeline.model.plan import Plan


def all_devices(plan: Plan, sections: Sequence[Section], devices: Sequence[str]) -> tuple[str, ...]:
    """Return every device that the plan may touch: none when all its stages stay on the host."""
    found = list(devices) if any(section.is_on_device for section in sections) else []
    for section in sections:
        if section.is_on_device:
            stages = [(k, plan.stages[k]) for k in section.stages]
            found += devices_of(make_steps(stages, devices[0]))
    return tuple(dict.fromkeys(found))


def thread_names(
    name: str,
    plan: Plan,
    sections: Sequence[Section],
    devices: Sequence[str],
    *,
    is_ahead: bool,
) -> list[str]:
    """Return the names of the host threads, in the order of the jobs."""
    found, roles = [], ("feeder", "drainer") if is_ahead else ("feeder",)
    for section in sections:
        label, stage = plan.names[section.stages[0]], plan.stages[section.stages[0]]
        if section.is_on_device:
            found += [
                f"pipeline-{name}-{label}-{device}-{what}" for device in devices for what in roles
            ]
        else:
            found += [f"pipeline-{name}-{label}-{k}" for k in range(stage.workers)]
    return [*found, f"pipeline-{name}-source"]
