"""The CUDA benchmark without a GPU: it says why it measured nothing, and its dry run goes through every arm."""

import importlib
from pathlib import Path

import pytest

pytest.importorskip("torch")
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
    bench.main(["--dry-run"])
    shown = capsys.readouterr().out
    assert "DRY RUN" in shown
    assert "WRONG" not in shown
    for shape in (*bench.SHAPES, bench.NULL):
        assert shape.name in shown
    arms = {line.split("|")[1].strip() for line in shown.splitlines() if line.startswith("| ours")}
    assert {f"{bench.ours_with(slots)}, pinned source" for slots in (1, 2, 3, 4)} < arms
    (graphs,) = [line for line in shown.splitlines() if bench.GRAPHS in line]
    assert graphs.split("|")[-2].strip() == "equal"
    for arm in (bench.NAIVE, bench.PINNED, bench.LOADER):
        assert shown.count(f"| {arm}") >= len(bench.SHAPES)


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
