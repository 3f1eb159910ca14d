"""Options: every one on the command line and in the ini file; unknown values end the session."""

from __future__ import annotations

import pytest

from pytest_pipeline.plugin.options import OPTIONS

BAD = [
    ("inconclusive", "maybe", "'maybe' is not one of: skip, fail, pass"),
    ("min-decided", "1.5", "'1.5' is not a share: write 0.9 or \"90%\" (0 to 1)"),
    ("min-decided", "most", "'most' is not a share*"),
    ("executors", "asyncio", "executor 'asyncio' is not in this release"),
    ("executors", ",", "expected executor names separated by commas, found none"),
    ("budget", "soon", "budget='soon' is not a time*"),
    ("budget", "-3", "budget=-3.0 must be above zero*"),
    ("lock", "maybe", "'maybe' is not one of: run, machine, off"),
]
NOT_LOADED = "(or its conftest.py is not loaded yet: put the hook in the root conftest.py)"
UNKNOWN = [
    ("executors", "threds", f"*'threds' (did you mean 'threads'?); known: * {NOT_LOADED}"),
    ("require", "gpu", f"*'gpu'; known: serial, threads, processes, cuda {NOT_LOADED}"),
]
"""In the ini file they may be those of a conftest.py that comes later: test_ini_names.py."""


@pytest.mark.parametrize(("name", "value", "message"), [*BAD, *UNKNOWN])
def test_a_bad_value_on_the_command_line_is_a_usage_error(run, name, value, message):
    result = run("def test_one(): pass", f"--pipeline-{name}={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --pipeline-{name}: {message}"])


@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_a_bad_value_in_the_ini_file_is_a_usage_error(run, pytester, name, value, message):
    key = f"pipeline_{name.replace('-', '_')}"
    pytester.makeini(f"[pytest]\n{key} = {value}")
    result = run("def test_one(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: ini option {key}: {message}"])


@pytest.mark.parametrize("name", ["report", "json", "markdown", "trace", "history"])
def test_an_empty_path_is_a_usage_error_at_the_start(run, name):
    result = run("def test_one(): pass", f"--pipeline-{name}=")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --pipeline-{name}: expected a path, found none"])


def test_a_switch_in_the_ini_file_that_is_neither_on_nor_off_is_a_usage_error(run, pytester):
    pytester.makeini("[pytest]\npipeline_off = maybe")
    result = run("def test_one(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: ini option pipeline_off: *'maybe'; write true or false"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_a_bad_value_stops_xdist_with_one_message(pytester):
    pytester.makepyfile("def test_one(): pass")
    options = ("-p", "pytest_pipeline.plugin", "-p", "xdist.plugin", "-n2")
    result = pytester.runpytest_subprocess(*options, "--pipeline-inconclusive=maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.no_fnmatch_line("*INTERNALERROR*")


def test_help_lists_every_option_and_ini_key(run):
    result = run("", "--help")
    for option in OPTIONS:
        result.stdout.fnmatch_lines([f"*{option.flag}*"])
        result.stdout.fnmatch_lines([f"*{option.key}*"])


def test_the_command_line_beats_the_ini_file(run, pytester):
    pytester.makeini("[pytest]\npipeline_inconclusive = fail\npipeline_off = true")
    source = """
        import pytest

        @pytest.mark.speedup(min=2)
        def test_gate(pipeline):
            pipeline.run(["near"], [])
        """
    run(source).assert_outcomes(passed=1)
    pytester.makeini("[pytest]\npipeline_inconclusive = fail")
    run(source).assert_outcomes(failed=1)
    run(source, "--pipeline-inconclusive=pass").assert_outcomes(passed=1)


NATIVE = pytest.mark.skipif(
    pytest.version_tuple < (9, 0), reason="native TOML options came with pytest 9"
)


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("pyproject.toml", "tool.pytest.ini_options"),
        pytest.param("pyproject.toml", "tool.pytest", marks=NATIVE),
        pytest.param("pytest.toml", "pytest", marks=NATIVE),
    ],
)
def test_options_in_toml(run, pytester, file, table):
    (pytester.path / file).write_text(
        f'[{table}]\npipeline_executors = ["processes", "threads"]\npipeline_off = true\npipeline_min_decided = "0.9"\n'
    )
    result = run("""
        import conftest

        def test_gate(pipeline):
            pipeline.run(["met"], [])
            assert conftest.CALLS[-1]["executors"] == ("processes", "threads")
            assert conftest.CALLS[-1]["mode"] == "off"
        """)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("report", '["a.html"]', "['a.html'] is a list: expected one text, PATH*"),
        ("budget", '["30s"]', "['30s'] is a list: expected one text, TIME*"),
        ("min_decided", "[0.9]", "[0.9] is a list: expected one text, SHARE*"),
        ("inconclusive", '["skip"]', "['skip'] is a list: expected one text, skip|fail|pass*"),
        ("executors", "[1]", "1 is not a name: expected names of executors, as text"),
    ],
)
def test_a_list_in_toml_where_one_text_belongs_is_a_usage_error(run, pytester, key, value, said):
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\npipeline_{key} = {value}")
    its_own = "ignore:Passing a value that is not a string"  # what pytest 9 says of it
    result = run("def test_one(): pass", "-W", its_own)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: ini option pipeline_{key}: {said.replace('[', '[[]')}"])


OFF = '"off"'
VALUES = {
    "executors": '["threads"]',
    "require": '["threads"]',
    "off": "true",
    "charts": '"all"',
    "inconclusive": '"fail"',
    "min-decided": '"90%"',
    "budget": '"4s"',
    "lock": '"machine"',
}


@NATIVE
def test_every_option_has_a_native_value_of_the_kind_that_the_docs_tell(run, pytester):
    lines = [f"{option.key} = {VALUES.get(option.name, OFF)}" for option in OPTIONS]
    pytester.makepyprojecttoml("\n".join(["[tool.pytest]", *lines]))
    result = run("""
        from pytest_pipeline.plugin.settings import settings_of

        def test_one(request):
            settings = settings_of(request.config)
            assert (settings.charts, settings.inconclusive, settings.lock) == ("all", "fail", "machine")
            assert (settings.min_decided, settings.budget_s.value, settings.is_off) == (0.9, 4.0, True)
            assert (settings.executors.value, settings.require) == (("threads",), ("threads",))
        """)
    result.assert_outcomes(passed=1)


@NATIVE
def test_a_native_number_is_a_usage_error_that_says_text_is_wanted(run, pytester):
    pytester.makepyprojecttoml("[tool.pytest]\npipeline_min_decided = 0.9")
    result = run("def test_one(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'pipeline_min_decided' expects a string, got float: 0.9"])
