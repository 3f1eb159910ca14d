"""The text of a tuned setting, pasted, gives the executor that was measured."""

from __future__ import annotations

import pytest
from unit.virtual import Lab

from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.registry import resolve
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import make_plan
from pytest_pipeline.setting import with_pool
from pytest_pipeline.testing import VirtualExecutor
from pytest_pipeline.tuning.expressions import expression
from pytest_pipeline.tuning.proposals import Profile

NAMES = {"Threads": Threads, "Processes": Processes}


def code_of(arm: Executor, pool: int | None, *, extra=None) -> str:
    profile = Profile(make_plan([len]), [Serial(), arm], "serial", Lab().compare(), extra)
    return profile.code(arm.name, Change(arm.name, pool=pool))


@pytest.mark.parametrize(
    ("arm", "pool", "text"),
    [
        (Threads(), None, '"threads"'),
        (Threads(chunk=20), None, "Threads(chunk=20)"),
        (Threads("wide", layout="shared"), 4, 'Threads(name="wide", layout="shared", workers=4)'),
        (Threads(layout="shared"), None, 'Threads(layout="shared")'),
        (Threads(layout="shared"), 4, 'Threads(layout="shared", workers=4)'),
        (Processes(), None, '"processes"'),
        (Processes(), 4, "Processes(workers=4)"),
        (Processes(layout="staged"), None, 'Processes(layout="staged")'),
        (Processes(chunk=8), 3, "Processes(workers=3, chunk=8)"),
        (
            Processes(chunk=32, view=True, start_method="spawn"),
            2,
            'Processes(workers=2, start_method="spawn", chunk=32, view=True)',
        ),
        (Processes("procs"), None, 'Processes(name="procs")'),
        (Processes("procs"), 2, 'Processes(name="procs", workers=2)'),
    ],
)
def test_the_proposed_executor_is_written_as_it_was_measured(arm, pool, text):
    code = code_of(arm, pool)
    assert code == f"executors=[{text}]"
    (written,) = eval(code.removeprefix("executors="), NAMES)
    measured = arm if pool is None else with_pool(arm, pool)
    assert repr(resolve(written)) == repr(measured)


def test_the_name_of_an_executor_that_a_hook_added_stands_for_it():
    mine = VirtualExecutor("mine", Lab().machine)
    assert code_of(mine, None, extra={"mine": mine}) == 'executors=["mine"]'


def test_a_name_that_a_hook_gave_to_another_executor_is_not_written_for_ours():
    other = VirtualExecutor("threads", Lab().machine)
    assert expression(Threads(), {"threads": other}) == "Threads()"


def test_an_executor_of_ones_own_is_written_as_its_repr_says_or_else_named():
    class Pool(VirtualExecutor):
        def __repr__(self) -> str:
            return "Pool(3, kind='quick')"

    machine = Lab().machine
    assert expression(Pool("mine", machine)) == 'Pool(3, kind="quick")'
    assert expression(VirtualExecutor("mine", machine)) == '"mine"'
