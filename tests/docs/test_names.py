"""Somebody copies a command, an option, a marker or an import from a page."""

from __future__ import annotations

import ast
import importlib
import re

import pytest
from written import IDS, PAGES, ROOT, blocks, code

from pytest_pipeline import errors
from pytest_pipeline.cli import COMMANDS
from pytest_pipeline.plugin.names import MARKERS
from pytest_pipeline.plugin.options import OPTIONS

OF_PYTEST = {"parametrize", "skipif", "xfail"}


def said(page, pattern: str) -> set[str]:
    texts = [*code(page), *blocks(page, "python"), *blocks(page, "toml")]
    return {found for text in texts for found in re.findall(pattern, text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_option_exists_on_the_command_line_or_in_the_ini_file(page):
    assert said(page, r"--pipeline-[a-z-]+[a-z]") <= {each.flag for each in OPTIONS}
    assert said(page, r"^(pipeline_\w+) = ") <= {each.key for each in OPTIONS}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_marker_is_ours_or_pytests(page):
    assert said(page, r"@pytest\.mark\.(\w+)") <= {*MARKERS, *OF_PYTEST}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_can_be_run_in_a_clone(page):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert said(page, r"^make (\w+)") <= targets
    assert said(page, r"^pytest-pipeline (\w+)") <= {*COMMANDS}
    for path in said(page, r"^python (\S+\.py)"):
        assert (ROOT / path).exists(), path
    for module in said(page, r"^python -m ([\w.]+)"):
        folder = ROOT.joinpath(*module.split("."))
        assert (folder / "__main__.py").exists(), module


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_python_block_can_be_parsed_and_imports_what_there_is(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("pytest_pipeline"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), alias.name


def test_every_exception_and_warning_is_explained_on_the_page_of_messages():
    page = (ROOT / "docs" / "messages.md").read_text("utf-8")
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and kind is not errors.PipelineError:
            slug = getattr(kind, "slug", name)
            assert f"`{name}`" in page, name
            assert f"`{slug}`" in page, slug
