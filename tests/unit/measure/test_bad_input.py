"""Declarations that cannot work end in one clear message."""

from __future__ import annotations

import numpy as np
import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.cuda import Cuda
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.testing import VirtualExecutor


def test_no_stages():
    with pytest.raises(UsageError, match="no stages"):
        Lab().compare([])


def test_a_stage_that_is_not_callable():
    with pytest.raises(UsageError, match="must be callable, found int 3"):
        Lab().compare([3])


def test_stages_that_are_not_a_list():
    with pytest.raises(UsageError, match="stages must be a list of callables, found function"):
        Lab().compare(lambda item: item)


def test_a_coroutine_stage_names_the_executor_it_needs():
    async def fetch(item):
        return item

    with pytest.raises(UsageError, match="asyncio executor"):
        Lab().compare([fetch])


def test_a_one_shot_generator_names_both_ways_out():
    with pytest.raises(UsageError, match=r"list\(items\).*lambda"):
        Lab().compare(items=(i for i in range(3)))


def test_empty_items():
    with pytest.raises(UsageError, match="items is empty"):
        Lab().compare(items=[])


def test_text_as_items():
    with pytest.raises(UsageError, match="items is a str"):
        Lab().compare(items="abc")


def test_an_unknown_executor_name_has_a_near_name_hint():
    from pytest_pipeline.comparing import compare

    with pytest.raises(UsageError, match="unknown executor 'thread'.*'threads'"):
        compare([str], [1], executors=["thread"])


def test_executors_as_plain_text():
    from pytest_pipeline.comparing import compare

    with pytest.raises(UsageError, match=r'executors=\["threads"\]'):
        compare([str], [1], executors="threads")


def test_two_arms_of_one_name():
    lab = Lab()
    with pytest.raises(UsageError, match="two arms are called 'threads'"):
        lab.compare(candidates=[lab.threads, lab.threads])


def test_a_configured_arm_of_the_baselines_name_is_not_left_out():
    lab = Lab()
    wide = VirtualExecutor("serial", lab.machine)
    with pytest.raises(UsageError, match="two arms are called 'serial': give one another name"):
        lab.compare(candidates=[lab.threads, wide])


def test_the_baseline_among_the_arms_by_its_name_or_itself_is_one_arm():
    lab = Lab()
    assert set(lab.compare(candidates=[lab.serial, lab.threads]).arms) == {"serial", "threads"}
    extra = {"serial": lab.serial, "threads": lab.threads}
    result = lab.compare(candidates=["serial", "threads"], extra_executors=extra)
    assert set(result.arms) == {"serial", "threads"}


@pytest.mark.parametrize("executor", ["*", "best"])
def test_a_gate_that_binds_no_arm_because_only_the_baseline_runs(executor):
    lab = Lab()
    with pytest.raises(UsageError, match="no arm is run beside the baseline 'serial'; name one"):
        lab.compare(requirements=[speedup(2, executor=executor)], candidates=[lab.serial])


def test_a_gate_naming_an_arm_that_is_not_run():
    lab = Lab()
    with pytest.raises(UsageError, match="names an arm that is not run; arms: serial, threads"):
        lab.compare(requirements=[speedup(2, executor="processes")])


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_a_worker_count_that_makes_no_sense(workers):
    with pytest.raises(UsageError, match="workers="):
        Stage(str, workers=workers)


def test_whole_numbers_of_numpy_are_counts_like_any_other():
    stage = Stage(str, workers=np.int64(2), queue_size=np.uint8(3), batch=np.int32(4))
    assert repr(stage) == repr(Stage(str, workers=2, queue_size=3, batch=4))
    two = np.int64(2)
    for made, twin in [
        (Processes(workers=two, chunk=two), Processes(workers=2, chunk=2)),
        (Threads(layout="shared", workers=two), Threads(layout="shared", workers=2)),
        (Threads(chunk=two), Threads(chunk=2)),
        (Cuda(slots=two, batch_bytes=two), Cuda(slots=2, batch_bytes=2)),
    ]:
        assert repr(made) == repr(twin)


@pytest.mark.parametrize("workers", [0, 1.5, np.True_])
def test_a_count_of_threads_that_makes_no_sense(workers):
    with pytest.raises(UsageError, match="Threads: workers="):
        Threads(layout="shared", workers=workers)


def test_a_stage_that_raises_keeps_its_exception_and_names_stage_and_item():
    lab = Lab()

    def parse(item):
        if item == 17:
            raise ZeroDivisionError("no price")
        return item

    with pytest.raises(ZeroDivisionError, match="no price") as caught:
        lab.compare([lab.stage("fetch", 0.001), Stage(parse, name="parse")])
    assert "stage 'parse', item 17" in caught.value.__notes__
    assert lab.partial is not None
    (finding,) = lab.partial.findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.STAGE_RAISED)
    assert "ZeroDivisionError: no price (stage 'parse', item 17)" in finding.headline


def test_ctrl_c_in_the_middle_keeps_the_rounds_so_far():
    lab = Lab()

    def parse(item):
        lab.machine.work(0.002)
        if lab.threads.executions > 12:
            raise KeyboardInterrupt
        return item

    with pytest.raises(KeyboardInterrupt):
        lab.compare([lab.stage("fetch", 0.001), parse], requirements=[speedup(9.0)])
    assert lab.partial is not None
    assert lab.partial.rounds
    assert lab.partial.findings[0].reason is Reason.INTERRUPTED


def test_setup_and_teardown_surround_every_execution_also_a_failing_one():
    lab = Lab()
    calls: list[str] = []

    def parse(item):
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        lab.compare(
            [parse], setup=lambda: calls.append("up"), teardown=lambda: calls.append("down")
        )
    assert calls == ["up", "down"]


def test_an_arm_that_cannot_close_leaves_no_other_arm_open():
    lab = Lab()
    stuck = Closing("processes", lab.machine, breaks=True)
    before, after = Closing("threads", lab.machine), Closing("asyncio", lab.machine)
    with pytest.raises(OSError, match="cannot close"):
        lab.compare(candidates=[before, stuck, after], mode="off")
    assert [arm.opened for arm in (before, stuck, after)] == [1, 1, 1]
    assert [arm.open_workers for arm in (before, stuck, after)] == [0, 0, 0]


class Closing(VirtualExecutor):
    """Counts the workers that are up; closing the last ones may fail."""

    def __init__(self, name, machine, *, breaks=False):
        super().__init__(name, machine)
        self.open_workers = 0
        self._breaks = breaks

    def open(self, plan):
        running = super().open(plan)
        self.open_workers += 1
        running.close = self._close
        return running

    def _close(self):
        self.open_workers -= 1
        if self._breaks:
            raise OSError("cannot close")


def test_while_a_hung_thread_lives_nothing_is_judged(monkeypatch):
    monkeypatch.setattr("pytest_pipeline.comparing.hung_workers", lambda: ("pipeline-threads",))
    lab = Lab()
    result = lab.compare(requirements=[speedup(1.5)])
    (finding,) = result.findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert "hung worker threads still run in this process: pipeline-threads" in finding.text
    assert finding.next_step.startswith("end what that stage waits for")
    note = "worker thread pipeline-threads of an earlier run hung and still runs in this process"
    assert result.warnings == (note,)
    assert not result.rounds
