"""In which order the arms of a sub-pair run."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pytest_pipeline.measure.lane import Lane


class ArmOrder:
    """Draws orders in blocks of two, an order and its mirror image, so that no arm is first more often.

    A free draw for each sub-pair would leave one arm in front eight times of nine once in fifty
    tests. With more than two arms the baseline, the first of `lanes`, stands at both ends (A9.8).
    """

    def __init__(self, lanes: Sequence[Lane], seed: int) -> None:
        self._has_ends = len(lanes) > 2
        self._baseline = lanes[0]
        self._drawn = list(lanes[1:] if self._has_ends else lanes)
        self._random = random.Random(seed)  # noqa: S311 - an order, not a secret
        self._mirrored: list[Lane] = []

    def draw(self) -> list[Lane]:
        """Return the order of the next sub-pair."""
        if self._mirrored:
            order, self._mirrored = self._mirrored, []
        else:
            order = self._random.sample(self._drawn, len(self._drawn))
            self._mirrored = order[::-1]
        return [self._baseline, *order, self._baseline] if self._has_ends else order
