"""Torch tensors count by their values wherever they are fingerprinted or weighed: a row is not its whole batch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from unit.measure.test_shipping import sample

from pytest_pipeline.measure.checks.digest import digest

torch = pytest.importorskip("torch")

ROW_BYTES = 3072


def rows(count=128):
    return list(torch.zeros(count, ROW_BYTES // 4))


def kinds():
    return [
        torch.arange(6.0).reshape(2, 3).t(),
        torch.arange(4.0).to(torch.bfloat16),
        torch.arange(4.0).to(torch.complex64).conj(),
        torch.tensor([True, False]),
        torch.tensor(3.5),
        torch.empty(0, 4),
        torch.ones(3, requires_grad=True),
        torch.ones(2, 3)[:, 1],
    ]


@pytest.mark.parametrize("tensor", kinds(), ids=lambda each: f"{each.dtype}{tuple(each.shape)}")
def test_equal_tensors_have_one_fingerprint(tensor):
    assert digest([tensor]) == digest(
        [tensor.detach().clone().requires_grad_(tensor.requires_grad)]
    )
    assert digest((tensor, lambda: None)) is not None


def test_tensors_that_differ_in_value_type_shape_or_gradient_have_different_ones():
    one = torch.zeros(4)
    others = [
        torch.tensor([0.0, 0, 0, 1]),
        one.to(torch.int32),
        one.reshape(2, 2),
        torch.zeros(4, requires_grad=True),
        torch.zeros(3),
    ]
    assert len({digest(each) for each in [one, *others]}) == 6


def test_a_changed_element_of_a_row_is_seen_and_a_neighbour_is_not():
    batch = torch.zeros(4, 8)
    before = digest(batch[1])
    batch[2, 3] = 1
    assert digest(batch[1]) == before
    batch[1, 3] = 1
    assert digest(batch[1]) != before


def test_models_and_their_parameters_have_a_fingerprint_by_value():
    layer = torch.nn.Linear(3, 2)
    twin = torch.nn.Linear(3, 2)
    twin.load_state_dict(layer.state_dict())
    assert digest(layer.weight) == digest(twin.weight)
    assert digest(layer.weight) != digest(torch.nn.Linear(3, 2).weight)


def test_tensors_that_are_more_than_values_have_a_fingerprint_too():
    named = torch.ones(3)
    named.origin = "camera 1"
    sparse = torch.eye(3).to_sparse()
    assert None not in [digest(named), digest(sparse)]
    assert digest(named) != digest(torch.ones(3))


def test_a_row_is_no_more_work_than_its_values(monkeypatch):
    written = []
    from pytest_pipeline.measure.checks import digest as digests

    write = digests.HashingFile.write
    monkeypatch.setattr(
        digests.HashingFile,
        "write",
        lambda self, data: written.append(len(data)) or write(self, data),
    )
    digest(rows()[0])
    assert ROW_BYTES < sum(written) < ROW_BYTES + 500


@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_row_weighs_its_values_on_the_way_to_a_process(requires_grad):
    items = [row.requires_grad_(requires_grad) for row in rows()]
    found = sample([len], items, items)
    assert not found.refusal
    assert ROW_BYTES < found.item_bytes < ROW_BYTES + 500
    assert ROW_BYTES < found.output_bytes < ROW_BYTES + 500


def test_a_small_part_of_a_large_tensor_is_not_refused():
    part = torch.zeros(20_000_000)[:10]
    assert not sample([len], [part, {"of": part, "by": lambda: None}], [part]).refusal


def test_every_kind_of_tensor_can_be_weighed():
    assert not sample([len], kinds(), kinds()).refusal


def test_a_fingerprint_does_not_load_torch():
    code = (
        "import sys; from pytest_pipeline.measure.checks.digest import digest; digest([1, object()]);"
        "print(sorted({'torch', 'cloudpickle'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
