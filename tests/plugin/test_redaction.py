"""What a report that travels does not carry along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_pipeline.plugin.ending.context import without_home

FAILS_AT_HOME = """
import pytest
from pathlib import Path

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run(["met"], [])
    raise ValueError(f"cannot read {Path.home() / 'secret.csv'}")
"""


def test_the_home_directory_is_written_as_a_tilde_in_every_file(run, pytester):
    run(FAILS_AT_HOME, "--pipeline-json=out.json", "--pipeline-report=out.html")
    for name in ("out.json", "out.html"):
        text = (pytester.path / name).read_text()
        assert "~/secret.csv" in text
        assert str(Path.home() / "secret.csv") not in text


def test_a_home_at_the_root_changes_nothing():
    data = {"path": "/etc/hosts", "list": ["/a", 1, None]}
    assert without_home(data, "/") == data


@pytest.mark.parametrize("value", [3, 2.5, None, True])
def test_numbers_stay_numbers(value):
    assert json.dumps(without_home([value], "/home/me")) == json.dumps([value])


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("services/app/tests/test_x.py::test_a", "/app"),
        ("tests/root_cause/test_x.py::test_a", "/root"),
        ("/home/alice/data.csv", "/home/al"),
        ("/home/al.old/data.csv", "/home/al"),
    ],
)
def test_a_home_that_is_part_of_another_name_changes_nothing(text, home):
    assert without_home(text, home) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/al", "~"),
        ("cannot read /home/al/a.csv: no such file", "cannot read ~/a.csv: no such file"),
        ("it lies in /home/al.", "it lies in ~."),
        ("file:///home/al/a.html", "file://~/a.html"),
        ("--out='/home/al/x' --in=/home/al/y", "--out='~/x' --in=~/y"),
    ],
)
def test_a_home_is_found_wherever_a_path_begins_with_it(text, expected):
    assert without_home(text, "/home/al") == expected
