"""The CUDA benchmark without a GPU: it says why it measured nothing, and its dry run goes through every arm."""

import importlib
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks are not part of this installation")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("bench_cuda")


def test_without_a_device_it_prints_the_exact_reason_and_no_figure(bench, capsys, monkeypatch):
    monkeypatch.setattr(bench, "unavailable", lambda device: "no NVIDIA driver")
    bench.main([])
    assert capsys.readouterr().out == "not measured: no NVIDIA driver\n"


def test_the_dry_run_goes_through_every_shape_and_arm_and_finds_equal_outputs(bench, capsys):
    assert bench.main(["--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "DRY RUN" in shown
    assert "WRONG" not in shown
    for shape in (*bench.SHAPES, bench.NULL):
        assert shape.name in shown
    arms = {line.split("|")[1].strip() for line in shown.splitlines() if line.startswith("| ours")}
    assert {bench.ours_with(slots) for slots in (1, 2, 3, 4)} | {bench.SERIAL} < arms
    (graphs,) = [line for line in shown.splitlines() if bench.GRAPHS in line]
    assert graphs.split("|")[-2].strip() == "equal"
    for arm in (bench.NAIVE, bench.PINNED, bench.LOADER):
        assert shown.count(f"| {arm}") >= len(bench.SHAPES)


def test_a_table_is_shown_as_soon_as_it_is_there_and_a_shape_that_fails_costs_its_own_only(
    bench, capsys, monkeypatch
):
    shown_before = []

    def shape_table(shape, device, rounds):
        shown_before.append(capsys.readouterr().out)
        if len(shown_before) == 2:
            raise RuntimeError("out of everything")
        return f"table of {shape.name}"

    monkeypatch.setattr(bench, "shape_table", shape_table)
    assert bench.main(["--dry-run", "--shapes", "balanced", "model", "copy-bound"]) == 1
    _, first, second = shown_before
    assert "table of balanced" in first
    assert "model" in second
    assert "out of everything" in second
    assert "table of copy-bound" in capsys.readouterr().out


def test_only_the_shapes_that_are_asked_for_are_run(bench, capsys):
    bench.main(["--dry-run", "--shapes", "null"])
    shown = capsys.readouterr().out
    assert bench.NULL.name in shown
    assert not [shape.name for shape in bench.SHAPES if shape.name in shown]


def test_the_row_that_starts_from_the_same_memory_as_the_dataloader_can_be_found(bench, capsys):
    bench.main(["--dry-run", "--shapes", "balanced"])
    cells = [line.split("|") for line in capsys.readouterr().out.splitlines() if "| " in line]
    alike = {row[1].strip() for row in cells if row[2].strip() == bench.PAGEABLE}
    assert alike == {bench.NAIVE, bench.LOADER, bench.LIKE_FOR_LIKE}


def test_the_dataloader_copies_on_one_stream_in_every_run(bench, monkeypatch):
    peers = importlib.import_module("_cuda_peers")
    streams = []
    monkeypatch.setattr(torch.cuda, "Stream", lambda: streams.append(1))
    monkeypatch.setattr(peers, "_ahead", lambda torch, loader, side, device: iter(()))
    run = peers.prefetching_loader([], abs, "cuda:0", workers=0)
    run()
    run()
    assert streams == [1]


def test_an_arm_that_computes_something_else_is_marked_wrong(bench):
    arms = bench.Arms(bench.SHAPES[0], bench.CPU)
    try:
        for run in arms.runs().values():
            run()
        assert arms.wrong() == set()
        arms.outputs[bench.PINNED][1] = arms.outputs[bench.PINNED][0] + 1
        arms.outputs[bench.LOADER].pop()
        assert arms.wrong() == {bench.PINNED, bench.LOADER}
    finally:
        arms.close()


def test_the_lower_bound_lies_below_the_median_and_needs_enough_rounds(bench):
    ratios = [1 + k / 100 for k in range(20)]
    assert bench.lower_bound(ratios[:3]) is None
    low = bench.lower_bound(ratios)
    assert 1.0 < low < 1.09
    assert sum(each < low for each in ratios) >= 3
