"""The table of faults names tests that are there."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_every_test_that_the_table_of_faults_names_exists():
    named = set(re.findall(r"`(test_\w+)`", (TESTS / "executors" / "faults.md").read_text()))
    sources = [path.read_text() for path in TESTS.glob("*/test_*.py")]
    found = {
        name for text in sources for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    }
    assert len(named) > 40
    assert named <= found, named - found
