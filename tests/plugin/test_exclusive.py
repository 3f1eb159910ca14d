"""Under xdist a measuring test is alone, whatever the distribution; ordinary tests are not."""

from __future__ import annotations

import json
import sys

import pytest

CONFTEST = """
import json, os, pathlib, time
import pytest
from scripted import CALLS, pytest_configure

LOG = pathlib.Path(__file__).parent / "events"

def inside(kind):
    began = time.monotonic()
    time.sleep(0.1)
    with open(LOG, "a") as log:
        log.write(json.dumps([kind, began, time.monotonic(), os.getpid()]) + "\\n")

@pytest.fixture
def log():
    return inside
"""
MIXED = """
import pytest

@pytest.mark.parametrize("number", range(8))
def test_ordinary(log, number):
    log("ordinary")

@pytest.mark.parametrize("number", range(3))
def test_measuring(pipeline, log, number):
    log("measuring")
    pipeline.run(["met"], [])
"""


@pytest.fixture
def run_mixed(pytester):
    """Run `source` beside itself under another name, and return the events and the document."""

    def run(*options: str, source: str = MIXED, conftest: str = ""):
        pytester.makeconftest(CONFTEST + conftest)
        pytester.makepyfile(test_one=source, test_two=source)
        plugins = ("-p", "pytest_pipeline.plugin", "-p", "xdist.plugin")
        arguments = [*plugins, "-rA", "--pipeline-json=out.json", *options]
        result = pytester.run(sys.executable, "-m", "pytest", *arguments, timeout=90)
        log = pytester.path / "events"
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return result, events

    return run


def overlapping(events: list) -> int:
    return sum(
        1
        for one in events
        for other in events
        if one[0] == "measuring" and one is not other and one[1] < other[2] and other[1] < one[2]
    )


@pytest.mark.parametrize("dist", ["load", "loadgroup", "worksteal", "each"])
def test_measuring_tests_are_alone_under_every_distribution(run_mixed, dist):
    result, events = run_mixed("-n3" if dist != "each" else "--tx=2*popen", f"--dist={dist}")
    assert result.ret == 0
    assert len(events) == (44 if dist == "each" else 22)
    assert overlapping(events) == 0
    assert len({event[3] for event in events}) > 1


def test_with_lock_off_nobody_waits(run_mixed):
    _, events = run_mixed("-n3", "--pipeline-lock=off")
    assert overlapping(events) > 0


@pytest.mark.parametrize(
    ("options", "company"),
    [
        ((), ""),
        (("-n2",), ""),
        (("-n1", "--pipeline-lock=off"), ""),
        (("-n2", "--pipeline-lock=off"), "other tests ran at the same time: --pipeline-lock=off"),
        (("--pipeline-lock=off",), ""),
    ],
)
def test_a_comparison_knows_whether_it_was_alone(pytester, options, company):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(f"""
        import conftest
        def test_measuring(pipeline):
            pipeline.run(["met"], [])
            assert conftest.CALLS[-1]["company"] == {company!r}
        """)
    plugins = ("-p", "pytest_pipeline.plugin", "-p", "xdist.plugin")
    result = pytester.run(sys.executable, "-m", "pytest", *plugins, *options, timeout=60)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("name", "source", "is_measuring"),
    [
        ("their own", "@pytest.fixture\ndef pipeline(): return 1\ndef test_it(pipeline): {use}", 0),
        ("ours", "def test_it(pipeline): {use}", 1),
        ("ours by another name", "def test_it(parallel_pipeline): {use}", 1),
        ("one executor", "def test_it(serial_executor): {use}", 1),
        (
            "wrapped",
            "@pytest.fixture\ndef pipeline(pipeline): return pipeline\ndef test_it(pipeline): {use}",
            1,
        ),
        (
            "through a fixture",
            "@pytest.fixture\ndef etl(pipeline): return 1\ndef test_it(etl): {use}",
            1,
        ),
        (
            "a unittest method",
            "import unittest\nclass TestIt(unittest.TestCase):\n  def test_it(self): {use}",
            0,
        ),
    ],
)
def test_only_tests_that_get_our_fixtures_are_alone(pytester, name, source, is_measuring):
    pytester.makeconftest("")
    body = "import pytest\nfrom pytest_pipeline.plugin.alone.lock import Exclusivity\n"
    spy = (
        "CALLS = []\n"
        "for name in ('share', 'be_alone'):\n"
        "    def spy(self, name=name, kept=getattr(Exclusivity, name)): CALLS.append(name); kept(self)\n"
        "    setattr(Exclusivity, name, spy)\n"
    )
    wanted = "be_alone" if is_measuring else "share"
    use = f"assert CALLS[-1] == {wanted!r}"
    pytester.makepyfile(body + spy + source.format(use=use))
    plugins = ("-p", "pytest_pipeline.plugin", "-p", "xdist.plugin")
    result = pytester.run(sys.executable, "-m", "pytest", *plugins, "-n2", timeout=60)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("condition", "called"),
    [("True", ["share"]), ("False", ["be_alone"]), ("'1 / 0'", ["be_alone"])],
)
def test_nobody_waits_for_a_measuring_test_that_a_marker_skips(pytester, condition, called):
    pytester.makeconftest("")
    pytester.makepyfile(f"""
        import pathlib
        import pytest
        from pytest_pipeline.plugin.alone.lock import Exclusivity

        CALLS = pathlib.Path(__file__).with_name("calls")

        def spy_on(name, kept):
            def spy(self):
                with CALLS.open("a") as file:
                    print(name, file=file)
                kept(self)
            setattr(Exclusivity, name, spy)

        for name in ("share", "be_alone"):
            spy_on(name, getattr(Exclusivity, name))

        @pytest.mark.skipif({condition}, reason="not here")
        def test_it(pipeline): pass
        """)
    plugins = ("-p", "pytest_pipeline.plugin", "-p", "xdist.plugin")
    result = pytester.run(sys.executable, "-m", "pytest", *plugins, "-n2", timeout=60)
    assert sum(result.parseoutcomes().get(each, 0) for each in ("skipped", "passed", "errors")) == 1
    assert "INTERNALERROR" not in result.stdout.str()
    assert (pytester.path / "calls").read_text().split() == called


