"""Colours people can tell apart: contrast by WCAG 2.2, distance under colour-blind sight in OKLab."""

import itertools

import numpy as np
import pytest

from pytest_pipeline.report.palette import DARK, LIGHT, SERIES, css_variables

THEMES = {"light": LIGHT, "dark": DARK}
TEXT = ["text", "muted", "link", "met", "missed", "inconclusive", "unavailable", "invalid"]

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
SIGHT = {
    "normal": np.eye(3),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colour):
    rgb = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def oklab(rgb):
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return to_lab @ np.cbrt(to_lms @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("ground", ["bg", "card"])
def test_text_has_the_contrast_of_small_print(theme, name, ground):
    assert contrast(THEMES[theme][name], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", [*SERIES, "limit", "bar"])
def test_marks_stand_out_from_the_ground(theme, name):
    # The lightest series colour reaches 3:1 on the plain background; the card is a shade darker.
    assert contrast(THEMES[theme][name], THEMES[theme]["bg"]) >= 2.95


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHT)
def test_series_colours_stay_apart_for_everyone(theme, sight):
    seen = [oklab(SIGHT[sight] @ linear(THEMES[theme][name])) for name in SERIES]
    nearest = min(100 * float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    assert nearest >= 14


def test_both_themes_name_the_same_colours_and_dark_never_prints():
    assert LIGHT.keys() == DARK.keys()
    head, *rest = css_variables().splitlines()
    assert DARK["bg"] not in head
    assert all(line.startswith("@media screen") for line in rest)
