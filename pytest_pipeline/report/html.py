"""The one-file HTML report: assembles the page from the document, with its own content policy."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_pipeline.report.json_file import write_text
from pytest_pipeline.report.page.view import make_page
from pytest_pipeline.report.palette import LIGHT, css_variables
from pytest_pipeline.report.text import visible
from pytest_pipeline.report.words import OUTCOMES, Json

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent


def write(document: Json, path: str | Path, *, all_charts: bool = False) -> None:
    """Write the report of `document` to `path`; raises `OSError` naming the file when that fails."""
    write_text(render(document, all_charts=all_charts), path)


def render(document: Json, *, all_charts: bool = False) -> str:
    """Return the page: same document, same bytes. No clock, no environment, no network is used.

    `all_charts` draws every test, however large the page becomes.
    """
    from markupsafe import Markup

    page = make_page(document, all_charts=all_charts)
    style, script = _style(), _script()
    # Both assets are files of this package and the data is escaped by `embed`: the only places
    # in the page where text is not escaped by the template engine.
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            data=Markup(page.data.text),  # noqa: S704 - escaped JSON
            policy=content_policy(style, script),
            colours=LIGHT,
            outcomes=OUTCOMES,
        )
    )


def content_policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy that admits exactly this style and this script."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(raw).decode('ascii')}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_HERE / "templates", encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters["px"] = _px
    return made


def _finalize(value: Any) -> Any:
    """Make control and bidi characters visible in every expression, whoever wrote the template."""
    return visible(value) if type(value) is str else value


def _px(value: float) -> str:
    return f"{value:g}"


def _script() -> str:
    return f"{_static('report.js')}\n{_static('timeline.js')}"


def _style() -> str:
    return css_variables() + _static("report.css")


@cache
def _static(name: str) -> str:
    return (_HERE / "static" / name).read_text(encoding="utf-8").strip("\n")
