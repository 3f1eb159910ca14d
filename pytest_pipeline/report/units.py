"""The one place that turns numbers into text: seconds, ratios, rates, shares and bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

MISSING = "\N{EN DASH}"
"""Stands for a value that was not measured (None or NaN)."""

_SECOND_UNITS = (("µs", 1e6), ("ms", 1e3), ("s", 1.0))
_BYTE_UNITS = (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12))


@dataclass(frozen=True, slots=True)
class Scale:
    """One unit for a whole table, so that its columns can be added up by eye."""

    unit: str
    """`µs`, `ms` or `s`."""
    factor: float
    """Multiplies seconds."""
    decimals: int
    """Digits after the point, the same in every cell."""

    def text(self, seconds_value: float | None) -> str:
        """Return the number without its unit, with the table's decimals."""
        odd = _odd(seconds_value)
        if odd is not None or seconds_value is None:
            return odd or MISSING
        if seconds_value == 0:
            return "0"
        shown = f"{seconds_value * self.factor:,.{self.decimals}f}"
        return shown.removeprefix("-") if not shown.strip("-0.") else shown


def significant(value: float, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits and no exponent for everyday sizes."""
    if abs(value) < 1e-9:
        return "0"
    if abs(value) >= 1e15:
        return f"{value:.{digits}g}"
    rounded = _rounded(value, digits)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:.{decimals}f}"


def seconds(value: float | None) -> str:
    """Return a time with three significant digits in µs, ms or s: `12.3 ms`."""
    odd = _odd(value)
    if odd is not None or value is None:
        return odd or MISSING
    for unit, factor in _SECOND_UNITS:
        if unit == "s" or abs(_rounded(min(abs(value), 1e9) * factor, 3)) < 1000:
            shown = significant(value * factor)
            return "0 s" if shown == "0" else f"{shown} {unit}"
    raise AssertionError("the last unit takes every value")


def ratio(value: float | None) -> str:
    """Return a speedup: `2.41x`, `0.34x`, `12.4x`; two digits below a tenth."""
    odd = _odd(value)
    if odd is not None or value is None:
        return odd or MISSING
    if 0.1 <= abs(value) < 9.995:
        return f"{value:.2f}x"
    return f"{significant(value, 2 if abs(value) < 0.1 else 3)}x"


def rate(value: float | None) -> str:
    """Return a rate per second: `41.7/s`."""
    odd = _odd(value)
    return odd or MISSING if odd is not None or value is None else f"{significant(value)}/s"


def percent(share: float | None) -> str:
    """Return a share (0-1) in per cent: `97 %`, `4.2 %`, `0.31 %`."""
    odd = _odd(share)
    if odd is not None or share is None:
        return odd or MISSING
    if abs(share) > 1e12:
        return "∞" if share > 0 else "-∞"
    hundredths = share * 100
    if abs(hundredths) < 0.005:
        return "0 %"
    is_whole = abs(hundredths - round(hundredths)) < 1e-6
    if is_whole or abs(hundredths) >= 9.95:
        return f"{hundredths:.0f} %"
    return f"{significant(hundredths, 2)} %"


def _share(value: float | None) -> str:
    """Return a measured share: three digits, since a limit lies between two whole per cents."""
    if value is None or not 0.0995 <= abs(value) < 9.995:
        return percent(value)
    return f"{100 * value:.3g} %"


def size(value: float | None) -> str:
    """Return bytes in decimal units: `8.59 GB`."""
    odd = _odd(value)
    if odd is not None or value is None:
        return odd or MISSING
    for unit, factor in _BYTE_UNITS:
        if unit == "TB" or abs(_rounded(value / factor, 3)) < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{significant(value / factor)} {unit}"
    raise AssertionError("the last unit takes every value")


def quantity(value: float | None, unit: str) -> str:
    """Return `value` in the document's base unit: `x`, `s`, `1/s`, `share`, `B`, or a noun such as `items`."""
    known = {"x": ratio, "s": seconds, "1/s": rate, "share": _share, "B": size}
    if unit in known:
        return known[unit](value)
    odd = _odd(value)
    return (
        odd or MISSING
        if odd is not None or value is None
        else f"{significant(value)} {unit}".rstrip()
    )


def interval(lower: float | None, upper: float | None, unit: str) -> str:
    """Return `1.22x to 1.41x`; an open end says so; empty when both ends are open."""
    if lower is None and upper is None:
        return ""
    if lower is None:
        return f"below {quantity(upper, unit)}"
    if upper is None:
        return f"above {quantity(lower, unit)}"
    return f"{quantity(lower, unit)} to {quantity(upper, unit)}"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 round`, `14 rounds`, `1,200 items`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def table_scale(largest_s: float) -> Scale:
    """Choose the unit for a table whose largest cell is `largest_s` seconds."""
    for unit, factor in _SECOND_UNITS:
        if unit == "s" or largest_s * factor < 10_000:
            return Scale(unit, factor, 2 if largest_s * factor < 100 else 1)
    raise AssertionError("the last unit takes every value")


def _odd(value: float | None) -> str | None:
    """Text for None, NaN and infinity; None for an ordinary number."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return None


def _rounded(value: float, digits: int) -> float:
    if value == 0:
        return 0.0
    return round(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))
