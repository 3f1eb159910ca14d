"""The history of the session: what there was goes into the document, what was measured into the file.

Called where the report is made: under xdist that is the controller, so one process of a session writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.plugin.ending.context import has_changes
from pytest_pipeline.plugin.paths import shown
from pytest_pipeline.plugin.session import Results
from pytest_pipeline.plugin.settings import settings_of

if TYPE_CHECKING:
    from pytest_pipeline.model.history import Record


def add_history(config: pytest.Config, results: Results, document: dict[str, Any]) -> None:
    """Do both; whatever is wrong with the file is a line of the summary and costs no verdict."""
    settings = settings_of(config)
    if settings.history is None or settings.is_off:
        return
    import secrets

    try:
        from pytest_pipeline.history.recording import records_of

        session = secrets.token_hex(8)
        present = records_of(document, session=session, is_dirty=has_changes(config.rootpath))
        _look_back(settings.history, document, present)
        _keep(settings.history, present)
    except Exception as problem:
        name = shown(config, settings.history)
        results.notices.append(f"history {name}: {problem}; this session is not in it")
    else:
        if present:
            results.written.append(shown(config, settings.history))


def _look_back(path: Path, document: dict[str, Any], present: Sequence[Record]) -> None:
    from pytest_pipeline.history.attaching import attach
    from pytest_pipeline.history.store import read

    attach(document, read(path, [record.series for record in present]), present)


def _keep(path: Path, present: Sequence[Record]) -> None:
    from pytest_pipeline.history.store import append

    append(path, present)
