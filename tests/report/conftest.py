"""Lets the tests of this folder import what they share by name, and lends them a browser."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def chrome():
    """One browser per file, started when a test asks for it."""
    import devtools

    with devtools.browser() as made:
        yield made
