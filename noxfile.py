"""The matrix: pytest versions, Pythons, and the plugins people use beside ours. Needs `pip install nox`.

nox                     everything that is present on this machine; missing interpreters are skipped
nox -s plugins-3.12     all the plugins, one Python
nox -s pytest           the pytest versions
nox -s free_threaded    a build without the GIL, where `python3.13t` or `python3.14t` is on the path
nox -s sparse           what CI runs: two corners (`.ci/run` calls it)
"""

from __future__ import annotations

import os
import shutil
import subprocess

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"
nox.options.sessions = ["pytest", "plugins", "free_threaded"]

PYTHONS = ["3.11", "3.12", "3.13"]
PYTESTS = ["8.0.*", "8.4.*", "9.0.*", "latest"]
CORNERS = {"3.11": "8.0.*", "3.13": "latest"}
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
BINARIES = "--only-binary=:all:"
"""Take an older wheel where the newest release has none for this Python: compiling takes longer than the matrix."""


def _let_pyenv_offer_all_its_versions() -> None:
    """Its commands `python3.12`, ... work only for versions that are switched on."""
    if shutil.which("pyenv") and "PYENV_VERSION" not in os.environ:
        listed = subprocess.run(
            ["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False
        )
        os.environ["PYENV_VERSION"] = ":".join(listed.stdout.split())


_let_pyenv_offer_all_its_versions()


def _install(session: nox.Session, version: str, *more: str) -> None:
    wanted = "pytest" if version == "latest" else f"pytest=={version}"
    session.install(BINARIES, "--editable", ".", wanted, "pytest-xdist", *more)


def _test(session: nox.Session, *paths: str, **environ: str) -> None:
    """Run without the plugins of the environment: the nested runs name theirs themselves."""
    session.run(
        "python",
        "-m",
        "pytest",
        *paths,
        *session.posargs,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environ},
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


@nox.session(python=["3.13t", "3.14t"])
def free_threaded(session: nox.Session) -> None:
    """Run everything but the long calibration without the GIL, and see that threads scale.

    With `PYTHON_GIL=0` no extension module can switch it on again unnoticed.
    """
    more = ("pandas", "jsonschema", "hypothesis", "scipy", "html5lib")
    _install(session, "latest", *PLUGINS, *more)
    _test(session, "tests", "--ignore=tests/calibration", PYTHON_GIL="0")
    _test(session, "tests/calibration/test_free_threading.py", PYTHON_GIL="0")


@nox.session(python=list(CORNERS))
def sparse(session: nox.Session) -> None:
    """Run the compatibility suite at two corners of the matrix, each plugin without xdist only: CI runs both next."""
    _install(session, CORNERS[str(session.python)], *PLUGINS)
    _test(session, COMPATIBILITY, "-m", "not slow")
