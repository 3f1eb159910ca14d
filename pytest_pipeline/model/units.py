"""Parse what users write for times and tolerances: `"50ms"`, `0.05`, `timedelta`, `"5%"`."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from numbers import Integral, Real

from pytest_pipeline.errors import UsageError

_SECONDS_PER = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([a-zA-Zµ]+)\s*")
_BYTES_PER = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def parse_seconds(value: object, *, what: str) -> float:
    """Return `value` in seconds; accepts `"50ms"`, a positive number of seconds, or `timedelta`.

    Raises `UsageError` naming `what`, the value found and the values accepted.
    """
    if isinstance(value, timedelta):
        return _positive(value.total_seconds(), value, what)
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None or match[2] not in _SECONDS_PER:
            units = ", ".join(_SECONDS_PER)
            raise UsageError(
                f'{what}={value!r} is not a time: write "50ms" (units: {units}), seconds as a number, or a timedelta'
            )
        return _positive(float(match[1]) * _SECONDS_PER[match[2]], value, what)
    return positive_number(
        value, what=what, accepts='a time such as "50ms", seconds as a number, or a timedelta'
    )


def parse_bytes(value: object, *, what: str) -> float:
    """Return `value` in bytes; accepts `"200MB"`, `"64MiB"` or a positive number of bytes."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None or match[2] not in _BYTES_PER:
            raise UsageError(
                f'{what}={value!r} is not a size: write "200MB" (units: {", ".join(_BYTES_PER)}) or bytes as a number'
            )
        return _positive(float(match[1]) * _BYTES_PER[match[2]], value, what)
    return positive_number(value, what=what, accepts='a size such as "200MB" or bytes as a number')


def parse_share(value: object, *, what: str) -> float:
    """Return a share in [0, 1); accepts `"5%"` or `0.05`."""
    share: object = value
    if isinstance(value, str):
        text = value.strip()
        try:
            share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            share = None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise UsageError(
            f'{what}={value!r} is not a share: write "5%" or 0.05 (at least 0, below 1)'
        )
    return float(share)


def parse_efficiency(value: object, *, what: str) -> float:
    """Return an efficiency in (0, 1]; accepts `"80%"` or `0.8`."""
    if value == 1 and not isinstance(value, bool):
        return 1.0
    if isinstance(value, str) and value.strip() == "100%":
        return 1.0
    try:
        return _positive(parse_share(value, what=what), value, what)
    except UsageError:
        raise UsageError(
            f'{what}={value!r} is not an efficiency: write "80%" or 0.8 (above 0, at most 1)'
        ) from None


def parse_overlap(value: object, *, what: str) -> float:
    """Return a number of items in service at once, above 1: a serial loop has 1."""
    number = positive_number(value, what=what, accepts="a number of items above 1")
    if number <= 1:
        raise UsageError(f"{what}={value!r} must be above 1, which is what a serial loop has")
    return number


def positive_number(value: object, *, what: str, accepts: str = "a number above zero") -> float:
    """Return `value` as a float above zero, or raise `UsageError` naming `what`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{what}={value!r} is a {type(value).__name__}: expected {accepts}")
    return _positive(float(value), value, what)


def number_from_zero(value: object, *, what: str) -> float:
    """Return `value` as a finite float of at least 0, or raise `UsageError` naming `what`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"{what}={value!r} is a {type(value).__name__}: expected a number from 0")
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise UsageError(f"{what}={value!r} must be a finite number of at least 0")
    return number


def whole_number(value: object, *, what: str) -> int:
    """Return `value` as an `int` of at least 1, or raise `UsageError` naming `what`; numpy's integers count."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise UsageError(f"{what}={value!r} must be a whole number of at least 1")
    return int(value)


def optional_whole_number(value: object, *, what: str) -> int | None:
    """Return `value` as `whole_number` does, and None as it is."""
    return None if value is None else whole_number(value, what=what)


def _positive(number: float, found: object, what: str) -> float:
    if not math.isfinite(number) or number <= 0:
        raise UsageError(f"{what}={found!r} must be above zero and finite")
    return number


def show_quantity(value: float, unit: str) -> str:
    """Return `value` in a unit of `Quantity.unit`: `1.42x`, `82.0 ms`, `412/s`, `80 %`, `12.3 MB`."""
    number, suffix = _number_and_suffix(value, unit)
    return number + suffix


def show_apart(value: float, other: float, unit: str) -> str:
    """Return `value` with as many digits as tell it from `other`: `0.9957x`, where both round to `1.00x`."""
    number, suffix = _number_and_suffix(value, unit)
    if (number, suffix) != _number_and_suffix(other, unit) or value == other or not float(number):
        return number + suffix
    factor = 10.0 ** round(math.log10(float(number) / value))
    for digits in range(4, 12):
        more = f"{factor * value:.{digits}g}"
        if more != f"{factor * other:.{digits}g}":
            return (number if float(more) == float(number) else more) + suffix
    return number + suffix


def show_range(lower: float, upper: float, unit: str) -> str:
    """Return an interval with its unit once: `1.38-1.46` (a ratio needs none), `12.1-13.0 ms`."""
    low, low_suffix = _number_and_suffix(lower, unit)
    high, high_suffix = _number_and_suffix(upper, unit)
    if unit == "x":
        return f"{low}-{high}"
    return f"{low}{'' if low_suffix == high_suffix else low_suffix}-{high}{high_suffix}"


def _number_and_suffix(value: float, unit: str) -> tuple[str, str]:
    if unit == "s":
        number, _, suffix = show_seconds(value).partition(" ")
        return number, f" {suffix}"
    if unit == "1/s":
        return _three_digits(value), "/s"
    if unit == "share":
        return _per_cent(100 * value), " %"
    if unit == "B":
        return _bytes(value)
    if unit == "items":
        return f"{value:.2f}", " items"
    if unit == "x":
        return f"{value:.2f}", "x"
    raise ValueError(f"unit={unit!r} is none of x, s, 1/s, share, items, B")


def show_seconds(seconds: float) -> str:
    """Return a time as people write it: `82 ms`, `1.34 s`, `640 us`; three significant digits."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if abs(seconds) >= 0.9995 * factor:
            return f"{_three_digits(seconds / factor)} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def show_about(seconds: float) -> str:
    """Return what something took, or may take, in seconds: `40 s`, `2.6 s`, `0.5 s`."""
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.2g} s"


def show_share(share: float) -> str:
    """Return a share (0-1) in whole per cent, as sentences have it: `97 %`."""
    return f"{100 * share:.0f} %"


def _bytes(value: float) -> tuple[str, str]:
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= 0.9995 * factor:
            return _three_digits(value / factor), f" {unit}"
    return f"{value:.0f}", " B"


def _per_cent(hundredths: float) -> str:
    size = abs(hundredths)
    if 0 < size < 0.001:  # never as 1e-05
        return f"{hundredths:.{1 - math.floor(math.log10(size))}f}"
    return f"{hundredths:.3g}" if size < 999.5 else f"{hundredths:.0f}"


def _three_digits(number: float) -> str:
    size = abs(number)
    if 0 < size < 0.995:
        return f"{number:.3g}"
    return (
        f"{number:.0f}" if size >= 99.95 else f"{number:.1f}" if size >= 9.995 else f"{number:.2f}"
    )
