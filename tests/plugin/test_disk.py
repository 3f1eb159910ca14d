"""A disk that is full or may not be written to: the verdicts stand, and the message names the file."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from unit.history.records import record
from xdist_suite import COMMAND

from pytest_pipeline.history import store
from pytest_pipeline.report.json_file import write_text

SUITE = """
import pytest

@pytest.mark.speedup(min=2.0)
@pytest.mark.parametrize("script", ["met", "missed"])
def test_gate(pipeline, script):
    pipeline.run([script], [])
"""
NEEDS_FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
_DROP_CAPABILITY, _OVERRIDE, _READ_SEARCH = 24, 1, 2


@pytest.fixture
def write(pytester):
    pytester.makeconftest("from scripted import pytest_configure")
    pytester.makepyfile(test_it=SUITE)


def no_better_than_others() -> None:
    """Take from root what lets it write anywhere; others never had it."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        library.prctl(_DROP_CAPABILITY, _OVERRIDE)
        library.prctl(_DROP_CAPABILITY, _READ_SEARCH)


def no_file_beyond_12_kb() -> None:
    """Let every write beyond that fail, as on a disk that is full: what is there may be overwritten."""
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_FSIZE, (12 * 1024, 12 * 1024))


@pytest.fixture
def run_limited(pytester, tmp_path_factory):
    """Run a command in the test's folder, under limits of its own; temporary files are elsewhere."""
    temporary = tmp_path_factory.mktemp("writable")

    def run_limited(command, limits):
        environ = {**os.environ, "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            command,
            cwd=pytester.path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=limits,  # noqa: PLW1509 - no thread of this process holds a lock it needs
        )

    return run_limited


@pytest.fixture
def run_read_only(pytester, write, run_limited):
    """Run in a folder where nothing can be written; skip where this user may do so anyway."""

    def run_there(command):
        return run_limited(command, no_better_than_others)

    pytester.path.chmod(0o555)
    if run_there(["touch", "anything"]).returncode == 0:
        pytester.path.chmod(0o755)
        pytest.skip("this user may write everywhere")
    yield lambda *options: run_there([*COMMAND, *options])
    pytester.path.chmod(0o755)


@pytest.fixture
def past(pytester):
    """Make a history of 60 sessions, more than the first pages of its file hold."""
    path = pytester.path / "past.sqlite"
    sessions = [record(number, nodeid="test_it.py::test_gate[met]") for number in range(60)]
    for each in sessions:
        store.append(path, [each])
    assert path.stat().st_size > 24 * 1024
    return path, sessions


def kept(path):
    key = ("test_it.py::test_gate[met]", 0, "threads")
    return store.read(path, [key])[key]


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_in_a_read_only_folder_the_verdicts_stand(run_read_only, options):
    ended = run_read_only(*options)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed" in ended.stdout
    assert "pipeline: 2 gates: 1 met, 1 missed" in ended.stdout
    assert "INTERNALERROR" not in ended.stdout
    assert "report.html" not in ended.stdout  # nothing to link to


def test_in_a_read_only_folder_the_message_names_every_file_that_was_asked_for(run_read_only):
    options = ("--pipeline-json=out.json", "--pipeline-report=deep/out.html")
    ended = run_read_only(*options, "--pipeline-history=past.sqlite")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    (line,) = [each for each in ended.stdout.splitlines() if "past.sqlite" in each]
    assert line.startswith("pipeline: history past.sqlite: ")
    assert line.endswith(
        "cannot be made or written to here (unable to open database file); this session is not in it"
    )
    assert "pipeline: could not write out.json: " in ended.stdout
    assert "pipeline: could not write deep/out.html: " in ended.stdout
    assert "Permission denied" in ended.stdout


def test_in_a_read_only_folder_the_history_is_read_and_stays_as_it_was(past, run_read_only):
    path, sessions = past
    before = path.read_bytes()
    ended = run_read_only("--pipeline-history=past.sqlite", "--pipeline-json=/dev/stderr")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    (line,) = [each for each in ended.stdout.splitlines() if "past.sqlite" in each]
    assert "this session is not in it" in line
    assert path.read_bytes() == before
    (met, _) = json.loads(ended.stderr)["tests"]
    assert len(met["history"][0]["points"]) == 1
    assert met["history"][0]["others"] == len(sessions)  # of another machine, but they were read


def test_on_a_disk_without_room_the_history_keeps_what_it_had(past, write, run_limited):
    path, sessions = past
    ended = run_limited([*COMMAND, "--pipeline-history=past.sqlite"], no_file_beyond_12_kb)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "pipeline: 2 gates: 1 met, 1 missed" in ended.stdout
    (line,) = [each for each in ended.stdout.splitlines() if "history past.sqlite" in each]
    assert line.endswith("; this session is not in it")
    assert kept(path) == sessions
    run_limited([*COMMAND, "--pipeline-history=past.sqlite"], None)
    assert kept(path)[:-1] == sessions


@NEEDS_FULL
@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_on_a_full_disk_the_verdicts_stand_and_a_message_for_each_file_names_it(
    pytester, write, options
):
    files = [f"--pipeline-{kind}=/dev/full" for kind in ("json", "report", "markdown")]
    result = pytester.run(*COMMAND, *files, *options, timeout=60)
    result.assert_outcomes(passed=1, failed=1)
    refused = "pipeline: could not write /dev/full: *No space left on device*"
    gates = "pipeline: 2 gates: 1 met, 1 missed, 0 inconclusive*"
    result.stdout.fnmatch_lines([gates, *[refused] * len(files)])


def test_a_disk_that_fills_up_while_writing_leaves_the_old_file_and_no_debris(
    tmp_path, monkeypatch
):
    path = tmp_path / "report.html"
    path.write_text("old")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match=r"cannot write .*report\.html: No space left on device"):
        write_text("new", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_keeps_pointing_at_the_file_it_points_at(tmp_path):
    link = tmp_path / "latest.json"
    link.symlink_to(tmp_path / "real.json")
    write_text("text", link)
    assert link.is_symlink()
    assert (tmp_path / "real.json").read_text() == "text"


def test_the_document_can_go_to_a_pipe(pytester, write):
    options = ["-s", "--pipeline-json=/dev/stdout"]
    ended = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False
    )
    begin = ended.stdout.index('{"schema"')
    document, _ = json.JSONDecoder().raw_decode(ended.stdout, begin)
    assert [test["outcome"] for test in document["tests"]] == ["met", "missed"]
