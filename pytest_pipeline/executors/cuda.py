"""CUDA: in this release only the exact reason why it cannot run here."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, NoReturn

from pytest_pipeline.errors import UnavailableError
from pytest_pipeline.executors._poison import poisoned

if TYPE_CHECKING:
    from pytest_pipeline.model.plan import Plan


class Cuda:
    """Reserved for the executor that overlaps copies and kernels on a CUDA device."""

    def __init__(self, name: str = "cuda") -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"Cuda(name={self._name!r})"

    @property
    def name(self) -> str:
        """The arm's name."""
        return self._name

    def workers(self, plan: Plan) -> int:
        """Return the worker slots that the plan declares."""
        return plan.total_workers

    def unavailable(self) -> str:
        """Return the exact cause; never imports torch when it is not installed."""
        lost = poisoned()
        if lost is not None:
            return lost.text
        if importlib.util.find_spec("torch") is None:
            return "torch is not installed (pip install torch)"
        import torch

        if torch.version.cuda is None:
            return f"torch {torch.__version__} is built without CUDA: install a CUDA build of torch"
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None and visible.strip() in {"", "-1"}:
            return f"CUDA_VISIBLE_DEVICES={visible!r} hides every CUDA device"
        if not torch.cuda.is_available():
            return f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no CUDA driver or no device"
        return "the cuda executor is not in this release"

    def open(self, plan: Plan) -> NoReturn:  # noqa: ARG002 - the contract asks for it
        """Raise `UnavailableError` with the cause."""
        raise UnavailableError(f"executor {self._name!r}: {self.unavailable()}")
