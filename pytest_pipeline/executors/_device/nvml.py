"""What NVIDIA's management library tells about a device. Every call may be refused: then that reading is missing, and says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from pytest_pipeline.model.device import Clocks, DeviceReadings

T = TypeVar("T")

_REASONS = {
    "GpuIdle": "",
    "ApplicationsClocksSetting": "application clocks setting",
    "SwPowerCap": "software power cap",
    "HwSlowdown": "hardware slowdown",
    "SyncBoost": "sync boost group",
    "SwThermalSlowdown": "software thermal slowdown",
    "HwThermalSlowdown": "hardware thermal slowdown",
    "HwPowerBrakeSlowdown": "hardware power brake",
    "DisplayClockSetting": "display clock setting",
    "BoardLimit": "board limit",
    "Reliability": "reliability voltage",
}
"""Names in the library's constants `nvmlClocksEventReason...` (older: `...ThrottleReason...`), and in words.
An idle device is not held down."""


class Nvml:
    """Reads one device; a library that is absent or refuses leaves fields None with the reason.

    The library is opened at the first reading and stays open until `close`: opening takes milliseconds.
    """

    def __init__(self, uuid: str, index: int = 0) -> None:
        self._uuid = uuid
        """As torch gives it, with or without the prefix `GPU-`; empty when unknown."""
        self._index = index
        """Used without a uuid; wrong where CUDA_VISIBLE_DEVICES reorders the devices."""
        self._calls: _Calls | None = None
        self._refusal = ""

    def before(self) -> DeviceReadings:
        """Return driver and clocks, to be completed by `after`."""
        return self._read(_before)

    def after(self, before: DeviceReadings) -> DeviceReadings:
        """Return `before` with what is read right after an execution."""
        found = self._read(_after)
        missing = tuple(dict.fromkeys([*before.missing, *found.missing]))
        return replace(
            found, driver=before.driver, clocks_before=before.clocks_before, missing=missing
        )

    def close(self) -> None:
        """Leave the library, which counts its users; harmless when repeated."""
        if self._calls is not None:
            calls, self._calls = self._calls, None
            _shut(calls.library)

    def _read(self, collect: Callable[[_Calls], DeviceReadings]) -> DeviceReadings:
        if self._calls is None and not self._refusal:
            self._open()
        if self._calls is None:
            return DeviceReadings(missing=(self._refusal,))
        self._calls.missing.clear()
        return replace(collect(self._calls), missing=tuple(self._calls.missing))

    def _open(self) -> None:
        try:
            import pynvml
        except ImportError:
            self._refusal = (
                "clocks and utilisation: nvidia-ml-py is not installed (pip install nvidia-ml-py)"
            )
            return
        try:
            pynvml.nvmlInit()
        except Exception as problem:
            self._refusal = f"clocks and utilisation: {_said(problem)}"
            return
        try:
            self._calls = _Calls(pynvml, _handle(pynvml, self._uuid, self._index))
        except Exception as problem:
            self._refusal = f"clocks and utilisation: {_said(problem)}"
            _shut(pynvml)


class _Calls:
    """Calls of the library on one device, each of which may be refused by itself."""

    def __init__(self, library: Any, handle: Any) -> None:
        self.library = library
        self.handle = handle
        self.missing: list[str] = []

    def ask(self, what: str, call: Callable[[], T]) -> T | None:
        """Return the answer, or None with the reason in `missing`."""
        try:
            return call()
        except Exception as problem:
            self.missing.append(f"{what}: {_said(problem)}")
            return None


def _before(calls: _Calls) -> DeviceReadings:
    return DeviceReadings(
        driver=calls.ask("driver", lambda: _text(calls.library.nvmlSystemGetDriverVersion())),
        clocks_before=calls.ask("clocks", lambda: _clocks(calls)),
    )


def _after(calls: _Calls) -> DeviceReadings:
    library, handle = calls.library, calls.handle
    rates = calls.ask("utilisation", lambda: library.nvmlDeviceGetUtilizationRates(handle))
    return DeviceReadings(
        clocks_after=calls.ask("clocks", lambda: _clocks(calls)),
        throttle_reasons=calls.ask("throttle reasons", lambda: _reasons(calls)),
        utilization=None if rates is None else rates.gpu / 100,
        memory_utilization=None if rates is None else rates.memory / 100,
        temperature_c=calls.ask("temperature", lambda: _temperature(calls)),
    )


def _handle(library: Any, uuid: str, index: int) -> Any:
    if not uuid:
        return library.nvmlDeviceGetHandleByIndex(index)
    return library.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")


def _clocks(calls: _Calls) -> Clocks:
    library, handle = calls.library, calls.handle
    rates = (
        library.nvmlDeviceGetClockInfo(handle, kind)
        for kind in (library.NVML_CLOCK_SM, library.NVML_CLOCK_MEM)
    )
    return Clocks(*(rate * 1e6 for rate in rates))


def _temperature(calls: _Calls) -> float:
    library = calls.library
    return float(library.nvmlDeviceGetTemperature(calls.handle, library.NVML_TEMPERATURE_GPU))


def _reasons(calls: _Calls) -> tuple[str, ...]:
    library = calls.library
    newer = getattr(library, "nvmlDeviceGetCurrentClocksEventReasons", None)
    ask = newer or library.nvmlDeviceGetCurrentClocksThrottleReasons
    mask = int(ask(calls.handle))
    known = {name: _bit(library, name) for name in _REASONS}
    words = [_REASONS[name] for name, bit in known.items() if bit & mask]
    rest = mask & ~sum(known.values())
    return tuple(word for word in [*words, f"unknown ({rest:#x})" if rest else ""] if word)


def _bit(library: Any, name: str) -> int:
    """Return the bit of one reason, under its newer or its older name; 0 where the library has neither."""
    for prefix in ("nvmlClocksEventReason", "nvmlClocksThrottleReason"):
        value = getattr(library, f"{prefix}{name}", None)
        if value is not None:
            return int(value)
    return 0


def _shut(library: Any) -> None:
    try:
        library.nvmlShutdown()
    except Exception:
        return  # nothing more can be read, and nothing was changed


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _said(problem: Exception) -> str:
    text = " ".join(str(problem).split()) or type(problem).__name__
    return text if len(text) <= 120 else text[:119] + "…"
