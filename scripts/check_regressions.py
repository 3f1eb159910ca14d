"""Run the five deliberate regressions of the example project; each must fail for its own reason."""

# ruff: noqa: INP001, T201 - a script that prints
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

EXPECTED = {
    "test_a_lock_around_a_stage": {("missed", "")},
    "test_one_worker_instead_of_two": {("missed", "")},
    "test_a_stage_ten_times_slower_for_five_per_cent": {("missed", "")},
    "test_an_output_that_differs": {("invalid", "outputs-differ")},
    "test_an_item_modified_in_place": {("invalid", "items-modified")},
}


def main() -> int:
    """Return 0 when all five failed as intended."""
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", "-m", "regression", "-p", "no:cacheprovider"]
        status = subprocess.run(
            [*command, f"--pipeline-json={document}", "--pipeline-report=off"], check=False
        ).returncode
        if status != 1 or not document.exists():
            print(f"the regressions did not fail as tests do: pytest ended with {status}")
            return 1
        wrong = surprises(json.loads(document.read_text(encoding="utf-8"))["tests"])
    print(*(wrong or ["all five regressions failed, as they must, for the right reason"]), sep="\n")
    return 1 if wrong else 0


def surprises(tests: list[dict]) -> list[str]:
    """Return a line for every test that did not fail, or failed for another reason."""
    found = {test["nodeid"].rpartition("::")[2]: test for test in tests}
    wrong = []
    for name, expected in EXPECTED.items():
        test = found.get(name)
        seen = set() if test is None else failures(test)
        if seen != expected:
            wrong.append(f"{name}: {sorted(seen) or 'not run'}; expected {sorted(expected)}")
    return wrong


def failures(test: dict) -> set[tuple[str, str]]:
    """Return verdict and reason of every finding that is not met."""
    return {
        (finding["verdict"], finding["reason"])
        for run in test["runs"]
        for finding in run["findings"]
        if finding["verdict"] not in {"met", "not-run"}
    }


if __name__ == "__main__":
    sys.exit(main())
