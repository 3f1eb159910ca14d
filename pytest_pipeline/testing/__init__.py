"""A fake machine and executors on virtual time: test gates, plugins and stages without waiting.

Stage functions call `machine.work(seconds)` instead of taking time. The virtual executors run the
functions for real (outputs, exceptions and modified items are genuine) and compute when each visit
would have happened with the declared workers; the fake clock then moves by the makespan.
"""

from pytest_pipeline.testing.executor import (
    VirtualExecutor as VirtualExecutor,
    VirtualRunning as VirtualRunning,
)
from pytest_pipeline.testing.machine import FakeMachine as FakeMachine
