"""The diagnosis goes through the same lane as the timed execution, with one slot: every part is seen, errors come out."""

import pytest
from scripted_device import Block, ScriptedDevice

from pytest_pipeline.executors._device.diagnosis import MOST_ITEMS, diagnose
from pytest_pipeline.executors._device.looking import one_slot, stage_names_of
from pytest_pipeline.executors._device.steps import Step


def half(block):
    return Block(block.where, block.nbytes // 2)


def look(steps, values):
    backend = ScriptedDevice()
    return diagnose(
        one_slot(steps, values),
        backend,
        ["cuda:0"],
        cuda=None,
        stage_of=stage_names_of(steps, ["load", "half", "again"]),
        now_ns=backend.now_ns,
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
