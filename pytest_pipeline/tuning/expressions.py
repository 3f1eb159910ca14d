"""What to write for an executor: the name that stands for it, or the call that makes it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.registry import resolve
from pytest_pipeline.model.calls import call_of


def expression(executor: Executor, extra: Mapping[str, Executor] | None = None) -> str:
    """Return what to write for `executor` in `executors=[...]`, e.g. `Threads(layout="shared", workers=4)`.

    Its name where that resolves to the same executor (`extra` holds those that hooks have added), else its `repr`
    without the arguments that are the defaults. Whose `repr` is no call of its class can only be named.
    """
    named = json.dumps(executor.name)
    return named if _is_known(executor, extra) else call_of(executor) or named


def _is_known(executor: Executor, extra: Mapping[str, Executor] | None) -> bool:
    try:
        known = resolve(executor.name, extra)
    except UsageError:
        return False
    return known is executor or (type(known) is type(executor) and repr(known) == repr(executor))
