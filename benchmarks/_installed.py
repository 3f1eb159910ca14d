"""Which peers are installed, and in which version: printed in the head of every table."""

from __future__ import annotations

import importlib.util
from importlib import metadata


def is_installed(module: str) -> bool:
    """Return whether the module, or module.submodule, can be imported."""
    parent, _, _ = module.partition(".")
    return (
        importlib.util.find_spec(parent) is not None
        and importlib.util.find_spec(module) is not None
    )


def with_versions(text: str, peers: dict[str, tuple[str, str]]) -> str:
    """Add to the head of a table which peers are there; `peers` maps a name to (module, distribution)."""
    here = sorted({dist for module, dist in peers.values() if is_installed(module)})
    missing = [name for name, (module, _) in peers.items() if not is_installed(module)]
    found = f" With {', '.join(f'{dist} {metadata.version(dist)}' for dist in here)}." * bool(here)
    return f"{text}{found}" + f" Not installed here: {', '.join(missing)}." * bool(missing)
