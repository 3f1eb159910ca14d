"""What to write for an executor: the name that stands for it, or the call that makes it."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Mapping

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.registry import resolve


def expression(executor: Executor, extra: Mapping[str, Executor] | None = None) -> str:
    """Return what to write for `executor` in `executors=[...]`, e.g. `Threads(layout="shared", workers=4)`.

    Its name where that resolves to the same executor (`extra` holds those that hooks have added), else its `repr`
    without the arguments that are the defaults. Whose `repr` is no call of its class can only be named.
    """
    named = json.dumps(executor.name)
    return named if _is_known(executor, extra) else _call(executor) or named


def _is_known(executor: Executor, extra: Mapping[str, Executor] | None) -> bool:
    try:
        known = resolve(executor.name, extra)
    except UsageError:
        return False
    return known is executor or (type(known) is type(executor) and repr(known) == repr(executor))


def _call(executor: Executor) -> str:
    """Return the `repr` without defaults; empty when it is no call of the executor's class."""
    kind = type(executor)
    try:
        made = ast.parse(repr(executor), mode="eval").body
    except SyntaxError:
        return ""
    if not isinstance(made, ast.Call) or ast.unparse(made.func) != kind.__name__:
        return ""
    known = inspect.signature(kind).parameters
    defaults = {name: repr(each.default) for name, each in known.items()}
    named = [
        f"{each.arg}={_value(each.value)}"
        for each in made.keywords
        if ast.unparse(each.value) != defaults.get(each.arg or "")
    ]
    return f"{kind.__name__}({', '.join([*map(_value, made.args), *named])})"


def _value(node: ast.expr) -> str:
    """Return the argument in the double quotes of all the other messages."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return json.dumps(node.value)
    return ast.unparse(node)
