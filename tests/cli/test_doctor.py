"""What `pytest-pipeline doctor` tells about machines, from scripted facts; one run is real."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from cli.checkups import QUIET, control, machine, place

from pytest_pipeline.cli import examine, main
from pytest_pipeline.cli.checkup import ClockFacts, ControlFacts, Noise
from pytest_pipeline.cli.examine import clock_facts, listen, run_control
from pytest_pipeline.cli.outlook import outlooks
from pytest_pipeline.cli.page import HEADINGS, as_json, as_text
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.model.rounds import KERNEL_S, Reference
from pytest_pipeline.testing import FakeMachine


def test_every_heading_is_printed_once_and_in_order():
    lines = as_text(QUIET).splitlines()
    assert [line for line in lines[1:] if not line.startswith(" ")] == list(HEADINGS)


def test_a_quiet_machine_says_up_to_which_speedup_a_computing_plan_can_be_decided():
    text = as_text(QUIET)
    assert "threads: 1.96x on 2 workers (efficiency 0.98), a valid reference" in text
    assert "asks for more than 2.11x on threads: inconclusive(capacity)" in text
    assert "rounds" not in text


def test_a_machine_that_is_busy_all_the_time_cannot_decide_plans_that_compute():
    (first, *_) = outlooks(machine(controls=(control("threads", 1.26),)))
    assert first.what == "a plan that computes, on threads: inconclusive(capacity)"
    assert "reaches 1.26x on 2 workers (at least 1.70x needed)" in first.why
    assert "plans that mostly wait are measured all the same" in first.next_step


@pytest.mark.parametrize(("slowdown", "is_said"), [(1.9, True), (2.1, False)])
def test_plans_that_wait_are_promised_a_measurement_only_where_they_get_one(slowdown, is_said):
    serial_s = slowdown * KERNEL_S * 2
    crowded = ControlFacts("threads", Reference("threads", 2, serial_s / 1.26, serial_s))
    (first, *_) = outlooks(machine(controls=(crowded,)))
    assert first.next_step.startswith("stop what else runs here and ask again")
    promised = "plans that mostly wait are measured all the same, but for their p99"
    assert first.next_step.endswith(promised) == is_said
    assert ("plans that mostly wait" in first.next_step) == is_said


def test_a_machine_that_is_busy_half_of_the_time_needs_twice_the_rounds():
    noise = Noise(windows=50, seconds=2.5, disturbed_share=0.48, spread=0.4)
    text = as_text(machine(noise=noise))
    assert "48 % of 50 control runs disturbed in 2.5 s" in text
    assert "expect about 1.9x the rounds" in text


def test_a_machine_that_is_hardly_ever_quiet_ends_busy():
    noise = Noise(windows=50, seconds=2.5, disturbed_share=0.9, spread=0.4)
    assert "plans that compute: mostly inconclusive(busy)" in as_text(machine(noise=noise))


def test_one_core_decides_no_parallel_speedup_of_a_plan_that_computes():
    text = as_text(machine(controls=(control("threads", 1.0, width=1),)))
    assert "asks for more than 1.05x on threads" in text


def test_a_wide_machine_is_not_said_to_lack_what_was_not_examined():
    wide = replace(place(cores_usable=64), controls=(control("threads", 7.8, width=8),))
    text = as_text(wide)
    assert "asks for more than 8.42x on threads: not examined" in text
    assert "on 8 of 64 usable cores" in text
    assert "inconclusive(capacity)" not in text


def test_an_executor_that_cannot_start_is_named_with_its_cause():
    broken = ControlFacts("processes", cause="OSError: no semaphores")
    text = as_text(machine(controls=(control("threads", 1.9), broken)))
    assert "processes: cannot run: OSError: no semaphores" in text
    assert "processes: nothing can be measured" in text


def test_threads_that_cannot_run_leave_the_noise_unheard():
    text = as_text(machine(controls=(ControlFacts("threads", cause="boom"),), noise=None))
    assert "not heard" in text


@pytest.mark.parametrize(
    ("checkup", "words"),
    [
        (place(cpu_quota=1.5, cores_usable=1), "a quota of 1.5 cores; 1 of them are used"),
        (place(gil=True), "gain nothing on threads"),
        (machine(cuda="torch is not installed"), "a gate on cuda: unavailable"),
        (machine(traced="the monitoring tool 'coverage'"), "inconclusive(traced)"),
        (machine(rival="0.3.0"), "uninstall both"),
        (machine(readable={"pressure (PSI)": False}), "not readable here: pressure (PSI)"),
        (machine(clock=ClockFacts("mach", 1e-6, 1e-6, is_shared=False)), "no heartbeat"),
        (machine(instruments=("PYTEST_ADDOPTS=--cov is set",)), "PYTEST_ADDOPTS=--cov is set"),
    ],
)
def test_the_page_names(checkup, words):
    assert words in as_text(checkup)


def test_a_free_threaded_interpreter_is_not_warned_about_the_gil():
    assert "gain nothing" not in as_text(place(gil=False))


def test_json_holds_the_same_facts_and_the_same_conclusions():
    noisy = machine(noise=Noise(windows=50, seconds=2.5, disturbed_share=0.48, spread=0.4))
    plain = json.loads(as_json(noisy))
    assert plain["controls"][0]["reference"]["speedup"] == pytest.approx(1.96)
    assert plain["controls"][0]["reference"]["is_valid"] is True
    assert plain["noise"]["disturbed_share"] == 0.48
    assert [each["what"] for each in plain["outlooks"]] == [each.what for each in outlooks(noisy)]


def test_with_the_option_the_command_prints_json(monkeypatch, capsys):
    monkeypatch.setattr(examine, "examine", lambda: QUIET)
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(as_json(QUIET))


def test_the_noise_is_the_share_of_control_runs_above_the_clean_limit():
    noisy = FakeMachine(neighbour=lambda now: 1.6 if now % 0.4 < 0.2 else 1.0)
    quiet = FakeMachine()
    shares = []
    for fake in (quiet, noisy):
        control_ = fake.monitor(Serial(), 2).control
        reference = run_control(quiet.monitor(Serial(), 2).control, "threads", quiet.clock)
        shares.append(listen(control_, reference, fake.clock).disturbed_share)
    assert shares[0] == 0.0
    assert 0.4 < shares[1] < 0.6


def test_the_control_runs_for_a_bounded_time_on_a_wide_machine():
    fake = FakeMachine(cores=1000.0)
    reference = run_control(fake.monitor(Serial(), 200).control, "threads", fake.clock)
    assert reference.width == 200
    assert fake.clock.now_ns() < 10e9


def test_resolution_is_the_smallest_step_and_cost_the_mean_of_all_readings():
    stamps = iter([0, 0, 100, 100, 300])
    facts = clock_facts(lambda: next(stamps), readings=5)
    assert facts.resolution_s == pytest.approx(100e-9)
    assert facts.cost_s == pytest.approx(75e-9)


def test_an_unknown_subcommand_names_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["diagnose"])
    assert stopped.value.code == 2
    assert "doctor" in capsys.readouterr().err


def test_the_real_command_prints_every_heading_and_succeeds():
    command = [sys.executable, "-m", "pytest_pipeline", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line in HEADINGS] == list(HEADINGS)
    assert "threads: " in done.stdout
