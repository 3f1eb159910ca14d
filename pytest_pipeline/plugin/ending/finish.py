"""End of the session: the document, the files, and the last lines on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_pipeline.plugin.ending.github import (
    MAX_ANNOTATIONS,
    annotation,
    append_summary,
    should_annotate,
    summary_path,
)
from pytest_pipeline.plugin.ending.past import add_history
from pytest_pipeline.plugin.paths import report_path, shown
from pytest_pipeline.plugin.session import Results, results_of
from pytest_pipeline.plugin.settings import Charts, Settings, settings_of

_BAD = {"invalid", "missed", "inconclusive", "unavailable"}

Writer = Callable[[dict[str, Any], Path], object]


def finish(session: pytest.Session) -> None:
    """Build the document and write what was asked for; a file that cannot be written is a notice."""
    config = session.config
    results = results_of(config)
    settings = settings_of(config)
    if not results.tests:
        if any((settings.report, settings.json, settings.markdown, settings.trace)):
            results.notices.append("no measuring test ran, no report was written")
        return
    results.document = _document(config, results)
    add_history(config, results, results.document)
    _add_sections(config, results, results.document)
    for path, writer in _outputs(config, results.document):
        _write(config, results, path, writer)
    _append_summary(results)
    _require_decided(session, results)


def print_summary(terminal: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print one line per compared arm, the gates counted, notices, and where the files are."""
    results = results_of(config)
    if results.document is not None:
        from pytest_pipeline.report.terminal import summary_lines

        terminal.section("pipeline")
        for text, style in summary_lines(results.document, width=terminal._tw.fullwidth):  # noqa: SLF001 - no public width
            terminal.line(text, **({style: True} if style else {}))
    for notice in results.notices:
        terminal.line(f"pipeline: {notice}", yellow=True)
    if results.failed and should_annotate(config):
        for report in results.failed[:MAX_ANNOTATIONS]:
            terminal.line(annotation(report, config.rootpath))
    for path in results.written:
        terminal.line(f"pipeline: wrote {path}")


def _document(config: pytest.Config, results: Results) -> dict[str, Any]:
    from datetime import UTC, datetime

    from pytest_pipeline.model.document import make_document
    from pytest_pipeline.plugin.ending.context import describe, without_home

    document = make_document(
        sorted(results.tests.values(), key=_order),
        environment=results.environment,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        context=describe(config),
    )
    redacted: dict[str, Any] = without_home(document)
    return redacted


def _add_sections(config: pytest.Config, results: Results, document: dict[str, Any]) -> None:
    from pytest_pipeline.plugin.ending.sections import ask_for_sections

    sections, left_out = ask_for_sections(config, document)
    if sections:
        document["sections"] = sections
    if left_out:
        results.notices.append(left_out)


def _order(test: dict[str, Any]) -> tuple[str, int, str, str, int]:
    """Order as in the source: workers finish in any order, the report must not show it."""
    path, _, line = str(test["location"]).rpartition(":")
    number = int(line) if line.isdigit() else 0
    return path, number, test["nodeid"], test["worker"], test["attempt"]


def _outputs(config: pytest.Config, document: dict[str, Any]) -> list[tuple[Path, Writer]]:
    settings = settings_of(config)
    outputs: list[tuple[Path | None, Writer]] = [
        (settings.json, _write_json),
        (settings.markdown, _write_markdown),
        (settings.trace, _write_traces),
    ]
    is_bad = any(test["outcome"] in _BAD for test in document["tests"])
    if settings.report is not None or is_bad:
        outputs.append((report_path(config), _html_writer(settings)))
    return [(path, writer) for path, writer in outputs if path is not None]


def _write(config: pytest.Config, results: Results, path: Path, writer: Writer) -> None:
    assert results.document is not None
    name = shown(config, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer(results.document, path)
    except Exception as problem:  # the verdicts stand whatever happens to a file
        results.notices.append(f"could not write {name}: {type(problem).__name__}: {problem}")
    else:
        results.written.append(name)


def _append_summary(results: Results) -> None:
    path = summary_path()
    if path is None or results.document is None:
        return
    try:
        append_summary(results.document, path)
    except Exception as problem:  # as for the files
        results.notices.append(
            f"could not append to $GITHUB_STEP_SUMMARY ({path}): {type(problem).__name__}: {problem}"
        )


def _write_json(document: dict[str, Any], path: Path) -> None:
    from pytest_pipeline.report.json_file import write

    write(document, path)


def _write_markdown(document: dict[str, Any], path: Path) -> None:
    from pytest_pipeline.report.json_file import write_text
    from pytest_pipeline.report.markdown import render

    write_text(render(document), path)


def _write_traces(document: dict[str, Any], directory: Path) -> None:
    from pytest_pipeline.report.trace_events import write_all

    write_all(document, directory)


def _html_writer(settings: Settings) -> Writer:
    def write_html(document: dict[str, Any], path: Path) -> None:
        from pytest_pipeline.report.html import write

        write(document, path, all_charts=settings.charts is Charts.ALL)

    return write_html


def _require_decided(session: pytest.Session, results: Results) -> None:
    settings = settings_of(session.config)
    if not settings.min_decided or settings.is_off or results.document is None:
        return
    from pytest_pipeline.report.gate_counts import count_gates

    counts = count_gates(results.document)
    # Divided, not multiplied: 0.55 x 100 is 55.000000000000007, which 55 gates would not reach.
    if counts.asked and counts.decided / counts.asked < settings.min_decided:
        results.notices.append(
            f"only {counts.decided} of {counts.asked} gates decided, --pipeline-min-decided={settings.min_decided:g} asks for more: the session fails"
        )
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
