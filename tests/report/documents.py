"""Realistic documents for the report tests, built from the real model through `comparison_to_dict`."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import numpy as np

from pytest_pipeline.explain.item_ledger import make_item_ledger
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.comparison import Arm, Bottleneck, Comparison, StageSummary
from pytest_pipeline.model.device import (
    Clocks,
    DevicePart,
    DeviceReadings,
    DeviceRun,
    HostMemory,
    SyncCall,
    Transfer,
)
from pytest_pipeline.model.document import comparison_to_dict, make_document, to_plain
from pytest_pipeline.model.environment import Environment
from pytest_pipeline.model.estimate import Estimate, Latency
from pytest_pipeline.model.finding import Finding, Reason, Verdict
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import Stage, make_plan
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.resources import CoreUse, Resources
from pytest_pipeline.model.rounds import LatencyBlock, Phase, Reference, Round
from pytest_pipeline.model.sweep import Point, Scaling, Sweep
from pytest_pipeline.model.trace import Trace, make_visits
from pytest_pipeline.model.tuning import Tried, Tuning
from pytest_pipeline.model.whatif import WhatIf

STAGES = ("generate", "preprocess", "transform", "metrics")
SERVICE_S = (0.010, 0.020, 0.015, 0.010)

ENVIRONMENT = Environment(
    cpu="AMD EPYC 7B13",
    cores_logical=8,
    cores_usable=2,
    cpu_quota=2.0,
    memory_bytes=8_589_934_592,
    system="Linux 6.1.0",
    python="CPython 3.11.9",
    gil=True,
    packages={"pytest": "9.2.0", "numpy": "2.4.6", "pandas": "3.1.1"},
    instruments=("OMP_NUM_THREADS capped at 1 inside workers",),
)

CONTEXT = {
    "project": "shop-etl",
    "commit": "4f1c2ab90d77aa01",
    "branch": "main",
    "command": "pytest tests --pipeline-report=report.html",
    "rootdir": "shop-etl",
}

WHAT_IFS = (
    WhatIf("2 workers for 'preprocess'", "Stage(preprocess, workers=2)", 3.38, 1),
    WhatIf("keep as it is", "", 2.635, 0),
    WhatIf("2 processes instead of threads", 'executors=["processes"]', 1.94, 1, "8.1 kB per item"),
)


def stage(value: Any) -> Any:
    return value


def make_visits_of(items: int, workers: int) -> tuple[list[tuple[int, ...]], float]:
    """Simulate `items` through four stages with `workers` slots each; nanoseconds."""
    free = [[0] * workers for _ in STAGES]
    rows, last = [], 0
    ready = [0] * items
    for s, service in enumerate(SERVICE_S):
        for item in range(items):
            slot = min(range(workers), key=lambda w: free[s][w])
            start = max(ready[item], free[s][slot])
            end = start + int(service * 1e9)
            rows.append((item, s, slot, ready[item], start, end))
            free[s][slot] = ready[item] = end
            last = max(last, end)
    return rows, last / 1e9


def staged_ledger(makespan_s: float, items: int, workers: int) -> Ledger:
    rows = []
    for name, service in zip(STAGES, SERVICE_S, strict=True):
        total = workers * makespan_s
        parts = {
            "service_s": items * service,
            "blocked_s": 0.02 * total,
            "handover_s": 0.004 * total,
        }
        unaccounted = 0.006 * total
        starved = total - sum(parts.values()) - unaccounted
        rows.append(
            LedgerRow(
                name, workers, **parts, starved_s=starved, unaccounted_s=unaccounted, cpu_s=0.01
            )
        )
    return Ledger(tuple(rows), makespan_s)


def fused_ledger(makespan_s: float, items: int, workers: int) -> Ledger:
    """The process arm: stages are hosted by one pool, whose row holds the slots."""
    hosted = [
        LedgerRow(name, 0, service_s=items * service, cpu_s=items * service * 0.9)
        for name, service in zip(STAGES, SERVICE_S, strict=True)
    ]
    total = workers * makespan_s
    used = sum(row.service_s for row in hosted)
    rest = total - used
    pool = LedgerRow(
        "(workers)",
        workers,
        serialisation_s=0.3 * rest,
        transfer_s=0.2 * rest,
        starved_s=0.35 * rest,
        handover_s=0.1 * rest,
        unaccounted_s=rest - 0.95 * rest,
    )
    return Ledger((*hosted, pool), makespan_s)


def make_trace(executor: str, items: int, workers: int, ledger: Ledger) -> Trace:
    rows, makespan_s = make_visits_of(items, workers)
    began = 5_000_000_000
    shifted = [(i, s, w, q + began, a + began, b + began) for i, s, w, q, a, b in rows]
    return Trace(
        executor=executor,
        stage_names=STAGES,
        outputs=[],
        began_ns=began,
        ended_ns=began + int(makespan_s * 1e9),
        first_result_ns=began + 55_000_000,
        startup_s=0.001,
        visits=make_visits(shifted),
        admitted_ns=np.full(items, began, dtype=np.int64),
        emitted_ns=np.array(
            [began + int(b) for _, s, _, _, _, b in rows if s == len(STAGES) - 1], dtype=np.int64
        ),
        send_lag_s=np.zeros(0),
        ledger=ledger,
    )


def make_resources(makespan_s: float, *, children: bool) -> Resources:
    """A minute's worth of samples: memory that grows, one busy core of two."""
    steps = [k / 59 for k in range(60)]
    spans = [(k + 1) / 20 for k in range(20)]
    return Resources(
        seconds=makespan_s,
        at_s=tuple(round(makespan_s * step, 4) for step in steps),
        own_bytes=tuple(120_000_000 + round(34_500_000 * step) for step in steps),
        children_bytes=tuple(160_000_000 * children for _ in steps),
        until_s=tuple(round(makespan_s * span, 4) for span in spans),
        cores=(
            CoreUse(0, tuple(round(1 - 0.1 * span, 3) for span in spans)),
            CoreUse(1, tuple(round(0.1 * span, 3) for span in spans)),
        ),
        cpu_s=0.9 * makespan_s,
        voluntary_switches=1234,
        involuntary_switches=56,
        shipped_bytes=4_200_000 if children else None,
    )


