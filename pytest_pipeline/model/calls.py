"""The call that makes an object, as a person would write it: `Processes(workers=2)`."""

from __future__ import annotations

import ast
import inspect
import json


def call_of(made: object) -> str:
    """Return the `repr` of `made` without the arguments that are the defaults of its class.

    Empty when the `repr` is no call of the class, or cannot be had.
    """
    kind = type(made)
    try:
        call, known = _parsed(repr(made)), inspect.signature(kind).parameters
    except Exception:  # whatever a class of the user's raises
        return ""
    if call is None or ast.unparse(call.func) != kind.__name__:
        return ""
    defaults = {name: repr(each.default) for name, each in known.items()}
    named = [
        (each.arg or "", _written(each.value))
        for each in call.keywords
        if ast.unparse(each.value) != defaults.get(each.arg or "")
    ]
    return _joined(kind.__name__, [_written(each) for each in call.args], named)


def changed(call: str, **values: object) -> str:
    """Return `call`, a text of `call_of`, with these arguments set: those that it has stay in their place."""
    found = _parsed(call)
    assert found is not None
    written = {each.arg or "": _written(each.value) for each in found.keywords}
    written |= {name: json.dumps(value) for name, value in values.items()}
    return _joined(
        ast.unparse(found.func), [_written(each) for each in found.args], list(written.items())
    )


def _parsed(text: str) -> ast.Call | None:
    try:
        found = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    return found if isinstance(found, ast.Call) else None


def _joined(name: str, plain: list[str], named: list[tuple[str, str]]) -> str:
    return f"{name}({', '.join([*plain, *(f'{what}={value}' for what, value in named)])})"


def _written(node: ast.expr) -> str:
    """Return the argument in the double quotes of all the other messages."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return json.dumps(node.value)
    return ast.unparse(node)
