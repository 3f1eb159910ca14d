"""Somebody clicks on a link in a page, or opens a file that it names."""

from __future__ import annotations

import re

import pytest
from written import IDS, PAGES, ROOT, anchors, code, links

FILE = re.compile(r"(?:[\w.-]+/)+[\w-]+\.(?:py|md|sh|toml|png)")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_to_a_file_of_this_repository_and_to_a_heading_in_it(page):
    for link in links(page):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not heading or heading in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_file_that_a_page_names_is_there(page):
    for path in {found for text in code(page) for found in FILE.findall(text)}:
        assert (ROOT / path).exists() or (page.parent / path).exists(), path
