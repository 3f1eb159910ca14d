"""What an arm did on its devices: how close to the bound, what copied how much, and what held it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.barchart import BarChart
from pytest_pipeline.report.charts.device_chart import part_chart
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json

_SOURCES = {
    "pinned": "pinned (page-locked) memory",
    "pageable": "pageable memory: copies go through the driver's own buffers",
}


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device of one arm."""

    title: str
    lead: str
    """Bound and efficiency in one sentence."""
    chart: BarChart | None
    facts: tuple[tuple[str, str], ...]
    """Label and text."""


def device_views(arm: Json) -> tuple[DeviceView, ...]:
    """Return one view per device of `arm`; none for arms without a device."""
    return tuple(_view(each) for each in arm.get("devices") or ())


def device_sentence(run: Json) -> str:
    """Return `cuda:0 (NVIDIA H200): makespan 81.0 ms, 95 % of the bound 77.0 ms, kernels limit it`."""
    text = f"{_title(run)}: makespan {units.seconds(run['makespan_s'])}"
    if run["bound_s"] is None:
        return f"{text}; its parts were not measured alone, so there is no bound"
    longest = max(run["parts"], key=lambda part: part["total_s"] or 0.0)
    return (
        f"{text}, the bound is {units.seconds(run['bound_s'])} (device efficiency {units.percent(run['efficiency'])});"
        f" {one_line(longest['name'])} limit{'' if longest['name'] == 'kernels' else 's'} it"
    )


def _title(run: Json) -> str:
    return f"{one_line(run['device'])} ({shorten(run['name'], 60)})"


def _view(run: Json) -> DeviceView:
    return DeviceView(
        title=f"Device {_title(run)}",
        lead=f"{device_sentence(run)}.",
        chart=part_chart(run),
        facts=tuple((label, text) for label, text in _facts(run) if text),
    )


def _facts(run: Json) -> Iterator[tuple[str, str]]:
    readings = run["readings"]
    yield "Source", _SOURCES.get(run["source"], one_line(run["source"]))
    yield "Slots", f"{units.count(run['slots'], 'slot')}, {units.count(run['num_items'], 'item')}"
    yield "Memory", _memory(run)
    yield "Busy", _busy(readings)
    yield "Clocks", _clocks(readings)
    yield "Held down", _throttling(readings)
    yield "Driver", one_line(readings["driver"] or "")
    for each in run["transfers"]:
        yield "Copied on", _transfer(each)
    yield from _sync_calls(run["sync_calls"])
    for each in (*run["notes"], *readings["missing"]):
        yield "Note", one_line(each)


def _memory(run: Json) -> str:
    known = (
        (run["peak_allocated_bytes"], "in tensors"),
        (run["peak_reserved_bytes"], "held by the allocator"),
    )
    parts = [f"{units.size(value)} {what}" for value, what in known if value is not None]
    return f"peak {', '.join(parts)}" if parts else ""


def _busy(readings: Json) -> str:
    known = ((readings["utilization"], "kernels"), (readings["memory_utilization"], "memory"))
    parts = [f"{what} {units.percent(value)}" for value, what in known if value is not None]
    return f"{', '.join(parts)} of the driver's last sampling period" if parts else ""


def _clocks(readings: Json) -> str:
    known = ((readings["clocks_before"], "before"), (readings["clocks_after"], "after"))
    parts = [
        f"{when} {clocks['sm_hz'] / 1e6:.0f} MHz (memory {clocks['memory_hz'] / 1e6:.0f} MHz)"
        for clocks, when in known
        if clocks is not None
    ]
    temperature = readings["temperature_c"]
    return ", ".join(parts) + (f"; {temperature:.0f} °C" if parts and temperature else "")


def _throttling(readings: Json) -> str:
    reasons = readings["throttle_reasons"]
    if reasons is None:
        return ""
    return ", ".join(one_line(each) for each in reasons) or "no: the clocks were free"


def _transfer(each: Json) -> str:
    ways = {
        True: "directly (peer access)",
        False: "through host memory (no peer access)",
        None: "peer access unknown",
    }
    way = ways[each["is_peer_access"]]
    return f"{units.size(each['bytes'])} from {one_line(each['source'])} to {one_line(each['target'])}, {way}"


def _sync_calls(found: list[Json] | None) -> Iterator[tuple[str, str]]:
    if found is None:
        return
    if not found:
        yield "Waits", "no call in a stage waits for the device (diagnosis round)"
    for each in found:
        yield "Waits", _sync_call(each)


def _sync_call(each: Json) -> str:
    code = f": {shorten(each['code'], 80)}" if each["code"] else ""
    return (
        f"stage {one_line(each['stage'])} waits for the device at {one_line(each['location'])}{code}"
        f" ({units.count(each['count'], 'time')}): keep the value on the device, or read it in a stage on the CPU"
    )
