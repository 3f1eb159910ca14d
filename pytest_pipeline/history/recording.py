"""A session's document -> the records that are kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_pipeline.history.fingerprint import machine_mark, machine_text, workload_mark
from pytest_pipeline.model.history import Record

_Json = Mapping[str, Any]

_URGENCY = ("invalid", "missed", "inconclusive", "unavailable", "not-run", "met")
_OPEN = {"value": None, "lower": None, "upper": None}


def records_of(document: _Json, *, session: str, is_dirty: bool) -> list[Record]:
    """Return one record per test, run and measured candidate; of several attempts only the last that counts.

    Left out is what would mislead whoever compares with it later: tests that broke or were interrupted, runs
    with wrong outputs, values taken under a tracer, and everything of `--pipeline-off`.
    """
    return [
        _record(document, test, number, arm, session=session, is_dirty=is_dirty)
        for test in counted(document["tests"]).values()
        for number, arm in _measured(test)
    ]


def counted(tests: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the one result of each test, by node id, that the history keeps; none of a test that only broke.

    The last attempt counts. Where several workers ran the test (`--dist each`, or xdist repeated what had killed
    a worker) it is that of the last worker whose last attempt ran to its end.
    """
    last = {(str(test["nodeid"]), str(test["worker"])): test for test in tests}
    in_order = sorted(last.items(), key=lambda entry: (len(entry[0][1]), entry[0][1]))
    whole = {nodeid: test for (nodeid, _), test in in_order if not test.get("error")}
    return {nodeid: whole[nodeid] for nodeid, _ in last if nodeid in whole}


def _measured(test: _Json) -> Iterator[tuple[int, _Json]]:
    for number, run in enumerate(test["runs"]):
        if run["notes"].get("traced") or any(_spoils(each) for each in run["findings"]):
            continue
        left_out = {each["executor"] for each in run["findings"] if each["verdict"] == "not-run"}
        if left_out and not (run["rounds"] or run["blocks"]):
            continue  # of `--pipeline-off`: nothing was measured, whatever the arms say
        for arm in run["arms"]:
            if arm["is_baseline"] or arm["unavailable"] or arm["executor"] in left_out:
                continue
            if _has_value(run, arm):
                yield number, arm


def _spoils(finding: _Json) -> bool:
    if finding["reason"] in {"traced", "interrupted"}:
        return True
    return bool(finding["quantity"] == "outputs" and finding["verdict"] == "invalid")


def _has_value(run: _Json, arm: _Json) -> bool:
    speedup, p99 = _estimate(arm["speedup"]), _p99(run, arm)
    return speedup["value"] is not None or p99["value"] is not None


def _record(
    document: _Json, test: _Json, number: int, arm: _Json, *, session: str, is_dirty: bool
) -> Record:
    run, context, environment = test["runs"][number], document["context"], document["environment"]
    baseline: _Json = next((each for each in run["arms"] if each["is_baseline"]), {})
    findings = [each for each in run["findings"] if each["executor"] == arm["executor"]]
    speedup, p99 = _estimate(arm["speedup"]), _p99(run, arm)
    clean, dirty = _evidence(run, arm["executor"])
    return Record(
        session=session,
        created=str(document["created"]),
        commit=str(context.get("commit") or ""),
        branch=str(context.get("branch") or ""),
        is_dirty=is_dirty,
        nodeid=str(test["nodeid"]),
        run=number,
        executor=str(arm["executor"]),
        machine=machine_mark(environment),
        machine_text=machine_text(environment),
        workload=workload_mark(run, arm["executor"]),
        speedup=speedup["value"],
        speedup_lower=speedup["lower"],
        speedup_upper=speedup["upper"],
        makespan_s=arm["makespan_s"],
        baseline_s=baseline.get("makespan_s"),
        p99_s=p99["value"],
        p99_lower_s=p99["lower"],
        p99_upper_s=p99["upper"],
        throughput_per_s=arm["throughput_per_s"],
        verdict=next((v for v in _URGENCY if v in {f["verdict"] for f in findings}), "ungated"),
        verdicts="; ".join(map(_in_words, findings)),
        clean_rounds=clean,
        dirty_rounds=dirty,
        control_efficiency=(run["reference"] or {}).get("efficiency"),
    )


def _estimate(estimate: _Json | None) -> _Json:
    return estimate or _OPEN


def _p99(run: _Json, arm: _Json) -> _Json:
    """Return the gate's estimate, else the plain value; full queues measure themselves and give none."""
    for each in run["findings"]:
        is_asked = (each["quantity"], each["executor"]) == ("p99_latency", arm["executor"])
        if is_asked and each["estimate"]:
            return _estimate(each["estimate"])
    latency = arm["latency"]
    if not latency or latency["loop"] == "saturated":
        return _OPEN
    return {**_OPEN, "value": latency["p99_s"]}


def _evidence(run: _Json, executor: str) -> tuple[int, int]:
    """Return clean and disturbed rounds; latency blocks of the arm when there are no rounds."""
    blocks = [each for each in run["blocks"] if each["executor"] == executor]
    timed = [each for each in run["rounds"] or blocks if each["phase"] != "warm-up"]
    clean = sum(each["is_clean"] for each in timed)
    return clean, len(timed) - clean


def _in_words(finding: _Json) -> str:
    reason = f" ({finding['reason']})" if finding["reason"] else ""
    return f"{finding['quantity']} {finding['verdict']}{reason}"
