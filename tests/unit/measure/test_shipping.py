"""What sending items to processes would take, from a bounded sample."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
from unit.virtual import Lab

from pytest_pipeline.clock import FakeClock
from pytest_pipeline.measure.items import make_source
from pytest_pipeline.measure.untimed import shipping
from pytest_pipeline.model.plan import make_plan


def sample(stages, items, outputs):
    return shipping.sample_shipping(make_plan(stages), make_source(items), outputs, FakeClock())


def test_bytes_of_items_and_outputs_are_counted_large_buffers_included():
    found = sample([len], [np.zeros(1000)] * 3, [b"x" * 500] * 3)
    assert 8000 <= found.item_bytes < 8500
    assert 500 <= found.output_bytes < 600
    assert not found.refusal


def test_a_stage_that_cannot_travel_is_a_refusal_and_no_error():
    lock = threading.Lock()
    assert "lock" in sample([lambda item: lock and item], [1], [1]).refusal


def test_an_item_that_cannot_travel_is_a_refusal():
    assert "lock" in sample([len], [threading.Lock()], [1]).refusal


def test_a_stage_that_holds_a_large_model_is_not_pickled_to_the_end(monkeypatch):
    monkeypatch.setattr(shipping, "MOST_BYTES", 10_000)
    weights = list(range(100_000))
    assert "stage 'lambda' holds more than 0 MB" in sample([lambda _: weights], [1], [1]).refusal


def test_only_a_few_values_are_taken():
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    sample([len], items, [])
    assert len(taken) == shipping.MOST_VALUES


def test_large_values_end_the_sample_early(monkeypatch):
    monkeypatch.setattr(shipping, "MOST_BYTES", 10_000)
    taken = []

    def items() -> Iterator[bytes]:
        for item in range(1000):
            taken.append(item)
            yield b"x" * 9000

    sample([len], items, [])
    assert len(taken) == 2


def test_one_value_that_would_take_long_is_refused_before_it_is_pickled(monkeypatch):
    monkeypatch.setattr(shipping, "MOST_BYTES", 10_000)
    many = list(range(100_000))
    assert "an item holds more than" in sample([len], [many], [1]).refusal
    assert "an output holds more than" in sample([len], [1], [many]).refusal


def test_a_large_array_is_no_work_for_the_pickler_and_not_refused(monkeypatch):
    monkeypatch.setattr(shipping, "MOST_BYTES", 10_000)
    found = sample([len], [np.zeros(100_000)], [1])
    assert not found.refusal
    assert found.item_bytes > 800_000


def test_a_source_that_was_asked_for_a_few_items_is_closed():
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)
            raise OSError("closing fails")

    assert "closing fails" in sample([len], items, []).refusal
    assert closed == [True]


def test_the_source_is_asked_inside_set_up_and_teardown_and_its_prints_are_dropped(capsys):
    lab, inside, asked = Lab(), [False], []

    def items() -> Iterator[int]:
        asked.append(inside[0])
        print("asked")
        yield from range(8)

    def surround(value: bool) -> Callable[[], None]:
        return lambda: inside.__setitem__(0, value)

    around = {"setup": surround(True), "teardown": surround(False)}
    lab.compare(items=items, mode="off", **around)
    kept = capsys.readouterr().out
    asked.clear()
    lab.compare(items=items, **around)
    assert capsys.readouterr().out == kept
    assert asked
    assert all(asked)


def test_values_of_local_classes_travel_by_value():
    class Order:
        pass

    assert not sample([id], [Order()], [Order()]).refusal
