"""Accessibility and valid HTML by the field's own checkers (axe-core in the browser, html-validate)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import documents
import pages
import pytest
from devtools import CHROMIUM
from test_browser import browse

from pytest_pipeline.report import html

MODULES = Path(__file__).parent / "node_modules"
AXE = MODULES / "axe-core" / "axe.min.js"
VALIDATE = MODULES / "html-validate" / "bin" / "html-validate.mjs"
NODE = shutil.which("node")
RUN_AXE = """
for (const each of document.querySelectorAll("details")) each.open = true;
axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((found) => {
  const out = document.createElement("pre");
  out.id = "axe";
  out.textContent = JSON.stringify({ passes: found.passes.length, violations: found.violations.map((each) => [each.id, each.nodes.length, each.nodes[0].html]) });
  document.body.append(out);
});
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def everything():
    tests = [*documents.full()["tests"], *documents.studies()["tests"]]
    return html.render(documents.document(*tests))


@pytest.mark.skipif(
    CHROMIUM is None or not AXE.exists(),
    reason="chromium or axe-core is missing (npm install --prefix tests/report): accessibility was not checked",
)
@pytest.mark.parametrize(
    "flags", [(), ("--blink-settings=preferredColorScheme=0",)], ids=["light", "dark"]
)
def test_axe_finds_no_barrier_with_everything_opened(everything, tmp_path, flags):
    # The page's own policy admits no further script: the copy under test goes without it.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", everything)
    script = f"<script>{AXE.read_text()}</script><script>{RUN_AXE}</script></body>"
    path = tmp_path / "report.html"
    path.write_text(text.replace("</body>", script))
    dom, _ = browse(tmp_path, path.as_uri(), "--dump-dom", "--virtual-time-budget=60000", *flags)
    found = json.loads(pages.text_of(pages.by_id(pages.parse(dom), "axe")))
    assert found["passes"] > 10
    assert found["violations"] == []


@pytest.mark.skipif(
    NODE is None or not VALIDATE.exists(),
    reason="html-validate is missing (npm install --prefix tests/report): the markup was not validated",
)
def test_html_validate_finds_no_error(everything, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(everything)
    command = [str(NODE), str(VALIDATE), "--formatter", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    messages = [each for file in json.loads(done.stdout or "[]") for each in file["messages"]]
    assert [(each["line"], each["ruleId"], each["message"]) for each in messages] == []
    assert done.returncode == 0, done.stderr
