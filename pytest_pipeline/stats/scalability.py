"""How speedup grows with workers: Amdahl's law and the Universal Scalability Law, by least squares.

Both laws describe C(n) = throughput with n workers / throughput with one. With s the serial share,
Amdahl (1967) has 1/C = s + (1 - s)/n. Gunther's law (2007) has n/C = 1 + sigma (n - 1) + kappa n (n - 1):
sigma is contention, kappa the cost of keeping workers coherent, and C peaks at sqrt((1 - sigma)/kappa).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Amdahl:
    """A serial share fitted to measured speedups."""

    serial_share: float
    """Share of the work that does not scale, 0-1."""
    largest_error: float
    """Largest |fitted / measured - 1| over the points, a share."""

    def speedup(self, workers: float) -> float:
        """Return C(n), relative to one worker."""
        return 1.0 / (self.serial_share + (1.0 - self.serial_share) / workers)

    @property
    def limit(self) -> float:
        """Largest C however many workers; infinite when nothing is serial."""
        return math.inf if self.serial_share <= 0 else 1.0 / self.serial_share


@dataclass(frozen=True, slots=True)
class Usl:
    """Contention and coherency fitted to measured speedups."""

    contention: float
    """sigma, at least 0."""
    coherency: float
    """kappa, at least 0."""
    largest_error: float
    """Largest |fitted / measured - 1| over the points, a share."""

    def speedup(self, workers: float) -> float:
        """Return C(n), relative to one worker."""
        extra = workers - 1
        return workers / (1 + self.contention * extra + self.coherency * workers * extra)

    @property
    def peak_workers(self) -> float:
        """Workers at which C is largest; infinite without coherency cost, never below one."""
        if self.coherency <= 0:
            return math.inf
        return max(1.0, math.sqrt(max(0.0, 1 - self.contention) / self.coherency))


def fit_amdahl(relative: Mapping[int, float]) -> Amdahl | None:
    """Return the serial share of C(n) by workers n; None without a point above one worker.

    Least squares of 1/C - 1/n = s (1 - 1/n), the share kept within 0 and 1. Values must be positive.
    """
    points = [(1 - 1 / n, 1 / value - 1 / n) for n, value in relative.items() if n > 1]
    if not points:
        return None
    share = sum(x * y for x, y in points) / sum(x * x for x, _ in points)
    share = min(1.0, max(0.0, share))
    return Amdahl(share, _largest_error(Amdahl(share, 0.0), relative))


def fit_usl(relative: Mapping[int, float]) -> Usl | None:
    """Return contention and coherency of C(n); None with fewer than two points above one worker.

    Non-negative least squares of n/C - 1 in the two coefficients, exact for two unknowns: the
    unconstrained solution when it is feasible, else the better of the two edges.
    """
    points = [
        (float(n - 1), float(n * (n - 1)), n / value - 1) for n, value in relative.items() if n > 1
    ]
    if len(points) < 2:
        return None
    sigma, kappa = min(_candidates(points), key=lambda pair: _residual(points, pair))
    return Usl(sigma, kappa, _largest_error(Usl(sigma, kappa, 0.0), relative))


def _candidates(points: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    aa = sum(a * a for a, _, _ in points)
    bb = sum(b * b for _, b, _ in points)
    ab = sum(a * b for a, b, _ in points)
    ay = sum(a * y for a, _, y in points)
    by = sum(b * y for _, b, y in points)
    edges = [(0.0, 0.0), (max(0.0, ay / aa), 0.0), (0.0, max(0.0, by / bb))]
    determinant = aa * bb - ab * ab
    if determinant > 0:
        inside = ((ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant)
        if min(inside) >= 0:
            return [inside]
    return edges


def _residual(points: list[tuple[float, float, float]], pair: tuple[float, float]) -> float:
    return sum((y - pair[0] * a - pair[1] * b) ** 2 for a, b, y in points)


def _largest_error(fit: Amdahl | Usl, relative: Mapping[int, float]) -> float:
    return max(abs(fit.speedup(n) / value - 1) for n, value in relative.items())