def test_a_fixture_asked_for_late_measures_alone(run_mixed):
    source = MIXED.replace("(pipeline, log, number)", "(request, log, number)").replace(
        'log("measuring")\n    pipeline.run(["met"], [])',
        'request.getfixturevalue("pipeline").run(["log"], [])',
    )
    measures = """
import scripted
kept = scripted.compare
def compare(*arguments, **options):
    inside("measuring")
    return kept(*arguments, **options)
scripted.compare = compare
"""
    result, events = run_mixed("-n3", source=source, conftest=measures)
    assert result.ret == 0
    assert len(events) == 22
    assert overlapping(events) == 0


def test_two_runs_on_one_machine_exclude_each_other(pytester, monkeypatch, tmp_path):
    """Here: another process has the machine's lock, so that a measuring test has to wait for it."""
    from pytest_pipeline.plugin.shared import machine_path

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    path = machine_path()
    assert path.startswith(str(tmp_path))
    pytester.makepyfile(f"""
        import subprocess, sys
        CODE = '''
        import time
        from pytest_pipeline.plugin.alone.bytelocks import open_locks
        from pytest_pipeline.plugin.alone.lock import Exclusivity, Pace
        says = lambda seconds: print("waits", flush=True) or time.sleep(seconds)
        other = Exclusivity(open_locks({path!r}), pace=Pace(sleep=says))
        other.share()
        print("inside", flush=True)
        '''
        def test_measuring(pipeline):
            code = "\\n".join(line.strip() for line in CODE.splitlines())
            other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            assert other.stdout.readline() == "waits\\n"
            other.kill()
            assert "inside" not in other.communicate()[0]
        """)
    plugins = ("-p", "pytest_pipeline.plugin", "-p", "xdist.plugin")
    for options in ((), ("-n2",)):
        command = [*plugins, *options, "--pipeline-lock=machine"]
        result = pytester.run(sys.executable, "-m", "pytest", *command, timeout=60)
        result.assert_outcomes(passed=1)


def test_without_xdist_and_without_the_option_there_is_no_lock(pytester):
    pytester.makeconftest("""
        def pytest_unconfigure(config):
            import sys
            assert not config.pluginmanager.hasplugin("pipeline-exclusive")
            assert "pytest_pipeline.plugin.alone.lock" not in sys.modules
            print("NO LOCK")
        """)
    pytester.makepyfile("def test_ordinary(): pass")
    result = pytester.runpytest_subprocess("-p", "pytest_pipeline.plugin", "-s")
    result.stdout.fnmatch_lines(["NO LOCK"])


@pytest.mark.parametrize(
    ("victim", "signal"), [("test_ordinary", "SIGTERM"), ("test_measuring", "SIGKILL")]
)
def test_a_worker_that_dies_blocks_nobody(run_mixed, signal, victim):
    source = MIXED.replace(
        f"def {victim}(",
        f"def {victim}(dying, ",
    )
    dying = f"""
@pytest.fixture
def dying(request):
    if "1" in request.node.name and "test_one" in request.node.nodeid:
        import signal
        os.kill(os.getpid(), signal.{signal})
        time.sleep(5)
"""
    result, events = run_mixed("-n3", source=source, conftest=dying)
    result.assert_outcomes(passed=21, failed=1)
    assert overlapping(events) == 0


def test_the_folder_of_a_run_is_removed(run_mixed, monkeypatch, pytester):
    folder = pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    result, _ = run_mixed("-n2")
    assert result.ret == 0
    assert [each for each in folder.iterdir() if "pipeline" in each.name] == []


def test_an_unusable_folder_is_said_and_nothing_fails(run_mixed, pytester):
    broken = """
import pytest_pipeline.plugin.alone.bytelocks as bytelocks
def open_locks(path):
    raise OSError(30, "Read-only file system")
bytelocks.open_locks = open_locks
"""
    source = """
import conftest
def test_measuring(pipeline):
    pipeline.run(["met"], [])
    assert "no lock file" in conftest.CALLS[-1]["company"]
"""
    pytester.makepyfile(breaking=broken)
    result, _ = run_mixed("-n2", "-p", "breaking", source=source)
    result.assert_outcomes(passed=2)
