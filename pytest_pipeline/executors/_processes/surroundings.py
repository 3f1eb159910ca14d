"""What a stage finds around it in a worker process: the caller's own, as it is when a run begins."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_pipeline.errors import LeftBehindWarning
from pytest_pipeline.executors._context import blas_cap, capture_modes
from pytest_pipeline.executors._processes.byvalue import is_installed
from pytest_pipeline.executors._processes.records import Surroundings
from pytest_pipeline.executors._processes.variables import capture_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._processes.shipping import Codec


class Around:
    """Captures the surroundings for one open executor, and says once what cannot travel."""

    def __init__(self, name: str, codec: Codec) -> None:
        self._name = name
        self._codec = codec
        self._has_named_variables = False

    def now(self, *, collects_errors: bool, items_each: int, most_visits: int) -> Surroundings:
        """Return what the caller's process looks like."""
        pairs, left_out = capture_variables(
            lambda pair: self._codec.dumps(pair, out_of_band=False)[0], is_installed
        )
        if left_out and not self._has_named_variables:
            self._has_named_variables = True
            self._warn_of(left_out)
        return Surroundings(
            str(Path.cwd()),
            dict(os.environ),
            capture_modes(),
            blas_cap(),
            pairs,
            collects_errors,
            items_each,
            most_visits,
        )

    def _warn_of(self, left_out: Sequence[str]) -> None:
        warnings.warn(
            f"executor {self._name!r}: stages do not see these context variables of the test, "
            f"which do not pickle: {', '.join(left_out)}; next: keep plain data in them, or create the value in a stage",
            LeftBehindWarning,
            stacklevel=2,
        )
