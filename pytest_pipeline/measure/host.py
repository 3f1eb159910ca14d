"""The real machine: cores, quota, counters, and what to write under "environment"."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from pytest_pipeline.cores import cpu_quota, usable_cores
from pytest_pipeline.model.environment import Environment

_PACKAGES = ("pytest", "numpy", "pandas", "torch", "cloudpickle")


def throttled_count() -> int:
    """Return how often the quota throttled this cgroup; 0 where unreadable."""
    for line in _read("/sys/fs/cgroup/cpu.stat").splitlines():
        if line.startswith("nr_throttled "):
            return int(line.split()[1])
    return 0


def machine_cpu_s() -> float | None:
    """Return CPU seconds that everything on the machine used so far, steal included (Linux)."""
    first = _read("/proc/stat").partition("\n")[0].split()
    if not first or first[0] != "cpu":
        return None
    ticks = [int(field) for field in first[1:9]]  # user nice system idle iowait irq softirq steal
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def own_cpu_s() -> float:
    """Return CPU seconds of this process and its living and reaped descendants."""
    import psutil

    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            used = child.cpu_times()
        except psutil.Error:
            continue
        total += used.user + used.system
    return total


def waited_s() -> float:
    """Return the run-queue wait of this process's living threads so far (Linux `schedstat`, second field)."""
    waited_ns = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        fields = _read(str(path)).split()
        waited_ns += int(fields[1]) if len(fields) > 1 else 0
    return waited_ns / 1e9


def describe(instruments: tuple[str, ...] = ()) -> Environment:
    """Return the facts about machine and interpreter."""
    import psutil

    return Environment(
        cpu=_cpu_name(),
        cores_logical=os.cpu_count() or 1,
        cores_usable=usable_cores(),
        cpu_quota=cpu_quota(),
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
        packages={name: metadata.version(name) for name in _PACKAGES if name in sys.modules},
        instruments=instruments,
    )


def _cpu_name() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
