#!/usr/bin/env bash
# Build the wheel and use it as a stranger would: a fresh environment, another directory.
# usage: smoke_wheel.sh PYTHON   (a Python that has pip and hatchling)
set -euo pipefail
python=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/dist" "$root"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip --disable-pip-version-check install --quiet "$work"/dist/*.whl

mkdir "$work/elsewhere"
cd "$work/elsewhere"
cat >test_smoke.py <<'PY'
import time

import pytest


def fetch(number):
    time.sleep(0.004)
    return number


def parse(number):
    time.sleep(0.004)
    return number * 2


@pytest.mark.speedup(min=1.3)
def test_overlaps(pipeline):
    result = pipeline.run([fetch, parse], list(range(20)))
    assert result.outputs == [2 * number for number in range(20)]


@pytest.mark.speedup(min=1.3)
def test_differs(pipeline):
    seen = []

    def position(number):
        seen.append(number)
        return len(seen)

    pipeline.run([fetch, position], list(range(20)))
PY

pytest=("$work/venv/bin/python" -m pytest -q -p no:cacheprovider)
"${pytest[@]}" -k overlaps --pipeline-report=report.html --pipeline-json=report.json
grep -q '<svg' report.html
"$work/venv/bin/python" - <<'PY'
import json
import sys
from importlib import resources
from pathlib import Path

import pytest_pipeline

assert Path(pytest_pipeline.__file__).is_relative_to(sys.prefix), pytest_pipeline.__file__
assert resources.files(pytest_pipeline).joinpath("py.typed").is_file()
assert json.loads(Path("report.json").read_text())["schema"] == "pytest-pipeline/1"
PY
"$work/venv/bin/pytest-pipeline" doctor >doctor.txt
grep -q 'what a test here would run into' doctor.txt
status=0
"${pytest[@]}" -k differs >differs.txt 2>&1 || status=$?
if [[ $status -ne 1 ]] || ! grep -qi 'differ' differs.txt; then
    cat differs.txt
    echo "smoke_wheel: outputs that differ must fail the test (exit status $status)"
    exit 1
fi
echo "smoke_wheel: the installed wheel works"
