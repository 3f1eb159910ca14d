"""When the report proposes to hand items over in chunks."""

import pytest

from pytest_pipeline.explain.hops import chunk_step
from pytest_pipeline.model.comparison import Arm, Bottleneck, StageSummary
from pytest_pipeline.model.item_ledger import ItemLedger
from pytest_pipeline.model.ledger import Ledger, LedgerRow

ITEMS = 1000
US = 1e-6


def arm_with(services_us, handover_us, *, pool=False, chunk=1):
    names = [f"s{k}" for k in range(len(services_us))]
    rows = [
        LedgerRow(name, 0 if pool else 1, handover_s=handover_us * US * ITEMS) for name in names
    ]
    if pool:
        rows.append(LedgerRow("(threads)", 2, handover_s=handover_us * US * ITEMS))
    slowest = max(range(len(names)), key=lambda k: services_us[k])
    return Arm(
        "threads",
        len(names),
        is_baseline=False,
        stages=tuple(
            StageSummary(name, 1, service * US, 0, 0, 0, 0.5, None)
            for name, service in zip(names, services_us, strict=True)
        ),
        ledger=Ledger(tuple(rows), 1.0),
        item_ledger=ItemLedger((), 0.1, 0.0, 0.0, ITEMS, ITEMS, 1.0, chunk),
        bottleneck=Bottleneck(names[slowest], 1, 0.9, 2.0),
    )


def test_a_hand_over_that_weighs_on_quick_stages_is_spread_over_a_chunk():
    text = chunk_step(arm_with([10, 20, 10], handover_us=4))
    assert text == (
        "Threads(chunk=4): handing an item over takes 4.00 us, 40 % of the service of stage 's0'"
    )


def test_what_was_measured_in_chunks_asks_for_larger_ones():
    text = chunk_step(arm_with([1, 2], handover_us=0.5, chunk=10))
    # 5 us for each ten: 50 items bring it down to 5 % of the 2 us of one
    assert text == (
        "Threads(chunk=50): handing an item over in groups of 10 takes 500 ns, 50 % of the service of stage 's0'"
    )


def test_batches_travel_several_at_a_time_or_nothing_is_said():
    assert chunk_step(arm_with([1, 2], handover_us=0.2, chunk=32)).startswith("Threads(chunk=64)")
    assert chunk_step(arm_with([1, 2], handover_us=0.2, chunk=1000)) == ""


def test_the_chunk_stays_within_reason_however_quick_the_stages():
    assert chunk_step(arm_with([0, 0], handover_us=4)).startswith("Threads(chunk=1000)")


@pytest.mark.parametrize(
    "arm",
    [
        arm_with([1000, 2000], handover_us=4),
        arm_with([1, 2000], handover_us=4),
        arm_with([10, 20], handover_us=4, pool=True),
        Arm("threads", 1, is_baseline=False),
    ],
    ids=["slow stages", "a slow bottleneck", "a pool hands nothing over", "nothing measured"],
)
def test_no_chunk_is_proposed_where_it_would_not_help(arm):
    assert chunk_step(arm) == ""
