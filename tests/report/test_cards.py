"""Every number of a card is the model's number after formatting."""

import documents
import pages
import pytest

from pytest_pipeline.report import html, units
from pytest_pipeline.report.charts.bars import latency_chart, speedup_chart
from pytest_pipeline.report.charts.curve import latency_curves
from pytest_pipeline.report.charts.rounds import round_charts
from pytest_pipeline.report.charts.timeline import make_timeline
from pytest_pipeline.report.gates import distance_words, make_gate
from pytest_pipeline.report.page.arms import arm_table
from pytest_pipeline.report.page.item_ledger import make_item_ledger
from pytest_pipeline.report.page.ledger import make_ledger, row_total


def first_run(test):
    return test["runs"][0]


def test_the_card_of_a_miss_shows_the_models_numbers():
    test = documents.missed()
    root = pages.parse(html.render(documents.document(test)))
    card = pages.text_of(pages.with_class(root, "card", "missed")[0])
    finding = first_run(test)["findings"][0]
    estimate = finding["estimate"]
    assert f"reached {units.ratio(estimate['value'])}" in card
    assert f"{units.ratio(estimate['lower'])} to {units.ratio(estimate['upper'])}" in card
    assert f"{finding['clean_rounds']} clean rounds" in card
    assert f"({finding['dirty_rounds']} more were disturbed" in card
    assert f"required {units.ratio(finding['limit'])}" in card
    assert f"{units.ratio(finding['effective_limit'])} decides" in card
    for arm in first_run(test)["arms"]:
        assert units.seconds(arm["makespan_s"]) in card


def test_bars_show_every_arm_and_only_the_asserted_one_in_colour():
    chart = speedup_chart(first_run(documents.missed()), cold=False)
    assert [(bar.label, bar.css, bar.value) for bar in chart.bars] == [
        ("serial", "plain", "1.00x"),
        ("threads (4)", "missed", "1.42x"),
        ("processes (2)", "plain", "0.34x"),
    ]
    assert [limit.label for limit in chart.limits] == ["at least 2.00x"]


def test_the_value_stands_at_its_own_bar_end_and_the_limit_label_on_its_line():
    for test in (documents.missed(), documents.met(), documents.inconclusive()):
        chart = speedup_chart(first_run(test), cold=False)
        for bar in chart.bars:
            end = max(chart.left + bar.width, *(bar.whisker or (0,)))
            assert 0 < bar.value_x - end <= 10
            assert bar.value_x + 60 <= bar.range_x
        for limit in chart.limits:
            assert limit.label_x == limit.x
            assert limit.label_y < chart.top


def test_several_limits_have_a_text_line_each():
    run = first_run(documents.missed())
    other = {**run["findings"][0], "executor": "processes", "limit": 2.05, "effective_limit": 1.95}
    chart = speedup_chart({**run, "findings": [*run["findings"], other]}, cold=False)
    assert len({limit.label_y for limit in chart.limits}) == 2
    assert len({limit.row_top for limit in chart.limits}) == 2


def test_start_up_has_bars_of_its_own():
    run = first_run(documents.cold_processes())
    assert [bar.value for bar in speedup_chart(run, cold=True).bars] == ["1.00x", "1.22x"]
    assert [bar.value for bar in speedup_chart(run, cold=False).bars] == ["1.00x", "1.71x"]


def test_p99_bars_have_a_maximum():
    chart = latency_chart(first_run(documents.slow_tail()))
    assert [limit.label for limit in chart.limits] == ["at most 80.0 ms"]
    assert chart.bars[0].value == "564 ms"


@pytest.mark.parametrize(
    ("value", "limit", "words"),
    [
        (1.42, 2.0, "29 % below the required 2.00x"),
        (1.93, 2.0, "3.5 % below the required 2.00x, within its 5 % tolerance"),
        (2.0, 2.0, "exactly the required 2.00x"),
        (2.58, 2.55, "1.2 % above the required 2.55x"),
    ],
)
def test_distances_in_words(value, limit, words):
    finding = first_run(documents.missed())["findings"][0]
    changed = {**finding, "limit": limit, "estimate": {**finding["estimate"], "value": value}}
    assert distance_words(changed) == words


@pytest.mark.parametrize(
    ("bounds", "verdict", "words"),
    [
        ((1.3, 1.5), "missed", "the whole interval lies below 1.90x, so this is not noise"),
        ((2.1, 2.3), "met", "the whole interval lies above the limit"),
        ((1.95, 2.3), "met", "the whole interval lies above 1.90x, the limit with its tolerance"),
        ((1.8, 2.1), "inconclusive", "it holds 1.90x, so neither met nor missed is proved"),
        (
            (1.8, 2.3),
            "met",
            "it still holds 1.90x, where the sequential test, which is sharper, has decided",
        ),
        ((None, None), "missed", "the sequential test has decided that the value lies below 1.90x"),
        ((None, None), "inconclusive", "The interval is still open after 15 clean rounds"),
    ],
)
def test_confidence_in_words(bounds, verdict, words):
    finding = first_run(documents.missed())["findings"][0]
    estimate = {**finding["estimate"], "lower": bounds[0], "upper": bounds[1]}
    assert words in make_gate({**finding, "verdict": verdict, "estimate": estimate}).confidence


