"""The diagnosis goes through the same lane as the timed execution, with one slot: every part is seen, errors come out."""

import pytest

from pytest_pipeline.executors._device.diagnosis import MOST_ITEMS, diagnose
from pytest_pipeline.executors._device.looking import one_slot, stage_names_of
from pytest_pipeline.executors._device.steps import Step


class Block:
    """Some bytes somewhere."""

    def __init__(self, where, nbytes):
        self.where, self.nbytes = where, nbytes


class Mark:
    def __init__(self, clock):
        self.clock, self.at = clock, 0

    def record(self, stream):
        self.at = self.clock.now

    def synchronize(self):
        pass

    def elapsed_ns(self, earlier):
        return self.at - earlier.at


class Rail:
    def __init__(self, device):
        self.device = device

    def wait_event(self, event):
        pass


class Backend:
    """The protocol on one virtual clock: a nanosecond per byte, a thousand per launch."""

    kind = "simulated"

    def __init__(self):
        self.now = 0

    def stream(self, device):
        return Rail(device)

    def event(self, device, *, is_timed=False):
        return Mark(self)

    def synchronize(self, device):
        pass

    def is_tensor(self, leaf):
        return isinstance(leaf, Block)

    def is_on_device(self, leaf):
        return leaf.where not in {"host", "pinned"}

    def needs_copy_out(self, leaf):
        return self.is_on_device(leaf)

    def is_pinned(self, leaf):
        return leaf.where == "pinned"

    def spec(self, leaf):
        return leaf.nbytes, leaf.nbytes

    def adopt(self, leaf):
        return leaf

    def host_buffer(self, nbytes):
        return Block("pinned", nbytes)

    def device_buffer(self, device, nbytes, stream):
        return Block(device, nbytes)

    def view(self, buffer, offset, like):
        return Block(buffer.where, like.nbytes)

    def fresh(self, view):
        return view

    def span(self, buffer, nbytes):
        return Block(buffer.where, nbytes)

    def host_copy(self, target, source):
        self.now += source.nbytes

    def copy(self, stream, target, source):
        self.now += source.nbytes

    def launch(self, stream, fn, *values):
        self.now += 1000
        return fn(*values)

    def address(self, leaf):
        return id(leaf)

    def packed(self, stream, leaf):
        return leaf

    def enters_behind(self, stream, leaf):
        pass

    def taken_out(self, view):
        self.now += view.nbytes
        return Block("host", view.nbytes)

    def as_numpy(self, leaf):
        return leaf

    def hand_over(self):
        return None

    def take_over(self, mark):
        pass


def half(block):
    return Block(block.where, block.nbytes // 2)


def look(steps, values):
    backend = Backend()
    return diagnose(
        one_slot(steps, values),
        backend,
        ["cuda:0"],
        cuda=None,
        stage_of=stage_names_of(steps, ["load", "half", "again"]),
        now_ns=lambda: backend.now,
    )


def test_an_item_from_pageable_memory_shows_all_five_parts():
    (found,) = look([Step(1, half, "cuda:0")], [Block("host", 2560)] * 3)
    shown = {part.name: (round(part.total_s * 1e9), part.bytes) for part in found.parts}
    assert found.num_items == 3
    assert shown == {
        "stage-in": (7680, 7680),
        "H2D": (7680, 7680),
        "kernels": (3000, 0),
        "D2H": (3840, 3840),
        "stage-out": (3840, 3840),
    }


def test_an_item_from_pinned_memory_is_not_staged_in():
    (found,) = look([Step(1, half, "cuda:0")], [Block("pinned", 2560)] * 3)
    assert [part.name for part in found.parts] == ["H2D", "kernels", "D2H", "stage-out"]


def test_stages_on_two_devices_are_told_apart():
    found = look([Step(1, half, "cuda:0"), Step(2, half, "cuda:1")], [Block("pinned", 2560)] * 2)
    names = {each.device: [part.name for part in each.parts] for each in found}
    assert names == {"cuda:0": ["H2D", "kernels"], "cuda:1": ["kernels", "D2H", "stage-out"]}


def test_no_more_than_the_first_items_are_run():
    seen = []

    def watch(block):
        seen.append(block)
        return block

    (found,) = look([Step(1, watch, "cuda:0")], (Block("host", 8) for _ in range(1000)))
    assert found.num_items == MOST_ITEMS
    assert len(seen) == MOST_ITEMS + 1, "the first one twice: the first time warms up"


def test_the_error_of_a_stage_is_a_note():
    def broken(block):
        raise ValueError("bad row")

    (found,) = look([Step(1, broken, "cuda:0")], [Block("host", 8)])
    assert found.notes == ("the parts were not measured alone: ValueError: bad row",)


def test_branches_of_a_fan_belong_to_its_stage():
    def join(first, second):
        return first

    name = stage_names_of(
        [Step(1, join, "cuda:0", ((half, "cuda:0"), (abs, "cuda:1")))], ["load", "shards"]
    )
    assert [name(fn) for fn in (half, abs, join, len)] == ["shards", "shards", "shards", "len"]


@pytest.mark.parametrize(("blocks", "nbytes"), [((8,), 8), ((300,), 300), ((8, 8), 264)])
def test_bytes_are_those_of_the_copies_gaps_between_tensors_included(blocks, nbytes):
    def first(both):
        return both[0]

    item = [Block("host", each) for each in blocks]
    (found,) = look([Step(1, first, "cuda:0")], [item])
    h2d = next(part for part in found.parts if part.name == "H2D")
    assert h2d.bytes == nbytes
