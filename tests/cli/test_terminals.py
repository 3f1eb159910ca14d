"""Where the output goes may be poor: a terminal that knows ASCII only, a pipe whose reader has gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from report import documents

from pytest_pipeline.report import json_file

ROOT = Path(__file__).parent.parent.parent
COMMAND = [
    sys.executable,
    "-c",
    "import sys\nfrom pytest_pipeline.cli import main\nsys.exit(main())",
]


@pytest.fixture
def start(tmp_path):
    """Run `pytest-pipeline compare` on a file with a test whose name is not ASCII, in a process of its own."""
    document = documents.document(documents.met())
    document["tests"][0]["nodeid"] = "test_a.py::test_orders[5 \u00b5s]"
    json_file.write(document, tmp_path / "a.json")
    path = str(tmp_path / "a.json")

    def start(stdout, **environ):
        return subprocess.run(
            [*COMMAND, "compare", path, path],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    return start


def test_a_terminal_that_knows_ascii_only_gets_escapes(start):
    ended = start(subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "test_orders[5 \\xb5s]" in ended.stdout


def test_a_reader_that_has_gone_ends_the_command_without_a_traceback(start):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = start(writing)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")
