"""Next steps where what is wrong is not the plan: the machine, the session, or the limit."""

from __future__ import annotations

from pytest_pipeline.model.finding import Reason

_REMEDIES = {
    Reason.BUSY: "run it again while nothing else uses these cores, or give it longer: @pytest.mark.measure(budget=...)",
    Reason.CAPACITY: "run it where more cores are free, or ask for less on machines like this one",
    Reason.QUOTA: "raise the CPU quota of the container, or use no more workers than it has whole cores",
    Reason.NOT_EXCLUSIVE: "run it alone: without -n, or in a session of its own",
    Reason.TRACED: "run the tests with a gate once more without that tool",
}
"""What to do where a gate stayed open for one of these reasons; other workers or queues would not help there."""

_HUNG = "end what that stage waits for: give it a timeout of its own; every gate of this process stays open until then"
_SINKING = "gate a speedup, out of which the clock of the cores divides, or fix that clock"


def remedy(reason: Reason, *, is_hung: bool, is_sinking: bool) -> str:
    """Return what to do where a gate stayed open for `reason`; empty where the plan itself may be changed.

    `is_hung`: a hung thread keeps it open; `is_sinking`: the cores are slow although nobody else uses them.
    """
    if reason is Reason.BUSY and is_hung:
        return _HUNG
    if reason is Reason.BUSY and is_sinking:
        return _SINKING
    return _REMEDIES.get(reason, "")
