"""Make the README's picture: the first screen of a report, from a real run of the example project.

python scripts/picture.py                    runs two of the deliberate regressions, writes docs/report.png
python scripts/picture.py --report FILE      takes the picture of that report instead
"""

# ruff: noqa: INP001, T201 - a script that prints
from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TESTS = ("-m", "regression", "-k", "one_worker or lock")


def main() -> int:
    """Return 0 when the picture was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--report", type=Path, help="a report that exists")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "report.png")
    parser.add_argument("--size", default="1280,860", help="width,height in pixels")
    options = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"none of {', '.join(BROWSERS)} is installed: no picture")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        report = options.report or run_example(Path(folder) / "report.html")
        if not report.exists():
            print(f"{report} does not exist: no picture")
            return 1
        photograph(browser, report, options.output, options.size, Path(folder) / "profile")
    print(f"wrote {options.output}")
    return 0


def run_example(report: Path) -> Path:
    """Run tests that must fail, so that the picture shows what people open a report for."""
    command = [sys.executable, "-m", "pytest", *TESTS, f"--pipeline-report={report}"]
    subprocess.run(command, cwd=ROOT / "example_project", check=False)
    return report


def photograph(browser: str, report: Path, output: Path, size: str, profile: Path) -> None:
    """Write a screenshot of the top of `report` to `output`; raises `CalledProcessError`."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    command = [browser, *flags, f"--user-data-dir={profile}", f"--window-size={size}"]
    output = output.resolve()
    subprocess.run(
        [*command, f"--screenshot={output}", report.resolve().as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )


if __name__ == "__main__":
    sys.exit(main())
