"""pytest-run-parallel calls a test in many threads at once: measuring tests are called in one."""

from __future__ import annotations

import pytest

from pytest_pipeline.plugin.declaring.ownership import uses_our_fixtures


class OneThread:
    """Registered only beside that plugin."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark our tests before that plugin, at the end of the collection, reads its markers."""
        for item in items:
            if uses_our_fixtures(item):
                item.add_marker(pytest.mark.thread_unsafe(reason="measures how fast it is"))
