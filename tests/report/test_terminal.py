"""The summary in the terminal."""

import documents
import pytest

from pytest_pipeline.report import markdown, terminal
from pytest_pipeline.report.gate_counts import count_gates


def lines(made, width=200):
    return [text for text, _ in terminal.summary_lines(made, width=width)]


def test_one_line_per_compared_arm_and_the_count_last():
    made = documents.document(documents.missed())
    threads, processes, _, closing = lines(made)
    for part in (
        "test_shop.py::test_orders_scale[lock]",
        "threads",
        "1.42x [1.38x, 1.46x]",
        "15+3 rounds",
        "preprocess 97 % busy",
        "missed",
    ):
        assert part in threads
    assert "0.34x [0.33x, 0.35x]" in processes
    assert processes.endswith("ungated")
    assert closing == "pipeline: 1 gate: 0 met, 1 missed, 0 inconclusive (1 of 1 decided)"


def test_warnings_stand_whole_between_the_arms_and_the_count():
    made = documents.document(documents.missed())
    *_, warning, closing = lines(made)
    assert warning == (
        "test_shop.py::test_orders_scale[lock]: stage 'preprocess' printed to standard output"
    )
    narrow = lines(made, width=50)
    assert max(map(len, narrow[:-1])) <= 50
    assert "standard output" in " ".join(narrow)


def test_columns_are_aligned():
    made = documents.document(documents.met(), documents.inconclusive(), documents.slow_tail())
    shown = lines(made)[:-1]
    for word in ("threads ", "preprocess", "%"):
        assert len({line.index(word) for line in shown}) == 1


def test_an_open_interval_prints_what_is_proved():
    made = documents.document(documents.slow_tail())
    assert "2.40x > 1.90x" in lines(made)[0]
    assert "p99 564 ms" in lines(made)[0]


def test_a_missed_gate_with_an_open_interval_is_below():
    test = documents.missed()
    for each in (test["runs"][0]["findings"][0]["estimate"], test["runs"][0]["arms"][1]["speedup"]):
        each.update(lower=None, upper=None)
    assert "1.42x < 1.90x" in lines(documents.document(test))[0]


def test_code_that_keeps_the_machine_busy_proves_no_bound():
    test = documents.missed()
    test["runs"][0]["findings"][0]["reason"] = "self-disturbed"
    for each in (test["runs"][0]["findings"][0]["estimate"], test["runs"][0]["arms"][1]["speedup"]):
        each.update(lower=None, upper=None)
    shown = lines(documents.document(test))[0]
    assert "1.42x  " in shown
    assert "<" not in shown


@pytest.mark.parametrize("verdict", ["missed", "inconclusive", "met"])
def test_a_speedup_with_start_up_stands_beside_the_one_without_unless_it_is_met(verdict):
    test = documents.cold_processes()
    (cold,) = [each for each in test["runs"][0]["findings"] if each["cold"]]
    cold["verdict"] = verdict
    shown = lines(documents.document(test))[0]
    assert "1.71x [" in shown
    assert ("cold speedup 1.22x" in shown) is (verdict != "met")


def test_an_undecided_gate_with_an_open_interval_claims_nothing():
    test = documents.inconclusive()
    test["runs"][0]["arms"][1]["speedup"].update(lower=None, upper=None)
    assert "1.93x  " in lines(documents.document(test))[0]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_lines_keep_to_the_width_and_never_lose_the_verdict(width):
    made = documents.document(
        documents.met(), documents.missed(), documents.inconclusive(), documents.ungated()
    )
    shown = lines(made, width)
    assert all(len(line) <= width for line in shown[:-1])
    arms = [line for line in shown[:-1] if "threads" in line or "processes" in line]
    for line, verdict in zip(
        arms, ("met", "missed", "ungated", "inconclusive", "ungated"), strict=False
    ):
        assert verdict in line


def test_eighty_columns_are_enough_for_interval_rounds_and_bottleneck():
    shown = lines(documents.document(documents.met(), documents.missed()), 80)
    assert any(line.startswith("test_shop.py::") for line in shown)
    arm = next(line for line in shown if line.startswith("  threads"))
    for part in ("2.58x [2.55x, 2.61x]", "9+1 rounds", "97 % busy", "met"):
        assert part in arm


def test_styles_never_make_the_undecided_green():
    made = documents.full()
    for text, style in terminal.summary_lines(made, width=200)[:-1]:
        expected = {
            "missed": "red",
            "invalid": "red",
            "inconclusive": "yellow",
            "unavailable": "yellow",
        }
        for word, colour in expected.items():
            if f" {word}" in text:
                assert style == colour
    assert terminal.closing_line(made)[1] == "red"
    assert terminal.closing_line(documents.document(documents.inconclusive()))[1] == "yellow"
    assert terminal.closing_line(documents.document(documents.met()))[1] == "green"


def test_causes_stand_in_for_numbers():
    shown = "\n".join(lines(documents.full()))
    assert "cuda       unavailable: no CUDA device: torch.cuda.is_available() is False" in shown
    assert "invalid: threads gave other outputs than serial: item 3 is 17, expected 16" in shown
    assert "invalid: ValueError: bad row 17" in shown


def test_every_kind_is_counted():
    closing = lines(documents.full())[-1]
    assert closing == (
        "pipeline: 10 gates: 4 met, 2 missed, 1 inconclusive, 2 invalid, 1 unavailable (8 of 10 decided)"
    )


def test_a_repeated_test_counts_once():
    made = documents.document(
        documents.missed("a.py::t"), {**documents.met("a.py::t"), "attempt": 2}
    )
    assert count_gates(made).by_verdict == {"met": 1}
    assert "t (attempt 2)" in "\n".join(lines(made))


def test_nothing_measured_prints_nothing():
    assert terminal.summary_lines(documents.document()) == []


def test_markdown_has_a_row_per_gate_worst_first():
    text = markdown.render(documents.full())
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 11
    assert "invalid" in rows[0]
    assert rows[2].startswith(
        "| ✗ missed | tests/test\\_shop.py::test\\_orders\\_stay\\_quick | threads | 564 ms |"
    )
    assert "### pytest-pipeline: 10 gates: 4 met" in text


def test_markdown_fits_a_comment_and_says_what_it_left_out():
    made = documents.document(
        *(documents.missed(f"tests/t.py::test_{k}" + "y" * 200) for k in range(400))
    )
    text = markdown.render(made)
    assert len(text.encode()) < 64_000
    assert "more gates not shown here." in text


def test_markdown_keeps_a_long_next_step_whole_below_a_table_of_short_cells():
    step = "write " + " ".join(f"Stage(step{k}, workers=2)" for k in range(12)) + " and run again"
    assert len(step) > 300
    test = documents.missed(f"tests/t.py::test_{'y' * 300}")
    test["runs"][0]["findings"][0]["next_step"] = step
    table, _, below = markdown.render(documents.document(test)).partition("next: ")
    assert below.splitlines()[0] == step
    name = next(line for line in table.splitlines() if "missed |" in line).split(" | ")[1]
    assert len(name.replace("\\", "")) == 160


def test_markdown_of_nothing():
    assert "No measuring test ran" in markdown.render(documents.document())
