"""The import graph of the package: arrows point downwards only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_pipeline

ROOT = Path(pytest_pipeline.__file__).parent

MAY_IMPORT = {
    "errors": set(),
    "clock": set(),
    "cores": set(),
    "stats": {"stats"},
    "model": {"model", "errors", ""},
    "executors": {"executors", "errors", "clock", "cores", "stats", "model"},
    "explain": {"explain", "errors", "clock", "stats", "model"},
    "history": {"history", "errors", "clock", "stats", "model"},
    "judge": {"judge", "stats", "model"},
    "measure": {
        "executors.batches",
        "measure",
        "errors",
        "clock",
        "cores",
        "stats",
        "model",
        "judge",
        "executors.protocol",
    },
    "assembling": {
        "assembling",
        "errors",
        "model",
        "judge",
        "measure",
        "explain",
        "executors.protocol",
    },
    "comparing": {"assembling", "errors", "model", "judge", "measure", "executors"},
    "setting": {"errors", "model", "executors.protocol", "executors.batches"},
    "sweeping": {"comparing", "setting", "errors", "stats", "model", "executors"},
    "tuning": {
        "tuning",
        "comparing",
        "setting",
        "sweeping",
        "errors",
        "explain",
        "model",
        "executors",
    },
    "report": {"report", "errors", "model"},
    "testing": {"testing", "errors", "clock", "model", "measure", "executors.protocol"},
}
"""Part -> parts it may import; `plugin` and the package root may import everything.

"" is the package root, of which only `__version__` is wanted.
"""

ROOM_MAY_IMPORT = {
    "executors/_device": set(),
    "executors/_processes": set(),
    "measure/checks": set(),
    "measure/system": set(),
    "measure/latency": {"measure/system"},
    "measure/paired": set(),
    "measure/untimed": {"measure/checks", "measure/system"},
    "plugin/declaring": set(),
    "plugin/alone": {"plugin/declaring"},
    "plugin/measuring": {"plugin/alone", "plugin/declaring"},
    "plugin/ending": set(),
    "report/charts": set(),
    "report/page": {"report/charts"},
}
"""Room, a folder inside a part -> rooms of the same part that it may import."""


def part_of(module: str) -> str:
    pieces = module.split(".")[1:]
    if pieces[:2] in (["executors", "protocol"], ["executors", "batches"]):
        return ".".join(pieces)  # both know executors through the Protocol only
    return pieces[0] if pieces else ""


def modules() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if "templates" not in path.parts]


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {
                f"{node.module}.{alias.name}"
                if (ROOT.parent / node.module.replace(".", "/") / f"{alias.name}.py").exists()
                else node.module
                for alias in node.names
            }
    return {name for name in found if name.split(".")[0] == "pytest_pipeline"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_points_upwards(path):
    part = path.relative_to(ROOT).with_suffix("").parts[0]
    if part in {"plugin", "__init__", "__main__", "cli"}:
        return
    allowed = MAY_IMPORT[part]
    for module in imported(path):
        target = part_of(module)
        family = target.split(".")[0]
        assert target in allowed or family in allowed, f"{part} must not import {module}"


def test_executors_never_import_each_other():
    shared = {"protocol", "registry"}
    for path in sorted((ROOT / "executors").glob("[a-z]*.py")):
        if path.stem in shared:
            continue
        for module in imported(path):
            name = module.rpartition(".")[2]
            is_sibling = module.startswith("pytest_pipeline.executors.")
            is_part = is_sibling and module.split(".")[2].startswith("_")
            assert not is_sibling or is_part or name in shared, f"{path.name}: {module}"


def test_a_room_imports_only_the_rooms_before_it():
    found = {
        f"{room.parent.name}/{room.name}"
        for room in ROOT.glob("*/*")
        if (room / "__init__.py").exists()
    }
    assert found == set(ROOM_MAY_IMPORT)
    for room, allowed in ROOM_MAY_IMPORT.items():
        part = room.partition("/")[0]
        closed = tuple(
            f"pytest_pipeline.{other.replace('/', '.')}."
            for other in ROOM_MAY_IMPORT
            if other.startswith(f"{part}/") and other not in {room, *allowed}
        )
        for path in (ROOT / room).glob("*.py"):
            assert not [name for name in imported(path) if name.startswith(closed)], path


@pytest.mark.parametrize("room", ["measure/checks", "measure/system"])
def test_what_looks_at_outputs_or_at_the_system_knows_nothing_of_measuring(room):
    inside = f"pytest_pipeline.{room.replace('/', '.')}."
    for path in (ROOT / room).glob("*.py"):
        measuring = {name for name in imported(path) if name.startswith("pytest_pipeline.measure.")}
        assert all(f"{name}.".startswith(inside) for name in measuring), path


def test_only_the_plugin_imports_pytest():
    for path in modules():
        if path.relative_to(ROOT).parts[0] == "plugin":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert not names & {"pytest", "_pytest"}, path
