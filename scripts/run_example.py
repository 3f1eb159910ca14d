"""Run the example project here, then say where the report is and how many gates were decided."""

# ruff: noqa: INP001, T201 - a script that prints
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

DECIDED = {"met", "missed", "invalid"}


def main() -> int:
    """Return pytest's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("pipeline-report"), help="stem")
    options, pytest_args = parser.parse_known_args()
    html, document = (options.report.with_suffix(suffix) for suffix in (".html", ".json"))
    for stale in (html, document):
        stale.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--pipeline-report={html}"]
    began = time.monotonic()
    status = subprocess.run(
        [*command, f"--pipeline-json={document}", *pytest_args], check=False
    ).returncode
    if document.exists():
        print(f"{summary(document)}, {time.monotonic() - began:.0f} s")
    if html.exists():
        print(f"report: {html.resolve()}")
    return status


def summary(document: Path) -> str:
    """Return `12 of 12 gates decided: 12 met`."""
    tests = json.loads(document.read_text(encoding="utf-8"))["tests"]
    verdicts = Counter(
        finding["verdict"]
        for test in tests
        for run in test["runs"]
        for finding in run["findings"]
        if finding["verdict"] != "not-run"
    )
    decided = sum(verdicts[verdict] for verdict in DECIDED)
    parts = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common())
    return f"{decided} of {verdicts.total()} gates decided: {parts or 'none'}"


if __name__ == "__main__":
    sys.exit(main())
