"""Which modules must travel by value, because a worker process could not import them."""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import site
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle

_NAMELESS = frozenset({type(None), type(NotImplemented), type(...)})
"""Built-in types that pickle knows although no module names them."""


@contextlib.contextmanager
def shipped_by_value(modules: Iterable[types.ModuleType]) -> Iterator[None]:
    """Make cloudpickle ship these modules' functions and classes by value while inside.

    What the user registered stays registered afterwards.
    """
    before = set(cloudpickle.list_registry_pickle_by_value())
    loaded = [module for module in modules if sys.modules.get(module.__name__) is module]
    added = [module for module in loaded if module.__name__ not in before]
    for module in added:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in added:
            cloudpickle.unregister_pickle_by_value(module)


def by_value_modules() -> list[types.ModuleType]:
    """Return the loaded modules that a plain child process cannot import, or should not.

    Test modules and conftests belong here even where they could be imported: importing one again
    would run its top level a second time, outside pytest and without assertion rewriting.
    """
    installed = _installed_folders()
    return [module for module in list(sys.modules.values()) if _travels_by_value(module, installed)]


def is_installed(name: str) -> bool:
    """Return whether the module belongs to the standard library, an installed package, or this one."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return not isinstance(file, str) or file.startswith(_installed_folders())


def is_module_attribute(named: Any) -> bool:
    """Return whether pickling a class, or a cached function, by name would find it again."""
    home = getattr(named, "__module__", "")
    found: Any = sys.modules.get(home)
    if named in _NAMELESS:
        return True
    if found is None or home == "__main__":
        return False
    for part in getattr(named, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is named


def _travels_by_value(module: object, installed: tuple[str, ...]) -> bool:
    file = getattr(module, "__file__", None)
    if (
        not isinstance(module, types.ModuleType)
        or not isinstance(file, str)
        or module.__name__ == "__main__"
    ):
        return False
    if sys.modules.get(module.__name__) is not module or file.startswith(installed):
        return False
    return _belongs_to_pytest(module) or not _is_importable(module.__name__, file)


def _installed_folders() -> tuple[str, ...]:
    """Return the folders of the standard library, installed packages, and this package."""
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    folders.add(str(Path(__file__).resolve().parents[2]))
    return tuple(folder.rstrip(os.sep) + os.sep for folder in folders)


def _belongs_to_pytest(module: types.ModuleType) -> bool:
    loader: Any = getattr(getattr(module, "__spec__", None), "loader", None)
    is_rewritten = type(loader).__module__.startswith("_pytest.")
    return is_rewritten or Path(module.__file__ or "").name == "conftest.py"


def _is_importable(name: str, file: str) -> bool:
    """Return whether an import of `name` in a plain child would load `file`."""
    path: Any = None
    spec = None
    parts = name.split(".")
    for depth in range(len(parts)):
        spec = _find(".".join(parts[: depth + 1]), path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
        if path is None and depth + 1 < len(parts):
            return False
    return (
        spec is not None
        and spec.origin is not None
        and os.path.realpath(spec.origin) == os.path.realpath(file)
    )


def _find(name: str, path: Any) -> importlib.machinery.ModuleSpec | None:
    # `importlib.util.find_spec` would answer from sys.modules; the child has an empty one.
    for finder in sys.meta_path:
        if type(finder).__module__.startswith("_pytest."):
            continue
        find_spec = getattr(finder, "find_spec", None)
        try:
            spec = find_spec(name, path) if find_spec is not None else None
        except (ImportError, AttributeError, ValueError):
            continue
        if isinstance(spec, importlib.machinery.ModuleSpec):
            return spec
    return None