def confidence(**changes):
    finding = first_run(documents.missed())["findings"][0]
    return make_gate({**finding, **changes}).confidence


@pytest.mark.parametrize(("dirty", "words"), [(1, "(1 more was disturbed"), (2, "(2 more were")])
def test_disturbed_rounds_are_counted_in_grammar(dirty, words):
    assert words in confidence(dirty_rounds=dirty)


def test_an_interval_of_disturbed_rounds_alone_is_no_ground_of_the_verdict():
    said = confidence(verdict="inconclusive", reason="busy", clean_rounds=0, dirty_rounds=12)
    assert said.endswith(
        "from 12 disturbed rounds, none of them clean: for orientation, the verdict does not rest on it."
    )


def test_code_that_keeps_the_machine_busy_was_not_decided_by_a_sequential_test():
    estimate = first_run(documents.missed())["findings"][0]["estimate"]
    still_open = {**estimate, "lower": None, "upper": None}
    said = confidence(reason="self-disturbed", clean_rounds=3, estimate=still_open)
    assert "The interval is still open after 3 clean rounds" in said
    assert "sequential test" not in said
    assert "does not rest on it" in confidence(reason="self-disturbed", clean_rounds=3)


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        ('executors=["processes"] is predicted to reach 1.94x', None),
        ("workers=2 for stage 'parse page' is predicted to reach 1.94x", None),
        ("split stage 'parse' in two", "Split stage 'parse' in two"),
    ],
)
def test_a_sentence_begins_with_a_capital_and_code_as_it_is_written(step, shown):
    finding = first_run(documents.missed())["findings"][0]
    assert make_gate({**finding, "next_step": step}).next_step == (shown or step)


@pytest.mark.parametrize("test", [documents.met(), documents.missed(), documents.cold_processes()])
def test_the_ledger_adds_up_and_says_so(test):
    for arm in first_run(test)["arms"]:
        if arm["ledger"]:
            ledger = arm["ledger"]
            total = sum(row_total(row) for row in ledger["rows"])
            assert total == pytest.approx(ledger["workers"] * ledger["makespan_s"])
            view = make_ledger(ledger)
            assert view.check.endswith("the parts add up to it")
            numbers = [[float(cell.replace(",", "")) for cell in line.cells] for line in view.lines]
            shown = [float(cell.replace(",", "")) for cell in view.total.cells]
            for k, column in enumerate(zip(*numbers, strict=True)):
                assert sum(column) == pytest.approx(shown[k], abs=0.06 * len(numbers))
            for line in [*numbers, shown]:
                assert sum(line[:-1]) == pytest.approx(line[-1], abs=0.5)


def test_a_ledger_that_does_not_balance_is_called_out():
    ledger = first_run(documents.missed())["arms"][1]["ledger"]
    broken = {**ledger, "makespan_s": ledger["makespan_s"] * 1.2}
    assert make_ledger(broken).check.endswith("this ledger does not balance")


def test_the_item_ledger_adds_up_to_the_mean_latency_and_says_so():
    ledger = first_run(documents.missed())["arms"][1]["item_ledger"]
    view = make_item_ledger(ledger)
    assert "the parts add up to it" in view.check
    assert "unaccounted 0 %" in view.check
    totals = [float(line[4].replace(",", "")) for line in view.lines]
    assert sum(totals) == pytest.approx(float(view.total[4].replace(",", "")), abs=0.2)
    broken = {**ledger, "latency_s": 2 * ledger["latency_s"]}
    assert "this ledger does not balance" in make_item_ledger(broken).check


def test_an_item_ledger_of_a_sample_says_how_many_items_it_is_the_mean_of():
    ledger = first_run(documents.missed())["arms"][1]["item_ledger"]
    view = make_item_ledger({**ledger, "num_items": 1234, "num_emitted": 1_000_000})
    assert "mean latency of 1,234 of 1,000,000 items, a seeded sample: " in view.check


def test_an_item_ledger_of_chunks_says_that_their_items_travelled_together():
    ledger = first_run(documents.missed())["arms"][1]["item_ledger"]
    view = make_item_ledger({**ledger, "chunk": 10})
    assert "mean latency of 40 items, handed over 10 at a time: " in view.check


