"""What this machine can give at all, from the control kernel and the baseline's own CPU share.

Only the *host's* limit is judged here. The plan's own ceiling (stage times, workers) explains a
result but never excuses it, because a regression lowers it too.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.model.rounds import VALID_EFFICIENCY, VALID_SLOWDOWN, Reference
from pytest_pipeline.model.units import show_share

WAITING_DEMAND = 0.5
"""Cores' worth of parallel CPU work below which a plan mostly waits (A9.4)."""

CLEAN_FACTOR = 1.25
"""A round is clean while its control stays within this factor of the reference (A2)."""

WAITING_FACTOR = 2.0
"""The same for plans that mostly wait, which a CPU neighbour hardly hurts (A9.4)."""

COMPUTING_SHARE = 0.9
"""CPU share from which the cores are all that others can take from a plan: less may wait for a disk or a server."""

HEADROOM = 0.95
"""Share of the needed parallel CPU capacity that the control has to show (A9.4)."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a plan needs of the machine, and what the machine gives."""

    reference: Reference
    """What the control kernel showed."""
    cpu_share: float
    """Baseline CPU time / baseline wall time, 0-1: how much of the plan computes."""
    limit: float
    """Largest speedup that a gate asks for: the effective limit of a speedup, the arm's workers for an
    absolute quantity, which may rest on all of them; 1 when neither is gated."""
    hosted_share: float | None = None
    """The part of `cpu_share` that an arm with devices leaves to the host's cores, 0-1; None for an arm without
    devices, which leaves all of it there."""

    @property
    def needed(self) -> float:
        """Parallel CPU capacity (in cores) that reaching the limit needs: limit x CPU share."""
        return self.limit * self._share_of_the_cores

    @property
    def is_waiting_plan(self) -> bool:
        """Whether the plan mostly waits, so that a CPU neighbour hardly hurts it, however little is asked of it.

        Whatever devices take over: the baseline computes on the cores, and a neighbour that slows it changes the ratio.
        """
        return max(1.0, self.limit) * min(1.0, self.cpu_share) < WAITING_DEMAND

    @property
    def is_computing_plan(self) -> bool:
        """Whether the plan only computes, so that nobody disturbs it without using a core."""
        return self.cpu_share >= COMPUTING_SHARE

    @property
    def clean_factor(self) -> float:
        """Control time / reference up to which a round is clean; fixed before measuring."""
        return WAITING_FACTOR if self.is_waiting_plan else CLEAN_FACTOR

    @property
    def host_ceiling(self) -> float:
        """Largest speedup that this host's CPU capacity allows for the plan."""
        return self.reference.speedup / max(1e-9, self._share_of_the_cores)

    @property
    def is_beyond_the_cores(self) -> bool:
        """Whether the cores that the control may use could not give it even undisturbed; a count has no noise to allow for."""
        return self.needed > self.reference.width

    @property
    def mistrust(self) -> str:
        """Why the control kernel cannot tell clean rounds here, or an empty string when it can.

        A plan that waits needs few cores, but has its times only where it need not wait for one.
        """
        if self.is_waiting_plan and self.reference.slowdown <= VALID_SLOWDOWN:
            return ""
        return why_no_reference(self.reference)

    @property
    def crowd(self) -> str:
        """Why every core is shared: the baseline alone on one is slowed more than many threads, and no ratio means anything.

        Empty when they are not, however little the machine gives.
        """
        most = WAITING_FACTOR if self.is_waiting_plan else VALID_SLOWDOWN
        return why_no_reference(self.reference) if self.reference.slowdown > most else ""

    @property
    def shortfall(self) -> str:
        """Why this host cannot decide a gate on a speedup, or an empty string when it can."""
        if self.is_waiting_plan:
            return self.crowd
        if self.mistrust:
            return self.mistrust
        reference = self.reference
        if self.is_beyond_the_cores or reference.speedup < HEADROOM * self.needed:
            who = "the plan" if self.hosted_share is None else "what stays on the host"
            return (
                f"this host can give at most {self.host_ceiling:.2f}x here: {who} computes "
                f"{show_share(self._share_of_the_cores)} of the time and the control kernel reaches {reference.speedup:.2f}x"
            )
        return ""

    @property
    def _share_of_the_cores(self) -> float:
        return min(1.0, self.cpu_share if self.hosted_share is None else self.hosted_share)


def largest_effective_limit(reference: Reference, cpu_share: float) -> float:
    """Return the largest effective speedup limit that this host can decide for a plan of this CPU share (A9.4)."""
    given = min(reference.speedup / HEADROOM, float(reference.width))
    return given / max(1e-9, min(1.0, cpu_share))


def why_no_reference(reference: Reference) -> str:
    """Return why `reference` tells no clean round or block from a disturbed one, or an empty string."""
    if reference.is_valid:
        return ""
    return (
        f"the control kernel reaches {reference.speedup:.2f}x on {reference.width} workers "
        f"(at least {VALID_EFFICIENCY * reference.width:.2f}x needed): {_why_invalid(reference)}"
    )


def _why_invalid(reference: Reference) -> str:
    if reference.slowdown > VALID_SLOWDOWN:
        return (
            f"it takes {reference.slowdown:.1f}x its undisturbed time (at most {VALID_SLOWDOWN:.1f}x), "
            "so every core is shared or busy"
        )
    return ", ".join(filter(None, ["the machine is shared or busy", reference.doubt]))
