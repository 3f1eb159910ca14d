"""A worker dies, or Ctrl-C ends all of them: what was measured so far is in the report."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from virtual_suite import CONFTEST
from xdist_suite import COMMAND

SUITE = """
import pytest

@pytest.mark.speedup(min=2.0)
@pytest.mark.parametrize("script", {scripts})
def test_gate(pipeline, script):
    pipeline.run([script], [])
"""


@pytest.fixture
def write(pytester):
    def write(*scripts: str) -> None:
        pytester.makeconftest("from scripted import pytest_configure")
        pytester.makepyfile(test_it=SUITE.format(scripts=list(scripts)))

    return write


def outcomes_of(pytester):
    return json.loads((pytester.path / "out.json").read_text())["tests"]


@pytest.mark.parametrize("dist", ["load", "worksteal"])
def test_a_worker_that_dies_while_measuring_leaves_its_name_and_what_it_measured(
    write, pytester, dist
):
    write("met", "met dies", "missed")
    options = ("-n2", f"--dist={dist}", "--pipeline-json=out.json")
    result = pytester.run(*COMMAND, *options, timeout=60)
    result.assert_outcomes(passed=1, failed=2)
    dead, met, missed = outcomes_of(pytester)
    assert (met["outcome"], missed["outcome"]) == ("met", "missed")
    assert dead["nodeid"] == "test_it.py::test_gate[met dies]"
    assert dead["outcome"] == "invalid"
    assert dead["error"].endswith("died in the middle of a measurement (round 1: met dies)")
    assert dead["worker"] in dead["error"]
    result.stdout.fnmatch_lines(["*met dies*invalid: worker gw? died in the middle*"])


def test_where_xdist_repeats_the_test_that_killed_its_worker_every_death_is_listed(write, pytester):
    write("met", "met dies")
    options = ("-n2", "--dist=loadscope", "--max-worker-restart=1", "--pipeline-json=out.json")
    result = pytester.run(*COMMAND, *options, timeout=60)
    tests = outcomes_of(pytester)
    dead = [each for each in tests if each["nodeid"] == "test_it.py::test_gate[met dies]"]
    assert [each["outcome"] for each in tests if each not in dead] == ["met"]
    assert 1 <= len(dead) == result.parseoutcomes()["failed"]
    assert len({each["worker"] for each in dead}) == len(dead)
    assert all(f"worker {each['worker']} died" in each["error"] for each in dead)
    result.stdout.fnmatch_lines(["pipeline: 2 gates: 1 met, 0 missed, 0 inconclusive, 1 invalid*"])


def test_a_worker_that_dies_after_measuring_loses_nothing(write, pytester):
    write("met")
    test = pytester.path / "test_it.py"
    killed = "\n    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    test.write_text(test.read_text().rstrip() + killed)
    pytester.run(*COMMAND, "-n2", "--pipeline-json=out.json", timeout=60)
    (dead,) = outcomes_of(pytester)
    assert dead["error"].endswith("died before this test ended")
    assert dead["runs"][0]["arms"][1]["speedup"]["value"] == 2.61


def test_a_real_measurement_that_dies_shows_its_rounds(pytester, monkeypatch):
    pytester.makepyfile("""
        import glob, os, signal, tempfile, threading, time
        import pytest

        def wait_for_rounds():
            while True:
                time.sleep(0.1)
                for path in glob.glob(os.environ["TMPDIR"] + "/pytest-pipeline-*/*.spool.json"):
                    if '"makespans_s"' in open(path).read():
                        os.kill(os.getpid(), signal.SIGKILL)

        @pytest.mark.speedup(min=1.5)
        def test_dies(pipeline):
            threading.Thread(target=wait_for_rounds, daemon=True).start()
            while True:
                pipeline.run([lambda item: time.sleep(0.01)] * 3, list(range(10)))
        """)
    folder = pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    result = pytester.run(*COMMAND, "-n1", "--pipeline-json=out.json", timeout=120)
    result.assert_outcomes(failed=1)
    (dead,) = outcomes_of(pytester)
    assert dead["runs"][-1]["rounds"]
    assert "died" in dead["error"]


@pytest.mark.parametrize("whom", ["the controller", "everybody"])
def test_ctrl_c_under_xdist_keeps_the_interrupted_measurement(write, pytester, until_waiting, whom):
    write("met", "met waits")
    process = subprocess.Popen(
        [*COMMAND, "-n1", "-v", "--pipeline-json=out.json"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=pytester.path,
        start_new_session=True,
    )
    for line in process.stdout:
        if "PASSED" in line:
            break
    until_waiting()
    if whom == "everybody":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "pipeline: wrote out.json" in output
    interrupted, first = outcomes_of(pytester)
    assert first["outcome"] == "met"
    assert interrupted["nodeid"] == "test_it.py::test_gate[met waits]"
    assert interrupted["error"]
    assert interrupted["runs"][0]["arms"][1]["speedup"]["value"] == 2.61


def test_a_file_that_was_cut_by_the_crash_is_left_out(tmp_path):
    from pytest_pipeline.plugin.spool import spooled

    (tmp_path / "gw0-1.spool.json").write_text('{"nodeid": "a"}')
    (tmp_path / "gw0-2.spool.json").write_text('{"nodeid": "b", "ru')
    assert list(spooled(str(tmp_path))) == [{"nodeid": "a"}]


def test_a_full_disk_does_not_hurt_the_measurement(write, pytester):
    pytester.makepyfile(
        breaking="""
        import pytest_pipeline.plugin.spool as spool
        def refuse(config):
            raise OSError(28, "No space left on device")
        spool.worker_folder = refuse
        """
    )
    write("met")
    result = pytester.run(*COMMAND, "-p", "breaking", "-n2", timeout=60)
    result.assert_outcomes(passed=1)


def test_a_session_of_many_measuring_tests_keeps_the_files_of_the_last_two_only(write, pytester):
    write(*["met"] * 5)
    test = pytester.path / "test_it.py"
    source = test.read_text().replace(
        "def test_gate(pipeline, script):", "def test_gate(pipeline, script, config):"
    )
    pytester.makeconftest("""
        import os
        import pytest
        from scripted import pytest_configure

        @pytest.fixture
        def config(request):
            yield
            folder = request.config.workerinput["pipeline_folder"]
            found = [name for name in os.listdir(folder) if "spool" in name]
            assert len(found) <= 2, found
        """)
    test.write_text(source)
    result = pytester.run(*COMMAND, "-n1", timeout=60)
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), signal.SIGKILL)", "raise KeyboardInterrupt"])
def test_what_was_swept_before_the_worker_ended_is_in_the_report(pytester, how):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        test_it=f"""
        import os, signal
        from itertools import count
        from pytest_pipeline import Stage

        def test_sweep(pipeline, machine):
            calls = count()

            def work(item):
                if next(calls) > 2000:
                    {how}
                machine.work(.01)
                return item

            pipeline.sweep([Stage(work, name="work")], list(range(10)), workers=list(range(1, 9)))
        """
    )
    pytester.run(*COMMAND, "-n1", "--pipeline-json=out.json", timeout=60)
    (test,) = outcomes_of(pytester)
    assert test["error"]
    assert test["sweeps"][0]["points"]
