"""The report of 500 tests: its size, and how long it takes to make, to open and to zoom."""

from __future__ import annotations

import io
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from _tables import spread, table

# The report's own tests know how documents look and how to talk to a browser without installing anything.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "report"))

import devtools
import documents

from pytest_pipeline.report import html

FAILING, PASSING = 10, 490
VISITS = 5000
REPEATS = 5
WHEEL_STEPS = 20

ZOOM = f"""
(async () => {{
  const canvas = document.querySelector("canvas");
  canvas.scrollIntoView();
  canvas.focus();
  const frame = window.requestAnimationFrame.bind(window);
  const paint = canvas.getContext("2d", {{ willReadFrequently: true }});
  const steps = [];
  for (let k = 0; k < {WHEEL_STEPS}; k += 1) {{
    let spent = 0;
    window.requestAnimationFrame = (draw) => frame((now) => {{
      const before = performance.now();
      draw(now);
      paint.getImageData(0, 0, 1, 1);  // the pixels are there, not only the commands
      spent += performance.now() - before;
    }});
    const before = performance.now();
    const step = {{ deltaY: k % 10 < 5 ? -1 : 1, clientX: 600, cancelable: true, ctrlKey: true }};
    canvas.dispatchEvent(new WheelEvent("wheel", step));
    spent += performance.now() - before;
    await new Promise((done) => frame(() => setTimeout(done)));
    steps.push(spent);
  }}
  window.requestAnimationFrame = frame;
  return steps;
}})()
"""


def varied(value: Any, rng: random.Random) -> Any:
    """Return the same document with other digits: 500 equal tests would zip to almost nothing."""
    if isinstance(value, float):
        return min(value, 1.0) if value == 1.0 else value * rng.uniform(0.97, 1.0)
    if isinstance(value, dict):
        return {key: varied(each, rng) for key, each in value.items()}
    if isinstance(value, list):
        return [varied(each, rng) for each in value]
    return value


def session() -> dict[str, Any]:
    """500 tests in 20 modules, ten of them missed."""
    rng = random.Random(7)
    makers = [documents.missed] * FAILING + [documents.met] * PASSING
    tests = [
        varied(make(f"tests/test_{k % 20}.py::test_case[{k}]"), rng)
        for k, make in enumerate(makers)
    ]
    return documents.document(*tests)


def long_timeline() -> dict[str, Any]:
    """One missed test whose threads made 5,000 visits."""
    test = documents.missed()
    items = VISITS // len(documents.STAGES)
    ledger = documents.staged_ledger(1.55, items, 1)
    trace = documents.make_trace("threads", items, 1, ledger)
    arm = documents.make_arm("threads", None, makespan_s=trace.makespan_s, items=items)
    (made,) = documents.comparison([arm], [])["arms"]
    assert made["timeline"]["num_kept"] == VISITS
    test["runs"][0]["arms"][1]["timeline"] = made["timeline"]
    return documents.document(test)


def zipped(text: str) -> int:
    """Return the bytes of a zip that holds the page, as CI hosts make of an artifact."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.html", text)
    return len(packed.getvalue())


def seconds_of(run: Callable[[], object]) -> float:
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


def ready_ms(browser: devtools.Browser, page: Path) -> list[float]:
    """Return the milliseconds from navigation to the end of the page's scripts, once per load."""
    found = []
    for _ in range(REPEATS):
        browser.open(page.as_uri())
        found.append(browser.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    return found


def zoom_ms(browser: devtools.Browser, page: Path) -> list[float]:
    """Return the main thread's milliseconds per wheel step on the timeline, pixels included."""
    browser.open(page.as_uri())
    browser.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    browser.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    steps: list[float] = browser.evaluate(ZOOM)
    return steps


def browser_rows(folder: Path, text: str) -> list[list[str]]:
    if devtools.CHROMIUM is None:
        return [["ready in the browser, zoom step", "chromium is not installed", "", ""]]
    page, timeline = folder / "report.html", folder / "timeline.html"
    page.write_text(text, encoding="utf-8")
    html.write(long_timeline(), timeline)
    with devtools.browser() as browser:
        ready, zoom = ready_ms(browser, page), zoom_ms(browser, timeline)
    return [
        _row("ready in the browser", spread(ready, " ms", 0), median(ready), 1500, "1,500 ms"),
        _row(f"zoom step, {VISITS:,} visits", spread(zoom, " ms", 1), median(zoom), 16, "16 ms"),
    ]


def report_table() -> str:
    """Make the page, open it, zoom."""
    document = session()
    text = html.render(document)
    render = [seconds_of(lambda: html.render(document)) for _ in range(REPEATS)]
    size, packed = len(text.encode()), zipped(text)
    rows = [
        _row("size", f"{size / 1e6:.2f} MB", size, 3e6, "3 MB"),
        _row("size, zipped", f"{packed / 1e3:.0f} kB", packed, 300e3, "300 kB"),
        _row("rendering", spread(render, " s"), median(render), 1.0, "1 s"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        rows += browser_rows(Path(folder), text)
    return table([f"{FAILING} missed and {PASSING} met", "measured", "wanted", ""], rows)


def _row(what: str, shown: str, value: float, limit: float, wanted: str) -> list[str]:
    return [what, shown, f"< {wanted}", "met" if value < limit else "missed"]


def tables() -> list[str]:
    return [report_table()]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
