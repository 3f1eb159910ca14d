"""The matrix: pytest versions, Pythons, and the plugins people use beside ours. Needs `pip install nox`.

nox                     everything that is present on this machine; missing interpreters are skipped
nox -s plugins-3.12     all the plugins, one Python
nox -s pytest           the pytest versions
nox -s sparse           what CI runs
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["pytest", "plugins"]

PYTHONS = ["3.11", "3.12", "3.13"]
PYTESTS = ["8.0.*", "8.4.*", "9.0.*", "latest"]
PLUGINS = [
    "pytest-asyncio",
    "anyio",
    "pytest-benchmark",
    "pytest-cov",
    "pytest-html",
    "pytest-randomly",
    "pytest-rerunfailures",
    "pytest-run-parallel",
    "pytest-timeout",
]
COMPATIBILITY = "tests/plugin/test_compatibility.py"


def _install(session: nox.Session, version: str, *more: str) -> None:
    wanted = "pytest" if version == "latest" else f"pytest=={version}"
    session.install("--editable", ".", wanted, "pytest-xdist", *more)


def _test(session: nox.Session, *paths: str) -> None:
    """Run without the plugins of the environment: the nested runs name theirs themselves."""
    session.run(
        "python",
        "-m",
        "pytest",
        *paths,
        *session.posargs,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )


@nox.session(python=PYTHONS)
@nox.parametrize("version", PYTESTS)
def pytest(session: nox.Session, version: str) -> None:
    """Run the plugin's own tests on one version of pytest."""
    _install(session, version, "pandas", "jsonschema")
    _test(session, "tests/plugin")


@nox.session(python=PYTHONS)
def plugins(session: nox.Session) -> None:
    """Run one and the same project beside every plugin."""
    _install(session, "latest", *PLUGINS)
    _test(session, COMPATIBILITY)


@nox.session(python=["3.11", "3.13"])
@nox.parametrize("version", ["8.0.*", "latest"])
def sparse(session: nox.Session, version: str) -> None:
    """Run the compatibility suite at the corners of the matrix."""
    more = PLUGINS if version == "latest" else ["pytest-timeout", "pytest-cov"]
    _install(session, version, *more)
    _test(session, COMPATIBILITY)
