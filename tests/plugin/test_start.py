"""The cost of being installed, and the dead namesake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pytest_pipeline

HEAVY = (
    "numpy",
    "pandas",
    "scipy",
    "torch",
    "jinja2",
    "sqlite3",
    "asyncio",
    "multiprocessing",
    "concurrent.futures",
    "statistics",
    "psutil",
    "cloudpickle",
    "threadpoolctl",
    "pytest_pipeline.errors",
    "pytest_pipeline.plugin.settings",
    "pytest_pipeline.plugin.declaring.markers",
    "pytest_pipeline.plugin.session",
    "pytest_pipeline.plugin.ending.finish",
)
LOADED = f"loaded = [name for name in {HEAVY!r} if name in sys.modules]; print('LOADED', loaded)"


def test_the_entry_point_imports_nothing_heavy_and_little_of_our_own():
    code = f"import pytest_pipeline.plugin, sys; {LOADED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "LOADED []"


@pytest.mark.parametrize("options", [(), ("-p", "xdist.plugin", "-n2")])
@pytest.mark.parametrize("test", ["pass", "assert 1 == 2"])
def test_a_session_without_measuring_tests_imports_nothing_heavy(pytester, test, options):
    pytester.makeconftest(f"import sys\ndef pytest_unconfigure(): {LOADED}")
    pytester.makepyfile(f"def test_ordinary(): {test}")
    result = pytester.runpytest_subprocess("-p", "pytest_pipeline.plugin", "-s", *options)
    result.stdout.fnmatch_lines(["LOADED [[][]]"])


def test_the_dead_namesake_beside_us_is_a_clear_stop(pytester, monkeypatch):
    info = pytester.mkdir("site") / "pytest_pipeline-0.3.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest-pipeline\nVersion: 0.3.0\n")
    monkeypatch.syspath_prepend(info.parent)
    pytester.makepyfile("def test_ordinary(): pass")
    result = pytester.runpytest_inprocess("-p", "pytest_pipeline.plugin")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: pytest-pipeline 0.3.0 * uninstall both, then reinstall pytest-pipeline-speedup:"]
    )


def test_the_dead_namesake_installed_over_us_is_the_same_stop(pytester, monkeypatch):
    """It overwrites `__init__.py`, puts a `plugin.py` beside our `plugin/`, and has an entry point of our name."""
    site = pytester.mkdir("site")
    (site / "pytest_pipeline").mkdir()
    for each in Path(pytest_pipeline.__file__).parent.iterdir():
        if each.name not in {"__init__.py", "__pycache__"}:
            (site / "pytest_pipeline" / each.name).symlink_to(each)
    (site / "pytest_pipeline" / "__init__.py").write_text("from .core import PipelineRun\n")
    (site / "pytest_pipeline" / "core.py").write_text("class PipelineRun: pass\n")
    (site / "pytest_pipeline" / "plugin.py").write_text("raise ImportError('theirs')\n")
    for name, version, plugin in (
        ("pytest-pipeline", "0.3.0", "pytest_pipeline.plugin"),
        ("pytest-pipeline-speedup", "0.1", "pytest_pipeline.plugin"),
    ):
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[pytest11]\npytest-pipeline = {plugin}\n")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.setenv("PYTHONPATH", str(site))
    pytester.makepyfile("def test_ordinary(): pass")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pytest-pipeline 0.3.0 * uninstall both, then reinstall*"])


def test_public_names_are_importable_from_the_package():
    from pytest_pipeline.plugin.measuring.fixtures import PipelineFixture

    assert pytest_pipeline.PipelineFixture is PipelineFixture
