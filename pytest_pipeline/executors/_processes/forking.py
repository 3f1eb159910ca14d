"""When `fork` would give worker processes that hang or crash."""

from __future__ import annotations

import sys
import threading

from pytest_pipeline.errors import UsageError

_OWN_PREFIX = "pipeline-"
"""Our own threads hold no lock while they wait for work."""


def refuse_unsafe_fork() -> None:
    """Raise `UsageError` when this process has what a forked child cannot use.

    A lock that another thread holds at that moment stays locked in the child for ever, and CUDA
    cannot be used in a child once the parent has initialised it.
    """
    step = "next: leave start_method out, then workers start by forkserver"
    here = threading.current_thread()
    others = [
        thread.name
        for thread in threading.enumerate()
        if thread is not here and not thread.name.startswith(_OWN_PREFIX)
    ]
    if others:
        raise UsageError(
            f'Processes(start_method="fork"): this process has other threads ({", ".join(others)}), '
            f"and a lock that one of them holds would stay locked in the workers; {step}"
        )
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():
        raise UsageError(
            f'Processes(start_method="fork"): CUDA is initialised in this process, and a forked worker could not use it; {step}'
        )
