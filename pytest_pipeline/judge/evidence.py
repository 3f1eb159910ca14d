"""What the operating system saw in disturbed rounds, against clean ones: a sentence for the message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Protocol

from pytest_pipeline.model.evidence import Evidence
from pytest_pipeline.model.rounds import Phase


class Observed(Protocol):
    """A round or a latency block."""

    @property
    def phase(self) -> Phase:
        """What it was for."""
        ...

    @property
    def is_clean(self) -> bool:
        """Whether it placed bets."""
        ...

    @property
    def disturbance(self) -> str:
        """What was seen when it is not clean."""
        ...

    @property
    def evidence(self) -> Evidence | None:
        """What the operating system saw."""
        ...


_SHARES: tuple[tuple[str, Callable[[Evidence], float | None]], ...] = (
    (
        "workers waited {} of the time for a core (run queue)",
        lambda evidence: evidence.queue_share,
    ),
    ("steal {}", lambda evidence: evidence.steal_share),
    ("PSI cpu {}", lambda evidence: evidence.cpu_pressure),
    ("PSI memory {}", lambda evidence: evidence.memory_pressure),
    ("PSI io {}", lambda evidence: evidence.io_pressure),
)

_BY_QUOTA = ("throttled", "quota")
"""Kinds of disturbance that the CPU quota makes."""

NOBODY_ELSE = "slow with nobody else there"
"""Kind of disturbance of rounds that are clean for ratios all the same."""

_ALWAYS_SAID = 3
"""Leading shares that are said even when they are zero: "steal 0 %" rules a cause out."""


def summarise(observed: Sequence[Observed], noun: str = "rounds") -> str:
    """Return medians over the disturbed rounds or blocks, against the clean ones where both were seen; empty when unreadable."""
    seen = [each for each in observed if each.phase is not Phase.WARM_UP]
    dirty = [each.evidence for each in seen if not each.is_clean and each.evidence is not None]
    clean = [each.evidence for each in seen if each.is_clean and each.evidence is not None]
    parts = []
    for position, (words, share) in enumerate(_SHARES):
        value = _median(dirty, share)
        if value is None or (position >= _ALWAYS_SAID and value < 0.005):
            continue
        usual = _median(clean, share)
        against = "" if usual is None else f", {_percent(usual)} in clean {noun}"
        parts.append(words.format(_percent(value)) + (against if position == 0 else ""))
    throttled = sum(evidence.throttled_s or 0.0 for evidence in dirty)
    if throttled > 0:
        parts.append(f"the CPU quota stopped us for {throttled:.2f} s in total")
    return ", ".join(parts)


def throttled_share(observed: Sequence[Observed]) -> float:
    """Return the share of rounds or blocks, 0-1, that the CPU quota stopped; 0 for none."""
    seen = [each for each in observed if each.phase is not Phase.WARM_UP]
    stopped = sum(each.disturbance.partition(":")[0] in _BY_QUOTA for each in seen)
    return stopped / max(1, len(seen))


def most_frequent_disturbance(observed: Sequence[Observed]) -> str:
    """Return what disturbed most rounds, or an empty string."""
    kinds = Counter(each.disturbance.partition(":")[0] for each in observed if not each.is_clean)
    return kinds.most_common(1)[0][0] if kinds else ""


def _median(
    evidence: Sequence[Evidence], share: Callable[[Evidence], float | None]
) -> float | None:
    values = [value for each in evidence if (value := share(each)) is not None]
    return median(values) if values else None


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
