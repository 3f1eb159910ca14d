"""What the lanes have seen in one execution, summed up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_pipeline.executors._device.observed import Use
from pytest_pipeline.model.device import HostMemory, Transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._device.lane import Lane


def use_of(makespan_s: float, lanes: Sequence[Lane], slots: int, names: Sequence[str]) -> Use:
    """Return how an execution used its devices; `names` are the stages' in its trace."""
    items, moved = Counter[str](), Counter[tuple[str, str]]()
    for lane in lanes:
        items.update(dict.fromkeys(lane.devices, lane.fed))
        moved.update(lane.stations.moved)
    is_pageable = any(lane.is_pageable for lane in lanes)
    return Use(
        makespan_s=makespan_s,
        slots=slots,
        items=items,
        source=HostMemory.PAGEABLE if is_pageable else HostMemory.PINNED,
        transfers=[
            Transfer(*pair, nbytes, is_peer_access=lanes[0].backend.has_peer_access(*pair))
            for pair, nbytes in moved.items()
        ],
        notes=_fallbacks(lanes, names),
    )


def _fallbacks(lanes: Sequence[Lane], names: Sequence[str]) -> list[str]:
    """Say which stages were not replayed although graphs were asked for, and why."""
    refused = dict[int, str]()
    for lane in lanes:
        refused |= {} if lane.stations.graphs is None else lane.stations.graphs.refused
    return [
        f"no graph of stage {names[stage]!r}: {why}; it was launched kernel by kernel"
        for stage, why in sorted(refused.items())
    ]