def test_what_an_execution_without_items_costs_stands_beside_the_executors():
    run = first_run(documents.missed())
    assert "empty run" not in arm_table(run).columns
    run["arms"][1]["empty_run_s"] = 42e-6
    table = arm_table(run)
    column = table.columns.index("empty run")
    assert table.rows[1][column].startswith("42")


@pytest.mark.parametrize(
    ("loop", "chunk", "note"),
    [
        ("closed", 1, " (closed loop)"),
        ("saturated", 1, " (full queues)"),
        ("saturated", 32, " (full queues, per chunk of 32)"),
    ],
)
def test_latencies_of_items_that_travelled_together_say_so(loop, chunk, note):
    run = first_run(documents.missed())
    latency = {"p50_s": 0.001, "p99_s": 0.002, "loop": loop, "chunk": chunk}
    run["arms"][1]["latency"] = latency
    table = arm_table(run)
    assert table.rows[1][table.columns.index("p99")] == f"{units.seconds(0.002)}{note}"


def test_pool_stages_have_no_slots_of_their_own():
    processes = first_run(documents.missed())["arms"][2]
    view = make_ledger(processes["ledger"])
    assert [line.workers for line in view.lines] == ["in pool"] * 4 + ["2"]
    assert view.total.workers == "2"


def test_every_round_is_a_dot_and_disturbed_ones_are_hollow():
    run = first_run(documents.missed())
    chart = round_charts(run)[0]
    css = [dot.css for dot in chart.dots]
    assert len(css) == len(run["rounds"])
    assert css.count("dirty") == sum(not each["is_clean"] for each in run["rounds"])
    assert css[0] == "warm"
    assert chart.frame.box.top <= chart.frame.limit.y <= chart.frame.box.bottom
    assert chart.confirm_x is not None


def test_a_round_says_what_the_operating_system_saw_where_that_was_read():
    run = first_run(documents.missed())
    run["rounds"][0]["evidence"] = {
        "queue_share": 0.34,
        "steal_share": 0.0,
        "throttled_s": None,
        "cpu_pressure": 0.41,
        "memory_pressure": None,
        "io_pressure": None,
    }
    first, second, *_ = round_charts(run)[0].dots
    assert first.title.endswith("waited 34 % for a core, steal 0 %, PSI cpu 41 %")
    assert "waited" not in second.title


def test_start_up_counts_in_the_cold_rounds():
    run = first_run(documents.cold_processes())
    warm, cold = round_charts(run)
    assert cold.frame.title.endswith("start-up counted")
    assert min(dot.y for dot in cold.dots) > 0
    assert warm.dots[1].title != cold.dots[1].title


def test_percentiles_without_samples_are_dotted_and_said():
    chart = latency_curves(first_run(documents.slow_tail()))
    assert [tick.label for tick in chart.x_ticks] == ["p50", "p90", "p99", "p99.9"]
    assert chart.curves[0].dotted
    assert chart.notes == (
        "threads: 1,050 samples, p50 52.0 ms, p90 58.9 ms, p99 564 ms, largest 614 ms; not enough samples for p99.9 (dotted from there)",
    )
    assert chart.frame.box.top <= chart.frame.limit.y <= chart.frame.box.bottom


def test_the_timeline_has_a_path_per_lane():
    arm = first_run(documents.missed())["arms"][1]
    timeline = make_timeline(arm)
    assert [lane.label.split(" · ")[0] for lane in timeline.lanes] == list(documents.STAGES)
    assert all(lane.path.count("M") == 40 for lane in timeline.lanes)


def test_a_long_timeline_stays_small_and_says_that_it_is_sampled():
    arm = first_run(documents.missed())["arms"][1]
    count = 5000
    timeline = {
        **arm["timeline"],
        "makespan_s": 5.0,
        "num_visits": 20000,
        "num_kept": count,
        "item": list(range(count)),
        "stage": [0] * count,
        "worker": [0] * count,
        "started_us": [k * 1000 for k in range(count)],
        "finished_us": [k * 1000 + 400 for k in range(count)],
    }
    made = make_timeline({**arm, "timeline": timeline})
    assert len(made.lanes[0].path) < 40_000
    assert made.notes == ("shows 5,000 of 20,000 visits, evenly sampled",)


def test_ties_are_said_to_tie():
    run = first_run(documents.missed())
    text = html.render(
        documents.document(
            {**documents.missed(), "runs": [{**run, "best": ["threads", "processes"]}]}
        )
    )
    assert "threads and processes cannot be told apart" in text


def test_outputs_not_compared_is_printed():
    run = {**first_run(documents.met()), "check": "none"}
    assert "outputs not compared" in html.render(
        documents.document({**documents.met(), "runs": [run]})
    )
