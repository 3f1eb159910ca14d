"""Colours, light and dark: measured for contrast and for colour-blind distance by a test.

The six series colours come from a search that maximised the smallest OKLab distance under normal
sight, deuteranopia, protanopia and tritanopia (about 17 x 100 in each; Okabe-Ito has 8).
"""

from __future__ import annotations

LIGHT = {
    "bg": "#ffffff",
    "card": "#f7f8fa",
    "line": "#d5dae1",
    "text": "#16191d",
    "muted": "#565f6b",
    "link": "#0b4fb3",
    "bar": "#8a949e",
    "grid": "#e2e6eb",
    "band": "#e9dcc0",
    "limit": "#16191d",
    "met": "#1a6b3c",
    "missed": "#b3201c",
    "inconclusive": "#7c4d00",
    "unavailable": "#4c5a6b",
    "invalid": "#8a1266",
    "c0": "#1324fd",
    "c1": "#e47717",
    "c2": "#009de3",
    "c3": "#650e17",
    "c4": "#9b4c5a",
    "c5": "#410591",
}
"""Name to hex. `c0` to `c5` are the series colours (stages, curves, ledger parts)."""

DARK = {
    "bg": "#0f1419",
    "card": "#171e26",
    "line": "#33404d",
    "text": "#e8ecf1",
    "muted": "#a3afbc",
    "link": "#8ab8ff",
    "bar": "#7c8894",
    "grid": "#27313b",
    "band": "#3f3722",
    "limit": "#e8ecf1",
    "met": "#6fcf97",
    "missed": "#ff8a80",
    "inconclusive": "#eab64f",
    "unavailable": "#a9b6c6",
    "invalid": "#ff8ad1",
    "c0": "#97a6eb",
    "c1": "#deaa03",
    "c2": "#00f0c3",
    "c3": "#e91d26",
    "c4": "#0e8393",
    "c5": "#ba23ff",
}
"""The same names on a dark background."""

SERIES = ("c0", "c1", "c2", "c3", "c4", "c5")
"""Series colours in order of use."""


def css_variables() -> str:
    """Return the custom properties; dark rules are scoped to `screen`, so that nobody prints black pages."""
    light, dark = _declarations(LIGHT), _declarations(DARK)
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        f"@media screen{{:root[data-theme=light]{{color-scheme:light;{light}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )


def _declarations(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())