def make_arm(
    executor: str,
    speedup: Estimate | None,
    *,
    makespan_s: float,
    workers: int = 4,
    items: int = 40,
    is_baseline: bool = False,
    fused: bool = False,
    latency: Latency | None = None,
    cold: Estimate | None = None,
    trace: bool = True,
) -> Arm:
    per_stage = 1
    ledger = (
        fused_ledger(makespan_s, items, workers)
        if fused
        else staged_ledger(makespan_s, items, per_stage)
    )
    stages = tuple(
        StageSummary(
            name, per_stage, s, s * 0.98, s * 1.4, s * 0.3, min(1.0, s * items / makespan_s), 0.08
        )
        for name, s in zip(STAGES, SERVICE_S, strict=True)
    )
    return Arm(
        executor=executor,
        workers=1 if is_baseline else workers,
        is_baseline=is_baseline,
        speedup=speedup,
        cold_speedup=cold,
        latency=latency,
        makespan_s=makespan_s,
        throughput_per_s=items / makespan_s,
        first_result_s=0.055,
        startup_s=0.31 if fused else 0.0009,
        efficiency=speedup.value / workers if speedup else None,
        overlap=2.4,
        stages=stages,
        ledger=None if is_baseline else ledger,
        item_ledger=None
        if is_baseline
        else make_item_ledger(make_trace(executor, items, per_stage, ledger)),
        bottleneck=Bottleneck("preprocess", 1, 0.97, 2.635),
        what_ifs=() if is_baseline else WHAT_IFS,
        trace=None if is_baseline or not trace else make_trace(executor, items, per_stage, ledger),
        resources=make_resources(makespan_s, children=fused) if trace else None,
    )


def speedup_estimate(value: float, count: int, spread: float = 0.03) -> Estimate:
    known = count >= 7
    return Estimate(
        "speedup",
        "x",
        value,
        value * (1 - spread) if known else None,
        value * (1 + spread) if known else None,
        0.95,
        count,
        best=value * 1.02,
    )


