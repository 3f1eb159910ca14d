"""In which order arms run, and what that does to their times."""

from __future__ import annotations

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.comparing import default_machine
from pytest_pipeline.testing import VirtualExecutor


class Recorder:
    """A comparison of short arms that writes down which arm ran; `arms` without the baseline."""

    def __init__(self, seed: int, *arms: str) -> None:
        self.lab = Lab(seed=seed)
        self.ran: list[str] = []
        self.arms = [VirtualExecutor(name, self.lab.machine) for name in arms]

    def run(self, item: int) -> int:
        self.lab.machine.work(0.01)
        if item == 0:
            self.ran.append(self.lab.machine.running)
        return item

    def pairs(self) -> list[list[str]]:
        """Return the order of every sub-pair of the rounds."""
        self.result = self.lab.compare([self.run], range(20), candidates=self.arms, predicts=False)
        each = len(self.arms) + 1 + (len(self.arms) > 1)
        ran = self.ran[2 * (len(self.arms) + 1) :]
        return [ran[at : at + each] for at in range(0, len(ran), each)]


@pytest.mark.parametrize("seed", range(5))
def test_no_arm_is_first_more_often_than_the_other(seed):
    pairs = Recorder(seed, "threads").pairs()
    assert len(pairs) >= 9
    for one, mirrored in zip(pairs[::2], pairs[1::2], strict=False):
        assert one == mirrored[::-1]


def test_another_run_draws_another_order_and_says_which():
    first, same, other = Recorder(1, "threads"), Recorder(1, "threads"), Recorder(2, "threads")
    assert first.pairs() == same.pairs()
    assert first.pairs() != other.pairs()
    assert first.result.notes["order_seed"] == 1


def test_on_a_real_machine_no_two_comparisons_share_a_seed():
    machine = default_machine()
    assert len({machine.draw_seed() for _ in range(8)}) > 1


def test_with_several_arms_the_baseline_runs_at_both_ends_of_every_sub_pair():
    for pair in Recorder(0, "threads", "processes").pairs():
        assert pair[0] == pair[-1] == "serial"
        assert sorted(pair[1:-1]) == ["processes", "threads"]


def test_a_drift_favours_no_arm_of_several():
    lab = Lab()
    others = [VirtualExecutor(name, lab.machine, overlaps=False) for name in ("b", "c")]
    for arm in (lab.serial, *others):
        arm.slowdown = lambda _: 1.0 + lab.machine.clock.now_ns() / 1e11
    result = lab.compare(candidates=others, requirements=[speedup(0.5)])
    sums = [sum(each.makespans_s[name]) for each in result.rounds for name in ("serial", "b", "c")]
    for at in range(0, len(sums), 3):
        serial, b, c = sums[at : at + 3]
        assert serial == pytest.approx((b + c) / 2, rel=1e-4)
