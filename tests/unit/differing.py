"""Two outputs that must not pass for the same."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_pipeline.measure.checks.equality import Check, compare_outputs
from pytest_pipeline.measure.checks.sameness import Mismatch


def differ(want: Any, got: Any, check: Check = "equal") -> str:
    """Return what is said of them."""
    with pytest.raises(Mismatch) as said:
        compare_outputs([want], [got], check)
    return str(said.value)
