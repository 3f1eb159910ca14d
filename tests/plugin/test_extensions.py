"""The extension points: a user's own executor as an arm, by hook and by entry point; report sections."""

from __future__ import annotations

import json
import os

import pytest
from xdist_suite import COMMAND

from pytest_pipeline.executors.protocol import Executor

STUDY = """
import time
import pytest

def fetch(item):
    time.sleep(0.003)
    return item * 2

@pytest.mark.executors("pool")
@pytest.mark.measure(budget="10s", max_rounds=8)
@pytest.mark.speedup(min=0.01)
def test_fetch(pipeline):
    result = pipeline.run([fetch], list(range(24)))
    assert result.outputs == [item * 2 for item in range(24)]
    assert result["pool"].workers == 4
"""
BY_HOOK = """
from futures_executor import PoolExecutor

def pytest_pipeline_executors(config):
    return {"pool": PoolExecutor()}
"""


def measured_run(pytester, *options):
    pytester.makepyfile(test_study=STUDY)
    options = (*options, "--pipeline-inconclusive=pass", "--pipeline-json=out.json")
    result = pytester.run(*COMMAND, *options, timeout=120)
    result.assert_outcomes(passed=1)
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    return test["runs"][0]


def arms(measured):
    return [each["executor"] for each in measured["arms"]]


def test_an_executor_of_the_project_s_own_is_an_arm_like_any_other(pytester):
    pytester.makeconftest(BY_HOOK)
    measured = measured_run(pytester, "-n1")
    assert arms(measured) == ["serial", "pool"]
    assert measured["arms"][1]["speedup"]["value"] > 0
    (finding,) = measured["findings"]
    assert finding["executor"] == "pool"
    assert finding["verdict"] in {"met", "inconclusive"}  # as the machine is clean or not


def test_an_installed_executor_is_found_by_its_entry_point(pytester, monkeypatch):
    info = pytester.mkdir("site") / "my_pools-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-pools\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[pytest_pipeline.executors]\npool = futures_executor:PoolExecutor\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.environ["PYTHONPATH"] + os.pathsep + str(info.parent))
    assert arms(measured_run(pytester, "--pipeline-off")) == ["serial", "pool"]


def test_the_example_keeps_the_contract_of_an_executor():
    from futures_executor import PoolExecutor

    assert isinstance(PoolExecutor(), Executor)


def test_a_stage_that_raises_under_it_names_stage_and_item(pytester):
    pytester.makeconftest(BY_HOOK)
    pytester.makepyfile("""
        import threading
        def parse(item):
            if item == 3 and threading.current_thread() is not threading.main_thread():
                raise ValueError("cannot parse")
            return item
        def test_it(pipeline):
            pipeline.run([parse], list(range(8)), executors=["pool"])
        """)
    result = pytester.run(*COMMAND, timeout=60)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ValueError: cannot parse*", "*stage 'parse', item 3*"])


POOL_OF_FOLDER = """
def pytest_pipeline_executors(config):
    return {{"pool": "the pool of {folder}"}}
"""
USES_POOL = """
import pytest
from scripted import CALLS

@pytest.mark.executors("pool")
def test_pool(pipeline):
    pipeline.run(["met"], [])
    assert CALLS[-1]["extra_executors"] == {{"pool": "the pool of {folder}"}}
"""


def test_two_folders_with_an_executor_of_one_name_measure_each_on_its_own(run, pytester):
    for folder in ("first", "second"):
        made = pytester.mkdir(folder)
        (made / "conftest.py").write_text(POOL_OF_FOLDER.format(folder=folder))
        (made / f"test_{folder}.py").write_text(USES_POOL.format(folder=folder))
    run("").assert_outcomes(passed=2)


GATES = """
import pytest

@pytest.mark.speedup(min=2.0)
@pytest.mark.parametrize("script", ["met", "missed"])
def test_gate(pipeline, script):
    pipeline.run([script], [])
"""
SECTIONS = """
from scripted import pytest_configure

def pytest_pipeline_report_sections(config, document):
    rows = [[test["nodeid"], test["seconds"]] for test in document["tests"]]
    with open("asked.txt", "a") as file:
        file.write("asked\\n")
    return [{"title": "Prices <b>", "text": "per item\\nin euros", "header": ["test", "s"], "rows": rows}]
"""


def run_with_sections(pytester, conftest, *options):
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_it=GATES)
    outputs = ("--pipeline-json=out.json", "--pipeline-report=out.html")
    result = pytester.run(*COMMAND, *options, *outputs, timeout=60)
    result.assert_outcomes(passed=1, failed=1)
    document = json.loads((pytester.path / "out.json").read_text())
    return result, document, (pytester.path / "out.html").read_text()


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_a_section_of_the_project_s_own_stands_in_page_and_document(pytester, options):
    _, document, page = run_with_sections(pytester, SECTIONS, *options)
    (section,) = document["sections"]
    assert section["rows"] == [[test["nodeid"], str(test["seconds"])] for test in document["tests"]]
    assert (pytester.path / "asked.txt").read_text() == "asked\n"
    assert '<h2 id="section-1">Prices &lt;b&gt;</h2>' in page
    assert "<p>per item</p>\n<p>in euros</p>" in page
    assert '<th scope="col">test</th><th scope="col">s</th>' in page
    assert "<td>test_it.py::test_gate[missed]</td>" in page


def test_an_implementation_may_take_the_configuration_only(pytester):
    conftest = """
        from scripted import pytest_configure
        def pytest_pipeline_report_sections(config):
            return [{"title": config.rootpath.name}]
        """
    _, document, page = run_with_sections(pytester, conftest)
    name = pytester.path.name
    assert document["sections"] == [{"title": name, "text": "", "header": [], "rows": []}]
    assert f">{name}</h2>" in page


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
        (
            "pytest.importorskip('nowhere')",
            "raised Skipped: could not import 'nowhere': No module named 'nowhere'",
        ),
        ("pytest.fail('no connection')", "raised Failed: no connection"),
        ("['text']", "a section is a mapping with a 'title', found 'text'"),
        ("[{}]", "a section needs a 'title' of text, found ''"),
        ("[{'titel': 'x'}]", "found 'titel' (did you mean 'title'?)"),
        ("[{'title': 'x', 'text': 5}]", "section 'x': 'text' is text, found 5"),
        ("[{'title': 'x', 'rows': ['ab']}]", "section 'x': 'rows' has lists of cells, found 'ab'"),
        ("[{'title': 'x', 'rows': [[1], [1, 2]]}]", "section 'x': rows of 1 and 2 cells"),
        ("[{'title': 'x', 'header': [1], 'rows': [[1, 2]]}]", "section 'x': rows of 1 and 2 cells"),
        ("[{'title': 'x', 'text': 'y' * 300_000}]", "300 kB of sections, at most 200 kB fit"),
    ],
)
def test_a_section_that_cannot_be_used_costs_neither_verdict_nor_report(pytester, answer, said):
    conftest = f"""
        import pytest
        from scripted import pytest_configure
        def pytest_pipeline_report_sections(config):
            return {answer}
        """
    result, document, page = run_with_sections(pytester, conftest)
    assert "sections" not in document
    assert "missed" in page
    (line,) = (each for each in result.outlines if "pytest_pipeline_report_sections" in each)
    assert said in line
    assert line.endswith("; no section was added to the report")
