"""Next steps where what is wrong is not the plan: the machine, the session, or the limit."""

from __future__ import annotations

from pytest_pipeline.model.finding import Reason

REMEDIES = {
    Reason.BUSY: "run it again while nothing else uses these cores, or give it longer: @pytest.mark.measure(budget=...)",
    Reason.CAPACITY: "run it where more cores are free, or ask for less on machines like this one",
    Reason.QUOTA: "raise the CPU quota of the container, or use no more workers than it has whole cores",
    Reason.NOT_EXCLUSIVE: "run it alone: without -n, or in a session of its own",
    Reason.TRACED: "run the tests with a gate once more without that tool",
}
"""What to do where a gate stayed open for one of these reasons; other workers or queues would not help there."""
