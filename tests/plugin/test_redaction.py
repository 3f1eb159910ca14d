"""What a report that travels does not carry along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_pipeline.plugin.context import without_home

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