def make_rounds(
    ratios: dict[str, float], count: int, dirty: int, *, confirm: int = 0
) -> tuple[Round, ...]:
    rng = random.Random(7)
    rounds = []
    for index in range(count + dirty + 1):
        is_clean = not (index and index % 4 == 3 and index // 4 < dirty)
        base = 2.2
        spans = {"serial": tuple(base * rng.uniform(0.99, 1.01) for _ in range(3))}
        for name, ratio in ratios.items():
            slow = 1.0 if is_clean else rng.uniform(1.2, 1.6)
            spans[name] = tuple(base / ratio * slow * rng.uniform(0.985, 1.015) for _ in range(3))
        phase = (
            Phase.WARM_UP
            if index == 0
            else Phase.CONFIRM
            if index > count + dirty - confirm
            else Phase.MEASURE
        )
        rounds.append(
            Round(
                index=index,
                phase=phase,
                began_s=index * 4.4,
                makespans_s=spans,
                controls_s=(0.0101, 0.0102 if is_clean else 0.0171),
                is_clean=is_clean,
                disturbance="" if is_clean else "control 1.68x its reference",
            )
        )
    return tuple(rounds)


def finding(
    executor: str,
    limit: float,
    verdict: Verdict,
    estimate: Estimate | None,
    *,
    quantity: Quantity = Quantity.SPEEDUP,
    reason: Reason = Reason.NONE,
    headline: str = "",
    clean: int = 15,
    dirty: int = 2,
    rate: float | None = None,
    cold: bool = False,
    **texts: Any,
) -> Finding:
    requirement = Requirement(
        quantity, limit, executor, rate_per_s=rate, cold=cold, location="tests/test_shop.py:12"
    )
    value = "?" if estimate is None else f"{estimate.value:.3g}"
    return Finding(
        requirement=requirement,
        executor=executor,
        verdict=verdict,
        reason=reason,
        headline=headline or f"{requirement.label} {value} against {limit:g} ({executor})",
        estimate=estimate,
        clean_rounds=clean,
        dirty_rounds=dirty,
        **texts,
    )


def comparison(arms: list[Arm], findings: list[Finding], **fields: Any) -> dict[str, Any]:
    timed = [arm for arm in arms if arm.makespan_s is not None]
    plan = make_plan([Stage(stage, name=name) for name in STAGES])
    made = Comparison(
        plan=plan,
        baseline="serial",
        arms={arm.executor: arm for arm in arms},
        outputs=[],
        findings=tuple(findings),
        environment=ENVIRONMENT,
        best=tuple(
            arm.executor for arm in sorted(timed, key=lambda arm: arm.makespan_s or 0.0)[:1]
        ),
        num_items=40,
        reference=fields.pop("reference", Reference("threads", 2, 0.0101, 0.0198)),
        seconds=31.5,
        **fields,
    )
    return comparison_to_dict(made)


def test_entry(
    nodeid: str, outcome: str, runs: list[dict[str, Any]], **fields: Any
) -> dict[str, Any]:
    return {
        "nodeid": nodeid,
        "location": "tests/test_shop.py:12",
        "outcome": outcome,
        "attempt": 1,
        "worker": "master",
        "seconds": 31.5,
        "runs": runs,
        **fields,
    }


test_entry.__test__ = False  # type: ignore[attr-defined]


def serial_arm() -> Arm:
    return make_arm("serial", None, makespan_s=2.2, is_baseline=True)


def met(nodeid: str = "tests/test_shop.py::test_orders_overlap") -> dict[str, Any]:
    value = speedup_estimate(2.58, 9, 0.01)
    threads = make_arm("threads", value, makespan_s=0.853)
    gate = finding("threads", 2.55, Verdict.MET, value, clean=9, dirty=1)
    run = comparison([serial_arm(), threads], [gate], rounds=make_rounds({"threads": 2.58}, 9, 1))
    return test_entry(nodeid, "met", [run])


def missed(nodeid: str = "tests/test_shop.py::test_orders_scale[lock]") -> dict[str, Any]:
    value = speedup_estimate(1.42, 15)
    other = speedup_estimate(0.34, 15)
    arms = [
        serial_arm(),
        make_arm("threads", value, makespan_s=1.55),
        make_arm("processes", other, makespan_s=6.4, workers=2, fused=True),
    ]
    gate = finding(
        "threads",
        2.0,
        Verdict.MISSED,
        value,
        headline="speedup 1.42x < 2.00x (threads; 95 % interval 1.38-1.46, 15 clean rounds)",
        cause="bottleneck: stage 'preprocess', 1 worker, busy 97 % of the makespan; ceiling of this plan 2.63x",
        next_step="Stage(preprocess, workers=2) is predicted to reach 2.3x",
        evidence=("best seen 1.45x", "confirmed by 6 rounds with freshly started workers"),
    )
    run = comparison(
        arms,
        [gate],
        rounds=make_rounds({"threads": 1.42, "processes": 0.34}, 15, 3, confirm=6),
        warnings=("stage 'preprocess' printed to standard output",),
    )
    return test_entry(nodeid, "missed", [run])


def inconclusive(nodeid: str = "tests/test_shop.py::test_orders_near") -> dict[str, Any]:
    value = speedup_estimate(1.93, 12, 0.06)
    gate = finding(
        "threads",
        2.0,
        Verdict.INCONCLUSIVE,
        value,
        reason=Reason.NEAR_LIMIT,
        clean=12,
        dirty=9,
        next_step="raise the budget: measure(budget='2min')",
    )
    run = comparison(
        [serial_arm(), make_arm("threads", value, makespan_s=1.14)],
        [gate],
        rounds=make_rounds({"threads": 1.93}, 12, 4),
    )
    return test_entry(nodeid, "inconclusive", [run])


def unavailable(nodeid: str = "tests/test_gpu.py::test_infer_on_device") -> dict[str, Any]:
    arm = Arm(
        "cuda",
        1,
        is_baseline=False,
        unavailable="no CUDA device: torch.cuda.is_available() is False",
    )
    gate = finding(
        "cuda",
        3.0,
        Verdict.UNAVAILABLE,
        None,
        reason=Reason.CANNOT_RUN_HERE,
        headline="cuda cannot run here: no CUDA device",
        clean=0,
        dirty=0,
    )
    return test_entry(
        nodeid, "unavailable", [comparison([serial_arm(), arm], [gate], reference=None)]
    )


def outputs_differ(nodeid: str = "tests/test_shop.py::test_totals_equal") -> dict[str, Any]:
    arm = make_arm("threads", None, makespan_s=0.9, trace=False)
    gate = finding(
        "threads",
        2.0,
        Verdict.INVALID,
        None,
        reason=Reason.OUTPUTS_DIFFER,
        headline="threads gave other outputs than serial: item 3 is 17, expected 16",
        cause="stage 'transform' keeps state between items",
        clean=0,
        dirty=0,
    )
    run = comparison([serial_arm(), dataclasses.replace(arm, makespan_s=None)], [gate])
    return test_entry(nodeid, "invalid", [run])


def raised(nodeid: str = "tests/test_shop.py::test_reads_all") -> dict[str, Any]:
    """A run that broke before any gate: its finding has no requirement."""
    broken = Finding(
        requirement=None,
        executor="",
        verdict=Verdict.INVALID,
        reason=Reason.STAGE_RAISED,
        headline="ValueError: bad row 17 (stage 'preprocess', item 17)",
    )
    arms = [
        Arm("serial", 1, is_baseline=True),
        Arm("threads", 4, is_baseline=False),
    ]
    error = "ValueError: bad row 17\nstage 'preprocess', item 17, executor serial"
    return test_entry(nodeid, "invalid", [comparison(arms, [broken], reference=None)], error=error)


def slow_tail(nodeid: str = "tests/test_shop.py::test_orders_stay_quick") -> dict[str, Any]:
    rng = random.Random(3)
    blocks = []
    for k in range(8):
        tail = [
            0.052 * rng.lognormvariate(0, 0.08) * (10 if rng.random() < 0.05 else 1)
            for _ in range(150)
        ]
        is_clean = k != 2
        blocks.append(
            LatencyBlock(
                "threads", 50.0, tuple(tail), 0.0004, is_clean, "" if is_clean else "sender late"
            )
        )
    pooled = sorted(value for block in blocks if block.is_clean for value in block.latencies_s)
    p99 = pooled[math.ceil(0.99 * len(pooled)) - 1]
    value = Estimate("p99 latency", "s", p99, p99 * 0.9, pooled[-1], 0.95, len(pooled))
    latency = Latency(
        0.08,
        pooled[len(pooled) // 2],
        pooled[int(0.9 * len(pooled))],
        p99,
        pooled[-1],
        len(pooled),
        "open",
    )
    speed = speedup_estimate(2.4, 5)
    gates = [
        finding(
            "threads",
            0.080,
            Verdict.MISSED,
            value,
            quantity=Quantity.P99_LATENCY,
            rate=50.0,
            clean=7,
            dirty=1,
        ),
        finding("threads", 2.0, Verdict.MET, speed, clean=5, dirty=0),
    ]
    run = comparison(
        [serial_arm(), make_arm("threads", speed, makespan_s=0.9, latency=latency)],
        gates,
        rounds=make_rounds({"threads": 2.4}, 5, 0),
        blocks=tuple(blocks),
    )
    return test_entry(nodeid, "missed", [run])


def cold_processes(nodeid: str = "tests/test_shop.py::test_processes_cold") -> dict[str, Any]:
    warm, cold = speedup_estimate(1.71, 9), speedup_estimate(1.22, 9)
    arm = make_arm("processes", warm, makespan_s=1.29, workers=2, fused=True, cold=cold)
    gates = [
        finding("processes", 1.5, Verdict.MET, warm, clean=9),
        finding("processes", 1.1, Verdict.MET, cold, cold=True, clean=9),
    ]
    rounds = tuple(
        dataclasses.replace(each, startups_s={"processes": 0.51})
        for each in make_rounds({"processes": 1.71}, 9, 0)
    )
    return test_entry(nodeid, "met", [comparison([serial_arm(), arm], gates, rounds=rounds)])


def ungated(nodeid: str = "tests/test_shop.py::test_look_only") -> dict[str, Any]:
    value = speedup_estimate(2.2, 7)
    run = comparison(
        [serial_arm(), make_arm("threads", value, makespan_s=1.0)],
        [],
        rounds=make_rounds({"threads": 2.2}, 7, 0),
    )
    return test_entry(nodeid, "ungated", [run])


def swept(nodeid: str = "tests/test_shop.py::test_how_far_it_scales") -> dict[str, Any]:
    """A sweep of threads and processes over three worker counts; no cuda here."""
    speedups = {"threads": {1: 2.3, 2: 3.4, 4: 3.5}, "processes": {1: 0.8, 2: 1.5, 4: 2.6}}
    points = [
        Point(
            executor=name,
            workers=workers,
            queue_size=None,
            total_workers=workers * (4 if name == "threads" else 1),
            speedup=speedup_estimate(value, 9),
            makespan_s=2.2 / value,
            baseline_s=2.2,
            throughput_per_s=40 * value / 2.2,
        )
        for name, by_workers in speedups.items()
        for workers, value in by_workers.items()
    ]
    scaling = Scaling("processes", 0.07, 0.05, 0.1, 0.02, 0.05, 0.004, 0.02)
    sweep = Sweep(
        stages=STAGES,
        baseline="serial",
        num_items=40,
        points=tuple(points),
        scalings=(scaling,),
        unavailable={"cuda": "no CUDA device"},
        seconds=42.0,
    )
    return test_entry(nodeid, "ungated", [], sweeps=to_plain([sweep]))


def device_run(**changes: Any) -> DeviceRun:
    """A copy-bound execution of 40 items of 64 MB: what a data-centre GPU might show."""
    parts = (
        DevicePart("stage-in", 0.031, 0.0008, 0.0008, 0.0007, 2_560_000_000),
        DevicePart("H2D", 0.048, 0.0012, 0.0012, 0.0012, 2_560_000_000),
        DevicePart("kernels", 0.012, 0.0003, 0.0003, 0.0003),
        DevicePart("D2H", 0.047, 0.0012, 0.0012, 0.0012, 2_560_000_000),
        DevicePart("stage-out", 0.030, 0.0007, 0.0007, 0.0007, 2_560_000_000),
    )
    run = DeviceRun(
        device="cuda:0",
        name="Example GPU 141GB",
        source=HostMemory.PINNED,
        slots=3,
        num_items=40,
        makespan_s=0.0535,
        parts=parts,
        bound_s=0.051,
        both_ways_s=0.052,
        peak_allocated_bytes=384_000_000,
        peak_reserved_bytes=402_653_184,
        readings=DeviceReadings(
            driver="580.65.06",
            clocks_before=Clocks(3.45e8, 3.201e9),
            clocks_after=Clocks(1.98e9, 3.201e9),
            throttle_reasons=("software power cap",),
            utilization=0.61,
            memory_utilization=0.34,
            temperature_c=41.0,
        ),
        transfers=(Transfer("cuda:0", "cuda:1", 640_000_000, is_peer_access=False),),
        sync_calls=(SyncCall("preprocess", "shop/infer.py:31", "score = out.max().item()", 40),),
        notes=("stage 'transform' runs without a CUDA graph: its shapes vary",),
    )
    return dataclasses.replace(run, **changes)


def on_device(
    nodeid: str = "tests/test_gpu.py::test_copies_overlap", **changes: Any
) -> dict[str, Any]:
    value = speedup_estimate(1.9, 9)
    arm = dataclasses.replace(
        make_arm("cuda", value, makespan_s=0.0535, workers=3, trace=False),
        stages=(),
        ledger=None,
        item_ledger=None,
        bottleneck=None,
        what_ifs=(),
        devices=(device_run(**changes),),
    )
    gate = finding("cuda", 1.8, Verdict.MET, value, clean=9, dirty=0)
    baseline = make_arm("serial", None, makespan_s=0.1017, is_baseline=True, trace=False)
    arms = [dataclasses.replace(baseline, stages=()), arm]
    run = comparison(arms, [gate], rounds=make_rounds({"cuda": 1.9}, 9, 0))
    return test_entry(nodeid, "met", [run])


def tuned(nodeid: str = "tests/test_shop.py::test_good_setting") -> dict[str, Any]:
    """A search whose promise came true, with a tie and one setting that was only predicted."""
    start = Tried(Change(), "threads", "", 4, 1.0, None, 1.1)
    best = Tried(
        Change("threads", workers={"parse": 2}, queue_size={"parse": 4}),
        "threads",
        "Stage(parse, workers=2, queue_size=4)",
        5,
        1.9,
        speedup_estimate(1.8, 9),
        0.61,
    )
    tied = Tried(
        Change("threads", workers={"parse": 3}),
        "threads",
        "Stage(parse, workers=3)",
        6,
        1.95,
        speedup_estimate(1.85, 9),
        0.6,
    )
    guess = Tried(
        Change("processes", pool=2),
        "processes",
        "executors=[Processes(workers=2)]",
        2,
        1.2,
    )
    tuning = Tuning(
        stages=STAGES,
        num_items=40,
        start=start,
        best=best,
        ties=(tied,),
        tried=(start, best, tied, guess),
        num_predicted=31,
        reason="no other setting is predicted to be 5 % faster than the fastest one measured",
        is_complete=True,
        seconds=42.0,
        unavailable={"cuda": "no CUDA device"},
    )
    return test_entry(nodeid, "ungated", [], tunings=to_plain([tuning]))


def family(name: str = "tests/test_shop.py::test_size") -> list[dict[str, Any]]:
    """One test under three sizes and two executors."""
    tests = []
    for rows, (threads, processes) in {
        "25_000": (2.5, 0.4),
        "50_000": (2.6, 0.9),
        "100_000": (2.6, 1.4),
    }.items():
        arms = [
            serial_arm(),
            make_arm("threads", speedup_estimate(threads, 9), makespan_s=1.0),
            make_arm("processes", speedup_estimate(processes, 9), makespan_s=2.0),
        ]
        rounds = make_rounds({"threads": threads, "processes": processes}, 9, 0)
        tests.append(
            test_entry(f"{name}[{rows}]", "ungated", [comparison(arms, [], rounds=rounds)])
        )
    return tests


def document(*tests: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made = make_document(
        list(tests),
        environment=dataclasses.asdict(ENVIRONMENT),
        created="2026-11-21T20:06:31Z",
        context=CONTEXT,
    )
    return {**made, **fields}


def full() -> dict[str, Any]:
    """One test of every kind."""
    return document(
        met(),
        missed(),
        inconclusive(),
        unavailable(),
        outputs_differ(),
        raised(),
        slow_tail(),
        cold_processes(),
        ungated(),
    )


def studies() -> dict[str, Any]:
    """Tests without gates that vary something."""
    return document(swept(), tuned(), *family())
