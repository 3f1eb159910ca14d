"""`pytest-pipeline report`: shards in, one page out."""

from __future__ import annotations

import json

import pytest
from report import documents

from pytest_pipeline.cli import main
from pytest_pipeline.report import html, json_file, markdown
from pytest_pipeline.report.page import view


@pytest.fixture
def shards(tmp_path):
    """Return two readable files and one that was cut off."""
    json_file.write(documents.document(documents.met()), tmp_path / "a.json")
    json_file.write(documents.document(documents.missed()), tmp_path / "b.json")
    whole = (tmp_path / "a.json").read_text()
    (tmp_path / "cut.json").write_text(whole[: len(whole) // 2])
    return tmp_path


def test_two_files_become_one_page_and_one_line(shards, capsys):
    page = shards / "all.html"
    assert main(["report", str(shards / "a.json"), str(shards / "b.json"), "-o", str(page)]) == 0
    assert "test_orders_overlap" in page.read_text()
    assert "test_orders_scale" in page.read_text()
    printed = capsys.readouterr().out
    assert printed.startswith(f"wrote {page}: 2 tests of 2 files, ")
    assert "1 met, 1 missed" in printed


def test_a_file_that_was_cut_off_is_named_and_the_rest_merged(shards, capsys):
    page = shards / "all.html"
    assert main(["report", str(shards / "cut.json"), str(shards / "a.json"), "-o", str(page)]) == 0
    assert "cut.json is not complete JSON" in capsys.readouterr().err
    assert "cut.json is not complete JSON" in page.read_text()


def test_nothing_readable_writes_nothing_and_fails(shards, capsys):
    page = shards / "all.html"
    assert main(["report", str(shards / "cut.json"), str(shards / "no.json"), "-o", str(page)]) == 2
    assert not page.exists()
    assert "no.json" in capsys.readouterr().err


def test_one_file_gives_the_page_that_its_session_wrote(shards):
    page = shards / "again.html"
    assert main(["report", str(shards / "a.json"), "-o", str(page)]) == 0
    assert page.read_text() == html.render(json_file.read(shards / "a.json"))


def test_the_merged_json_renders_the_same_page_again(shards):
    first, second, merged = shards / "1.html", shards / "2.html", shards / "merged.json"
    files = [str(shards / "a.json"), str(shards / "b.json")]
    assert main(["report", *files, "-o", str(first), "--json", str(merged)]) == 0
    assert main(["report", str(merged), "-o", str(second)]) == 0
    assert first.read_bytes() == second.read_bytes()


def test_files_of_one_name_are_told_apart_by_their_folders(shards):
    for folder in ("linux", "mac"):
        json_file.write(documents.document(documents.met()), shards / folder / "report.json")
    files = [str(shards / folder / "report.json") for folder in ("linux", "mac")]
    merged = shards / "merged.json"
    assert main(["report", *files, "-o", str(shards / "all.html"), "--json", str(merged)]) == 0
    assert [test["shard"] for test in json.loads(merged.read_text())["tests"]] == files


def test_a_report_that_cannot_be_written_names_the_file_and_fails(shards, capsys):
    (shards / "file").write_text("")
    assert main(["report", str(shards / "a.json"), "-o", str(shards / "file" / "all.html")]) == 2
    assert "all.html" in capsys.readouterr().err


def test_a_session_without_files_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["report", "-o", "all.html"])
    assert stopped.value.code == 2


def test_a_markdown_summary_is_written_beside_the_page_when_asked_for(shards):
    page, summary, merged = shards / "all.html", shards / "all.md", shards / "merged.json"
    files = [str(shards / "a.json"), str(shards / "b.json")]
    outputs = ["-o", str(page), "--json", str(merged), f"--markdown={summary}"]
    assert main(["report", *files, *outputs]) == 0
    assert summary.read_text() == markdown.render(json_file.read(merged))


@pytest.mark.parametrize(("options", "is_bare"), [([], True), (["--charts=all"], False)])
def test_charts_that_a_large_page_leaves_out_are_drawn_when_asked_for(
    shards, monkeypatch, options, is_bare
):
    monkeypatch.setattr(view, "MAX_FULL_PASSING", 0)
    page = shards / "all.html"
    assert main(["report", str(shards / "a.json"), "-o", str(page), *options]) == 0
    assert ("left out to keep this page small" in page.read_text()) is is_bare
