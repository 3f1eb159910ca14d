"""What a stage finds around it in a worker process: the caller's own, as it is when a run begins."""

from __future__ import annotations

import contextvars
import gc
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_pipeline.errors import LeftBehindWarning
from pytest_pipeline.executors._context import blas_cap, capture_modes
from pytest_pipeline.executors._processes.byvalue import is_installed
from pytest_pipeline.executors._processes.records import Surroundings
from pytest_pipeline.executors._processes.tracers import is_traced
from pytest_pipeline.executors._processes.variables import capture_variables
from pytest_pipeline.executors._torch_state import capture_torch_settings

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
            directory=str(Path.cwd()),
            environ=dict(os.environ),
            modes=capture_modes(),
            blas_cap=blas_cap(),
            variables=pairs,
            decimal=_decimal_context(),
            torch=capture_torch_settings(),
            collects_garbage=gc.isenabled(),
            collections=gc.get_stats()[-1]["collections"],
            is_traced=is_traced(),
            drops_prints=getattr(sys.stdout, "name", None) == os.devnull,
            collects_errors=collects_errors,
            items_each=items_each,
            most_visits=most_visits,
        )

    def _warn_of(self, left_out: Sequence[str]) -> None:
        warnings.warn(
            f"executor {self._name!r}: stages do not see these context variables of the test, "
            f"which do not pickle: {', '.join(left_out)}; next: keep plain data in them, or create the value in a stage",
            LeftBehindWarning,
            stacklevel=2,
        )


def _decimal_context() -> Any:
    """Return the caller's context of decimal arithmetic; None where nobody has loaded that."""
    getcontext = getattr(sys.modules.get("decimal"), "getcontext", None)
    # In a copy: asking makes a context where there is none, which all the worker threads would share.
    return None if getcontext is None else contextvars.copy_context().run(getcontext)
